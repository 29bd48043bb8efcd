package onnx

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/blas/gonum"

	"github.com/sardonyx-ml/sardonyx/compiler/pass"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// forOnnxGo rewrites f into what onnx-go computes right, and returns the weights that go with it. What the reader needs, and
// what is done about it:
//
//   - all sizes fixed: the first axis of the inputs gets the given size;
//   - no broadcasting but of scalars, rows, and [c 1 1] to images: stored operands are expanded beforehand, and what must be
//     expanded in a run is multiplied by a matrix of ones ([onnxGo.expand]);
//   - products of matrices only: other axes are joined before, and parted after ([onnxGo.matmul]);
//   - convolutions of one group, padded alike on all four sides, with a kernel_shape: filters are widened by zeros ([onnxGo.conv]);
//   - softmax along the last axis; LogSoftmax, normalisations and activations that it lacks, made of others;
//   - what it lacks and is linear, as one product with a stored matrix ([onnxGo.linear]): pooling to means, sums, slices,
//     zero padding, upsampling, transposed convolution;
//   - no output that also feeds a node, no two readers of memory that gorgonia writes to or shows in another shape, no node that
//     reads one value twice: copies, by arithmetic that changes nothing ([separate]).
func forOnnxGo(f *graph.Func, weights Weights, batch int) (*graph.Func, Weights, error) {
	l := &onnxGo{out: graph.NewFunc(f.Name, false), weights: weights, stored: Tensors{}, bound: graph.Binding{},
		kernels: kernel.NewContext(gonum.Implementation{}, 1)}
	for _, in := range f.Inputs {
		if in.Rank() > 0 {
			for _, s := range in.Dim(0).Symbols() {
				l.bound[s] = batch
			}
		}
	}
	f = graph.Lower(f, func(n *graph.Node) bool { return !smaller(n) })
	to := make([]operand, len(f.Values))
	for i, v := range f.Values {
		args := make([]operand, len(v.Args))
		for k, a := range v.Args {
			if a != nil {
				args[k] = to[a.ID]
			}
		}
		l.out.As(v, func() {
			var err error
			if to[i], err = l.lower(v, args); err != nil {
				l.out.Report(&graph.Diag{Pos: v.Pos, Scope: v.Scope, Args: v.Args,
					Msg:  fmt.Sprintf("%s: no form for onnx-go: %v", graph.OpName(v.Op), err),
					Hint: "the plain profile writes it for other runtimes"})
				to[i] = operand{v: l.out.Poison()}
			}
		})
	}
	for _, o := range f.Outputs {
		y := to[o.Value.ID]
		if y.t != nil && (y.t.DType() != graph.F32 || y.t.Rank() == 0) {
			return nil, nil, fmt.Errorf("%w: the output %q is %v, and onnx-go is right for f32 of one axis or more", ErrProfile, o.Name, y.t)
		}
		l.out.As(o.Value, func() { l.out.Output(o.Name, l.value(y)) })
	}
	if len(l.out.Diags) > 0 {
		return nil, nil, fmt.Errorf("%w: %w", ErrProfile, l.out.Diags)
	}
	out, err := pass.Run(l.out, pass.Options{Off: []string{"simplify"}}) // equal values are one in gorgonia, so here too
	if err != nil {
		return nil, nil, err
	}
	out, err = separate(out)
	return out, l.stored, err
}

// smaller reports whether n is taken for the smaller ops that it is made of.
func smaller(n *graph.Node) bool {
	switch n.Op.(type) {
	case graph.Attention, graph.BatchNormTrain, graph.GroupNorm, graph.InstanceNorm, graph.RMSNorm:
		return true
	}
	return false
}

// onnxGo is one rewrite.
type onnxGo struct {
	out     *graph.Func
	weights Weights
	stored  Tensors // the weights of out
	bound   graph.Binding
	kernels *kernel.Context
}

// An operand is a value of the new Func, or a tensor that is known beforehand.
type operand struct {
	v    *graph.Value
	t    *tensor.Tensor
	name string // of the parameter that t is, or comes from
}

// value makes a stored operand a value.
func (l *onnxGo) value(o operand) *graph.Value {
	if o.v != nil {
		return o.v
	}
	if o.name == "" {
		return l.out.Const(o.t)
	}
	name := o.name
	for i := 1; l.stored[name] != nil && l.stored[name] != o.t; i++ {
		name = fmt.Sprintf("%s.%d", o.name, i)
	}
	l.stored[name] = o.t
	return l.out.Buffer(name, o.t.DType(), nil, dims(o.t.Shape())...)
}

