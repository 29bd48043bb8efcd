package check_test

import (
	"testing"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/check"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
)

// TestTold sees that what one mask selects has one size, whatever it selects from, and what another selects another.
func TestTold(t *testing.T) {
	input := func(name string, elem wire.DataType, dims ...wire.Dim) *wire.ValueInfo {
		return &wire.ValueInfo{Name: name, Type: &wire.TensorType{Elem: elem, Shape: dims}}
	}
	compress := func(out string, in ...string) *wire.Node {
		return &wire.Node{OpType: "Compress", Inputs: in, Outputs: []string{out}, Attributes: []*wire.Attribute{{Name: "axis", Value: int64(0)}}}
	}
	n := wire.Dim{Param: "n"}
	m := &wire.Model{IRVersion: 8, Opsets: []wire.Opset{{Version: 17}}, Graph: &wire.Graph{
		Name:    "g",
		Inputs:  []*wire.ValueInfo{input("x", wire.Float, n), input("y", wire.Float, n, wire.Dim{Value: 3}), input("mask", wire.Bool, n), input("other", wire.Bool, n)},
		Nodes:   []*wire.Node{compress("a", "x", "mask"), compress("b", "y", "mask"), compress("c", "x", "other")},
		Outputs: []*wire.ValueInfo{{Name: "a"}, {Name: "b"}, {Name: "c"}},
	}}
	types := check.Model(m, check.Options{}).Types
	size := func(name string) string { return types[name].Shape[0].Param }
	if size("a") == "" || size("a") != size("b") || size("a") == size("c") {
		t.Errorf("one mask selects %q and %q, another %q", size("a"), size("b"), size("c"))
	}
}
