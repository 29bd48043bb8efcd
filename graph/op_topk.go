package graph

import (
	"cmp"
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var topKOps = []Sampled{TopK{}}

// TopK finds the K largest elements along Axis, or the smallest, in order, and where they are, as i64; of equal ones the first comes
// first. The axis is a number. Results: the elements and their places. ONNX: TopK.
type TopK struct {
	K, Axis int
	Largest bool // else the smallest
}

// TopK are v's k largest elements along the axis, which is counted from the end when negative, from the largest on, and where along it
// they are, i64. Gradients flow to the elements found.
func (v *Value) TopK(k, axis int) (elements, places *Value) {
	n := ApplyNode(TopK{k, axis, true}, nil, v)
	return n.Result(0), n.Result(1)
}

// BottomK are v's k smallest elements along the axis, from the smallest on, and where they are; see [Value.TopK].
func (v *Value) BottomK(k, axis int) (elements, places *Value) {
	n := ApplyNode(TopK{k, axis, false}, nil, v)
	return n.Result(0), n.Result(1)
}

func (o TopK) normalize(in []*Value) Op {
	o.Axis = normalAxis(o.Axis, in[0])
	return o
}

// Takes is a number.
func (TopK) Takes() []Arg { return oneNumber }

// Infer makes the axis one of K.
func (o TopK) Infer(in *Infer) ([]Type, error) {
	x := in.Args[0]
	i, err := axis(o.Axis, x.Rank())
	if err != nil {
		return nil, err
	}
	n := x.Shape()[i]
	if n.Symbolic() {
		return nil, Mistakef("give the axis a size, or take the largest with .ReduceMax", "axis %d of %v is symbolic: it may have fewer than %d", o.Axis, x.Type, o.K)
	}
	if o.K < 1 || Dim(o.K) > n {
		return nil, Mistakef("there are as many as the axis has at most", "%d elements of the %v along axis %d of %v", o.K, n, o.Axis, x.Type)
	}
	s := slices.Clone(x.Shape())
	s[i] = Dim(o.K)
	return []Type{{x.DType(), s}, {I64, s}}, nil
}

// VJP puts the elements' gradients where the elements were.
func (o TopK) VJP(n *Node, g []*Value) []*Value {
	x, places := n.Args[0], n.Results[1]
	if g[0] == nil || !x.DType().Float() {
		return nil
	}
	k := normalAxis(o.Axis, x)
	hits := places.OneHot(int(x.Dim(k)), x.DType()) // an axis of the places in x, at the end
	along := hits.Mul(g[0].Unsqueeze(-1)).Sum(k)    // over the elements found; that of the places takes their axis' place
	perm := make([]int, 0, x.Rank())
	for i := range x.Rank() - 1 {
		perm = append(perm, i)
	}
	return []*Value{along.Transpose(slices.Insert(perm, k, x.Rank()-1)...)}
}

// Run sorts.
func (o TopK) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	k := typed[TopK]{topK[float32], topK[float64], topK[int64], topK[uint64]}
	return k.run(c, o, in[0], out, in)
}

// topK finds the elements of each column.
func topK[T kernel.Number](c *kernel.Context, o TopK, out, in []*tensor.Tensor) error {
	outer, n, inner, err := alongAxis(in[0].Shape(), o.Axis)
	if err != nil {
		return err
	}
	elements, places, x := tensor.Data[T](out[0]), tensor.Data[int64](out[1]), tensor.Data[T](in[0])
	c.Parallel(outer*inner, max(1, grain/(8*n)), func(lo, hi int) {
		order := make([]int, n)
		for column := lo; column < hi; column++ {
			from, to := column/inner*n*inner+column%inner, column/inner*o.K*inner+column%inner
			for i := range order {
				order[i] = i
			}
			slices.SortStableFunc(order, func(a, b int) int {
				if o.Largest {
					a, b = b, a
				}
				return cmp.Compare(x[from+a*inner], x[from+b*inner])
			})
			for i, at := range order[:o.K] {
				elements[to+i*inner], places[to+i*inner] = x[from+at*inner], int64(at)
			}
		}
	})
	return nil
}

// Forms is TopK, whose K is an input.
func (TopK) Forms() []Form {
	return form("TopK", Field{Name: "K", Input: 1, Vector: true}, Field{Attribute: "axis", Name: "Axis", Default: -1}, Field{Attribute: "largest", Name: "Largest", Default: true})
}

// Samples covers the places of the axis, both ends, all elements and equal ones.
func (TopK) Samples() []Sample {
	return []Sample{
		{Op: TopK{2, 0, true}, In: []SampleInput{{Shape: []int{5}, Distinct: true}}},
		{Op: TopK{1, -1, true}, In: []SampleInput{{Shape: []int{3, 4}, Distinct: true}}},
		{Op: TopK{3, 0, true}, In: []SampleInput{{Shape: []int{4, 3}, Distinct: true}}},
		{Op: TopK{2, 1, false}, In: []SampleInput{{Shape: []int{2, 3, 2}, Distinct: true}}},
		{Op: TopK{4, 2, true}, In: []SampleInput{{Shape: []int{1, 2, 4, 1, 2}, Distinct: true}}},
		{Op: TopK{3, -1, true}, In: []SampleInput{{DType: I64, Shape: []int{2, 6}, Lo: -2, Hi: 3}}},
		{Op: TopK{4, 1, false}, In: []SampleInput{{Shape: []int{2, 5}, Lo: 1, Hi: 1, NoGrad: true}}},
	}
}
