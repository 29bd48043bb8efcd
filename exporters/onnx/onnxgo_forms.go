package onnx

import (
	"fmt"
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// A kernelConv is a Conv that says its kernel_shape: onnx-go does not take it from the filters.
type kernelConv struct{ Conv graph.Conv }

// Takes is the convolution's arguments.
func (o kernelConv) Takes() []graph.Arg { return o.Conv.Takes() }

// Infer is the convolution's.
func (o kernelConv) Infer(in *graph.Infer) ([]graph.Type, error) { return o.Conv.Infer(in) }

// Run is the convolution's.
func (o kernelConv) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return o.Conv.Run(c, out, in)
}

// Emit adds a Conv node.
func (o kernelConv) Emit(e graph.Emitter, n *graph.Node, in []string) []string {
	w := n.Args[1].Shape()
	return []string{e.Node("Conv", in, graph.Attr{Name: "dilations", Value: o.Conv.Dilations}, graph.Attr{Name: "kernel_shape", Value: []int{int(w[2]), int(w[3])}},
		graph.Attr{Name: "pads", Value: o.Conv.Pads}, graph.Attr{Name: "strides", Value: o.Conv.Strides})}
}

// conv widens the filters by zeros: across the channels of other groups, and where one side has less padding than another.
func (l *onnxGo) conv(op graph.Conv, x *graph.Value, w operand) (*graph.Value, error) {
	if w.v != nil {
		return nil, fmt.Errorf("its filters are computed")
	}
	if len(op.Strides) != 2 {
		return nil, errFlat
	}
	groups := op.Groups
	pad := slices.Max(op.Pads)
	even := slices.Min(op.Pads) == pad
	if groups > 1 || !even {
		s := w.t.Shape()
		wide := []int{s[0], s[1] * groups, s[2], s[3]}
		step, first := [2]int{1, 1}, [2]int{}
		if !even {
			for i := range 2 {
				step[i], first[i] = op.Dilations[i], pad-op.Pads[i]
				wide[2+i] = (s[2+i]-1)*op.Dilations[i] + 1 + 2*pad - op.Pads[i] - op.Pads[2+i]
			}
			op.Pads, op.Dilations = []int{pad, pad, pad, pad}, []int{1, 1}
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
		if k := 1 + i; k < len(args) && args[k] != (operand{}) {
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