func dims(shape []int) []graph.Dim {
	out := make([]graph.Dim, len(shape))
	for i, n := range shape {
		out[i] = graph.Dim(n)
	}
	return out
}

// shape is the shape of v of the old Func.
func (l *onnxGo) shape(v *graph.Value) ([]int, error) { return v.Shape().Eval(l.bound) }

func sizes(v *graph.Value) []int {
	out := make([]int, v.Rank())
	for i, d := range v.Shape() {
		out[i] = int(d)
	}
	return out
}

func product(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// lower gives v of the old Func its form.
func (l *onnxGo) lower(v *graph.Value, args []operand) (operand, error) {
	shape, err := l.shape(v)
	if err != nil {
		return operand{}, fmt.Errorf("%w; only the first axis of the inputs gets a fixed size", err)
	}
	switch op := v.Op.(type) {
	case graph.Input:
		if v.DType() != graph.F32 || len(shape) == 0 || slices.Contains(shape, 0) {
			return operand{}, fmt.Errorf("the input is %v: it takes f32 of one axis or more, and no empty ones", v.Type)
		}
		return operand{v: l.out.Input(v.Name, v.DType(), dims(shape)...)}, nil
	case graph.Param:
		t, err := paramOf(l.weights, v)
		return operand{t: t, name: v.Name}, err
	case graph.Const:
		return operand{t: op.Value}, nil
	}
	if !slices.ContainsFunc(args, func(a operand) bool { return a.v != nil }) {
		return l.fold(v.Op, v.DType(), shape, args...)
	}
	for _, a := range args {
		if a.v != nil && !a.v.OK() {
			return a, nil // said before
		}
	}
	if v.DType() != graph.F32 || len(shape) == 0 || slices.Contains(shape, 0) {
		return operand{}, fmt.Errorf("it gives %v, and onnx-go is right for f32 of one axis or more", v.Type)
	}
	y, err := l.apply(v, shape, args)
	if err == nil && y.OK() && !slices.Equal(sizes(y), shape) {
		err = fmt.Errorf("its form gives %v, not %v", y.Type, shape)
	}
	return operand{v: y}, err
}

// fold computes what depends on stored tensors only.
func (l *onnxGo) fold(op graph.Op, t graph.DType, shape []int, args ...operand) (operand, error) {
	out := operand{t: tensor.New(t, shape...)}
	in := make([]*tensor.Tensor, len(args))
	for i, a := range args {
		in[i] = a.t
		if out.name == "" {
			out.name = a.name
		}
	}
	return out, runOp(l.kernels, op, out.t, in)
}

// runOp computes op of in into out.
func runOp(c *kernel.Context, op graph.Op, out *tensor.Tensor, in []*tensor.Tensor) error {
	f := graph.NewFunc("fold", false)
	args := make([]*graph.Value, len(in))
	for i, t := range in {
		if t != nil {
			args[i] = f.Const(t)
		}
	}
	n := f.ApplyNode(op, nil, args...)
	if len(f.Diags) > 0 {
		return f.Diags
	}
	return n.Run(c, []*tensor.Tensor{out}, in)
}

// apply gives v, which depends on inputs, its form.
func (l *onnxGo) apply(v *graph.Value, shape []int, args []operand) (*graph.Value, error) {
	x := args[0].v
	switch op := v.Op.(type) {
	case graph.Detach:
		return x, nil
	case graph.ReLU, graph.Sigmoid, graph.Tanh, graph.Exp, graph.Log, graph.Sqrt, graph.Abs, graph.Neg, graph.Sign, graph.Floor,
		graph.Sin, graph.Cos, graph.LeakyReLU:
		return l.out.Apply(op, x), nil
	case graph.Scale:
		return l.binary(graph.Mul{}, shape, args[0], number(op.By))
	case graph.Shift:
		return l.binary(graph.Add{}, shape, args[0], number(op.By))
	case graph.Add, graph.Sub, graph.Mul, graph.Div, graph.Min, graph.Max:
		return l.binary(op, shape, args[0], args[1])
	case graph.Square:
		return x.Mul(x), nil
	case graph.Lerp: // x + t·(y − x)
		d, err := l.binary(graph.Sub{}, shape, args[1], args[0])
		if err != nil {
			return nil, err
		}
		return l.binary(graph.Add{}, shape, args[0], operand{v: l.scalar(graph.Mul{}, d, op.T)})
	case graph.Clip:
		for _, b := range []struct {
			op graph.Op
			by float64
		}{{graph.Max{}, op.Lo}, {graph.Min{}, op.Hi}} {
			if !math.IsInf(b.by, 0) {
				x = l.scalar(b.op, x, b.by)
			}
		}
		return x, nil
	case graph.Reciprocal:
		return l.binary(graph.Div{}, shape, number(1), args[0])
	case graph.SiLU:
		return x.Mul(x.Sigmoid()), nil
	case graph.ELU: // min(x, 0) = −relu(−x)
		return x.ReLU().Add(l.scalar(graph.Mul{}, l.scalar(graph.Sub{}, x.Neg().ReLU().Neg().Exp(), 1), op.Alpha)), nil
	case graph.Softplus: // relu(x) + ln(1 + e^−|x|)
		return x.ReLU().Add(l.scalar(graph.Add{}, x.Abs().Neg().Exp(), 1).Log()), nil
	case graph.Reshape:
		return reshaped(x, shape), nil
	case graph.Transpose:
		return x.Transpose(op.Perm...), nil
	case graph.Concat:
		axis := op.Axis
		if axis < 0 {
			axis += len(shape)
		}
		var parts []*graph.Value
		for _, a := range args {
			parts = append(parts, l.value(a))
		}
		return graph.Join(axis, parts...), nil
	case graph.Expand:
		return l.expand(x, shape), nil
	case graph.MatMul:
		return l.matmul(args[0], args[1])
	case graph.Gemm:
		return l.gemm(op, shape, args)
	case graph.Conv:
		return l.conv(op, x, args[1])
	case graph.MaxPoolND:
		if len(op.Kernel) != 2 {
			return nil, errFlat
		}
		if slices.Min(op.Pads) != slices.Max(op.Pads) {
			return nil, fmt.Errorf("it pads %v, and onnx-go is right for the same padding on all four sides", op.Pads)
		}
		return x.MaxPoolND(op), nil
	case graph.GlobalAveragePool:
		if len(shape) != 4 {
			return nil, errFlat
		}
		return x.GlobalAveragePool(), nil
	case graph.BatchNorm:
		return l.batchNorm(op, x, shape, args)
	case graph.LayerNorm:
		return l.layerNorm(op, x, shape, args)
	case graph.Softmax:
		return l.alongLast(x, op.Axis, func(x *graph.Value) *graph.Value { return x.Softmax(1) }), nil
	case graph.LogSoftmax:
		return l.alongLast(x, op.Axis, l.logSoftmax), nil
	case graph.AveragePoolND, graph.Sum, graph.Mean, graph.Slice, graph.Pad, graph.Resize, graph.ConvTranspose:
		return l.linear(v, x, shape, args)
	}
	return nil, fmt.Errorf("it has no operator for it")
}

// errFlat is of convolutions and pooling over one or three axes.
var errFlat = errors.New("it is not of images with rows and columns, the only ones that onnx-go knows")

func number(x float64) operand { return operand{t: tensor.Scalar(float32(x))} }

// scalar applies op to x and a number.
func (l *onnxGo) scalar(op graph.Op, x *graph.Value, by float64) *graph.Value {
	y, err := l.binary(op, sizes(x), operand{v: x}, number(by))
	if err != nil {
		panic(err) // a number can be expanded to any shape
	}
	return y
}

// reshaped is x in another shape.
func reshaped(x *graph.Value, shape []int) *graph.Value {
	if slices.Equal(sizes(x), shape) {
		return x
	}
	return x.Reshape(dims(shape)...)
}

// binary gives both operands a shape that is right beside the other's.
func (l *onnxGo) binary(op graph.Op, shape []int, a, b operand) (*graph.Value, error) {
	var in [2]*graph.Value
	for i, o := range []operand{a, b} {
		if o.v != nil {
			in[i] = l.expand(o.v, shape)
			continue
		}
		o, err := l.fit(o, shape)
		if err != nil {
			return nil, err
		}
		in[i] = l.value(o)
	}
	return l.out.Apply(op, in[0], in[1]), nil
}

// fit gives a stored operand a shape that broadcasts right: a scalar's, a row's, [c 1 1], or else all of shape.
func (l *onnxGo) fit(o operand, shape []int) (operand, error) {
	rank := len(shape)
	from := append(slices.Repeat([]int{1}, max(0, rank-o.t.Rank())), o.t.Shape()...)
	var to []int
	switch {
	case o.t.Len() == 1 && rank <= 4:
		to = []int{}
	case rank == 2 && from[0] == 1 && from[1] == shape[1]:
		to = from
	case rank == 4 && from[0] == 1 && from[1] == shape[1] && from[2] == 1 && from[3] == 1:
		to = from[1:]
	default:
		return l.fold(graph.Expand{Shape: dims(shape)}, o.t.DType(), shape, o)
	}
	return l.fold(graph.Reshape{Shape: dims(to)}, o.t.DType(), to, o)
}

// expand broadcasts x to shape: an axis of 1 becomes one of n in a product with a matrix of zeros and ones, which is exact.
func (l *onnxGo) expand(x *graph.Value, shape []int) *graph.Value {
	at := append(slices.Repeat([]int{1}, len(shape)-x.Rank()), sizes(x)...)
	for i := 0; i < len(shape); i++ {
		n, end := 1, i
		for end < len(shape) && at[end] == 1 && (shape[end] > 1 || n > 1) { // a run of axes at once
			n *= shape[end]
			end++
		}
		if n == 1 {
			continue
		}
		outer, inner := product(at[:i]), product(at[end:])
		if outer == 1 {
			x = l.out.Const(ones(n, 1)).MatMul(reshaped(x, []int{1, inner}))
		} else {
			x = reshaped(x, []int{outer, inner}).MatMul(l.out.Const(tiled(inner, n)))
		}
		copy(at[i:end], shape[i:end])
		i = end
	}
	return reshaped(x, shape)
}

func ones(shape ...int) *tensor.Tensor {
	t := tensor.New(graph.F32, shape...)
	for i := range t.Len() {
		t.Set(i, 1)
	}
	return t
}

// tiled is n unit matrices side by side.
func tiled(size, n int) *tensor.Tensor {
	t := tensor.New(graph.F32, size, n*size)
	for i := range size {
		for k := range n {
			t.Set(i*n*size+k*size+i, 1)
		}
	}
	return t
}

// matmul joins the outer axes of the first factor into rows.
func (l *onnxGo) matmul(a, b operand) (*graph.Value, error) {
	x, w := l.value(a), l.value(b)
	if w.Rank() != 2 {
		return nil, fmt.Errorf("its second factor is %v, and onnx-go multiplies matrices only", w.Type)
	}
	s := sizes(x)
	k := s[len(s)-1]
	y := reshaped(x, []int{product(s) / k, k}).MatMul(w)
	return reshaped(y, append(s[:len(s)-1:len(s)-1], int(w.Dim(1)))), nil
}

// gemm is made of a product, and of what is left of alpha, beta and the addend.
func (l *onnxGo) gemm(op graph.Gemm, shape []int, args []operand) (*graph.Value, error) {
	factor := func(o operand, turn bool) (operand, error) {
		if !turn {
			return o, nil
		}
		if o.v != nil {
			return operand{v: o.v.T()}, nil
		}
		s := []int{o.t.Dim(1), o.t.Dim(0)}
		return l.fold(graph.Transpose{Perm: []int{1, 0}}, o.t.DType(), s, o)
	}
	a, err := factor(args[0], op.TransA)
	if err != nil {
		return nil, err
	}
	b, err := factor(args[1], op.TransB)
	if err != nil {
		return nil, err
	}
	y := l.value(a).MatMul(l.value(b))
	if op.Alpha != 1 {
		y = l.scalar(graph.Mul{}, y, op.Alpha)
	}
	if len(args) < 3 || op.Beta == 0 {
		return y, nil
	}
	c := args[2]
	if op.Beta != 1 {
		if c.v != nil {
			c.v = l.scalar(graph.Mul{}, c.v, op.Beta)
		} else if c, err = l.fold(graph.Scale{By: op.Beta}, c.t.DType(), c.t.Shape(), c); err != nil {
			return nil, err
		}
	}
	return l.binary(graph.Add{}, shape, operand{v: y}, c)
}
