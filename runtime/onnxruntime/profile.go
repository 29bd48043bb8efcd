package onnxruntime

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/profile"
	"github.com/sardonyx-ml/sardonyx/runtime/regularfile"
)

// maxProfile bounds the file that onnxruntime leaves of a session: a million events, at which it stops itself, are less.
const maxProfile = 2 << 30

// A profiling is a session whose nodes onnxruntime times, into a file that it writes when the session ends.
type profiling struct {
	to    *profile.Recorder
	dir   string
	made  time.Time               // when the session was there
	entry string                  // the graph's name
	nodes map[string]profiledNode // by name
}

// A profiledNode is what the file says of a node.
type profiledNode struct {
	profile.Origin
	weight []int // the shape of its second input, if that is stored: onnxruntime does not tell it
}

// newProfiling prepares the profiling of m, nil if to is.
func newProfiling(m *model, to *profile.Recorder) (*profiling, error) {
	if to == nil {
		return nil, nil
	}
	decoded, err := m.decode()
	if err != nil {
		return nil, err
	}
	p := &profiling{to: to, entry: cmp.Or(decoded.Graph.Name, "run"), nodes: map[string]profiledNode{}}
	for name, origin := range profile.Nodes(decoded.Graph) {
		p.nodes[name] = profiledNode{Origin: origin}
	}
	profile.Walk(decoded.Graph, func(g *wire.Graph, n *wire.Node) {
		if len(n.Inputs) < 2 {
			return
		}
		for _, t := range g.Initializers {
			if t.Name == n.Inputs[1] {
				p.nodes[n.Name] = profiledNode{p.nodes[n.Name].Origin, ints(t.Dims)}
			}
		}
	})
	if p.dir, err = os.MkdirTemp("", "sardonyx-profile-"); err != nil {
		return nil, fmt.Errorf("profiling %s: %w", m.name(), err)
	}
	return p, nil
}

// prefix begins the name of the file that onnxruntime is to write, "" for none.
func (p *profiling) prefix() string {
	if p == nil {
		return ""
	}
	return filepath.Join(p.dir, "session")
}

// begin says that the session is there now.
func (p *profiling) begin() {
	if p != nil {
		p.made = time.Now()
	}
}

// node is what the file says of what onnxruntime calls name: a node, or what it has made of one, whose name is then within.
func (p *profiling) node(name string) profiledNode {
	if n, ok := p.nodes[name]; ok {
		return n
	}
	best := ""
	for known := range p.nodes {
		if len(known) > len(best) && strings.Contains(name, known) {
			best = known
		}
	}
	if best == "" {
		return profiledNode{Origin: profile.Origin{Layer: "onnxruntime's own"}}
	}
	return p.nodes[best]
}

// ints are dims.
func ints(dims []int64) []int {
	out := make([]int, len(dims))
	for i, d := range dims {
		out[i] = int(d)
	}
	return out
}

// end gives what onnxruntime has written to the recorder, once the session is closed; if none was made, there is nothing.
func (p *profiling) end(made bool) error {
	if p == nil {
		return nil
	}
	defer os.RemoveAll(p.dir)
	if !made {
		return nil
	}
	files, err := filepath.Glob(filepath.Join(p.dir, "session*.json"))
	if err == nil && len(files) != 1 {
		err = fmt.Errorf("onnxruntime has left %d files", len(files))
	}
	if err == nil {
		var f *os.File
		var size int64
		if f, size, err = regularfile.Open(files[0]); err == nil {
			defer f.Close()
			if size > maxProfile {
				err = fmt.Errorf("it has %d bytes", size)
			} else {
				err = p.read(f)
			}
		}
	}
	if err != nil {
		return fmt.Errorf("the profile of %s: %w", p.entry, err)
	}
	return nil
}

// A nativeEvent is one of onnxruntime's events, as far as it is wanted.
type nativeEvent struct {
	Cat  string `json:"cat"`
	Name string `json:"name"`
	TS   int64  `json:"ts"` // microseconds
	Dur  int64  `json:"dur"`
	Args struct {
		Op         string             `json:"op_name"`
		In         []map[string][]int `json:"input_type_shape"`
		Out        []map[string][]int `json:"output_type_shape"`
		Output     int                `json:"output_size,string"`
		Parameter  int                `json:"parameter_size,string"`
		Activation int                `json:"activation_size,string"`
	} `json:"args"`
}

