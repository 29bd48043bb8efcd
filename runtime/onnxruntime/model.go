package onnxruntime

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/regularfile"
)

// An Info is an input or output of a model.
type Info struct {
	Name  string
	DType tensor.DType
	Shape []Dim // nil if the model does not say the rank
}

// A Dim is one dimension: a size, or -1 and the symbol that the model gives it, "" if it gives none.
type Dim struct {
	Size   int64
	Symbol string
}

// String is the size, the symbol, or ?.
func (d Dim) String() string {
	if d.Size >= 0 {
		return strconv.FormatInt(d.Size, 10)
	}
	return cmp.Or(d.Symbol, "?")
}

// String is the name, dtype and shape: x f32[batch 784].
func (i Info) String() string {
	if i.Shape == nil {
		return fmt.Sprintf("%s %v[...]", i.Name, i.DType)
	}
	return fmt.Sprintf("%s %v%v", i.Name, i.DType, i.Shape)
}

// A model is what a session is made from: a file or bytes, and what the file says of its inputs and outputs.
type model struct {
	path    string            // "" if it came as bytes
	data    []byte            // nil if it is a file
	ir      int64             // the version of the file format
	places  map[string]string // of external data by location, links followed; nil unless the model is a link
	inputs  []Info            // that a session asks for
	state   []Info            // inputs with defaults, as a training step's, that it does not ask for
	outputs []Info
	// defaults is how many of inputs, the last, have defaults: 0 or, in the model that withState makes, all of state.
	defaults int
}

// name is what errors call the model.
func (m *model) name() string { return cmp.Or(m.path, "the model") }

// readFile reads the interface of the model in a file, not its weights.
func readFile(path string) (*model, error) {
	f, size, err := regularfile.Open(path)
	if err != nil {
		return nil, fmt.Errorf("opening the model: %w", err)
	}
	defer f.Close()
	decoded, err := wire.DecodeFrom(f, size)
	if err != nil {
		return nil, fmt.Errorf("%s is not a readable ONNX model: %w", path, err)
	}
	return newModel(&model{path: path}, decoded)
}

// readBytes reads the interface of the model in data.
func readBytes(data []byte) (*model, error) {
	decoded, err := wire.Decode(data)
	if err != nil {
		return nil, fmt.Errorf("the model is not readable ONNX: %w", err)
	}
	return newModel(&model{data: data}, decoded)
}

// fromBytes is a model of which no more is known than its bytes.
func fromBytes(data []byte) *model { return &model{data: data} }

// decode reads all of the model's messages.
func (m *model) decode() (*wire.Model, error) {
	if m.path == "" {
		return wire.Decode(m.data)
	}
	f, size, err := regularfile.Open(m.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return wire.DecodeFrom(f, size)
}

func newModel(m *model, from *wire.Model) (*model, error) {
	if from.Graph == nil || len(from.Graph.Outputs) == 0 {
		return nil, fmt.Errorf("%s is not an ONNX model: it has no graph with outputs", m.name())
	}
	m.ir = from.IRVersion
	stored := make(map[string]bool)
	for _, t := range from.Graph.Initializers {
		stored[t.Name] = true
	}
	for _, t := range from.External {
		if m.path == "" {
			return nil, fmt.Errorf("the weight %q is in another file: open the model by its path", t.Name)
		}
		x, err := onnx.FindExternal(m.path, t)
		if err == nil {
			err = m.place(t, x.Path)
		}
		if err != nil {
			return nil, err
		}
	}
	for _, v := range from.Graph.Inputs {
		if stored[v.Name] {
			if m.ir < 4 || v.Type == nil { // files as old as that list all their weights as inputs
				continue
			}
			if _, ok := tensor.OfONNX(int(v.Type.Elem)); !ok {
				continue // it keeps its default
			}
			if err := add(m, &m.state, "input", v); err != nil {
				return nil, err
			}
			continue
		}
		if err := add(m, &m.inputs, "input", v); err != nil {
			return nil, err
		}
	}
	for _, v := range from.Graph.Outputs {
		if err := add(m, &m.outputs, "output", v); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// place notes where external data of a linked model really is. onnxruntime reads weights beside a model only, and follows links
// in few cases.
func (m *model) place(t *wire.Tensor, path string) error {
	info, err := os.Lstat(m.path)
	if err != nil || info.Mode()&os.ModeSymlink == 0 {
		return err
	}
	if path, err = filepath.EvalSymlinks(path); err == nil {
		path, err = filepath.Abs(path)
	}
	if err != nil {
		return err
	}
	if m.places == nil {
		m.places = map[string]string{}
	}
	for _, old := range m.places {
		if filepath.Dir(old) != filepath.Dir(path) {
			return fmt.Errorf("%s: the weight %q is in %s, another in %s; for a model that is a link, onnxruntime can read one folder only", m.path, t.Name, filepath.Dir(path), filepath.Dir(old))
		}
	}
	for _, e := range t.External {
		if e.Key == "location" {
			m.places[e.Value] = path
		}
	}
	return nil
}

func add(m *model, list *[]Info, kind string, v *wire.ValueInfo) error {
	if slices.ContainsFunc(*list, func(i Info) bool { return i.Name == v.Name }) {
		return fmt.Errorf("%s: two %ss are called %q", m.name(), kind, v.Name)
	}
	if strings.ContainsRune(v.Name, 0) {
		return fmt.Errorf("%s: the name of %s %q has a zero byte", m.name(), kind, v.Name)
	}
	if v.Type == nil {
		return fmt.Errorf("%s: %s %q is not a tensor, or its type is not stated", m.name(), kind, v.Name)
	}
	dtype, ok := tensor.OfONNX(int(v.Type.Elem))
	if !ok {
		return fmt.Errorf("%s: %s %q has elements of type %v, which tensors here cannot hold", m.name(), kind, v.Name, v.Type.Elem)
	}
	info := Info{Name: v.Name, DType: dtype}
	if v.Type.Shape != nil {
		info.Shape = make([]Dim, len(v.Type.Shape))
	}
	for i, d := range v.Type.Shape {
		if d.Unknown || d.Param != "" || d.Value < 0 {
			info.Shape[i] = Dim{-1, d.Param}
		} else {
			info.Shape[i] = Dim{Size: d.Value}
		}
	}
	*list = append(*list, info)
	return nil
}
