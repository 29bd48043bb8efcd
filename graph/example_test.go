package graph_test

import (
	"errors"
	"fmt"
	"os"

	"gonum.org/v1/gonum/blas/gonum"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// A Func is traced by calling ops on its inputs. Its text form has one line a value.
func Example() {
	batch := graph.Sym("batch")
	f := graph.NewFunc("score", false)
	x := f.Input("x", graph.F32, batch, 4)
	w := f.Param("w", nil, 4, 2)
	f.Output("score", x.MatMul(w).Sigmoid())
	f.Print(os.Stdout, false)
	// Output:
	// func score
	//   v0 = Input "x" : f32[batch 4]
	//   v1 = Param "w" : f32[4 2]
	//   v2 = MatMul v0 v1 : f32[batch 2]
	//   v3 = Sigmoid v2 : f32[batch 2]
	//   output "score" v3
}

// Evaluate runs a Func on the plainest engine; the batch is as large as the input's.
func ExampleEvaluate() {
	f := graph.NewFunc("mean", false)
	x := f.Input("x", graph.F32, graph.Sym("batch"), 3)
	y := x.Mean(1)

	c := kernel.NewContext(gonum.Implementation{}, 1)
	for _, in := range []*tensor.Tensor{
		tensor.Of([]float32{1, 2, 3}, 1, 3),
		tensor.Of([]float32{1, 2, 3, 10, 20, 30}, 2, 3),
	} {
		values, err := graph.Evaluate(c, f, map[string]*tensor.Tensor{"x": in})
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(values[y.ID].Float64s())
	}
	// Output:
	// [2]
	// [2 20]
}

// A symbol is an axis whose size is known at run time. Times and Plus calculate with it; so do the ops.
func ExampleSym() {
	batch, seq := graph.Sym("batch"), graph.Sym("seq")
	f := graph.NewFunc("f", false)
	x := f.Input("x", graph.F32, batch, seq, 12)
	fmt.Println(x.Reshape(batch, seq, 3, 4).Transpose(0, 2, 1, 3).Shape())
	fmt.Println(x.Reshape(-1, 12).Shape())
	fmt.Println(graph.Join(1, x, f.Input("end", graph.F32, batch, 1, 12)).Shape())
	fmt.Println(batch.Times(seq).Plus(1).Eval(graph.Binding{"batch": 2, "seq": 5}))
	// Output:
	// [batch 3 seq 4]
	// [batch*seq 12]
	// [batch seq+1 12]
	// 11 <nil>
}

// A gradient is a value: it has a gradient too. Here y = x³ and its first and second derivatives, at 2.
func ExampleGrad() {
	f := graph.NewFunc("cube", false)
	x := f.Input("x", graph.F64)
	y := x.Mul(x).Mul(x)
	dy := graph.Grad(y, x)[0]
	ddy := graph.Grad(dy, x)[0]

	values, err := graph.Evaluate(kernel.NewContext(gonum.Implementation{}, 1), f, map[string]*tensor.Tensor{"x": tensor.Scalar(2.)})
	fmt.Println(values[y.ID].At(0), values[dy.ID].At(0), values[ddy.ID].At(0), err)
	// Output: 8 12 12 <nil>
}

// Softsign is x/(1+|x|). An op of one's own is a type with the methods of graph.Op; this one says its gradient, and has a kernel and
// an ONNX form.
type Softsign struct{}

// Takes is a float.
func (Softsign) Takes() []graph.Arg { return []graph.Arg{{Name: "x", DTypes: graph.Floats}} }

// Infer returns the argument's type.
func (Softsign) Infer(in *graph.Infer) ([]graph.Type, error) { return in.Same(0) }

// VJP is g/(1+|x|)².
func (Softsign) VJP(n *graph.Node, g []*graph.Value) []*graph.Value {
	return []*graph.Value{g[0].Div(n.Args[0].Abs().Shift(1).Square())}
}

// Run computes it.
func (Softsign) Run(_ *kernel.Context, out, in []*tensor.Tensor) error {
	for i := range out[0].Len() {
		x := in[0].At(i)
		out[0].Set(i, x/(1+max(x, -x)))
	}
	return nil
}

// Forms is Softsign.
func (Softsign) Forms() []graph.Form { return []graph.Form{{Operator: "Softsign"}} }

func ExampleApply() {
	f := graph.NewFunc("f", false)
	x := f.Input("x", graph.F32, 3)
	y := graph.Apply(Softsign{}, x)
	dy := graph.Grad(y, x)[0]

	values, err := graph.Evaluate(kernel.NewContext(gonum.Implementation{}, 1), f, map[string]*tensor.Tensor{"x": tensor.Of([]float32{-1, 0, 3}, 3)})
	fmt.Println(values[y.ID].Float64s(), values[dy.ID].Float64s(), err)

	graph.Apply(Softsign{}, x.Cast(graph.I64))
	fmt.Println(f.Diags[0].Msg)
	// Output:
	// [-0.5 0 0.75] [0.25 1 0.0625] <nil>
	// Softsign: needs a float, has i64[3]
}

// Mish is x·tanh(softplus x) (Misra 2019). Made of other ops, it needs neither a kernel nor a gradient nor an ONNX form of its own.
type Mish struct{}

// Takes is a float.
func (Mish) Takes() []graph.Arg { return []graph.Arg{{Name: "x", DTypes: graph.Floats}} }

// Infer returns the argument's type.
func (Mish) Infer(in *graph.Infer) ([]graph.Type, error) { return in.Same(0) }

// Lower is the definition.
func (Mish) Lower(n *graph.Node) []*graph.Value {
	x := n.Args[0]
	return []*graph.Value{x.Mul(x.Softplus().Tanh())}
}

func ExampleComposite() {
	f := graph.NewFunc("f", false)
	x := f.Input("x", graph.F64, 3)
	y := graph.Apply(Mish{}, x)
	dy := graph.Grad(y, x)[0]

	values, err := graph.Evaluate(kernel.NewContext(gonum.Implementation{}, 1), f, map[string]*tensor.Tensor{"x": tensor.Of([]float64{-1, 0, 2}, 3)})
	fmt.Printf("%.4f %.4f %v\n", values[y.ID].Float64s(), values[dy.ID].Float64s(), err)
	// Output:
	// [-0.3034 0.0000 1.9440] [0.0592 0.6000 1.0693] <nil>
}

// An op never fails: a mistake becomes a Diag of the Func, with what to do about it, and ops over its result are silent.
func ExampleDiag() {
	f := graph.NewFunc("attention", false)
	q := f.Input("q", graph.F32, graph.Sym("batch"), 8, 64)
	k := f.Input("k", graph.F32, graph.Sym("batch"), 8, 64)
	q.MatMul(k).Softmax(-1).MatMul(k).Flatten()

	var d *graph.Diag
	fmt.Println(errors.As(f.Diags, &d), len(f.Diags))
	fmt.Println(d.Msg)
	fmt.Println(d.Pos.Source())
	for _, a := range d.Args {
		fmt.Println(a.Name, a.Type)
	}
	fmt.Println(d.Hint)
	// Output:
	// true 1
	// MatMul: inner dimensions differ: 64 and 8
	// q.MatMul(k).Softmax(-1).MatMul(k).Flatten()
	// q f32[batch 8 64]
	// k f32[batch 8 64]
	// the last axes agree: did you mean a.MatMul(b.T())?
}
