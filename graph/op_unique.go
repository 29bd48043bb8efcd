package graph

import (
	"cmp"
	"math"
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// Unique finds what differs: the elements, or with Along the slices along Axis, each once, in rising order; slices are compared element by
// element in row-major order. How many there are only a run tells. Results: these, the place of the first of each, which of them stands
// at each place of the argument, and how often each is there, all i64 but the first. ONNX: Unique.
type Unique struct {
	Along bool
	Axis  int
}

// Unique are the different elements of v, sorted, along one axis, whose size only a run tells; where in v, in row-major order, the first of
// each is; which of them each element of v is; and how often each is there. Gradients flow to the first of each.
func (v *Value) Unique() (values, first, inverse, counts *Value) {
	n := ApplyNode(Unique{}, nil, v)
	return n.Result(0), n.Result(1), n.Result(2), n.Result(3)
}

// UniqueAlong are the different slices of v along the axis, sorted, and of these as [Value.Unique] has it of elements.
func (v *Value) UniqueAlong(axis int) (values, first, inverse, counts *Value) {
	n := ApplyNode(Unique{true, axis}, nil, v)
	return n.Result(0), n.Result(1), n.Result(2), n.Result(3)
}

func (o Unique) normalize(in []*Value) Op {
	if o.Along {
		o.Axis = normalAxis(o.Axis, in[0])
	}
	return o
}

// Takes is a value of any dtype.
func (Unique) Takes() []Arg { return oneAny }

// Infer gives the axis a size of its own.
func (o Unique) Infer(in *Infer) ([]Type, error) {
	x := in.Args[0]
	k, s := 0, Shape{x.Shape().Size()}
	if o.Along {
		var err error
		if k, err = axis(o.Axis, x.Rank()); err != nil {
			return nil, err
		}
		s = slices.Clone(x.Shape())
	} else if o.Axis != 0 {
		return nil, Mistakef("v.UniqueAlong(axis) finds slices", "axis %d of single elements", o.Axis)
	}
	all := s[k]
	s[k] = in.Fresh("unique")
	return []Type{{x.DType(), s}, {I64, Shape{s[k]}}, {I64, Shape{all}}, {I64, Shape{s[k]}}}, nil
}

// VJP puts the gradients of the elements where the first of each is.
func (o Unique) VJP(n *Node, g []*Value) []*Value {
	x := n.Args[0]
	if g[0] == nil || !x.DType().Float() {
		return nil
	}
	shape := x.Shape()
	if !o.Along {
		shape = Shape{shape.Size()}
	}
	return []*Value{Apply(ScatterAdd{Axis: o.Axis, Shape: shape}, g[0], n.Results[1]).Reshape(x.Shape()...)}
}

// flat is x with the axis along which its parts are.
func (o Unique) flat(x *tensor.Tensor) *tensor.Tensor {
	if o.Along {
		return x
	}
	return x.Reshape(x.Len())
}

// Sizes counts what differs.
func (o Unique) Sizes(_ *kernel.Context, in []*tensor.Tensor) ([]int, error) {
	groups, err := o.groups(o.flat(in[0]))
	return []int{len(groups)}, err
}

// Run sorts.
func (o Unique) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	x := o.flat(in[0])
	groups, err := o.groups(x)
	if err != nil {
		return err
	}
	first, inverse, counts := tensor.Data[int64](out[1]), tensor.Data[int64](out[2]), tensor.Data[int64](out[3])
	places := make([]int, len(groups))
	for i, group := range groups {
		places[i] = group[0]
		first[i], counts[i] = int64(group[0]), int64(len(group))
		for _, at := range group {
			inverse[at] = int64(i)
		}
	}
	return take(c, out[0], x, o.Axis, places)
}

// groups are the places along the axis with equal slices, in the order of these, and within each rising.
func (o Unique) groups(x *tensor.Tensor) ([][]int, error) {
	outer, n, inner, err := alongAxis(x.Shape(), o.Axis)
	if err != nil {
		return nil, err
	}
	switch d := x.Raw().(type) {
	case []float32:
		return group(d, outer, n, inner), nil
	case []float64:
		return group(d, outer, n, inner), nil
	case []int64:
		return group(d, outer, n, inner), nil
	case []string:
		return group(d, outer, n, inner), nil
	}
	if t := x.DType(); t.Integer() || t == Bool {
		d := make([]int64, x.Len())
		for i := range d {
			if d[i] = x.Int(i); t == U64 {
				d[i] ^= math.MinInt64 // their order is that of these
			}
		}
		return group(d, outer, n, inner), nil
	}
	return group(x.Float64s(), outer, n, inner), nil
}

// group is groups of n slices of elements d.
func group[T cmp.Ordered](d []T, outer, n, inner int) [][]int {
	compare := func(a, b int) int {
		for i := range outer {
			row := d[i*n*inner:]
			if c := slices.Compare(row[a*inner:(a+1)*inner], row[b*inner:(b+1)*inner]); c != 0 {
				return c
			}
		}
		return 0
	}
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, compare)
	var out [][]int
	for i, at := range order {
		if i == 0 || compare(order[i-1], at) != 0 {
			out = append(out, order[i:i:n])
		}
		last := len(out) - 1
		out[last] = append(out[last], at)
	}
	return out
}

// Forms is Unique.
func (o Unique) Forms() []Form {
	if !o.Along {
		return form("Unique")
	}
	return form("Unique", Field{Attribute: "axis", Name: "Axis"})
}

// Samples covers elements and slices, repeated and not.
func (Unique) Samples() []Sample {
	few := func(shape ...int) SampleInput { return SampleInput{DType: I64, Shape: shape, Lo: -2, Hi: 3} }
	return []Sample{
		{Op: Unique{}, In: []SampleInput{{Shape: []int{5}, Distinct: true}}},
		{Op: Unique{}, In: []SampleInput{few(9)}},
		{Op: Unique{}, In: []SampleInput{few(3, 1, 4)}},
		{Op: Unique{}, In: []SampleInput{{Shape: []int{2, 3}, Lo: 1, Hi: 1, NoGrad: true}}},
		{Op: Unique{true, 0}, In: []SampleInput{{Shape: []int{4, 2}, Distinct: true}}},
		{Op: Unique{true, 1}, In: []SampleInput{{DType: I64, Shape: []int{2, 7}, Lo: 0, Hi: 2}}},
		{Op: Unique{true, -2}, In: []SampleInput{{DType: I64, Shape: []int{2, 6, 1}, Lo: 0, Hi: 2}}},
	}
}
