package onnx

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
)

// TestFindExternal has weights in places where a model may not keep them, all of which exist, and in those where it may.
func TestFindExternal(t *testing.T) {
	outer := t.TempDir()
	dir := filepath.Join(outer, "model")
	for _, name := range []string{"w.bin", "sub/w.bin", "../secret.bin", "*/_ORT_MEM_ADDR_/*"} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, make([]byte, 24), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{"inner.bin": "sub/w.bin", "link.bin": "../secret.bin", "far": outer, "loop": "loop"} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Skipf("no symbolic links here: %v", err)
		}
	}
	entry := func(key, value string) wire.Entry { return wire.Entry{Key: key, Value: value} }
	at := func(location string, more ...wire.Entry) []wire.Entry {
		return append([]wire.Entry{entry("location", location)}, more...)
	}
	for _, c := range []struct {
		name string
		in   []wire.Entry
		want External
		err  string
	}{
		{"beside", at("w.bin", entry("offset", "8"), entry("length", "12")), External{"w.bin", 8, 12}, ""},
		{"the whole file", at("w.bin"), External{"w.bin", 0, 24}, ""},
		{"to its end", at("sub/w.bin", entry("offset", "8")), External{"sub/w.bin", 8, 16}, ""},
		{"nothing, at its end", at("w.bin", entry("offset", "24")), External{"w.bin", 24, 0}, ""},
		{"link inside", at("inner.bin"), External{"inner.bin", 0, 24}, ""},
		{"above", at("../secret.bin"), External{}, "outside the model's folder"},
		{"above by way of below", at("sub/../../secret.bin"), External{}, "outside the model's folder"},
		{"absolute", at(filepath.Join(outer, "secret.bin")), External{}, "outside the model's folder"},
		{"link outside", at("link.bin"), External{}, "outside the model's folder"},
		{"folder linked outside", at("far/secret.bin"), External{}, "outside the model's folder"},
		{"link to itself", at("loop"), External{}, "too many links"},
		{"missing", at("none.bin"), External{}, "must lie beside the model"},
		{"folder", at("sub"), External{}, "not a file"},
		{"empty", at(""), External{}, "outside the model's folder"},
		{"nowhere", []wire.Entry{entry("offset", "0")}, External{}, "not named"},
		{"memory", at("*/_ORT_MEM_ADDR_/*"), External{}, "not the name of a file"},
		{"two places", at("w.bin", entry("location", "../secret.bin")), External{}, "outside the model's folder"},
		{"two places, good last", at("../secret.bin", entry("location", "w.bin")), External{}, "outside the model's folder"},
		{"beyond the end", at("w.bin", entry("offset", "8"), entry("length", "24")), External{}, "24 bytes at 8"},
		{"from beyond the end", at("w.bin", entry("offset", "25")), External{}, "at 25"},
		{"beyond any end", at("w.bin", entry("offset", "9223372036854775807"), entry("length", "24")), External{}, "which has 24"},
		{"too long", at("w.bin", entry("length", "9223372036854775807")), External{}, "which has 24"},
		{"negative", at("w.bin", entry("offset", "-8")), External{}, "not a number of bytes"},
		{"no number", at("w.bin", entry("length", "many")), External{}, "not a number of bytes"},
	} {
		got, err := FindExternal(filepath.Join(dir, "m.onnx"), &wire.Tensor{Name: "w", External: c.in})
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) || !strings.Contains(err.Error(), `m.onnx: the weight "w"`) {
				t.Errorf("%s: got %v, %v, want an error with %q", c.name, got, err, c.err)
			}
			continue
		}
		c.want.Path = filepath.Join(dir, filepath.FromSlash(c.want.Path))
		if err != nil || got != c.want {
			t.Errorf("%s: got %v, %v, want %v", c.name, got, err, c.want)
		}
	}
}
