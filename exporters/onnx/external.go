package onnx

import (
	"bytes"
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// An External is a place in a file beside a model.
type External struct {
	Path           string
	Offset, Length int64 // bytes
}

// FindExternal says where the payload of t lies, a tensor of the model in the file model. The place must be there, inside the
// model's folder or, if the model is a symbolic link, that of what it links to; links followed.
func FindExternal(model string, t *wire.Tensor) (External, error) {
	x := External{Length: -1}
	fail := func(format string, args ...any) (External, error) {
		return External{}, fmt.Errorf("%s: the weight %q %w", model, t.Name, fmt.Errorf(format, args...))
	}
	for _, e := range t.External {
		var err error
		switch e.Key {
		case "location": // each: of several, who knows which one a runtime takes
			x.Path, err = locate(model, e.Value)
		case "offset":
			x.Offset, err = byteCount(e)
		case "length":
			x.Length, err = byteCount(e)
		}
		if err != nil {
			return fail("%w", err)
		}
	}
	if x.Path == "" {
		return fail("is in another file, which is not named")
	}
	info, err := os.Stat(x.Path)
	if err != nil {
		return fail("is not there: %w", err)
	}
	if !info.Mode().IsRegular() {
		return fail("is in %s, which is not a file", x.Path)
	}
	if x.Length < 0 {
		x.Length = max(info.Size()-x.Offset, 0)
	}
	if x.Length > info.Size() || x.Offset > info.Size()-x.Length {
		return fail("is %d bytes at %d of %s, which has %d", x.Length, x.Offset, x.Path, info.Size())
	}
	return x, nil
}

// ReadTensor reads t, a tensor of the model in the file model, whose payload is there or in a file beside it.
func ReadTensor(model string, t *wire.Tensor) (*tensor.Tensor, error) {
	if len(t.External) > 0 {
		var raw bytes.Buffer
		if err := copyExternal(&raw, model, t); err != nil {
			return nil, err
		}
		t = wire.FromRaw(t.Name, t.Type, t.Dims, raw.Bytes())
	}
	return hostTensor(t)
}

func byteCount(e wire.Entry) (int64, error) {
	n, err := strconv.ParseInt(e.Value, 10, 64)
	if err != nil || n < 0 {
		return 0, fmt.Errorf("has the %s %q, which is not a number of bytes", e.Key, e.Value)
	}
	return n, nil
}

// locate is the path of the file that model calls location: beside the model or, if that is a symbolic link, beside what it
// links to. The file itself may be a link, as in a cache of downloads, where both are; its end must be in one of these folders.
func locate(model, location string) (string, error) {
	outside := fmt.Errorf("is in %q, which is outside the model's folder", location)
	if !filepath.IsLocal(filepath.FromSlash(location)) {
		return "", outside
	}
	if strings.HasPrefix(location, "*") { // to onnxruntime, */_ORT_MEM_ADDR_/* is an address in memory
		return "", fmt.Errorf("is in %q, which is not the name of a file", location)
	}
	target, err := filepath.EvalSymlinks(model)
	if err != nil { // no file, only a name that messages have
		target = model
	}
	var missing error
	for _, dir := range []string{filepath.Dir(model), filepath.Dir(target)} {
		path := filepath.Join(dir, filepath.FromSlash(location))
		file, err := filepath.EvalSymlinks(path)
		if err != nil {
			missing = cmp.Or(missing, err)
			continue
		}
		if inside(file, filepath.Dir(model)) || inside(file, filepath.Dir(target)) {
			return path, nil
		}
		return "", outside
	}
	return "", fmt.Errorf("is in %q, which must lie beside the model: %w", location, missing)
}

// inside reports whether file, a path without links, is in a folder.
func inside(file, folder string) bool {
	folder, err := filepath.EvalSymlinks(folder)
	if err != nil {
		return false
	}
	rel, err := filepath.Rel(folder, file)
	return err == nil && filepath.IsLocal(rel)
}
