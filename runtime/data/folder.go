package data

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The parts of a data set, and the names that their folders go by, in upper or lower case.
var splitNames = []struct {
	split string
	names []string
}{
	{"train", []string{"train", "training"}},
	{"validation", []string{"validation", "valid", "val", "eval", "dev"}},
	{"test", []string{"test", "testing"}},
}

// splitOf is the part of a data set that a folder called name holds, "" if none.
func splitOf(name string) string {
	for _, s := range splitNames {
		if slices.Contains(s.names, strings.ToLower(name)) {
			return s.split
		}
	}
	return ""
}

// openFolder opens a folder of idx files, of CSV files, or of images, with or without a table of attributes.
func openFolder(dir string, opt ImageOptions) (Splits, error) {
	if found, missing := findMNIST(dir); len(found) > 0 {
		if len(missing) > 0 {
			return Splits{}, fmt.Errorf("open data %s: it has some files of the MNIST form but lacks %s", dir, strings.Join(missing, ", "))
		}
		s, err := loadMNIST(found, nil, nil)
		if err != nil {
			return Splits{}, fmt.Errorf("open data %s: %w", dir, err)
		}
		return s, nil
	}
	if _, err := os.Stat(filepath.Join(dir, "train.csv")); err == nil {
		return openCSVs(dir)
	}
	t, err := findTable(dir)
	if err == nil && t != nil {
		s, err := openTable(t, opt)
		if err != nil {
			return Splits{}, fmt.Errorf("open data %s: %w", dir, err)
		}
		return s, nil
	}
	if err != nil {
		return Splits{}, fmt.Errorf("open data %s: %w", dir, err)
	}
	at, err := splitFolders(dir)
	if err != nil {
		return Splits{}, fmt.Errorf("open data %s: %w", dir, err)
	}
	if len(at) == 0 {
		d, err := OpenImages(dir, opt)
		return Splits{Train: d}, err
	}
	return openSplits(at, opt)
}

// splitFolders are the folders in dir that are parts of a data set, by the part; none, if dir has no such folder. Folders and images
// beside them are an error: who put them there means them to be read.
func splitFolders(dir string) (map[string]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	at := map[string]string{}
	var parts, others []string
	for _, e := range entries {
		name := e.Name()
		path := filepath.Join(dir, name)
		switch split := splitOf(name); {
		case strings.HasPrefix(name, "."):
		case !isDir(path):
			if readable(name) || unreadable(name) {
				others = append(others, name)
			}
		case split == "":
			others = append(others, name)
		case at[split] != "":
			return nil, fmt.Errorf("it has the folders %s and %s, which both are its %s part: keep one", filepath.Base(at[split]), name, split)
		default:
			at[split] = path
			parts = append(parts, name)
		}
	}
	switch {
	case len(parts) == 0:
		return nil, nil
	case len(others) > 0:
		return nil, fmt.Errorf("it has the folders %s, which are parts of a data set, and beside them %s: put the parts, or the classes, into a folder of their own",
			strings.Join(parts, ", "), some(others))
	case at["train"] == "":
		return nil, fmt.Errorf("it has the folders %s, which are parts of a data set, but none to train on: it is called train", strings.Join(parts, ", "))
	}
	return at, nil
}

// some is the first few of list, and how many more there are.
func some(list []string) string {
	const most = 5
	if len(list) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
	}
	return strings.Join(list, ", ")
}

// openSplits opens the parts of a data set. The training part decides the images' size, unless opt does, and the classes.
func openSplits(at map[string]string, opt ImageOptions) (s Splits, err error) {
	if s.Train, err = OpenImages(at["train"], opt); err != nil {
		return Splits{}, err
	}
	shape := s.Train.Fields()[0].Shape
	opt.Height, opt.Width = shape[1], shape[2]
	for _, part := range []struct {
		split string
		to    **Dataset
	}{{"validation", &s.Validation}, {"test", &s.Test}} {
		dir := at[part.split]
		if dir == "" {
			continue
		}
		d, err := openImages(dir, opt, s.Train.Classes)
		if err == nil && (d.Classes == nil) != (s.Train.Classes == nil) {
			err = fmt.Errorf("of this folder and %s, one has a subfolder for each class and the other has none", at["train"])
		}
		if err != nil {
			return Splits{}, fmt.Errorf("read images in %s: %w", dir, err)
		}
		*part.to = d
	}
	return s, nil
}

// exists reports whether path is there.
func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// isDir reports whether path is a folder, or a link to one.
func isDir(path string) bool {
	st, err := os.Stat(path)
	return err == nil && st.IsDir()
}
