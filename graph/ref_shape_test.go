package graph_test

import (
	"math"
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// topKRef picks one after another, the first of equals, and gives the elements, then their places.
func topKRef(op graph.Op, in []*tensor.Tensor) []float64 {
	o := op.(graph.TopK)
	shape, k := in[0].Shape(), o.Axis
	if k < 0 {
		k += len(shape)
	}
	inner := 1
	for _, d := range shape[k+1:] {
		inner *= d
	}
	n := shape[k]
	elements := make([]float64, in[0].Len()/n*o.K)
	places := slices.Clone(elements)
	for column := range in[0].Len() / n {
		taken := make([]bool, n)
		for i := range o.K {
			best := -1
			at := func(j int) float64 { return in[0].At((column/inner*n+j)*inner + column%inner) }
			for j := range n {
				if !taken[j] && (best < 0 || o.Largest && at(j) > at(best) || !o.Largest && at(j) < at(best)) {
					best = j
				}
			}
			taken[best] = true
			to := (column/inner*o.K+i)*inner + column%inner
			elements[to], places[to] = at(best), float64(best)
		}
	}
	return append(elements, places...)
}

var shapeRefs = map[string]reference{
	"TopK":    topKRef,
	"Assert":  func(_ graph.Op, in []*tensor.Tensor) []float64 { return in[0].Float64s() },
	"Reshape": func(_ graph.Op, in []*tensor.Tensor) []float64 { return in[0].Float64s() },
	"Transpose": func(op graph.Op, in []*tensor.Tensor) []float64 {
		perm := op.(graph.Transpose).Perm
		shape := make([]int, len(perm))
		for i, k := range perm {
			shape[i] = in[0].Dim(k)
		}
		return pull(in[0], shape, func(index []int) []int {
			from := make([]int, len(perm))
			for i, k := range perm {
				from[k] = index[i]
			}
			return from
		})
	},
	"Expand": func(op graph.Op, in []*tensor.Tensor) []float64 {
		shape, _ := op.(graph.Expand).Shape.Eval(nil)
		return pull(in[0], shape, func(index []int) []int {
			from := slices.Clone(index[len(shape)-in[0].Rank():])
			for i := range from {
				from[i] = min(from[i], in[0].Dim(i)-1)
			}
			return from
		})
	},
	"Slice": func(op graph.Op, in []*tensor.Tensor) []float64 {
		o := op.(graph.Slice)
		shape := slices.Clone(in[0].Shape())
		if o.Axis < 0 {
			o.Axis += len(shape)
		}
		var places []int
		for i := int(o.Start); i < int(o.End); i++ {
			if o.Step > 0 && (i-int(o.Start))%o.Step == 0 || o.Step < 0 && (int(o.End)-1-i)%o.Step == 0 {
				places = append(places, i)
			}
		}
		if o.Step < 0 {
			slices.Reverse(places)
		}
		shape[o.Axis] = len(places)
		return pull(in[0], shape, func(index []int) []int {
			from := slices.Clone(index)
			from[o.Axis] = places[index[o.Axis]]
			return from
		})
	},
	"Split": func(op graph.Op, in []*tensor.Tensor) []float64 {
		o := op.(graph.Split)
		if o.Axis < 0 {
			o.Axis += in[0].Rank()
		}
		parts := make([][]float64, len(o.Sizes))
		odometer(in[0].Shape(), func(index []int) {
			at, i := index[o.Axis], 0
			for at >= int(o.Sizes[i]) {
				at -= int(o.Sizes[i])
				i++
			}
			parts[i] = append(parts[i], in[0].At(offset(in[0].Shape(), index)))
		})
		return slices.Concat(parts...)
	},
	"Concat": func(op graph.Op, in []*tensor.Tensor) []float64 {
		axis := op.(graph.Concat).Axis
		if axis < 0 {
			axis += in[0].Rank()
		}
		shape := slices.Clone(in[0].Shape())
		for _, x := range in[1:] {
			shape[axis] += x.Dim(axis)
		}
		var out []float64
		odometer(shape, func(index []int) {
			own := slices.Clone(index)
			for _, x := range in {
				if own[axis] < x.Dim(axis) {
					out = append(out, x.At(offset(x.Shape(), own)))
					return
				}
				own[axis] -= x.Dim(axis)
			}
		})
		return out
	},
	"Part": func(op graph.Op, in []*tensor.Tensor) []float64 {
		o, shape := op.(graph.Part), in[0].Shape()
		if o.Axis < 0 {
			o.Axis += len(shape)
		}
		var out []float64
		odometer(shape, func(index []int) {
			at, part := index[o.Axis], 0
			for at >= in[1+part].Dim(o.Axis) {
				at -= in[1+part].Dim(o.Axis)
				part++
			}
			if part == o.Index {
				out = append(out, in[0].At(offset(shape, index)))
			}
		})
		return out
	},
	"Pad": func(op graph.Op, in []*tensor.Tensor) []float64 {
		o := op.(graph.Pad)
		shape := slices.Clone(in[0].Shape())
		for i := range shape {
			shape[i] += o.Before[i] + o.After[i]
		}
		var out []float64
		odometer(shape, func(index []int) {
			own := slices.Clone(index)
			inside := true
			for i := range own {
				own[i] -= o.Before[i]
				inside = inside && own[i] >= 0 && own[i] < in[0].Dim(i)
			}
			if inside {
				out = append(out, in[0].At(offset(in[0].Shape(), own)))
			} else {
				out = append(out, o.Value)
			}
		})
		return out
	},
	"Gather": func(op graph.Op, in []*tensor.Tensor) []float64 {
		axis, x, idx := op.(graph.Gather).Axis, in[0], in[1]
		if axis < 0 {
			axis += x.Rank()
		}
		shape := slices.Concat(x.Shape()[:axis], idx.Shape(), x.Shape()[axis+1:])
		return pull(x, shape, func(index []int) []int {
			return slices.Concat(index[:axis], []int{lookup(idx, index[axis:axis+idx.Rank()], x.Dim(axis))}, index[axis+idx.Rank():])
		})
	},
	"ScatterAdd": func(op graph.Op, in []*tensor.Tensor) []float64 {
		o, idx := op.(graph.ScatterAdd), in[1]
		shape, _ := o.Shape.Eval(nil)
		n, _ := tensor.Count(shape)
		if o.Axis < 0 {
			o.Axis += len(shape)
		}
		out := make([]float64, n)
		at := 0
		odometer(in[0].Shape(), func(index []int) {
			to := slices.Concat(index[:o.Axis], []int{lookup(idx, index[o.Axis:o.Axis+idx.Rank()], shape[o.Axis])}, index[o.Axis+idx.Rank():])
			out[offset(shape, to)] += in[0].At(at)
			at++
		})
		return out
	},
	"GatherElements": func(op graph.Op, in []*tensor.Tensor) []float64 {
		var out []float64
		elementsAt(in[0], in[1], op.(graph.GatherElements).Axis, func(place, _ int) { out = append(out, in[0].At(place)) })
		return out
	},
	"ScatterElements": func(op graph.Op, in []*tensor.Tensor) []float64 {
		out := in[0].Float64s()
		elementsAt(in[0], in[1], op.(graph.ScatterElements).Axis, func(place, i int) {
			if op.(graph.ScatterElements).Reduction == "none" {
				out[place] = 0
			}
			out[place] += in[2].At(i)
		})
		return out
	},
	"OneHot": func(op graph.Op, in []*tensor.Tensor) []float64 {
		depth := op.(graph.OneHot).Depth
		var out []float64
		for i := range in[0].Len() {
			for j := range depth {
				k := int(in[0].At(i))
				out = append(out, truth(k == j || k == j-depth))
			}
		}
		return out
	},
	"ArgMax": func(op graph.Op, in []*tensor.Tensor) []float64 {
		axis, shape := op.(graph.ArgMax).Axis, in[0].Shape()
		if axis < 0 {
			axis += len(shape)
		}
		rest := slices.Concat(shape[:axis], shape[axis+1:])
		n, _ := tensor.Count(rest)
		top, out := slices.Repeat([]float64{math.Inf(-1)}, n), make([]float64, n)
		at := 0
		odometer(shape, func(index []int) {
			to := offset(rest, slices.Concat(index[:axis], index[axis+1:]))
			if x := in[0].At(at); x > top[to] {
				top[to], out[to] = x, float64(index[axis])
			}
			at++
		})
		return out
	},
	"Cast": func(op graph.Op, in []*tensor.Tensor) []float64 {
		out := in[0].Float64s()
		for i, x := range out {
			switch to := op.(graph.Cast).To; {
			case to == graph.Bool:
				out[i] = truth(x != 0)
			case to.Integer():
				out[i] = math.Trunc(x)
			case to == graph.F16:
				out[i] = roundTo(x, 10, -24)
			case to == graph.BF16:
				out[i] = roundTo(x, 7, -133)
			}
		}
		return out
	},
	"RandomUniform": func(op graph.Op, in []*tensor.Tensor) []float64 {
		o := op.(graph.RandomUniform)
		return draws(in[0], o.Stream, o.Type.Shape, uniformRef)
	},
	"RandomNormal": func(op graph.Op, in []*tensor.Tensor) []float64 {
		o := op.(graph.RandomNormal)
		return draws(in[0], o.Stream, o.Type.Shape, func(w [4]uint32) [4]float64 {
			var out [4]float64
			for k := 0; k < 4; k += 2 {
				r := math.Sqrt(-2 * math.Log(float64(w[k]>>8)/(1<<24)+1.0/(1<<25)))
				angle := 2 * math.Pi * float64(w[k+1]>>8) / (1 << 24)
				out[k], out[k+1] = r*math.Cos(angle), r*math.Sin(angle)
			}
			return out
		})
	},
	"Dropout": func(op graph.Op, in []*tensor.Tensor) []float64 {
		o := op.(graph.Dropout)
		u := draws(in[1], o.Stream, graph.Shape{graph.Dim(in[0].Len())}, uniformRef)
		out := in[0].Float64s()
		for i := range out {
			if u[i] < o.P {
				out[i] = 0
			}
			out[i] /= 1 - o.P
		}
		return out
	},
}

// pull builds a tensor of the given shape whose element at index is x's at from(index).
func pull(x *tensor.Tensor, shape []int, from func(index []int) []int) []float64 {
	var out []float64
	odometer(shape, func(index []int) { out = append(out, x.At(offset(x.Shape(), from(index)))) })
	return out
}

// roundTo rounds x, half to even, to a float with the given number of bits after the leading one, and no multiple of less
// than 2^lowest.
func roundTo(x float64, fraction, lowest int) float64 {
	_, exp := math.Frexp(x) // |x| is in [2^(exp-1), 2^exp)
	unit := math.Ldexp(1, max(exp-1-fraction, lowest))
	return math.RoundToEven(x/unit) * unit
}

// lookup is the index stored at the given place of idx, from the end of n if negative.
func lookup(idx *tensor.Tensor, at []int, n int) int {
	k := int(idx.At(offset(idx.Shape(), at)))
	if k < 0 {
		k += n
	}
	return k
}

func uniformRef(w [4]uint32) [4]float64 {
	var out [4]float64
	for k := range out {
		out[k] = float64(w[k]>>8) / (1 << 24)
	}
	return out
}

// draws turns the generator's words for {seed, step} and stream into numbers.
func draws(state *tensor.Tensor, stream int, shape graph.Shape, f func([4]uint32) [4]float64) []float64 {
	n, _ := shape.Size().Eval(nil)
	seed, step := uint64(state.At(0)), uint64(state.At(1))
	var out []float64
	for i := 0; len(out) < n; i++ {
		at := step*65536 + uint64(stream)
		v := f(philoxRef([4]uint64{uint64(i), 0, at & 0xffffffff, at >> 32}, [2]uint64{seed & 0xffffffff, seed >> 32}))
		out = append(out, v[:]...)
	}
	return out[:n]
}

// philoxRef is Philox 4x32-10 as the paper's section 4 states it, in 64-bit arithmetic.
func philoxRef(ctr [4]uint64, key [2]uint64) [4]uint32 {
	const mask = 1<<32 - 1
	for range 10 {
		p0, p1 := ctr[0]*0xD2511F53, ctr[2]*0xCD9E8D57
		ctr = [4]uint64{p1>>32 ^ ctr[1] ^ key[0], p1 & mask, p0>>32 ^ ctr[3] ^ key[1], p0 & mask}
		key = [2]uint64{(key[0] + 0x9E3779B9) & mask, (key[1] + 0xBB67AE85) & mask}
	}
	return [4]uint32{uint32(ctr[0]), uint32(ctr[1]), uint32(ctr[2]), uint32(ctr[3])}
}

// elementsAt calls do with the place in x of each index along an axis, and its number.
func elementsAt(x, index *tensor.Tensor, axis int, do func(place, i int)) {
	if axis < 0 {
		axis += x.Rank()
	}
	i := 0
	odometer(index.Shape(), func(at []int) {
		to := slices.Clone(at)
		to[axis] = (int(index.At(i)) + x.Dim(axis)) % x.Dim(axis)
		do(offset(x.Shape(), to), i)
		i++
	})
}
