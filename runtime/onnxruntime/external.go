package onnxruntime

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
)

// checkExternal holds a tensor whose payload is in another file to the model's folder, links followed, and to what the
// file has. A model that came as bytes has no folder.
func (m *model) checkExternal(t *wire.Tensor) error {
	location := ""
	var offset, length int64
	for _, e := range t.External {
		var err error
		switch e.Key {
		case "location":
			location = e.Value
			err = m.checkLocation(t.Name, location) // each: of several, who knows which one counts
		case "offset":
			offset, err = size(m, t, e)
		case "length":
			length, err = size(m, t, e)
		}
		if err != nil {
			return err
		}
	}
	if location == "" {
		return fmt.Errorf("%s: the data of the tensor %q is in another file, which is not named", m.name(), t.Name)
	}
	info, err := os.Stat(m.beside(location))
	if err != nil {
		return fmt.Errorf("%s: the file %q of the weight %q: %w; it must lie beside the model", m.path, location, t.Name, err)
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s: the weight %q is in %q, which is not a file", m.path, t.Name, location)
	}
	if length > info.Size() || offset > info.Size()-length {
		return fmt.Errorf("%s: the weight %q is %d bytes at %d of %q, which has %d", m.path, t.Name, length, offset, location, info.Size())
	}
	return nil
}

func size(m *model, t *wire.Tensor, e wire.Entry) (int64, error) {
	n, err := strconv.ParseInt(e.Value, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("%s: the %s of the weight %q is %q, not a number of bytes", m.name(), e.Key, t.Name, e.Value)
	}
	return n, nil
}

// checkLocation refuses a file that is not inside of the model's folder.
func (m *model) checkLocation(name, location string) error {
	if m.path == "" {
		return fmt.Errorf("the weight %q is in another file, %q: open the model by its path", name, location)
	}
	outside := fmt.Errorf("%s: the weight %q is in %q, which is outside the model's folder", m.path, name, location)
	if !filepath.IsLocal(filepath.FromSlash(location)) {
		return outside
	}
	if strings.HasPrefix(location, "*") { // to onnxruntime, */_ORT_MEM_ADDR_/* is an address in memory
		return fmt.Errorf("%s: the weight %q is in %q, which is not the name of a file", m.path, name, location)
	}
	folder, err := filepath.EvalSymlinks(filepath.Dir(m.path))
	if err != nil {
		return fmt.Errorf("%s: the model's folder: %w", m.path, err)
	}
	file, err := filepath.EvalSymlinks(m.beside(location))
	if err != nil {
		return fmt.Errorf("%s: the file %q of the weight %q: %w; it must lie beside the model", m.path, location, name, err)
	}
	if rel, err := filepath.Rel(folder, file); err != nil || !filepath.IsLocal(rel) {
		return outside
	}
	return nil
}

// beside is the path of a file that the model names.
func (m *model) beside(location string) string {
	return filepath.Join(filepath.Dir(m.path), filepath.FromSlash(location))
}
