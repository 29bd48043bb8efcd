package onnxtest

import (
	"math"
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var shapeOperators = map[string]operator{
	"Shape": func(c *call) []*tensor.Tensor {
		shape := c.input(0).Shape()
		clamp := func(k int) int {
			if k < 0 {
				k += len(shape)
			}
			return min(max(k, 0), len(shape))
		}
		from, to := clamp(c.int("start", 0)), clamp(c.int("end", len(shape)))
		return one(list(shape[from:max(from, to)]))
	},
	"Reshape": func(c *call) []*tensor.Tensor {
		x, want := c.input(0), c.list(1)
		zeros := c.int("allowzero", 0) != 0
		rest, known := -1, 1
		for i, n := range want {
			switch {
			case n == -1 && rest >= 0:
				c.fail("two sizes of -1 in %v", want)
			case n == -1:
				rest = i
				continue
			case n == 0 && !zeros:
				want[i] = x.Dim(i)
			}
			known *= want[i]
		}
		if rest >= 0 {
			want[rest] = x.Len() / max(known, 1)
			known *= want[rest]
		}
		if known != x.Len() {
			c.fail("%v becomes %v", x, want)
		}
		return one(x.Reshape(want...))
	},
	"Transpose": func(c *call) []*tensor.Tensor {
		x := c.input(0)
		var reverse []int
		for i := range x.Rank() {
			reverse = append(reverse, x.Rank()-1-i)
		}
		perm := c.ints("perm", reverse...)
		if len(perm) != x.Rank() {
			c.fail("perm %v of %v", perm, x)
		}
		shape := make([]int, len(perm))
		for i, k := range perm {
			shape[i] = x.Dim(k)
		}
		return arrange(x.DType(), shape, func(i []int) place {
			from := make([]int, len(i))
			for j, k := range perm {
				from[k] = i[j]
			}
			return find(x, from)
		})
	},
	"Expand": func(c *call) []*tensor.Tensor {
		x := c.input(0)
		shape := c.broadcast(x, tensor.New(tensor.Bool, c.list(1)...))
		return arrange(x.DType(), shape, func(i []int) place { return find(x, i) })
	},
	"Concat": func(c *call) []*tensor.Tensor {
		c.same(c.in...)
		k := c.axis(c.int("axis", math.MaxInt), c.input(0).Rank())
		shape := slices.Clone(c.in[0].Shape())
		for _, t := range c.in[1:] {
			shape[k] += t.Dim(k)
		}
		return arrange(c.in[0].DType(), shape, func(i []int) place {
			own := slices.Clone(i)
			for _, t := range c.in {
				if own[k] < t.Dim(k) {
					return find(t, own)
				}
				own[k] -= t.Dim(k)
			}
			panic("unreachable")
		})
	},
	"Split": func(c *call) []*tensor.Tensor {
		x := c.input(0)
		k := c.axis(c.int("axis", 0), x.Rank())
		var sizes []int
		switch {
		case c.has(1):
			sizes = c.list(1)
		default:
			parts := len(c.Outputs)
			if c.opset >= 18 {
				parts = c.int("num_outputs", 0)
			}
			each := (x.Dim(k) + parts - 1) / parts
			for i := range parts {
				sizes = append(sizes, min(each, x.Dim(k)-i*each))
			}
		}
		var out []*tensor.Tensor
		at := 0
		for _, n := range sizes {
			shape, from := slices.Clone(x.Shape()), at
			shape[k] = n
			out = append(out, arrange(x.DType(), shape, func(i []int) place {
				index := slices.Clone(i)
				index[k] += from
				return find(x, index)
			})...)
			at += n
		}
		if at != x.Dim(k) {
			c.fail("the parts %v of %v", sizes, x)
		}
		return out
	},
	"Slice": func(c *call) []*tensor.Tensor {
		x, starts, ends := c.input(0), c.list(1), c.list(2)
		var axes, steps []int
		for i := range starts {
			axes, steps = append(axes, i), append(steps, 1)
		}
		if c.has(3) {
			axes = c.list(3)
		}
		if c.has(4) {
			steps = c.list(4)
		}
		shape, first, step := slices.Clone(x.Shape()), make([]int, x.Rank()), make([]int, x.Rank())
		for i := range step {
			step[i] = 1
		}
		for j, k := range axes {
			k = c.axis(k, x.Rank())
			n, lo, hi := x.Dim(k), 0, x.Dim(k) // the limits of where it may start and end
			if steps[j] < 0 {
				lo, hi = -1, n-1
			}
			at := func(p int) int {
				if p < 0 {
					p += n
				}
				return min(max(p, lo), hi)
			}
			from, to := at(starts[j]), at(ends[j])
			if steps[j] < 0 {
				from = min(max(from, 0), n-1)
			}
			first[k], step[k] = from, steps[j]
			shape[k] = max(0, int(math.Ceil(float64(to-from)/float64(steps[j]))))
		}
		return arrange(x.DType(), shape, func(i []int) place {
			from := make([]int, len(i))
			for k := range i {
				from[k] = first[k] + i[k]*step[k]
			}
			return find(x, from)
		})
	},
	"Pad": func(c *call) []*tensor.Tensor {
		x, pads := c.input(0), c.list(1)
		must(c, "mode", "constant")
		fill := place{tensor.New(x.DType()), 0}
		if c.has(2) {
			c.same(x, c.in[2])
			fill.in = c.in[2]
		}
		if c.has(3) || len(pads) != 2*x.Rank() {
			c.fail("pads of some axes are not known here")
		}
		shape := slices.Clone(x.Shape())
		for k := range shape {
			shape[k] += pads[k] + pads[k+x.Rank()]
		}
		return arrange(x.DType(), shape, func(i []int) place {
			from := make([]int, len(i))
			for k := range i {
				from[k] = i[k] - pads[k]
				if from[k] < 0 || from[k] >= x.Dim(k) {
					return fill
				}
			}
			return find(x, from)
		})
	},
	"ConstantOfShape": func(c *call) []*tensor.Tensor {
		value := attributeTensor(c, "value")
		return arrange(value.DType(), c.list(0), func([]int) place { return place{value, 0} })
	},
	"Squeeze": func(c *call) []*tensor.Tensor {
		x, drop := c.input(0), c.list(1)
		var shape []int
		for i, n := range x.Shape() {
			switch {
			case !slices.Contains(drop, i) && !slices.Contains(drop, i-x.Rank()):
				shape = append(shape, n)
			case n != 1:
				c.fail("axis %d of %v is not 1", i, x)
			}
		}
		return one(x.Reshape(shape...))
	},
	"Range": func(c *call) []*tensor.Tensor {
		start, limit, step := int(c.input(0).At(0)), int(c.input(1).At(0)), int(c.input(2).At(0))
		var out []int
		for i := start; i < limit; i += step {
			out = append(out, i)
		}
		return one(list(out))
	},
	"DepthToSpace": func(c *call) []*tensor.Tensor {
		x, b := c.input(0), c.int("blocksize", 0)
		must(c, "mode", "DCR")
		channels := x.Dim(1) / (b * b)
		return arrange(x.DType(), []int{x.Dim(0), channels, x.Dim(2) * b, x.Dim(3) * b}, func(i []int) place {
			depth := (i[2]%b*b+i[3]%b)*channels + i[1]
			return find(x, []int{i[0], depth, i[2] / b, i[3] / b})
		})
	},
}

func list(n []int) *tensor.Tensor {
	out := tensor.New(tensor.I64, len(n))
	for i, v := range n {
		out.Set(i, float64(v))
	}
	return out
}

var indexOperators = map[string]operator{
	"Gather": func(c *call) []*tensor.Tensor {
		x, index := c.input(0), c.input(1)
		k := c.axis(c.int("axis", 0), x.Rank())
		shape := slices.Concat(x.Shape()[:k], index.Shape(), x.Shape()[k+1:])
		return arrange(x.DType(), shape, func(i []int) place {
			p := c.index(index.At(position(index.Shape(), i[k:k+index.Rank()])), x.Dim(k))
			return find(x, slices.Concat(i[:k], []int{p}, i[k+index.Rank():]))
		})
	},
	"GatherElements": func(c *call) []*tensor.Tensor {
		x, index := c.input(0), c.input(1)
		k := c.axis(c.int("axis", 0), x.Rank())
		return arrange(x.DType(), index.Shape(), func(i []int) place {
			from := slices.Clone(i)
			from[k] = c.index(look(index, i), x.Dim(k))
			return find(x, from)
		})
	},
	"ScatterElements": func(c *call) []*tensor.Tensor {
		x, index, updates := c.input(0), c.input(1), c.input(2)
		c.same(x, updates)
		k := c.axis(c.int("axis", 0), x.Rank())
		reduction := attribute(c, "reduction", "none")
		out := x.Clone()
		each(index.Shape(), func(i []int) {
			to := slices.Clone(i)
			to[k] = c.index(look(index, i), x.Dim(k))
			p, v := position(x.Shape(), to), look(updates, i)
			switch reduction {
			case "none":
			case "add":
				v += out.At(p)
			default:
				c.fail("the reduction %q is not known here", reduction)
			}
			out.Set(p, v)
		})
		return one(out)
	},
	"OneHot": func(c *call) []*tensor.Tensor {
		index, depth, values := c.input(0), int(c.input(1).At(0)), c.input(2)
		k := c.axis(c.int("axis", -1), index.Rank()+1)
		return arrange(values.DType(), slices.Insert(slices.Clone(index.Shape()), k, depth), func(i []int) place {
			hot := int(look(index, slices.Concat(i[:k], i[k+1:])))
			if hot < 0 {
				hot += depth
			}
			if i[k] == hot {
				return place{values, 1}
			}
			return place{values, 0}
		})
	},
}

// index counts from the end when negative.
func (c *call) index(v float64, n int) int {
	i := int(v)
	if i < -n || i >= n {
		c.fail("index %d into an axis of size %d", i, n)
	}
	return (i + n) % n
}
