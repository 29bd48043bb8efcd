package graph

import (
	"sync"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// Kernels are written for four types: f32, f64, i64 and u64. Numbers of other dtypes are computed in the wide one of their kind
// ([tensor.DType.Wide]): converted to it before the kernel runs, and its results are rounded, or cut to their low bits, once. So a
// kernel is right in every width, and a 16-bit float is computed as well as f32 can.

// widen returns what n's kernel is run with instead of out and args, and what is to be done after it, if not nil. An argument that may be of
// any dtype is not computed with, only moved, and stays as it is, as do results of its dtype.
func (n *Node) widen(c *kernel.Context, out, args []*tensor.Tensor) (wideOut, wideArgs []*tensor.Tensor, done func()) {
	if _, ok := n.Op.(BodyKernel); ok || !narrow(out) && !narrow(args) {
		return out, args, nil
	}
	return n.widened(c, out, args)
}

// widened is widen where there is something to convert.
func (n *Node) widened(c *kernel.Context, out, args []*tensor.Tensor) (wideOut, wideArgs []*tensor.Tensor, done func()) {
	var scratch []*wideTensor
	wide := func(x *tensor.Tensor) *tensor.Tensor {
		w := newWide(x)
		scratch = append(scratch, w)
		return w.Tensor
	}
	takes := n.Op.Takes()
	computes, moved := false, DTypes(0)
	wideArgs = make([]*tensor.Tensor, len(args))
	for i, x := range args {
		if wideArgs[i] = x; x == nil {
			continue
		}
		if takes[min(i, len(takes)-1)].DTypes&Elements == Elements {
			moved |= 1 << x.DType()
			continue
		}
		if computes = true; isNarrow(x) {
			wideArgs[i] = wide(x)
			convert(c, wideArgs[i], x)
		}
	}
	wideOut = make([]*tensor.Tensor, len(out))
	for i, x := range out {
		if wideOut[i] = x; computes && isNarrow(x) && !moved.Has(x.DType()) {
			wideOut[i] = wide(x)
		}
	}
	return wideOut, wideArgs, func() {
		for i, x := range out {
			if wideOut[i] != x {
				convert(c, x, wideOut[i])
			}
		}
		for _, w := range scratch {
			wideMemory.Put(w)
		}
	}
}

func isNarrow(x *tensor.Tensor) bool { return x != nil && x.DType().Wide() != x.DType() }

// narrow reports whether any of the tensors list is of a dtype that is computed in another.
func narrow(list []*tensor.Tensor) bool {
	for _, x := range list {
		if isNarrow(x) {
			return true
		}
	}
	return false
}

// convert fills y with x's elements in y's dtype.
func convert(c *kernel.Context, y, x *tensor.Tensor) {
	c.Parallel(x.Len(), grain, func(lo, hi int) {
		tensor.Convert(y.Part(lo, hi, hi-lo).Raw(), x.Part(lo, hi, hi-lo).Raw())
	})
}

// A wideTensor lies in memory that is used again.
type wideTensor struct {
	*tensor.Tensor
	mem []uint64
}

var wideMemory = sync.Pool{New: func() any { return &wideTensor{} }}

// newWide is a tensor in the wide dtype and the shape of x, whose elements are not set.
func newWide(x *tensor.Tensor) *wideTensor {
	w, t := wideMemory.Get().(*wideTensor), x.DType().Wide()
	if n := (x.Len()*t.Size() + 7) / 8; cap(w.mem) < n {
		w.mem = make([]uint64, n)
	}
	w.Tensor = tensor.In(tensor.Of(w.mem[:cap(w.mem)], cap(w.mem)).Bytes()[:x.Len()*t.Size()], t, x.Shape()...)
	return w
}

// typed are an op's kernels; a nil one means that the dtype is not computed.
type typed[O Op] struct {
	f32, f64, i64, u64 func(c *kernel.Context, o O, out, in []*tensor.Tensor) error
}

// run runs the kernel of o that computes in the dtype of by, one of its arguments or results.
func (k typed[O]) run(c *kernel.Context, o O, by *tensor.Tensor, out, in []*tensor.Tensor) error {
	f := k.f32
	switch by.DType() {
	case F32:
	case F64:
		f = k.f64
	case I64:
		f = k.i64
	case U64:
		f = k.u64
	default:
		f = nil
	}
	if f == nil {
		return noKernel(o, by)
	}
	return f(c, o, out, in)
}

// floats runs one of an op's kernels, which are those of float32 and float64, by the dtype of the first result.
func floats[O Op](c *kernel.Context, o O, out, in []*tensor.Tensor, f32, f64 func(*kernel.Context, O, []*tensor.Tensor, []*tensor.Tensor) error) error {
	return typed[O]{f32: f32, f64: f64}.run(c, o, out[0], out, in)
}
