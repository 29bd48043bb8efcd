package onnx

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/sardonyx-ml/sardonyx/compiler/pass"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/runtime/regularfile"
)

// A Summary tells what is in an ONNX file, whoever wrote it.
type Summary struct {
	Bytes        int64 // of the file; external data not counted
	IR           int64
	Opsets       []wire.Opset
	Producer     string // name and version
	Version      int64
	Doc          string
	Graph        string // its name
	Inputs       []Value
	Outputs      []Value
	Initializers []Initializer // in the order of the file
	Params       int64         // elements of all initializers
	Nodes        []OpCount     // sorted by operator; those of subgraphs counted too
	NodeCount    int
	Metadata     []wire.Entry // without what the fields below hold
	Noise        []pass.Noise // inputs that stand for random ops, by this exporter
	Seed         string       // the input, an i64 scalar, that it draws its random numbers by, by this exporter; "" if there is none
	Drawn        []pass.Noise // by the seed, in place of inputs that the model has, by this exporter
	Sizes        []string     // inputs, i64 scalars, that say how many random numbers are drawn, by this exporter
	State        []State      // of a training step, by this exporter; sorted by input
	Counter      *Counter     // of a training step's first noise, by this exporter; nil if there is none
	Vectors      []Vector     // test vectors, by this exporter
	Weights      string       // the SHA-256 that [CheckWeights] wants, by this exporter
	First        string       // the SHA-256 of a training step's first state that it wants
}

// Meta is the metadata called key, of several the first, and whether the file has such.
func (s *Summary) Meta(key string) (value string, ok bool) {
	i := slices.IndexFunc(s.Metadata, func(e wire.Entry) bool { return e.Key == key })
	if i < 0 {
		return "", false
	}
	return s.Metadata[i].Value, true
}

// A Value is an input or output as a file declares it.
type Value struct {
	Name string
	Type string  // f32[batch 784]; ? where the file does not say
	Dims []int64 // sizes of the axes, -1 where it is not fixed; nil where the file does not say how many
	Doc  string
	// Default says that an initializer gives an input's contents where the caller does not.
	Default bool
}

// An Initializer is a tensor stored with the model.
type Initializer struct {
	Name     string
	Type     string // f32[784 512]
	Len      int64  // elements
	Bytes    int64
	External string // the file that holds it; "" if this one does
}

