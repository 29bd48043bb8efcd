package graph

import (
	"fmt"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// flat is an elementwise kernel over stretches, of one argument or of two: each has len(out) elements; or one, but for that of one argument.
type flat[T any] struct {
	one func(out, a []T)
	two func(out, a, b []T)
}

// run computes a stretch. Each of in has len(out) elements, or one.
func (f flat[T]) run(out []T, in [][]T) {
	if f.two != nil {
		f.two(out, in[0], in[1])
	} else {
		f.one(out, spread(out, in[0]))
	}
}

// none reports whether there is no kernel.
func (f flat[T]) none() bool { return f.one == nil && f.two == nil }

// flats are an elementwise op's kernels, which may not be there for all dtypes.
type flats struct {
	f32 flat[float32]
	f64 flat[float64]
	i64 flat[int64]
	u64 flat[uint64]
	// cost is how many additions an element is worth, for cutting work into goroutines; 0 means 1.
	cost int
}

// An elementwise op's result has, at each index, a function of the arguments' elements there. Its kernels work on
// stretches, so that several ops can be run one after another over a stretch that stays in the cache.
type elementwise interface {
	Op
	flats() flats
}

// A checked op refuses arguments for their elements, such as a divisor of 0, before its kernel runs.
type checked interface {
	check(in []*tensor.Tensor) error
}

// grain is how many elements of unit cost are worth a goroutine.
const grain = 16 << 10

// runElementwise is the kernel of every elementwise op.
func runElementwise(c *kernel.Context, o elementwise, out *tensor.Tensor, in []*tensor.Tensor) error {
	if o, ok := o.(checked); ok {
		if err := o.check(in); err != nil {
			return err
		}
	}
	k := o.flats()
	g := grain / max(k.cost, 1)
	switch out.DType() {
	case F32:
		return evalFlat(c, o, k.f32, out, in, g)
	case F64:
		return evalFlat(c, o, k.f64, out, in, g)
	case I64:
		return evalFlat(c, o, k.i64, out, in, g)
	case U64:
		return evalFlat(c, o, k.u64, out, in, g)
	}
	return noKernel(o, out)
}

func noKernel(o Op, x *tensor.Tensor) error {
	return fmt.Errorf("%s has no kernel for %v", OpName(o), x.DType())
}

func evalFlat[T tensor.Element](c *kernel.Context, o Op, f flat[T], out *tensor.Tensor, in []*tensor.Tensor, grain int) error {
	if f.none() {
		return noKernel(o, out)
	}
	var args [4][]T
	var shapes [4][]int
	for i, x := range in {
		args[i], shapes[i] = tensor.Data[T](x), x.Shape()
	}
	s := kernel.Borrow[flatStretch[T]](c)
	*s = flatStretch[T]{f, tensor.Data[T](out)}
	kernel.Broadcast(c, s, out.Shape(), args[:len(in)], shapes[:len(in)], grain)
	*s = flatStretch[T]{}
	kernel.GiveBack(c, s)
	return nil
}

// flatStretch computes stretches of out.
type flatStretch[T any] struct {
	flat[T]
	out []T
}

// Stretch computes the elements from lo to hi.
func (s *flatStretch[T]) Stretch(lo, hi int, in [][]T) { s.run(s.out[lo:hi], in) }

// unary makes the kernels of an op of one float.
func unary(cost int, f32 func(out, a []float32), f64 func(out, a []float64)) flats {
	return flats{f32: flat[float32]{one: f32}, f64: flat[float64]{one: f64}, cost: cost}
}

// integers adds to the kernels of an op of one argument those of integers; without a sign there may be none.
func (k flats) integers(i64 func(out, a []int64), u64 func(out, a []uint64)) flats {
	k.i64.one, k.u64.one = i64, u64
	return k
}

// spread makes a as long as out, by copying its one element over out, where it is shorter.
func spread[T any](out, a []T) []T {
	if len(a) == len(out) {
		return a
	}
	fill(out, a[0])
	return out
}

// binary makes the kernels of an op of two floats; the kernels take scalars as slices of one element.
func binary(cost int, f32 func(out, a, b []float32), f64 func(out, a, b []float64)) flats {
	return flats{f32: flat[float32]{two: f32}, f64: flat[float64]{two: f64}, cost: cost}
}

// binaryIntegers adds to the kernels of an op of two arguments those of integers.
func (k flats) binaryIntegers(i64 func(out, a, b []int64), u64 func(out, a, b []uint64)) flats {
	k.i64.two, k.u64.two = i64, u64
	return k
}
