package data

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// imageFolder writes an image to each of files, without .png; a name with a dot is a text file, and one that ends in / an empty
// folder.
func imageFolder(t *testing.T, files string) string {
	t.Helper()
	dir := t.TempDir()
	for _, f := range strings.Fields(files) {
		path := filepath.Join(dir, filepath.FromSlash(f))
		switch {
		case strings.HasSuffix(f, "/"):
			if err := os.MkdirAll(path, 0o755); err != nil {
				t.Fatal(err)
			}
		case strings.Contains(filepath.Base(f), "."):
			writeFile(t, path, []byte("no image"))
		default:
			writeFile(t, path+".png", encoded(t, plain(4, 3, red), "png"))
		}
	}
	return dir
}

// TestSplits has folders that are splits, by all their names, and folders that are classes. A part is written as its labels.
func TestSplits(t *testing.T) {
	for _, tt := range []struct{ files, classes, train, validation, test string }{
		{"train/cat/a train/dog/b val/cat/c val/dog/d", "[cat dog]", "[0 1]", "[0 1]", ""},
		{"train/cat/a train/dog/b validation/cat/c test/dog/d test/cat/e", "[cat dog]", "[0 1]", "[0]", "[0 1]"},
		{"train/cat/a train/dog/b valid/dog/c", "[cat dog]", "[0 1]", "[1]", ""}, // a class less
		{"training/cat/a eval/cat/c", "[cat]", "[0]", "[0]", ""},
		{"Train/cat/a Dev/cat/c TEST/cat/d README.md .cache/x", "[cat]", "[0]", "[0]", "[0]"},
		{"train/cat/a train/dog/b testing/dog/c", "[cat dog]", "[0 1]", "", "[1]"},
		{"train/cat/a train/dog/b", "[cat dog]", "[0 1]", "", ""},
		{"train/a train/b val/c", "[]", "2", "1", ""},
		{"cat/a dog/b dog/train/c", "[cat dog]", "[0 1 1]", "", ""},
	} {
		t.Run(tt.files, func(t *testing.T) {
			s, err := Open(imageFolder(t, tt.files), ImageOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprint(s.Train.Classes); got != tt.classes {
				t.Errorf("classes %v, want %v", got, tt.classes)
			}
			for name, c := range map[string]struct {
				d    *Dataset
				want string
			}{"train": {s.Train, tt.train}, "validation": {s.Validation, tt.validation}, "test": {s.Test, tt.test}} {
				if got := labels(t, c.d); got != c.want {
					t.Errorf("%s: labels %s, want %s", name, got, c.want)
				}
				if c.d != nil && (fmt.Sprint(c.d.Classes) != tt.classes || fmt.Sprint(c.d.Fields()[0].Shape) != "[3 3 4]") {
					t.Errorf("%s: %v, classes %v", name, c.d, c.d.Classes)
				}
			}
		})
	}
}

// labels are d's labels, or without labels the number of examples; "" if there is no d.
func labels(t *testing.T, d *Dataset) string {
	t.Helper()
	if d == nil {
		return ""
	}
	all := make([]int, d.Len())
	for i := range all {
		all[i] = i
	}
	x := must(d.Take(all...))(t)["label"]
	if x == nil {
		return fmt.Sprint(d.Len())
	}
	return fmt.Sprint(tensor.Data[int64](x))
}

// TestSplitErrors has folders in which something would be dropped or taken for another thing.
func TestSplitErrors(t *testing.T) {
	for _, tt := range []struct {
		files string
		want  []string
	}{
		{"train/cat/a cat/b", []string{"the folders train, which are parts", "beside them cat"}},
		{"train/cat/a val/cat/b extra/c other/d", []string{"train, val", "beside them extra, other"}},
		{"train/cat/a val/cat/b c", []string{"train, val", "beside them c.png"}},
		{"train/cat/a val/cat/b masks/m.txt", []string{"beside them masks"}},
		{"val/cat/a test/cat/b", []string{"test, val", "none to train on"}},
		{"test/cat/a", []string{"test", "none to train on"}},
		{"train/cat/a val/cat/b valid/cat/c", []string{"val and valid", "both are its validation part"}},
		{"train/cat/a val/cow/b", []string{"val", "the class cow is not among those that are trained: cat"}},
		{"train/cat/a test/cat/b test/cow/c", []string{"test", "the class cow"}},
		{"train/cat/a val/b", []string{"train", "one has a subfolder for each class"}},
		{"train/a val/cat/b", []string{"train", "one has a subfolder for each class"}},
		{"train/cat/a val/", []string{"val", "no .png"}},
		{"train/", []string{"train", "no .png"}},
		{"train/cat/a train/dog/ val/cat/b", []string{"train", "subfolder dog has no images"}},
		{"cat/a dog/notes.txt", []string{"subfolder dog has no images"}},
		{"cat/a cat/b.webp", []string{"cat/b.webp", "format are not read"}},
		{"train/cat/a val/cat/b.tiff", []string{"cat/b.tiff", "format are not read"}},
	} {
		t.Run(tt.files, func(t *testing.T) {
			dir := imageFolder(t, tt.files)
			_, err := Open(dir, ImageOptions{})
			wantErr(t, err, append(tt.want, dir)...)
		})
	}
}

// TestLinks has folders that are links: the data set and its parts may be, classes may not.
func TestLinks(t *testing.T) {
	from, dir := imageFolder(t, "cat/a dog/b"), t.TempDir()
	for _, name := range []string{"train", "val"} {
		if err := os.Symlink(from, filepath.Join(dir, name)); err != nil {
			t.Skip("no links here: ", err)
		}
	}
	s, err := Open(dir, ImageOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if got := labels(t, s.Validation); got != "[0 1]" {
		t.Errorf("labels %s", got)
	}
	classes := imageFolder(t, "cow/a")
	if err := os.Symlink(filepath.Join(from, "cat"), filepath.Join(classes, "cat")); err != nil {
		t.Fatal(err)
	}
	_, err = Open(classes, ImageOptions{})
	wantErr(t, err, "cat is a link to a folder")
}
