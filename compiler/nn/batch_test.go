package nn_test

import (
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/blas/gonum"

	"github.com/sardonyx-ml/sardonyx/compiler/initializer"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// TestBatchHelpers compares what Given, RepeatEach, Reparameterise and Reshape make of small numbers with what is written here.
func TestBatchHelpers(t *testing.T) {
	for _, c := range []struct {
		name  string
		build func(f *graph.Func) *graph.Value
		shape []int
		want  []float32
	}{
		{"given", func(f *graph.Func) *graph.Value {
			return nn.Given(f.Const(tensor.Of([]float32{1, 2, 3, 4}, 2, 2)), f.Const(tensor.Of([]float32{5, 6}, 2, 1)))
		}, []int{2, 3}, []float32{1, 2, 5, 3, 4, 6}},
		{"given, of maps", func(f *graph.Func) *graph.Value {
			return nn.Given(f.Const(tensor.Of([]float32{1, 2, 3, 4}, 2, 1, 1, 2)), f.Const(tensor.Of([]float32{5, 6, 7, 8}, 2, 2)))
		}, []int{2, 3, 1, 2}, []float32{1, 2, 5, 5, 6, 6, 3, 4, 7, 7, 8, 8}},
		{"given nothing", func(f *graph.Func) *graph.Value {
			return nn.Given(f.Const(tensor.Of([]float32{1, 2}, 1, 2)), nil)
		}, []int{1, 2}, []float32{1, 2}},
		{"repeat each", func(f *graph.Func) *graph.Value {
			return nn.RepeatEach(f.Const(tensor.Of([]float32{1, 2, 3, 4}, 2, 1, 2)), 2)
		}, []int{4, 1, 2}, []float32{1, 2, 1, 2, 3, 4, 3, 4}},
		{"reparameterise", func(f *graph.Func) *graph.Value {
			four := f.Full(graph.F32, 4, 1).Log() // of the variance: σ is 2
			return nn.Reparameterise(f.Full(graph.F32, 1, 1), four, f.Full(graph.F32, 3, 1))
		}, []int{1}, []float32{7}},
		{"reshape", func(f *graph.Func) *graph.Value {
			rows := graph.Dim(2)
			return nn.Reshape(1, 2)(nn.Reshape(rows, 1)(f.Const(tensor.Of([]float32{1, 2}, 1, 2))))
		}, []int{1, 1, 2}, []float32{1, 2}},
	} {
		f := graph.NewFunc("f", false)
		f.Output("y", c.build(f))
		if len(f.Diags) > 0 {
			t.Errorf("%s: %v", c.name, f.Diags)
			continue
		}
		all, err := graph.Evaluate(kernel.NewContext(gonum.Implementation{}, 1), f, nil)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		got := all[f.Outputs[0].Value.ID]
		if !slices.Equal(tensor.Data[float32](got), c.want) || !slices.Equal(got.Shape(), c.shape) {
			t.Errorf("%s: %v of %v, want %v of %v", c.name, got.Float64s(), got.Shape(), c.want, c.shape)
		}
	}
	if nn.RepeatEach(nil, 3) != nil {
		t.Error("no condition is one when it is repeated")
	}
	if chain := append(nn.Sequential{nn.ReLU}, append(nn.If(false, nn.Tanh), nn.If(true, nn.Tanh, nn.ReLU)...)...); len(chain) != 3 {
		t.Errorf("a chain of %d modules, want 3", len(chain))
	}
}

// unnamed asks for its parameter without Run.
type unnamed struct{ nn.Layer }

func (l *unnamed) Apply(x *graph.Value) *graph.Value {
	return x.Mul(l.Param(x, "scale", initializer.Ones{}, 2)).Add(l.Buffer(x, "shift", initializer.Zeros{}, 2))
}

// TestBatchMistakes must be refused with a message that says what is wrong.
func TestBatchMistakes(t *testing.T) {
	for want, build := range map[string]func(x *graph.Value) *graph.Value{
		"argument 0 has 3 axes, argument 1 has 2": func(x *graph.Value) *graph.Value { return nn.Given(x.Unsqueeze(1), x) },
		"argument 1 is nil or":                    func(x *graph.Value) *graph.Value { return nn.Given(nil, x) },
		"scale: the layer has no name":            new(unnamed).Apply,
	} {
		f := graph.NewFunc("f", false)
		func() {
			defer func() {
				if r := recover(); r != nil {
					f.Mistake(f.Pos(), r.(error).Error(), "")
				}
			}()
			build(f.Input("x", graph.F32, batch, 2))
		}()
		if len(f.Diags) == 0 || !strings.Contains(f.Diags.Error(), want) {
			t.Errorf("want %q in %v", want, f.Diags)
		}
	}
}
