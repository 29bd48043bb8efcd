package onnx

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/blas/gonum"

	"github.com/sardonyx-ml/sardonyx/compiler/pass"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/onnxtest"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// TestOperators exports each sample of each op, in f32 and f64, at every opset, and compares what the file's operators
// compute by their specification with our kernels.
func TestOperators(t *testing.T) {
	for _, op := range graph.All() {
		switch op.(type) {
		case graph.Input, graph.Param: // no computation
			continue
		case graph.RandomNormal, graph.RandomUniform, graph.Dropout: // in TestSpecifiedModels, with the numbers as inputs
			continue
		}
		t.Run(graph.OpName(op), func(t *testing.T) {
			for _, s := range op.Samples() {
				for _, float := range []graph.DType{graph.F32, graph.F64} {
					f, _, in := s.Trace(float)
					if len(f.Diags) > 0 {
						if float == graph.F32 {
							t.Error(f.Diags)
						}
						continue // an op that has no f64, such as a cast's result
					}
					// attributes are f32 in f64 models too
					compareSpecified(t, graph.OpText(s.Op), f, Tensors{}, in, map[graph.DType]float64{graph.F32: 5e-6, graph.F64: 1e-7})
				}
			}
			tried := graph.DTypes(1<<graph.F32 | 1<<graph.F64)
			for _, s := range op.Samples() { // the first that takes a dtype, in it
				for _, dt := range (s.DTypes() &^ tried).List() {
					if f, _, in := s.Trace(dt); len(f.Diags) == 0 {
						compareSpecified(t, fmt.Sprintf("%s in %v", graph.OpText(s.Op), dt), f, Tensors{}, in, roundings)
						tried |= 1 << dt
					}
				}
			}
		})
	}
}

// roundings are how far numbers may be off in small dtypes, where files round after each of their operators.
var roundings = map[graph.DType]float64{graph.F32: 5e-6, graph.F64: 1e-7, graph.F16: 4e-3, graph.BF16: 4e-2}

// TestSpecifiedModels does so with the functions and training steps of the models, at two sizes of their symbols. The VAE is
// left to runtimes: it is the largest, and has no operator of its own.
func TestSpecifiedModels(t *testing.T) {
	for _, prog := range programs(t) {
		if prog.Name() == "vae" {
			continue
		}
		for _, f := range slices.Concat(prog.Funcs(), prog.Steps()) {
			t.Run(prog.Name()+"/"+f.Name, func(t *testing.T) {
				pure, _ := pass.HoistRandom(f)
				for _, b := range []graph.Binding{{"batch": 1, "seq": 4, "height": 9, "width": 6, "length": 5}, {"batch": 3, "seq": 2, "height": 4, "width": 7, "length": 8}} {
					r := rand.New(rand.NewPCG(1, uint64(b["batch"])))
					draw := func(v *graph.Value) *tensor.Tensor {
						shape, err := v.Shape().Eval(b)
						if err != nil {
							t.Fatal(err)
						}
						x := tensor.New(v.DType(), shape...)
						for i := range x.Len() {
							if x.Set(i, .1+.8*r.Float64()); !v.DType().Float() {
								x.Set(i, float64(r.IntN(2)))
							}
						}
						return x
					}
					in, w := map[string]*tensor.Tensor{}, zeros(t, prog)
					for _, v := range pure.Inputs {
						in[v.Name] = draw(v)
					}
					for _, v := range f.Params {
						w[v.Name] = draw(v)
					}
					// a sum of many products of f32 numbers, through several layers
					compareSpecified(t, fmt.Sprint(b), f, w, in, map[graph.DType]float64{graph.F32: 1e-4, graph.F64: 1e-8})
				}
			})
		}
	}
}

// TestSpecifiedSizes computes sizes of every kind in the file.
func TestSpecifiedSizes(t *testing.T) {
	f, _ := onnxtest.Sizes()
	for _, b := range [][2]int{{1, 1}, {2, 5}, {7, 3}, {8, 8}, {5, 0}} {
		compareSpecified(t, fmt.Sprint(b), f, Tensors{}, map[string]*tensor.Tensor{"x": tensor.New(graph.F32, b[:]...)}, map[graph.DType]float64{graph.F32: 0})
	}
}

