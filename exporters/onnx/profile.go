package onnx

import (
	"cmp"
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

// A Profile is the reader that a file is written for.
type Profile string

const (
	Plain  Profile = ""        // any runtime that reads ONNX
	OnnxGo Profile = "onnx-go" // github.com/owulveryck/onnx-go v0.5.0 and its gorgonnx backend
)

// ErrProfile says that what a Func computes has no form for the profile's reader.
var ErrProfile = errors.New("it has no form for this profile")

// applyProfile rewrites the Func as the profile wants it, and holds the new one to the old on drawn inputs.
func (x *exporter) applyProfile() error {
	switch x.o.Profile {
	case Plain:
		return nil
	case OnnxGo:
	default:
		return fmt.Errorf("there is no profile %q", x.o.Profile)
	}
	if x.o.Training {
		return fmt.Errorf("%w: %s runs no training steps", ErrProfile, OnnxGo)
	}
	if x.o.Batch = cmp.Or(x.o.Batch, 1); x.o.Batch < 1 {
		return fmt.Errorf("a batch of %d: the profile %s needs a fixed one of 1 or more", x.o.Batch, OnnxGo)
	}
	f, weights, err := forOnnxGo(x.traced, x.tracedWeights, x.o.Batch)
	if err != nil {
		return err
	}
	x.f, x.weights = f, weights
	return x.sameNumbers()
}

// sameNumbers compares what the profile's form computes with what it was made from, where that does not take too much memory.
func (x *exporter) sameNumbers() error {
	if max(valueBytes(x.f, 1), valueBytes(x.traced, x.o.Batch)) > maxEvaluate {
		return nil
	}
	in, err := DrawInputs(x.traced, x.noise, x.o.Batch, vectorSeed)
	if err != nil {
		return err
	}
	var out [2]map[string]*tensor.Tensor
	for i, f := range []*graph.Func{x.traced, x.f} {
		all, err := withParams(in, f, []Weights{x.tracedWeights, x.weights}[i])
		if err != nil {
			return err
		}
		if out[i], err = evaluate(f, all); err != nil {
			return err
		}
	}
	for _, o := range x.traced.Outputs {
		const tol = 1e-4 // what rounding may do in long sums; a wrong form is far off
		if !near(out[0][o.Name], out[1][o.Name], tol, tol) {
			return fmt.Errorf("the output %q in the form for %s is not what it was before: this is a fault of the exporter", o.Name, x.o.Profile)
		}
	}
	return nil
}

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
	to := make([]operand, len(f.Values))
	for i, v := range f.Values {
		args := make([]operand, len(v.Args))
		for k, a := range v.Args {
			args[k] = to[a.ID]
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
	return out, op.Eval(l.kernels, out.t, in)
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
	case graph.Conv2D:
		return l.conv(op, x, args[1])
	case graph.MaxPool:
		if p := op.Pads; p[0] != p[1] || p[0] != p[2] || p[0] != p[3] {
			return nil, fmt.Errorf("it pads %v, and onnx-go is right for the same padding on all four sides", p)
		}
		return x.MaxPool(op), nil
	case graph.GlobalAveragePool:
		return x.GlobalAveragePool(), nil
	case graph.BatchNorm:
		return l.batchNorm(op, x, shape, args)
	case graph.LayerNorm:
		return l.layerNorm(op, x, shape, args)
	case graph.Softmax:
		return l.alongLast(x, op.Axis, func(x *graph.Value) *graph.Value { return x.Softmax(1) }), nil
	case graph.LogSoftmax:
		return l.alongLast(x, op.Axis, l.logSoftmax), nil
	case graph.AveragePool, graph.Sum, graph.Mean, graph.Slice, graph.Pad, graph.Resize, graph.ConvTranspose2D:
		return l.linear(v, x, shape, args)
	}
	return nil, fmt.Errorf("it has no operator for it")
}

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

// A kernelConv is a Conv2D that says its kernel_shape: onnx-go does not take it from the filters.
type kernelConv struct{ Conv graph.Conv2D }

func (o kernelConv) Infer(in []*graph.Value) (graph.Type, error) { return o.Conv.Infer(in) }
func (o kernelConv) VJP(y, g *graph.Value) []*graph.Value        { return o.Conv.VJP(y, g) }
func (o kernelConv) Samples() []graph.Sample                     { return o.Conv.Samples() }
func (o kernelConv) Eval(c *kernel.Context, out *tensor.Tensor, in []*tensor.Tensor) error {
	return o.Conv.Eval(c, out, in)
}

// ONNX adds a Conv node.
func (o kernelConv) ONNX(e graph.Emitter, y *graph.Value, in []string) string {
	w := y.Args[1].Shape()
	return e.Node("Conv", in, graph.Attr{Name: "dilations", Value: o.Conv.Dilations[:]}, graph.Attr{Name: "kernel_shape", Value: []int{int(w[2]), int(w[3])}},
		graph.Attr{Name: "pads", Value: o.Conv.Pads[:]}, graph.Attr{Name: "strides", Value: o.Conv.Strides[:]})
}

// conv widens the filters by zeros: across the channels of other groups, and where one side has less padding than another.
func (l *onnxGo) conv(op graph.Conv2D, x *graph.Value, w operand) (*graph.Value, error) {
	if w.v != nil {
		return nil, fmt.Errorf("its filters are computed")
	}
	for i := range 2 {
		op.Strides[i], op.Dilations[i] = max(1, op.Strides[i]), max(1, op.Dilations[i])
	}
	groups := max(1, op.Groups)
	pad := slices.Max(op.Pads[:])
	even := slices.Min(op.Pads[:]) == pad
	if groups > 1 || !even {
		s := w.t.Shape()
		wide := []int{s[0], s[1] * groups, s[2], s[3]}
		step, first := [2]int{1, 1}, [2]int{}
		if !even {
			for i := range 2 {
				step[i], first[i] = op.Dilations[i], pad-op.Pads[i]
				wide[2+i] = (s[2+i]-1)*op.Dilations[i] + 1 + 2*pad - op.Pads[i] - op.Pads[2+i]
			}
			op.Pads, op.Dilations = [4]int{pad, pad, pad, pad}, [2]int{1, 1}
		}
		t := tensor.New(graph.F32, wide...)
		at := 0
		for o := range s[0] {
			group := o / (s[0] / groups)
			for c := range s[1] {
				for i := range s[2] {
					for k := range s[3] {
						to := ((o*wide[1]+group*s[1]+c)*wide[2]+first[0]+i*step[0])*wide[3] + first[1] + k*step[1]
						t.Set(to, w.t.At(at))
						at++
					}
				}
			}
		}
		w, op.Groups = operand{t: t, name: w.name}, 1
	}
	return l.out.Apply(kernelConv{op}, x, l.value(w)), nil
}

// batchNorm is one product and one sum: the statistics are stored.
func (l *onnxGo) batchNorm(op graph.BatchNorm, x *graph.Value, shape []int, args []operand) (*graph.Value, error) {
	for _, a := range args[1:] {
		if a.v != nil {
			return nil, fmt.Errorf("its statistics are computed")
		}
	}
	s := append([]int{shape[1]}, slices.Repeat([]int{1}, len(shape)-2)...)
	scale, shift := tensor.New(graph.F32, s...), tensor.New(graph.F32, s...)
	one := tensor.New(graph.F32, 1, shape[1])
	for i, to := range []*tensor.Tensor{shift, scale} { // the values at 0 and 1 tell both
		for k := range one.Len() {
			one.Set(k, float64(i))
		}
		at, err := l.fold(op, graph.F32, one.Shape(), append([]operand{{t: one}}, args[1:]...)...)
		if err != nil {
			return nil, err
		}
		for k := range one.Len() {
			to.Set(k, at.t.At(k)-float64(i)*shift.At(k))
		}
	}
	y, err := l.binary(graph.Mul{}, shape, operand{v: x}, operand{t: scale, name: args[3].name})
	if err != nil {
		return nil, err
	}
	return l.binary(graph.Add{}, shape, operand{v: y}, operand{t: shift, name: args[3].name})
}

// layerNorm takes means by products with a matrix of 1/n, which broadcasts them too.
func (l *onnxGo) layerNorm(op graph.LayerNorm, x *graph.Value, shape []int, args []operand) (*graph.Value, error) {
	n := shape[len(shape)-1]
	mean := tensor.New(graph.F32, n, n)
	for i := range mean.Len() {
		mean.Set(i, 1/float64(n))
	}
	m := l.out.Const(mean)
	rows := reshaped(x, []int{product(shape) / n, n})
	d := rows.Sub(rows.MatMul(m))
	y := reshaped(d.Div(l.scalar(graph.Add{}, d.Mul(d).MatMul(m), op.Eps).Sqrt()), shape)
	for i, op := range []graph.Op{graph.Mul{}, graph.Add{}} {
		if len(args) == 3 {
			var err error
			if y, err = l.binary(op, shape, operand{v: y}, args[1+i]); err != nil {
				return nil, err
			}
		}
	}
	return y, nil
}

// alongLast applies what is right along the rows of a matrix along an axis of x.
func (l *onnxGo) alongLast(x *graph.Value, axis int, do func(*graph.Value) *graph.Value) *graph.Value {
	rank := x.Rank()
	if axis < 0 {
		axis += rank
	}
	perm := make([]int, rank) // swaps the axis and the last, and so does itself again
	for i := range perm {
		perm[i] = i
	}
	perm[axis], perm[rank-1] = rank-1, axis
	turn := func(x *graph.Value) *graph.Value {
		if axis == rank-1 {
			return x
		}
		return x.Transpose(perm...)
	}
	x = turn(x)
	s := sizes(x)
	n := s[rank-1]
	return turn(reshaped(do(reshaped(x, []int{product(s) / n, n})), s))
}

// logSoftmax is x − ln Σ e^x. With s the softmax of x, x − ln s is that logarithm for each element of a row, so it is their
// mean weighted by s, which no small element spoils.
func (l *onnxGo) logSoftmax(x *graph.Value) *graph.Value {
	const tiny = 1e-38 // s ln s is 0 where s is
	s := x.Softmax(1)
	n := int(x.Dim(1))
	return x.Sub(s.Mul(x.Sub(l.scalar(graph.Add{}, s, tiny).Log())).MatMul(l.out.Const(ones(n, n))))
}

// maxMatrix is how many elements the matrix of a linear op may have.
const maxMatrix = 1 << 22

// linear turns an op that is linear in x, example by example, into one product: row i of the matrix is what the op makes of unit
// vector i.
func (l *onnxGo) linear(v *graph.Value, x *graph.Value, shape []int, args []operand) (*graph.Value, error) {
	from := v.Args[0].Shape()
	if !from[0].Symbolic() || v.Shape()[0] != from[0] || !from[1:].Static() || len(from) < 2 {
		return nil, fmt.Errorf("onnx-go lacks it, and it does not go example by example")
	}
	in, out := product(sizes(x)[1:]), product(shape[1:])
	if in > maxMatrix/out {
		return nil, fmt.Errorf("onnx-go lacks it, and as a matrix it would have %d×%d elements, more than %d", in, out, maxMatrix)
	}
	g := graph.NewFunc("linear", false)
	units := tensor.New(graph.F32, append([]int{in + 1}, sizes(x)[1:]...)...) // and a zero
	for i := range in {
		units.Set(i*in+i, 1)
	}
	given := map[string]*tensor.Tensor{"x": units}
	params := []*graph.Value{g.Input("x", graph.F32, from...)}
	for i, a := range args[1:] {
		if a.v != nil {
			return nil, fmt.Errorf("onnx-go lacks it, and more than one operand is computed")
		}
		name := fmt.Sprint("w", i)
		given[name] = a.t
		params = append(params, g.Buffer(name, a.t.DType(), nil, dims(a.t.Shape())...))
	}
	y := g.Apply(v.Op, params...)
	all, err := graph.Evaluate(l.kernels, g, given)
	if err != nil {
		return nil, err
	}
	rows := all[y.ID]
	matrix := tensor.New(graph.F32, in, out)
	for i := range rows.Len() {
		if i < in*out {
			matrix.Set(i, rows.At(i))
		} else if rows.At(i) != 0 {
			return nil, fmt.Errorf("onnx-go lacks it, and it is not linear: it makes %v of zeros", rows.At(i))
		}
	}
	name := ""
	if len(args) > 1 {
		name = args[1].name
	}
	w := l.value(operand{t: matrix, name: name})
	return reshaped(reshaped(x, []int{shape[0], in}).MatMul(w), shape), nil
}
