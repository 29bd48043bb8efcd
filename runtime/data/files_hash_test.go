package data

import (
	"os"
	"path/filepath"
	"testing"
)

// TestFilesHash changes a folder in all ways in which its contents can be others, and undoes each.
func TestFilesHash(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "photos")
	at := func(name string) string { return filepath.Join(dir, name) }
	elsewhere := filepath.Join(t.TempDir(), "linked")
	do := func(errs ...error) {
		t.Helper()
		for _, err := range errs {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	write := func(name, text string) { t.Helper(); do(os.WriteFile(name, []byte(text), 0o644)) }
	do(os.MkdirAll(at("cats"), 0o755), os.Mkdir(elsewhere, 0o755))
	write(at("a.csv"), "one")
	write(at("cats/b.png"), "two")
	write(elsewhere+"/c.png", "three")
	do(os.Symlink(elsewhere, at("link")), os.Symlink(dir, at("cats/around")), os.Symlink(dir+"/none", at("broken")))
	hash := func() string { return must(FilesHash(dir))(t) }
	first := hash()
	for _, c := range []struct {
		what     string
		do, undo func()
	}{
		{"a file of the same size", func() { write(at("a.csv"), "eno") }, func() { write(at("a.csv"), "one") }},
		{"a file in a subfolder", func() { write(at("cats/b.png"), "too") }, func() { write(at("cats/b.png"), "two") }},
		{"a file in a linked folder", func() { write(elsewhere+"/c.png", "these") }, func() { write(elsewhere+"/c.png", "three") }},
		{"another name", func() { do(os.Rename(at("a.csv"), at("b.csv"))) }, func() { do(os.Rename(at("b.csv"), at("a.csv"))) }},
		{"another subfolder", func() { do(os.Rename(at("cats"), at("dogs"))) }, func() { do(os.Rename(at("dogs"), at("cats"))) }},
		{"an empty file more", func() { write(at("z.png"), "") }, func() { do(os.Remove(at("z.png"))) }},
		{"a file less", func() { do(os.Remove(at("a.csv"))) }, func() { write(at("a.csv"), "one") }},
		{"contents that change places", func() { write(at("a.csv"), "two"); write(at("cats/b.png"), "one") }, func() { write(at("a.csv"), "one"); write(at("cats/b.png"), "two") }},
	} {
		c.do()
		if hash() == first {
			t.Errorf("%s: the hash is the same", c.what)
		}
		c.undo()
		if hash() != first {
			t.Fatalf("%s, undone: the hash is another", c.what)
		}
	}
	if a, b := must(FilesHash(at("a.csv")))(t), must(FilesHash(at("cats/b.png")))(t); a == b {
		t.Error("two files have one hash")
	}
	_, err := FilesHash(at("none"))
	wantErr(t, err, "the contents of "+at("none"))
}