// TestSpecifiedSlices takes elements along axes whose sizes only a run tells, and has our checker look at the file.
func TestSpecifiedSlices(t *testing.T) {
	f := onnxtest.Slices()
	plain := *f
	plain.Outputs = f.Outputs[:len(f.Outputs)-1] // of the gradient, sizes are equal that the checker does not see to be
	_, _, raw := export(t, graph.Prune(&plain), Tensors{}, Options{})
	clean(t, "slices", raw)
	for _, b := range onnxtest.SlicesSizes {
		x := tensor.New(graph.F32, b[:]...)
		for i := range x.Len() {
			x.Set(i, float64(i+1)/8)
		}
		compareSpecified(t, fmt.Sprint(b), f, Tensors{}, map[string]*tensor.Tensor{"x": x}, map[graph.DType]float64{graph.F32: 1e-5})
	}
}

// TestSpecifiedLate computes values whose sizes only a run tells, and has our checker look at the file.
func TestSpecifiedLate(t *testing.T) {
	f := onnxtest.Late()
	plain := *f
	plain.Outputs = slices.DeleteFunc(slices.Clone(f.Outputs), func(o graph.Output) bool { return o.Name == "gradient" || o.Name == "second" })
	_, _, raw := export(t, graph.Prune(&plain), Tensors{}, Options{})
	clean(t, "late", raw)
	for i, in := range onnxtest.LateInputs() {
		compareSpecified(t, fmt.Sprint(i), f, Tensors{}, in, map[graph.DType]float64{graph.F32: 1e-4})
	}
}

// compareSpecified exports f at every opset and evaluates the file, and f itself.
func compareSpecified(t *testing.T, what string, f *graph.Func, w Tensors, in map[string]*tensor.Tensor, tolerance map[graph.DType]float64) {
	t.Helper()
	pure, _ := pass.HoistRandom(f)
	all := maps.Clone(in)
	for _, p := range pure.Params {
		all[p.Name] = w[p.Name]
	}
	values, err := graph.Evaluate(kernel.NewContext(gonum.Implementation{}, 1), pure, all)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]*tensor.Tensor{}
	for _, o := range pure.Outputs {
		want[o.Name] = values[o.Value.ID]
	}
	for _, u := range pure.Updates {
		want[u.Name+Next] = values[u.Value.ID]
	}
	if f.Training { // its state is inputs
		in = all
	}
	oldest := MinOpset
	for _, v := range f.Values {
		oldest = max(oldest, graph.Since(v.Op), v.DType().Opset())
	}
	for opset := oldest; opset <= MaxOpset; opset++ {
		m, _, _ := export(t, f, w, Options{Opset: opset, Training: f.Training})
		got, err := onnxtest.Evaluate(m, in)
		if err != nil {
			t.Fatalf("%s at opset %d: %v", what, opset, err)
		}
		if len(got) != len(want) {
			t.Fatalf("%s at opset %d: %d outputs, want %d", what, opset, len(got), len(want))
		}
		for name, x := range want {
			y := got[name]
			if y == nil || y.DType() != x.DType() || !slices.Equal(y.Shape(), x.Shape()) {
				t.Fatalf("%s at opset %d: %q is %v, want %v", what, opset, name, y, x)
			}
			tol, float := tolerance[x.DType()]
			if !float && x.DType() == graph.F16 {
				tol = 1e-3
			}
			for i := range x.Len() {
				if y.Text(i) == x.Text(i) { // a string is no number
					continue
				}
				g, v := y.At(i), x.At(i)
				if x.DType().Integer() && y.Int(i) != x.Int(i) || g != v && (g == g || v == v) && !(math.Abs(g-v) <= tol*max(1, math.Abs(v))) {
					t.Fatalf("%s at opset %d: %q[%d] is %v by the specification, %v by our kernels", what, opset, name, i, g, v)
				}
			}
		}
	}
}
