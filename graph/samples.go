package graph

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// A Sample is one configuration of an op with the inputs to try it on.
type Sample struct {
	Op   Op
	In   []SampleInput
	Make func(f *Func, args []*Value) *Node // of an op with bodies: traces them and applies it
}

// Apply adds the node of s over args to f.
func (s Sample) Apply(f *Func, args []*Value) *Node {
	if s.Make != nil {
		return s.Make(f, args)
	}
	return f.ApplyNode(s.Op, nil, args...)
}

// A SampleInput describes one argument of a sample. The tests fill it from a seed.
type SampleInput struct {
	DType  DType // F32 and F64 both mean any number that the op takes: the tests try all
	Shape  []int
	Lo, Hi float64 // the range of the elements; 0, 0 means [-2, 2]
	// Distinct asks for elements that differ from one another by at least 0.01, and from 0: for ops with kinks or ties,
	// where finite differences would straddle one.
	Distinct bool
	NoGrad   bool // the gradient with respect to this input is not checked
	Absent   bool // the optional argument is left out
}

// whole is an integer of dtype t in the place of v, which an input in of floats would have there; place orders the elements.
func whole(v float64, in SampleInput, t DType, place int) float64 {
	switch {
	case in.Distinct:
		v = float64(place)
	case in.Lo > 0: // and not 0
		return math.Ceil(v)
	}
	if v = math.Floor(v); t.Unsigned() {
		v = math.Abs(v)
	}
	return v
}

// Trace returns a Func that applies s's op to inputs called in0, in1, ..., with the results as outputs called y0, y1, ..., and tensors
// for the inputs, in which number is the dtype of those of F32 and F64. The node has no results if the op does not take such inputs: the
// Func then says why.
func (s Sample) Trace(number DType) (*Func, *Node, map[string]*tensor.Tensor) {
	f, in := NewFunc("sample", false), map[string]*tensor.Tensor{}
	args := make([]*Value, len(s.In))
	for k, x := range s.Inputs(number) {
		if x != nil {
			name := fmt.Sprint("in", k)
			in[name], args[k] = x, f.Input(name, x.DType(), dimsOf(x)...)
		}
	}
	n := s.Apply(f, args)
	for i, y := range n.Results {
		f.Output(fmt.Sprint("y", i), y)
	}
	return f, n, in
}

// DTypes are those that all the inputs of F32 and F64 may have: none if there are no such inputs, or bodies, which are traced for floats.
// The attributes of s may be such that it does not take an integer: Trace says so.
func (s Sample) DTypes() DTypes {
	set, takes := DTypes(0), s.Op.Takes()
	for k, in := range s.In {
		if !in.DType.Native() || in.Absent {
			continue
		}
		if set == 0 {
			set = Any
		}
		set &= takes[min(k, len(takes)-1)].DTypes
	}
	if s.Make != nil {
		return 0
	}
	return set
}

// unarySamples tries op on ranks 0 to 5, with elements in [lo, hi].
func unarySamples(op Op, lo, hi float64, distinct bool) []Sample {
	var out []Sample
	for _, s := range [][]int{{}, {1}, {7}, {2, 3}, {3, 1, 2}, {2, 2, 1, 3}, {1, 2, 2, 1, 3}} {
		out = append(out, Sample{Op: op, In: []SampleInput{{Shape: s, Lo: lo, Hi: hi, Distinct: distinct}}})
	}
	return out
}

// broadcasts are pairs of shapes that broadcast in every way: equal, scalars, rows, columns, both, inner axes.
var broadcasts = [][2][]int{
	{{}, {}},
	{{3}, {3}},
	{{2, 3}, {}},
	{{}, {4}},
	{{2, 3}, {3}},
	{{2, 3}, {2, 1}},
	{{2, 1}, {1, 3}},
	{{1}, {2, 2, 2}},
	{{2, 3, 2, 2}, {3, 1, 1}},
	{{2, 1, 3, 1, 2}, {1, 2, 1, 2, 1}},
}

// binarySamples tries op on every kind of broadcast; a and b give the ranges of the arguments.
func binarySamples(op Op, a, b SampleInput) []Sample {
	var out []Sample
	for _, p := range broadcasts {
		a.Shape, b.Shape = p[0], p[1]
		out = append(out, Sample{Op: op, In: []SampleInput{a, b}})
	}
	return out
}

// Inputs draws the inputs of s from a fixed seed, with number as the dtype of those of F32 and F64. One that is left out is nil.
func (s Sample) Inputs(number DType) []*tensor.Tensor {
	r := rand.New(rand.NewPCG(7, 11))
	out := make([]*tensor.Tensor, len(s.In))
	for k, in := range s.In {
		if in.Absent {
			continue
		}
		dt := in.DType
		if dt.Native() {
			dt = number
		}
		lo, hi := in.Lo, in.Hi
		if lo == 0 && hi == 0 {
			lo, hi = -2, 2
		}
		x := tensor.New(dt, in.Shape...)
		n := x.Len()
		order := r.Perm(n)
		for i := range n {
			v := lo + (hi-lo)*r.Float64()
			if in.Distinct { // a shuffled ladder, off zero
				v = lo + (hi-lo)*(float64(order[i])+.3+.4*r.Float64())/float64(n)
				if math.Abs(v) < .01 {
					v += .02
				}
			}
			switch {
			case dt == Bool && lo < hi:
				v = float64(r.IntN(2))
			case dt.Integer() && in.DType.Native():
				v = whole(v, in, dt, order[i]-n/2)
			case dt.Integer():
				v = math.Floor(v)
			case dt.Float():
				v = float64(float32(v)) // the same numbers in both precisions
			}
			if dt == String {
				tensor.Data[string](x)[i] = fmt.Sprint(v)
				continue
			}
			x.Set(i, v)
		}
		out[k] = x
	}
	return out
}
