package read

import (
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/symbolic"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// maxSizes is how many elements are followed as sizes: more are no shape.
const maxSizes = 64

// sizesOf are x's elements as sizes, nil if they are not known, or x is no integer scalar or vector.
func (r *reader) sizesOf(x *value) *sizes {
	if x == nil {
		return nil
	}
	if x.sizes != nil {
		return x.sizes
	}
	t := r.small(x)
	if t == nil || t.DType() != graph.I64 && t.DType() != graph.I32 || t.Rank() > 1 || t.Len() > maxSizes {
		return nil
	}
	s := &sizes{scalar: t.Rank() == 0}
	for i := range t.Len() {
		e := symbolic.Number(t.Int(i))
		if e == nil { // too large
			return nil
		}
		s.list = append(s.list, e)
	}
	return s
}

// sizes are the node's result, if it is computed from the sizes of axes, as the targets of Reshape are; nil if it is not, or that is
// not known.
func (c *call) sizes() (out *sizes) {
	step := sizeRules[c.OpType]
	if step == nil || c.Domain != "" {
		return nil
	}
	if err := guard(func() { out = step(c) }); err != nil || out != nil && (len(out.list) > maxSizes || slices.Contains(out.list, (*symbolic.Expr)(nil))) {
		return nil
	}
	return out
}

// of are the sizes that input i is; that there are none is a fault, which ends the following.
func (c *call) of(i int) *sizes {
	if c.has(i) {
		if s := c.r.sizesOf(c.in[i]); s != nil {
			return s
		}
	}
	fail("its input %d is no size", i)
	return nil
}

// sizeRules compute with sizes as the operators do with integers.
var sizeRules map[string]func(c *call) *sizes

func init() { // the rules look at inputs, whose rules lead back to this map
	sizeRules = map[string]func(c *call) *sizes{
		"Shape": func(c *call) *sizes {
			shape := c.arg(0).Shape()
			start, end := clampAxis(c.int("start", 0), len(shape)), clampAxis(c.int("end", len(shape)), len(shape))
			out := &sizes{}
			for i := start; i < end; i++ {
				out.list = append(out.list, shape[i].Expr())
			}
			return out
		},
		"Size":    func(c *call) *sizes { return scalarSize(c.arg(0).Shape().Size().Expr()) },
		"Gather":  gatherSizes,
		"Slice":   sliceSizes,
		"Concat":  concatSizes,
		"Reshape": reshapeSizes, "Squeeze": reshapeSizes, "Unsqueeze": reshapeSizes,
		"Cast": func(c *call) *sizes {
			if t, _ := tensor.OfONNX(c.int("to", 0)); t != graph.I64 && t != graph.I32 {
				return nil
			}
			return c.of(0)
		},
		"Add": each((*symbolic.Expr).Plus), "Sub": each((*symbolic.Expr).Minus), "Mul": each((*symbolic.Expr).Times),
		"Div": each(quotient), "Mod": remainderSizes, "Min": each((*symbolic.Expr).Min), "Max": each((*symbolic.Expr).Max),
		"ReduceProd": func(c *call) *sizes {
			if c.has(1) || len(c.ints("axes")) > 0 {
				return nil
			}
			product := symbolic.Number(1)
			for _, e := range c.of(0).list {
				product = product.Times(e)
			}
			out := scalarSize(product)
			out.scalar = c.int("keepdims", 1) == 0
			return out
		},
		"Where": func(c *call) *sizes {
			condition, a, b := c.known(0), c.of(1), c.of(2)
			return c.pair(a, b, func(i int, x, y *symbolic.Expr) *symbolic.Expr {
				if condition.At(min(i, condition.Len()-1)) != 0 {
					return x
				}
				return y
			}, condition.Len())
		},
	}
}

func scalarSize(e *symbolic.Expr) *sizes {
	return &sizes{list: []*symbolic.Expr{e}, scalar: true}
}

// clampAxis is an axis of a rank, counted from the end when negative, and cut to the range.
func clampAxis(i, rank int) int {
	if i < 0 {
		i += rank
	}
	return max(0, min(i, rank))
}

// each does op to pairs of elements.
func each(op func(a, b *symbolic.Expr) *symbolic.Expr) func(c *call) *sizes {
	return func(c *call) *sizes {
		if len(c.in) != 2 {
			return nil
		}
		return c.pair(c.of(0), c.of(1), func(_ int, a, b *symbolic.Expr) *symbolic.Expr { return op(a, b) }, 1)
	}
}

// pair broadcasts a, b and a third of so many elements.
func (c *call) pair(a, b *sizes, op func(i int, a, b *symbolic.Expr) *symbolic.Expr, third int) *sizes {
	n := max(len(a.list), len(b.list), third)
	for _, k := range []int{len(a.list), len(b.list), third} {
		if k != n && k != 1 {
			return nil
		}
	}
	out := &sizes{scalar: a.scalar && b.scalar && third == 1}
	for i := range n {
		out.list = append(out.list, op(i, a.list[min(i, len(a.list)-1)], b.list[min(i, len(b.list)-1)]))
	}
	return out
}

// quotient is a/b, where rounding down is rounding to 0, or there is nothing to round.
func quotient(a, b *symbolic.Expr) *symbolic.Expr {
	if q, ok := a.Exact(b); ok && b.Least() > 0 {
		return q
	}
	if a == nil || b == nil || a.Least() < 0 || b.Least() < 1 {
		fail("its sign is not known")
	}
	return a.Div(b)
}

// remainderSizes are remainders that have the divisor's sign, also where a size less something is below 0.
func remainderSizes(c *call) *sizes {
	sign := each(func(a, b *symbolic.Expr) *symbolic.Expr {
		if b.Least() < 1 {
			fail("its sign is not known")
		}
		return a.Mod(b)
	})
	if c.int("fmod", 0) != 0 {
		return nil
	}
	return sign(c)
}

func gatherSizes(c *call) *sizes {
	from, at := c.of(0), c.known(1)
	if from.scalar || at.Rank() > 1 || c.int("axis", 0) != 0 && c.int("axis", 0) != -1 {
		return nil
	}
	out := &sizes{scalar: at.Rank() == 0}
	for i := range at.Len() {
		k := at.Int(i)
		if k < 0 {
			k += int64(len(from.list))
		}
		if k < 0 || k >= int64(len(from.list)) {
			return nil
		}
		out.list = append(out.list, from.list[k])
	}
	return out
}

func sliceSizes(c *call) *sizes {
	from := c.of(0)
	cuts := c.cuts([]graph.Dim{graph.Dim(len(from.list))})
	if from.scalar || len(cuts) != 1 || cuts[0].Start.Symbolic() || cuts[0].End.Symbolic() || cuts[0].Step < 1 {
		return nil
	}
	out := &sizes{}
	for i := int(cuts[0].Start); i < int(cuts[0].End); i += min(cuts[0].Step, len(from.list)) {
		out.list = append(out.list, from.list[i])
	}
	return out
}

func concatSizes(c *call) *sizes {
	out := &sizes{}
	for i := range c.in {
		s := c.of(i)
		if s.scalar {
			return nil
		}
		out.list = append(out.list, s.list...)
	}
	return out
}

// reshapeSizes makes a scalar a vector of one, or back; more axes are no sizes.
func reshapeSizes(c *call) *sizes {
	from := c.of(0)
	rank := 0
	switch c.OpType {
	case "Reshape":
		to, _ := c.knownInts(1)
		rank = len(to)
	case "Unsqueeze":
		axes, _ := c.knownInts(1)
		rank = len(axes)
		if !from.scalar {
			rank++
		}
	case "Squeeze":
		if len(from.list) != 1 {
			return nil
		}
	}
	if rank > 1 || rank == 0 && len(from.list) != 1 {
		return nil
	}
	return &sizes{list: from.list, scalar: rank == 0}
}
