package check_test

import (
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/check"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
)

// controlled is a model with a Scan that sums the rows of x, a Loop that doubles s, and an If.
func controlled() *wire.Model {
	vector := func(name string, dims ...int64) *wire.ValueInfo {
		t := &wire.TensorType{Elem: wire.Float, Shape: []wire.Dim{}}
		for _, d := range dims {
			t.Shape = append(t.Shape, wire.Dim{Value: d})
		}
		return &wire.ValueInfo{Name: name, Type: t}
	}
	scalar := func(name string, elem wire.DataType) *wire.ValueInfo {
		return &wire.ValueInfo{Name: name, Type: &wire.TensorType{Elem: elem, Shape: []wire.Dim{}}}
	}
	op := func(name, in, out string, attrs ...*wire.Attribute) *wire.Node {
		return &wire.Node{OpType: name, Inputs: strings.Fields(in), Outputs: strings.Fields(out), Attributes: attrs}
	}
	graph := func(name string, nodes []*wire.Node, in, out []*wire.ValueInfo) *wire.Attribute {
		return &wire.Attribute{Name: name, Value: &wire.Graph{Name: name, Nodes: nodes, Inputs: in, Outputs: out}}
	}
	type ports = []*wire.ValueInfo
	type nodes = []*wire.Node
	return &wire.Model{IRVersion: 8, Opsets: []wire.Opset{{Version: 17}}, Graph: &wire.Graph{
		Name: "g", Inputs: ports{vector("x", 4, 3), vector("s", 3), scalar("most", wire.Int64), scalar("c", wire.Bool)},
		Nodes: nodes{
			op("Scan", "s x", "sum rows", graph("body", nodes{op("Add", "s0 x0", "s1"), op("Mul", "s1 s", "y0")}, ports{vector("s0", 3), vector("x0", 3)}, ports{{Name: "s1"}, {Name: "y0"}}),
				&wire.Attribute{Name: "num_scan_inputs", Value: int64(1)}),
			op("Loop", "most c s", "end", graph("body", nodes{op("Add", "s2 s2", "s3"), op("Identity", "c2", "c3")}, ports{scalar("i", wire.Int64), scalar("c2", wire.Bool), vector("s2", 3)}, ports{{Name: "c3"}, {Name: "s3"}})),
			op("If", "c", "z", graph("then_branch", nodes{op("Neg", "sum", "z0")}, nil, ports{{Name: "z0"}}), graph("else_branch", nodes{op("Neg", "end", "z1")}, nil, ports{{Name: "z1"}})),
		},
		Outputs: ports{{Name: "rows"}, {Name: "z"}},
	}}
}

// TestControl infers through operators with graphs, and finds what is wrong with them.
func TestControl(t *testing.T) {
	inner := func(m *wire.Model, op string, k int) *wire.Graph {
		return node(m, op).Attributes[k].Value.(*wire.Graph)
	}
	for _, c := range []struct {
		name, want string
		fault      func(m *wire.Model)
	}{
		{"nothing", "", func(m *wire.Model) {}},
		{"more scanned inputs than there are", "num_scan_inputs is 3", func(m *wire.Model) { with(node(m, "Scan"), "num_scan_inputs", int64(3)) }},
		{"a body of another number of inputs", `the graph "body" has 1 input and 2 outputs; want 2 and 2`, func(m *wire.Model) { g := inner(m, "Scan", 0); g.Inputs = g.Inputs[:1]; g.Nodes[0].Inputs[1] = "s0" }},
		{"elements of another size", "is declared f32[2], and is f32[3]", func(m *wire.Model) { inner(m, "Scan", 0).Inputs[1].Type.Shape[0].Value = 2 }},
		{"a direction too many", `attribute "scan_input_directions" has 2 numbers; want 1`, func(m *wire.Model) { with(node(m, "Scan"), "scan_input_directions", []int64{0, 0}) }},
		{"an axis outside", "scan_input_axes 2 is outside of rank 2", func(m *wire.Model) { with(node(m, "Scan"), "scan_input_axes", []int64{2}) }},
		{"a state of another type", "state 0 begins as f32[3], and its body makes it i64[3]", func(m *wire.Model) {
			g := inner(m, "Loop", 0)
			g.Nodes[0].OpType, g.Nodes[0].Inputs, g.Nodes[0].Attributes = "Cast", g.Nodes[0].Inputs[:1], []*wire.Attribute{{Name: "to", Value: int64(7)}}
		}},
		{"no condition", "its body's first output, whether to go on, is i64[]", func(m *wire.Model) { inner(m, "Loop", 0).Nodes[1].Inputs[0] = "i" }},
		{"branches of two types", "output 0 is f32[3] in one branch, bool[3] in the other", func(m *wire.Model) {
			g := inner(m, "If", 1)
			g.Nodes[0].OpType, g.Nodes[0].Inputs = "Less", []string{"end", "sum"}
		}},
		{"a name of another body", `input 0 "s1": nothing has that name`, func(m *wire.Model) { inner(m, "If", 0).Nodes[0].Inputs[0] = "s1" }},
	} {
		m := controlled()
		c.fault(m)
		r := check.Model(m, check.Options{})
		if c.want == "" {
			if len(r.Findings) > 0 {
				t.Errorf("%s: %v", c.name, r.Findings)
			}
			for name, want := range map[string][]int64{"rows": {4, 3}, "z": {3}, "end": {3}} {
				got := r.Types[name]
				ok := got.Elem == wire.Float && len(got.Shape) == len(want)
				for i := 0; ok && i < len(want); i++ {
					ok = got.Shape[i].Value == want[i] && !got.Shape[i].Unknown
				}
				if !ok {
					t.Errorf("%q is inferred %v, want f32%v", name, got, want)
				}
			}
			continue
		}
		found := false
		for _, f := range r.Findings {
			found = found || f.Severity == check.Error && strings.Contains(f.Msg, c.want)
		}
		if !found {
			t.Errorf("%s: found %v, want %q", c.name, r.Findings, c.want)
		}
	}
}
