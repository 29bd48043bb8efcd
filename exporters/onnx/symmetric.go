package onnx

import (
	"math"
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph"
)

// symmetric makes f of transposed convolutions that cut off as much before an axis of pixels as behind it, and add no more there than they
// cut off: onnxruntime has kernels for CUDA of no others. The rest is cut off the result, or added to it.
func symmetric(f *graph.Func) *graph.Func {
	f = graph.InBodies(f, symmetric)
	return graph.Rewrite(f, func(out *graph.Func, n *graph.Node, args []*graph.Value) []*graph.Value {
		o, ok := n.Op.(graph.ConvTranspose)
		if !ok {
			return nil
		}
		axes := len(o.Strides)
		before, after := o.Pads[:axes], o.Pads[axes:]
		more := slices.Clone(o.OutputPadding)
		for _, stride := range o.Strides[len(more):] { // at most: of Sizes, only a run tells
			more = append(more, stride-1)
		}
		pads, zeros, even := make([]int, 2*axes), make([]int, 2+axes), slices.Equal(before, after)
		for i := range axes {
			both := max(0, min(before[i], after[i]-more[i]))
			pads[i], pads[axes+i], zeros[2+i] = both, both, max(0, more[i]-after[i])
			even = even && zeros[2+i] == 0
		}
		if even {
			return nil
		}
		y := out.Apply(graph.ConvTranspose{Strides: o.Strides, Pads: pads, Dilations: o.Dilations, Groups: o.Groups}, args...)
		if slices.Max(zeros) > 0 {
			y = y.Pad(make([]int, 2+axes), zeros, 0)
		}
		for i := range axes {
			first := before[i] - pads[i]
			if o.Sizes != nil {
				y = y.SliceDims(2+i, graph.Dim(first), o.Sizes[i].Plus(graph.Dim(first)), 1)
			} else if cut := after[i] - more[i] - pads[i] + zeros[2+i]; cut > 0 {
				y = y.Slice(2+i, first, -cut)
			} else {
				y = y.Slice(2+i, first, math.MaxInt)
			}
		}
		return []*graph.Value{y.Reshape(n.Results[0].Shape()...)} // of Sizes, which are known to be those of the slices in a run only
	})
}
