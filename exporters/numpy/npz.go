package numpy

import (
	"archive/zip"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/sardonyx-ml/sardonyx/exporters/elements"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/atomicfile"
	"github.com/sardonyx-ml/sardonyx/runtime/regularfile"
)

// ReadNPZ reads a .npz file: a zip archive of .npy arrays, compressed or not, by their names without ".npy".
func ReadNPZ(path string) (map[string]*tensor.Tensor, error) {
	arrays, err := readNPZ(path)
	if err != nil {
		return nil, fmt.Errorf("read npz file %s: %w", path, err)
	}
	return arrays, nil
}

func readNPZ(path string) (map[string]*tensor.Tensor, error) {
	f, size, err := regularfile.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := zip.NewReader(f, size)
	if err != nil {
		return nil, err
	}
	// Entries that share their bytes are how a small archive claims any size at all.
	left, unpacked := uint64(size), uint64(0)
	for _, e := range z.File {
		if e.CompressedSize64 > left {
			return nil, fmt.Errorf("its entries claim more bytes than the %d of the file: it is damaged", size)
		}
		left -= e.CompressedSize64
		if e.Method == zip.Store {
			continue
		}
		if unpacked += min(e.UncompressedSize64, elements.MaxUnpacked+1); unpacked > elements.MaxUnpacked {
			return nil, elements.TooLarge(max(unpacked, e.UncompressedSize64))
		}
	}
	arrays := make(map[string]*tensor.Tensor, len(z.File))
	for _, e := range z.File {
		name, ok := strings.CutSuffix(e.Name, ".npy")
		if !ok || name == "" {
			return nil, fmt.Errorf("its entry %q is not a .npy array", e.Name)
		}
		if _, twice := arrays[name]; twice {
			return nil, fmt.Errorf("it has two arrays called %q", name)
		}
		x, err := readEntry(e)
		if err != nil {
			return nil, fmt.Errorf("array %q: %w", name, err)
		}
		arrays[name] = x
	}
	return arrays, nil
}

func readEntry(e *zip.File) (*tensor.Tensor, error) {
	r, err := e.Open()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if e.Method == zip.Store {
		return read(r, int64(e.CompressedSize64), true)
	}
	return read(r, int64(min(e.UncompressedSize64, e.CompressedSize64*elements.MaxInflation)), false)
}

// WriteNPZ writes arrays as an uncompressed .npz file, replacing path only when the file is complete.
func WriteNPZ(path string, arrays map[string]*tensor.Tensor) error {
	if err := atomicfile.Write(path, func(w io.Writer) error { return EncodeNPZ(w, arrays) }); err != nil {
		return fmt.Errorf("write npz file %s: %w", path, err)
	}
	return nil
}

// EncodeNPZ writes arrays to w as an uncompressed .npz file. The same arrays give the same bytes.
func EncodeNPZ(w io.Writer, arrays map[string]*tensor.Tensor) error {
	z := zip.NewWriter(w)
	for _, name := range slices.Sorted(maps.Keys(arrays)) {
		if name == "" {
			return fmt.Errorf("an array has no name")
		}
		e, err := z.CreateHeader(&zip.FileHeader{Name: name + ".npy", Method: zip.Store})
		if err != nil {
			return fmt.Errorf("array %q: %w", name, err)
		}
		if err := write(e, arrays[name]); err != nil {
			return fmt.Errorf("array %q: %w", name, err)
		}
	}
	return z.Close()
}
