package onnxruntime

import (
	"bytes"
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

// asBytes reports whether the bindings have no Go type for elements of t: they take them as bytes, and outputs come as f32, which holds
// them exactly.
func asBytes(t tensor.DType) bool {
	return !t.Integer() && t != tensor.F32 && t != tensor.F64 && t != tensor.Bool && t != tensor.String
}

// A fetch is how one output is got from the native session, and under which names.
type fetch struct {
	how   fetchKind
	names []string
}

type fetchKind uint8

const (
	fetchPlain  fetchKind = iota // as it is; the bindings allocate it
	fetchScalar                  // declared rank 0: into a scalar made beforehand
	fetchFlat                    // as its elements in a row, as f32 if asBytes, and its shape: see adapt
)

// adapted names are the values that adapt adds to a graph; no model of ours or anyone's has names like it.
const adapted = "sardonyx.onnxruntime/"

// unusedInput is the input that a model without inputs gets, f32[1].
const unusedInput = adapted + "none"

// adapt says how to get each output, and returns a suffix for the model's bytes, empty for most models, that makes that
// possible. The bindings cannot allocate an output of elements that Go has no type for or one whose rank may be 0, and cannot run a model
// that has no inputs. Such an output is fetched as two others: its shape, and its elements in one dimension (see asBytes). A model without
// inputs gets one that nothing reads.
//
// The suffix is itself an encoded model, with the nodes to add: two protobuf messages one after the other are read as
// one, their lists joined. So the rest of the model is not read, changed or copied by us.
func (m *model) adapt() (fetches []fetch, suffix []byte, err error) {
	extra := &wire.Graph{}
	for i, out := range m.outputs {
		bytes := asBytes(out.DType)
		switch {
		case bytes || out.Shape == nil || out.DType == tensor.String && len(out.Shape) == 0:
			name := adapted + strconv.Itoa(i)
			fetches = append(fetches, fetch{fetchFlat, []string{name + "/flat", name + "/shape"}})
			flatten(extra, out, name, bytes)
		case len(out.Shape) == 0:
			fetches = append(fetches, fetch{fetchScalar, []string{out.Name}})
		default:
			fetches = append(fetches, fetch{fetchPlain, []string{out.Name}})
		}
	}
	if len(m.inputs) == 0 {
		extra.Inputs = []*wire.ValueInfo{value(unusedInput, wire.Float)}
	}
	if len(extra.Nodes) == 0 && len(extra.Inputs) == 0 {
		return fetches, nil, nil
	}
	var buf bytes.Buffer
	if err := (&wire.Model{IRVersion: m.ir, Graph: extra}).Encode(&buf); err != nil {
		return nil, nil, fmt.Errorf("%s: adding nodes for its outputs: %w", m.name(), err)
	}
	return fetches, buf.Bytes(), nil
}

// flatten adds the nodes for a fetchFlat of out.
func flatten(g *wire.Graph, out Info, name string, bytes bool) {
	elem := wire.DataType(out.DType.ONNX())
	from := out.Name
	if bytes {
		elem = wire.Float
		g.Nodes = append(g.Nodes, &wire.Node{OpType: "Cast", Name: name + "/cast", Inputs: []string{from}, Outputs: []string{name + "/f32"},
			Attributes: []*wire.Attribute{{Name: "to", Value: int64(wire.Float)}}})
		from = name + "/f32"
	}
	row := &wire.Tensor{Type: wire.Int64, Dims: []int64{1}, Data: []int64{-1}}
	g.Nodes = append(g.Nodes,
		&wire.Node{OpType: "Constant", Name: name + "/constant", Outputs: []string{name + "/row"},
			Attributes: []*wire.Attribute{{Name: "value", Value: row}}},
		&wire.Node{OpType: "Reshape", Name: name + "/reshape", Inputs: []string{from, name + "/row"}, Outputs: []string{name + "/flat"}},
		&wire.Node{OpType: "Shape", Name: name + "/shape", Inputs: []string{from}, Outputs: []string{name + "/shape"}})
	g.Outputs = append(g.Outputs, value(name+"/flat", elem), value(name+"/shape", wire.Int64))
}

func value(name string, elem wire.DataType) *wire.ValueInfo {
	return &wire.ValueInfo{Name: name, Type: &wire.TensorType{Elem: elem, Shape: []wire.Dim{{Unknown: true}}}}
}
