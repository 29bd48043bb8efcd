package data

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sardonyx-ml/sardonyx/exporters/numpy"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// Open makes a data set of a person's own files:
//
//   - a .npz file: each array is a field, by its name;
//   - a .npy or idx file: one field, called as the file is up to the first dot;
//   - a .csv file: each column is a field: see [OpenCSV];
//   - a folder with train.csv, and validation.csv or test.csv or both, which have its columns and categories; values.csv, with the
//     columns column and value, may name categories that no row of train.csv has;
//   - a folder with the four idx files of MNIST's names: fields "image" and "label", in two splits;
//   - a folder of images, with a subfolder for each class or without: see [OpenImages];
//   - a folder of images with a table of their attributes, called attributes.csv: the first line names the columns, the first column
//     is an image's file, a column split (train, validation, test) is the part that it belongs to, and each other is an [Attribute];
//   - a folder like CelebA's, with list_attr_celeba.txt (also in Anno) and, if there are parts, list_eval_partition.txt (also in Eval);
//     the images are in img_align_celeba or beside it;
//   - a folder with such folders called train, and validation (valid, val, eval, dev) or test or both, which are its splits. Labels
//     are places among the classes of train; the others may lack classes, and have none that train lacks.
//
// Arrays are delivered as they are stored, and images as opt says.
func Open(path string, opt ImageOptions) (Splits, error) {
	st, err := os.Stat(path)
	if err != nil {
		return Splits{}, fmt.Errorf("open data: %w", err)
	}
	if st.IsDir() {
		return openFolder(path, opt)
	}
	base := filepath.Base(path)
	name, _, _ := strings.Cut(base, ".")
	lower := strings.ToLower(base)
	var d *Dataset
	switch {
	case strings.HasSuffix(lower, ".npz"):
		var arrays map[string]*tensor.Tensor
		if arrays, err = numpy.ReadNPZ(path); err == nil {
			d, err = FromArrays(arrays)
		}
	case strings.HasSuffix(lower, ".npy"):
		var x *tensor.Tensor
		if x, err = numpy.ReadNPY(path); err == nil {
			d, err = FromArrays(map[string]*tensor.Tensor{name: x})
		}
	case strings.HasSuffix(lower, ".csv"):
		d, err := OpenCSV(path)
		return Splits{Train: d}, err
	case strings.Contains(lower, "-idx"), strings.Contains(lower, ".idx"):
		var x *tensor.Tensor
		if x, err = ReadIDX(path); err == nil {
			d, err = FromArrays(map[string]*tensor.Tensor{name: x})
		}
	default:
		err = fmt.Errorf("it is not a folder, a .npy, .npz or .csv file, or an idx file (train-images-idx3-ubyte.gz, x.idx)")
	}
	if err != nil {
		return Splits{}, fmt.Errorf("open data %s: %w", path, err)
	}
	return Splits{Train: d}, nil
}

// FromArrays is the data set of arrays as fields, sorted by name, delivered as they are.
func FromArrays(arrays map[string]*tensor.Tensor) (*Dataset, error) {
	var fields []Field
	for _, name := range slices.Sorted(maps.Keys(arrays)) {
		src, err := FromTensor(arrays[name])
		if err != nil {
			return nil, fmt.Errorf("array %q: %w", name, err)
		}
		fields = append(fields, Field{name, src})
	}
	return New(fields...)
}
