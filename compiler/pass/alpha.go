package pass

import (
	"math"

	"github.com/sardonyx-ml/sardonyx/graph"
)

// scaleProducts scales matrix products while they are made, by their Alpha, where all that reads one scales it, sums it up or squares it
// for that: the shares of a gradient in the moments of an optimizer. What is scaled by another number takes that into account. A factor
// that is far from 1 stays where it is, since squares would vanish or overflow that did not before.
func scaleProducts(f *graph.Func) *graph.Func {
	of, kept := graph.Users(f)
	u := readers{of, kept}
	factors := map[*graph.Value]float64{} // of new values: what they are to be multiplied by
	return graph.Rewrite(f, func(out *graph.Func, n *graph.Node, args []*graph.Value) []*graph.Value {
		v := n.Results[0]
		if o, ok := n.Op.(graph.Gemm); ok && len(args) == 2 && u.scalable(v) {
			if by := u.scale(v); by != 0 {
				o.Alpha *= by
				y := out.Apply(o, args...)
				factors[y] = 1 / by
				return []*graph.Value{y}
			}
		}
		if len(args) == 0 || args[0] == nil || factors[args[0]] == 0 {
			return nil
		}
		x, by := args[0], factors[args[0]]
		switch o := n.Op.(type) {
		case graph.Scale:
			if by *= o.By; math.Abs(by-1) < 1e-12 {
				return []*graph.Value{x}
			}
			return []*graph.Value{x.Scale(by)}
		case graph.Square:
			by *= by
		}
		y := out.Apply(n.Op, args...)
		if !u.scalable(v) { // a sum
			return []*graph.Value{y.Scale(by)}
		}
		factors[y] = by
		return []*graph.Value{y}
	})
}

// readers are the nodes that read the values of a Func, and which of them are outputs or updates, by ID.
type readers struct {
	of   [][]*graph.Node
	kept []bool
}

// scalable reports whether a factor of v can be left to what reads it: all of that scales, or passes the factor on to what does.
func (r readers) scalable(v *graph.Value) bool {
	if r.kept[v.ID] {
		return false
	}
	for _, n := range r.of[v.ID] {
		switch n.Op.(type) {
		case graph.Scale, graph.Sum:
		case graph.Square, graph.Reshape, graph.Transpose:
			if !r.scalable(n.Results[0]) {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// scale is what v is multiplied by first, or 0 if it is by nothing, or by what is far from 1.
func (r readers) scale(v *graph.Value) float64 {
	for _, n := range r.of[v.ID] {
		by := 0.
		switch o := n.Op.(type) {
		case graph.Scale:
			if size := math.Abs(o.By); size >= .01 && size <= 100 {
				by = o.By
			}
		case graph.Reshape, graph.Transpose:
			by = r.scale(n.Results[0])
		}
		if by != 0 {
			return by
		}
	}
	return 0
}