const kernelTime = "_kernel_time"

// read reads events, which are a list, one by one.
func (p *profiling) read(r io.Reader) error {
	dec := json.NewDecoder(r)
	if token, err := dec.Token(); err != nil || token != json.Delim('[') {
		return errors.Join(errors.New("it is no list of events"), err)
	}
	var events []profile.Event
	known := map[string]profiledNode{}
	began := p.to.Since(p.made) // onnxruntime counts from before it makes the session
	for dec.More() {
		var e nativeEvent
		if err := dec.Decode(&e); err != nil {
			return err
		}
		if e.TS < 0 || e.Dur < 0 {
			return errors.New("an event has a time below 0")
		}
		v := profile.Event{Start: time.Duration(e.TS) * time.Microsecond, Took: time.Duration(e.Dur) * time.Microsecond}
		name, isNode := strings.CutSuffix(e.Name, kernelTime)
		switch {
		case e.Cat == "Session" && e.Name == "session_initialization":
			began = p.to.Since(p.made) - v.Start - v.Took
			continue
		case e.Cat == "Session" && e.Name == "model_run":
			v.Entry = p.entry
		case e.Cat == "Node" && isNode:
			n, ok := known[name]
			if !ok {
				n = p.node(name)
				known[name] = n
			}
			n.Op = cmp.Or(e.Args.Op, n.Op, name)
			v.Op, v.Name, v.Origins, v.Types = n.Op, name, []profile.Origin{n.Origin}, typesOf(e.Args.Out)
			b := writtenShape(e.Args.In, 1)
			if n.weight != nil {
				b = n.weight
			}
			v.MultiplyAdds = multiplyAdds(n.Op, writtenShape(e.Args.Out, 0), writtenShape(e.Args.In, 0), b)
			v.Bytes = e.Args.Output + e.Args.Parameter + e.Args.Activation
		default:
			continue
		}
		events = append(events, v)
	}
	if _, err := dec.Token(); err != nil {
		return err
	}
	for i := range events {
		events[i].Start += began
	}
	p.to.Add(events)
	return nil
}

// typesOf are types as onnxruntime writes them, {"float": [128, 512]}, as we do: f32[128 512].
func typesOf(list []map[string][]int) string {
	var types []string
	for _, t := range list {
		for name, shape := range t {
			switch name {
			case "float":
				name = tensor.F32.String()
			case "double":
				name = tensor.F64.String()
			case "int64":
				name = tensor.I64.String()
			}
			types = append(types, fmt.Sprintf("%s%v", name, shape))
		}
	}
	return strings.Join(types, ", ")
}

// writtenShape is the only shape in what onnxruntime writes of a value.
func writtenShape(list []map[string][]int, i int) []int {
	if i < len(list) {
		for _, s := range list[i] {
			return s
		}
	}
	return nil
}

// multiplyAdds is the arithmetic of the operators that are products and convolutions, of arguments of the shapes a and b; 0 of others. Which
// operands are transposed is not known and makes no difference.
func multiplyAdds(op string, y, a, b []int) float64 {
	count := func(s []int) float64 {
		n := 1.
		for _, d := range s {
			n *= float64(d)
		}
		return n
	}
	switch op {
	case "MatMul", "FusedMatMul", "Gemm", "FusedGemm":
		if len(a) < 2 || len(b) < 2 || len(y) < 2 || count(y) == 0 {
			return 0
		}
		batches := count(y[:len(y)-2]) / count(a[:len(a)-2]) / count(b[:len(b)-2])
		return count(y) * math.Sqrt(count(a)*count(b)/count(y)*batches) // m·n·k, of m·k, k·n and m·n
	case "Conv", "FusedConv", "NhwcFusedConv":
		if len(b) > 2 && b[0] > 0 {
			return count(y) * count(b[1:])
		}
	case "ConvTranspose":
		if len(b) > 2 && b[0] > 0 {
			return count(a) * count(b[1:])
		}
	}
	return 0
}