// Inspect tells what is in the ONNX file path. Weights are not read, external data is not looked for.
func Inspect(path string) (*Summary, error) {
	f, size, err := regularfile.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	s, err := Read(f, size)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// Read tells what is in the ONNX model that is the first size bytes of r.
func Read(r io.ReaderAt, size int64) (*Summary, error) {
	m, err := wire.DecodeFrom(r, size)
	if err != nil {
		return nil, err
	}
	g := m.Graph
	s := &Summary{
		Bytes: size, IR: m.IRVersion, Opsets: m.Opsets, Producer: strings.TrimSpace(m.ProducerName + " " + m.ProducerVersion),
		Version: m.Version, Doc: m.Doc, Graph: g.Name, Nodes: countNodes(g),
	}
	for _, c := range s.Nodes {
		s.NodeCount += c.N
	}
	stored := map[string]bool{}
	for _, t := range g.Initializers {
		n, err := t.Len()
		if err != nil {
			return nil, fmt.Errorf("initializer %q: %w", t.Name, err)
		}
		in := Initializer{Name: t.Name, Type: fmt.Sprintf("%v%v", t.Type, t.Dims), Len: n}
		in.Bytes, _ = t.Bytes() // strings have no fixed size
		for _, e := range t.External {
			if e.Key == "location" {
				in.External = e.Value
			}
		}
		s.Initializers = append(s.Initializers, in)
		s.Params += n
		stored[t.Name] = true
	}
	for _, v := range g.Inputs {
		if stored[v.Name] && m.IRVersion < 4 {
			continue // old files list their weights as inputs
		}
		s.Inputs = append(s.Inputs, Value{v.Name, typeText(v.Type), fixedDims(v.Type), v.Doc, stored[v.Name]})
	}
	for _, v := range g.Outputs {
		s.Outputs = append(s.Outputs, Value{Name: v.Name, Type: typeText(v.Type), Dims: fixedDims(v.Type), Doc: v.Doc})
	}
	if err := s.metadata(m.Metadata); err != nil {
		return nil, err
	}
	return s, nil
}

func (s *Summary) metadata(list []wire.Entry) error {
	addState := s.stateReader()
	for _, e := range list {
		if name, ok := strings.CutPrefix(e.Key, metaNoise); ok {
			stream, _ := strconv.Atoi(strings.TrimPrefix(name, graph.NoisePrefix))
			s.Noise = append(s.Noise, pass.Noise{Input: name, Distribution: e.Value, Stream: stream})
		} else if name, ok := strings.CutPrefix(e.Key, metaDrawn); ok {
			n := pass.Noise{Input: name}
			if _, err := fmt.Sscanf(e.Value, "%s %d", &n.Distribution, &n.Stream); err != nil {
				return fmt.Errorf("metadata %q: %.40q is not a distribution and a stream", e.Key, e.Value)
			}
			s.Drawn = append(s.Drawn, n)
		} else if name, ok := strings.CutPrefix(e.Key, metaSize); ok {
			s.Sizes = append(s.Sizes, name)
		} else if e.Key == metaSeed {
			s.Seed = e.Value
		} else if strings.HasPrefix(e.Key, metaVector) {
			var v Vector
			err := json.Unmarshal([]byte(e.Value), &v)
			if err != nil {
				return fmt.Errorf("metadata %q: the test vector is damaged: %w", e.Key, err)
			}
			s.Vectors = append(s.Vectors, v)
		} else if name, ok := strings.CutPrefix(e.Key, metaState); ok {
			if err := addState(State{name, e.Value}); err != nil {
				return fmt.Errorf("metadata %q: %w", e.Key, err)
			}
		} else if e.Key == metaCounter {
			s.Counter = &Counter{}
			if _, err := fmt.Sscanf(e.Value, "%d %d", &s.Counter.Seed, &s.Counter.Step); err != nil {
				return fmt.Errorf("metadata %q: %.40q is not a seed and a step", e.Key, e.Value)
			}
		} else if e.Key == metaFirst {
			s.First = e.Value
		} else if e.Key == metaWeights {
			s.Weights = e.Value
		} else {
			s.Metadata = append(s.Metadata, e)
		}
	}
	for i, v := range s.Vectors {
		if err := s.fits(v); err != nil {
			return fmt.Errorf("metadata %q: test vector %d is damaged: %w", metaVector, i, err)
		}
	}
	return nil
}

// stateReader checks states against the inputs and outputs of a model, of which there may be very many.
func (s *Summary) stateReader() func(State) error {
	inputs, outputs, seen := map[string]string{}, map[string]string{}, map[string]bool{}
	for _, v := range s.Inputs {
		inputs[v.Name] = v.Type
	}
	for _, v := range s.Outputs {
		outputs[v.Name] = v.Type
	}
	return func(p State) error {
		t, ok := inputs[p.Input]
		switch {
		case !ok:
			return fmt.Errorf("the model has no input %q", p.Input)
		case p.Output != "" && outputs[p.Output] != t:
			return fmt.Errorf("the model has no output %q of type %s", p.Output, t)
		case seen[p.Input]:
			return fmt.Errorf("the state %q is there twice", p.Input)
		}
		seen[p.Input] = true
		s.State = append(s.State, p)
		return nil
	}
}

// fits sees that v gives each input of the model that is no state and has no default, and outputs that the model has.
func (s *Summary) fits(v Vector) error {
	known, optional := map[string]bool{}, map[string]bool{}
	for _, p := range s.State {
		optional[p.Input] = true
	}
	for _, in := range s.Inputs {
		known[in.Name] = true
		if v.Inputs[in.Name] == nil && !in.Default && !optional[in.Name] {
			return fmt.Errorf("it has no input %q", in.Name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(v.Inputs)) {
		if !known[name] {
			return fmt.Errorf("the model has no input %q", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(v.Outputs)) {
		if !slices.ContainsFunc(s.Outputs, func(o Value) bool { return o.Name == name }) {
			return fmt.Errorf("the model has no output %q", name)
		}
	}
	return nil
}

func typeText(t *wire.TensorType) string {
	switch {
	case t == nil:
		return "?"
	case t.Shape == nil:
		return t.Elem.String() + "[...]"
	}
	p := make([]string, len(t.Shape))
	for i, d := range t.Shape {
		switch {
		case d.Unknown:
			p[i] = "?"
		case d.Param != "":
			p[i] = d.Param
		default:
			p[i] = strconv.FormatInt(d.Value, 10)
		}
	}
	return fmt.Sprintf("%v[%s]", t.Elem, strings.Join(p, " "))
}

// fixedDims are the sizes of t's axes, -1 where they are not fixed.
func fixedDims(t *wire.TensorType) []int64 {
	if t == nil || t.Shape == nil {
		return nil
	}
	out := make([]int64, len(t.Shape))
	for i, d := range t.Shape {
		if out[i] = d.Value; d.Unknown || d.Param != "" || d.Value < 0 {
			out[i] = -1
		}
	}
	return out
}

// countNodes counts the operators of g and of the graphs in its nodes' attributes.
func countNodes(g *wire.Graph) []OpCount {
	n := map[string]int{}
	var walk func(g *wire.Graph)
	walk = func(g *wire.Graph) {
		for _, node := range g.Nodes {
			op := node.OpType
			if node.Domain != "" && node.Domain != "ai.onnx" {
				op = node.Domain + "." + op
			}
			n[op]++
			for _, a := range node.Attributes {
				switch v := a.Value.(type) {
				case *wire.Graph:
					walk(v)
				case []*wire.Graph:
					for _, sub := range v {
						walk(sub)
					}
				}
			}
		}
	}
	walk(g)
	var out []OpCount
	for _, op := range slices.Sorted(maps.Keys(n)) {
		out = append(out, OpCount{op, n[op]})
	}
	return out
}
