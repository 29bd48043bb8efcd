package graph

import (
	"fmt"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// flat is an elementwise kernel over stretches: each input has len(out) elements, or one.
type flat[T any] func(out []T, in [][]T)

// flats are an elementwise op's kernels; a nil one means that the dtype is not computed.
type flats struct {
	f32 flat[float32]
	f64 flat[float64]
	i64 flat[int64]
	// cost is how many additions an element is worth, for cutting work into goroutines; 0 means 1.
	cost int
}

// An elementwise op's result has, at each index, a function of the arguments' elements there. Its kernels work on
// stretches, so that several ops can be run one after another over a stretch that stays in the cache.
type elementwise interface {
	Op
	flats() flats
}

// grain is how many elements of unit cost are worth a goroutine.
const grain = 16 << 10

// runElementwise is the kernel of every elementwise op.
func runElementwise(c *kernel.Context, o elementwise, out *tensor.Tensor, in []*tensor.Tensor) error {
	k := o.flats()
	g := grain / max(k.cost, 1)
	switch out.DType() {
	case F32:
		return evalFlat(c, o, k.f32, out, in, g)
	case F64:
		return evalFlat(c, o, k.f64, out, in, g)
	case I64:
		return evalFlat(c, o, k.i64, out, in, g)
	}
	return noKernel(o, out)
}

// floats runs one of an op's kernels, which are those of float32 and float64, by the dtype of the first result.
func floats[O Op](c *kernel.Context, o O, out, in []*tensor.Tensor, f32, f64 func(*kernel.Context, O, []*tensor.Tensor, []*tensor.Tensor) error) error {
	switch out[0].DType() {
	case F32:
		return f32(c, o, out, in)
	case F64:
		return f64(c, o, out, in)
	}
	return noKernel(o, out[0])
}

func noKernel(o Op, out *tensor.Tensor) error {
	return fmt.Errorf("%s has no kernel for %v", OpName(o), out.DType())
}

func evalFlat[T tensor.Element](c *kernel.Context, o Op, f flat[T], out *tensor.Tensor, in []*tensor.Tensor, grain int) error {
	if f == nil {
		return noKernel(o, out)
	}
	var args [4][]T
	var shapes [4][]int
	for i, x := range in {
		args[i], shapes[i] = tensor.Data[T](x), x.Shape()
	}
	kernel.Map(c, f, tensor.Data[T](out), out.Shape(), args[:len(in)], shapes[:len(in)], grain)
	return nil
}

// unary makes the kernels of an op of one argument.
func unary(cost int, f32 func(out, a []float32), f64 func(out, a []float64)) flats {
	return flats{
		f32:  func(out []float32, in [][]float32) { f32(out, spread(out, in[0])) },
		f64:  func(out []float64, in [][]float64) { f64(out, spread(out, in[0])) },
		cost: cost,
	}
}

// spread makes a as long as out, by copying its one element over out, where it is shorter.
func spread[T any](out, a []T) []T {
	if len(a) == len(out) {
		return a
	}
	fill(out, a[0])
	return out
}

// binary makes the kernels of an op of two arguments; the kernels take scalars as slices of one element.
func binary(cost int, f32 func(out, a, b []float32), f64 func(out, a, b []float64), i64 func(out, a, b []int64)) flats {
	k := flats{
		f32:  func(out []float32, in [][]float32) { f32(out, in[0], in[1]) },
		f64:  func(out []float64, in [][]float64) { f64(out, in[0], in[1]) },
		cost: cost,
	}
	if i64 != nil {
		k.i64 = func(out []int64, in [][]int64) { i64(out, in[0], in[1]) }
	}
	return k
}
