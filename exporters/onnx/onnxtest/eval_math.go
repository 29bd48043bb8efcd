package onnxtest

import (
	"math"
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var mathOperators = map[string]operator{
	"Abs":        unary(math.Abs),
	"Neg":        unary(func(x float64) float64 { return -x }),
	"Exp":        unary(math.Exp),
	"Log":        unary(math.Log),
	"Sqrt":       unary(math.Sqrt),
	"Reciprocal": unary(func(x float64) float64 { return 1 / x }),
	"Floor":      unary(math.Floor),
	"Sin":        unary(math.Sin),
	"Cos":        unary(math.Cos),
	"Erf":        unary(math.Erf),
	"Relu":       unary(func(x float64) float64 { return max(x, 0) }),
	"Sigmoid":    unary(func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }),
	"Tanh":       unary(math.Tanh),
	"Mish":       unary(func(x float64) float64 { return x * math.Tanh(max(x, 0)+math.Log1p(math.Exp(-math.Abs(x)))) }),
	"Softplus":   unary(func(x float64) float64 { return max(x, 0) + math.Log1p(math.Exp(-math.Abs(x))) }),
	"Identity":   func(c *call) []*tensor.Tensor { return one(c.input(0)) },
	"Sign": unary(func(x float64) float64 {
		switch {
		case x > 0:
			return 1
		case x < 0:
			return -1
		}
		return x
	}),
	"LeakyRelu": func(c *call) []*tensor.Tensor {
		alpha := c.float("alpha", .01)
		return unary(func(x float64) float64 {
			if x < 0 {
				return alpha * x
			}
			return x
		})(c)
	},
	"Elu": func(c *call) []*tensor.Tensor {
		alpha := c.float("alpha", 1)
		return unary(func(x float64) float64 {
			if x < 0 {
				return alpha * math.Expm1(x)
			}
			return x
		})(c)
	},
	"Gelu": func(c *call) []*tensor.Tensor {
		c.since(20)
		must(c, "approximate", "none")
		return unary(func(x float64) float64 { return x * math.Erfc(-x/math.Sqrt2) / 2 })(c)
	},
	"Clip": func(c *call) []*tensor.Tensor {
		lo, hi := math.Inf(-1), math.Inf(1)
		c.same(c.in...)
		if c.has(1) {
			lo = c.in[1].At(0)
		}
		if c.has(2) {
			hi = c.in[2].At(0)
		}
		return unary(func(x float64) float64 { return min(max(x, lo), hi) })(c)
	},
	"Not": unary(func(x float64) float64 { return 1 - x }),
	"Cast": func(c *call) []*tensor.Tensor {
		if dtype, ok := tensor.OfONNX(c.int("to", 0)); ok {
			return []*tensor.Tensor{cast(c.input(0), dtype)}
		}
		c.fail("to %d", c.int("to", 0))
		return nil
	},

	"Add":        binary(func(x, y float64) float64 { return x + y }, func(x, y int64) int64 { return x + y }),
	"Sub":        binary(func(x, y float64) float64 { return x - y }, func(x, y int64) int64 { return x - y }),
	"Mul":        binary(func(x, y float64) float64 { return x * y }, func(x, y int64) int64 { return x * y }),
	"Div":        binary(func(x, y float64) float64 { return x / y }, func(x, y int64) int64 { return x / y }),
	"Pow":        binary(math.Pow, nil),
	"Mod":        mod,
	"BitwiseAnd": bitwise(func(x, y int64) int64 { return x & y }),
	"BitwiseOr":  bitwise(func(x, y int64) int64 { return x | y }),
	"BitwiseXor": bitwise(func(x, y int64) int64 { return x ^ y }),
	"BitwiseNot": func(c *call) []*tensor.Tensor {
		x := c.input(0)
		c.in = append(c.in, tensor.New(x.DType()))
		return bitwise(func(x, _ int64) int64 { return -x - 1 })(c)
	},
	"BitShift": func(c *call) []*tensor.Tensor {
		if !c.input(0).DType().Unsigned() {
			c.fail("the bits of %v", c.in[0])
		}
		switch direction := attribute(c, "direction", ""); direction {
		case "LEFT":
			return binary(nil, func(x, y int64) int64 { return int64(uint64(x) << y) })(c)
		case "RIGHT":
			return binary(nil, func(x, y int64) int64 { return int64(uint64(x) >> y) })(c)
		default:
			c.fail("direction %q", direction)
			return nil
		}
	},
	"Min":            binary(func(x, y float64) float64 { return min(x, y) }, func(x, y int64) int64 { return min(x, y) }),
	"Max":            binary(func(x, y float64) float64 { return max(x, y) }, func(x, y int64) int64 { return max(x, y) }),
	"Equal":          relation(func(x, y float64) bool { return x == y }),
	"Less":           relation(func(x, y float64) bool { return x < y }),
	"LessOrEqual":    relation(func(x, y float64) bool { return x <= y }),
	"Greater":        relation(func(x, y float64) bool { return x > y }),
	"GreaterOrEqual": relation(func(x, y float64) bool { return x >= y }),
	"And":            relation(func(x, y float64) bool { return x != 0 && y != 0 }),
	"Or":             relation(func(x, y float64) bool { return x != 0 || y != 0 }),
	"Where": func(c *call) []*tensor.Tensor {
		if c.input(0).DType() != tensor.Bool {
			c.fail("the condition is %v", c.in[0])
		}
		c.same(c.input(1), c.input(2))
		return arrange(c.in[1].DType(), c.broadcast(c.in...), func(i []int) place {
			if look(c.in[0], i) != 0 {
				return find(c.in[1], i)
			}
			return find(c.in[2], i)
		})
	},
	"MatMul": matmul,
	"Gemm":   gemm,
}

func one(t *tensor.Tensor) []*tensor.Tensor { return []*tensor.Tensor{t} }

func unary(f func(x float64) float64) operator {
	return func(c *call) []*tensor.Tensor {
		x := c.input(0)
		out := tensor.New(x.DType(), x.Shape()...)
		for i := range x.Len() {
			out.Set(i, f(x.At(i)))
		}
		return one(out)
	}
}

// pair are two inputs of one dtype.
func (c *call) pair() (x, y *tensor.Tensor) {
	if len(c.in) != 2 {
		c.fail("%d inputs: only two are known here", len(c.in))
	}
	x, y = c.input(0), c.input(1)
	c.same(x, y)
	return x, y
}

// binary computes floats with f, integers with g.
func binary(f func(x, y float64) float64, g func(x, y int64) int64) operator {
	return func(c *call) []*tensor.Tensor {
		x, y := c.pair()
		shape := c.broadcast(x, y)
		if !x.DType().Integer() {
			return one(build(x.DType(), shape, func(i []int) float64 { return f(look(x, i), look(y, i)) }))
		}
		if g == nil {
			c.fail("integers are not known here")
		}
		out, at := tensor.New(x.DType(), shape...), 0
		each(shape, func(i []int) {
			out.SetInt(at, g(x.Int(find(x, i).at), y.Int(find(y, i).at)))
			at++
		})
		return one(out)
	}
}

// bitwise computes the bits of integers.
func bitwise(f func(x, y int64) int64) operator {
	return func(c *call) []*tensor.Tensor {
		c.since(18)
		if !c.input(0).DType().Integer() {
			c.fail("the bits of %v", c.in[0])
		}
		return binary(nil, f)(c)
	}
}

// mod has the divisor's sign, or with fmod, which floats must have, the dividend's.
func mod(c *call) []*tensor.Tensor {
	if c.int("fmod", 0) != 0 {
		return binary(math.Mod, func(x, y int64) int64 { return x % y })(c)
	}
	if !c.input(0).DType().Integer() {
		c.fail("floats without fmod: %v", c.in)
	}
	return binary(nil, func(x, y int64) int64 {
		if r := x % y; r != 0 && r < 0 != (y < 0) {
			return r + y
		}
		return x % y
	})(c)
}

func relation(f func(x, y float64) bool) operator {
	return func(c *call) []*tensor.Tensor {
		x, y := c.pair()
		return one(build(tensor.Bool, c.broadcast(x, y), func(i []int) float64 {
			if f(look(x, i), look(y, i)) {
				return 1
			}
			return 0
		}))
	}
}

// cast rounds towards zero from float to integer; integers wrap around; what is not 0 is true.
func cast(x *tensor.Tensor, to tensor.DType) *tensor.Tensor {
	out := tensor.New(to, x.Shape()...)
	for i := range x.Len() {
		switch v := x.At(i); {
		case x.DType().Integer():
			out.SetInt(i, x.Int(i))
		case to.Integer():
			out.SetInt(i, int64(v))
		case to == tensor.Bool && v != 0:
			out.Set(i, 1)
		default:
			out.Set(i, v)
		}
	}
	return out
}

// matmul multiplies the matrices of the last two axes; the axes before broadcast. A vector is a row on the left, a column on
// the right.
func matmul(c *call) []*tensor.Tensor {
	a, b := c.input(0), c.input(1)
	c.same(a, b)
	if a.Rank() < 2 || b.Rank() < 2 {
		c.fail("vectors are not known here: %v", c.in)
	}
	k := a.Dim(-1)
	if k != b.Dim(-2) {
		c.fail("the inner sizes differ: %v", c.in)
	}
	outer := c.broadcast(tensor.New(tensor.Bool, a.Shape()[:a.Rank()-2]...), tensor.New(tensor.Bool, b.Shape()[:b.Rank()-2]...))
	shape := append(slices.Clone(outer), a.Dim(-2), b.Dim(-1))
	return one(build(a.DType(), shape, func(i []int) float64 {
		row, col := i[len(i)-2], i[len(i)-1]
		left, right := slices.Clone(i), slices.Clone(i)
		sum := 0.0
		for l := range k {
			left[len(i)-2], left[len(i)-1] = row, l
			right[len(i)-2], right[len(i)-1] = l, col
			sum += look(a, left) * look(b, right)
		}
		return sum
	}))
}

// gemm is alpha·A'·B' + beta·C, where C broadcasts to the product.
func gemm(c *call) []*tensor.Tensor {
	a, b := c.input(0), c.input(1)
	c.same(c.in...)
	transA, transB := c.int("transA", 0) != 0, c.int("transB", 0) != 0
	alpha, beta := c.float("alpha", 1), c.float("beta", 1)
	size := func(t *tensor.Tensor, flip bool) (rows, cols int) {
		if flip {
			return t.Dim(1), t.Dim(0)
		}
		return t.Dim(0), t.Dim(1)
	}
	get := func(t *tensor.Tensor, flip bool, i, j int) float64 {
		if flip {
			i, j = j, i
		}
		return t.At(i*t.Dim(1) + j)
	}
	m, k := size(a, transA)
	k2, n := size(b, transB)
	if k != k2 {
		c.fail("the inner sizes differ: %v", c.in)
	}
	return one(build(a.DType(), []int{m, n}, func(i []int) float64 {
		sum := 0.0
		for l := range k {
			sum += get(a, transA, i[0], l) * get(b, transB, l, i[1])
		}
		sum *= alpha
		if c.has(2) {
			sum += beta * look(c.in[2], i)
		}
		return sum
	}))
}

var reduceOperators = map[string]operator{
	"ReduceSum":  reduction(13, 0, func(acc, x float64) float64 { return acc + x }, nil),
	"ReduceMean": reduction(18, 0, func(acc, x float64) float64 { return acc + x }, func(sum float64, n int) float64 { return sum / float64(n) }),
	"ReduceProd": reduction(18, 1, func(acc, x float64) float64 { return acc * x }, nil),
	"ReduceMax":  reduction(18, math.Inf(-1), func(acc, x float64) float64 { return max(acc, x) }, nil),
	"ReduceMin":  reduction(18, math.Inf(1), func(acc, x float64) float64 { return min(acc, x) }, nil),
	"CumSum": func(c *call) []*tensor.Tensor {
		x, axis := c.input(0), c.input(1)
		if axis.Rank() > 1 || axis.Len() != 1 || !axis.DType().Integer() {
			c.fail("the axis is %v", axis)
		}
		k := c.axis(int(axis.Int(0)), x.Rank())
		exclusive, reverse := c.int("exclusive", 0) != 0, c.int("reverse", 0) != 0
		return one(build(x.DType(), x.Shape(), func(i []int) float64 {
			own, sum := slices.Clone(i), 0.0
			from, to := 0, i[k]+1
			switch {
			case reverse && exclusive:
				from, to = i[k]+1, x.Dim(k)
			case reverse:
				from, to = i[k], x.Dim(k)
			case exclusive:
				to = i[k]
			}
			for own[k] = from; own[k] < to; own[k]++ {
				sum += look(x, own)
			}
			return sum
		}))
	},
	"Softmax":    softmax(func(x, top, sum float64) float64 { return math.Exp(x-top) / sum }),
	"LogSoftmax": softmax(func(x, top, sum float64) float64 { return x - top - math.Log(sum) }),
	"TopK": func(c *call) []*tensor.Tensor { // the elements and their places: of equal ones the first comes first
		x := c.input(0)
		n, k := c.list(1)[0], c.axis(c.int("axis", -1), x.Rank())
		largest := c.int("largest", 1) != 0
		shape := slices.Clone(x.Shape())
		shape[k] = n
		elements, places := tensor.New(x.DType(), shape...), tensor.New(tensor.I64, shape...)
		each(reduced(x.Shape(), []int{k}, true), func(i []int) {
			taken := map[int]bool{}
			for rank := range n {
				best, own := -1, slices.Clone(i)
				var value float64
				for j := range x.Dim(k) {
					own[k] = j
					if v := look(x, own); !taken[j] && (best < 0 || largest && v > value || !largest && v < value) {
						best, value = j, v
					}
				}
				taken[best], own[k] = true, rank
				elements.Set(position(shape, own), value)
				places.SetInt(position(shape, own), int64(best))
			}
		})
		return []*tensor.Tensor{elements, places}
	},
	"ArgMax": func(c *call) []*tensor.Tensor {
		x := c.input(0)
		k, keep := c.axis(c.int("axis", 0), x.Rank()), c.int("keepdims", 1) != 0
		last := c.int("select_last_index", 0) != 0
		best := map[int]float64{}
		at := map[int]int{}
		folded := reduced(x.Shape(), []int{k}, true)
		each(x.Shape(), func(i []int) {
			own := slices.Clone(i)
			own[k] = 0
			p, v := position(folded, own), look(x, i)
			if old, ok := best[p]; !ok || v > old || last && v == old {
				best[p], at[p] = v, i[k]
			}
		})
		out := tensor.New(tensor.I64, reduced(x.Shape(), []int{k}, keep)...)
		for p, i := range at {
			out.Set(p, float64(i))
		}
		return one(out)
	},
}

// reduced is a shape whose given axes are folded: to size 1, or away.
func reduced(shape, axes []int, keep bool) []int {
	out := []int{}
	for i, n := range shape {
		switch {
		case !slices.Contains(axes, i):
			out = append(out, n)
		case keep:
			out = append(out, 1)
		}
	}
	return out
}

// reduction folds axes, all if none are given: an input from the opset asInput on, before that an attribute.
func reduction(asInput int64, start float64, fold func(acc, x float64) float64, end func(acc float64, n int) float64) operator {
	return func(c *call) []*tensor.Tensor {
		x := c.input(0)
		var axes []int
		if c.opset >= asInput {
			if c.has(1) {
				axes = c.list(1)
			}
			must(c, "noop_with_empty_axes", int64(0))
		} else {
			if len(c.in) > 1 {
				c.fail("axes are an attribute before opset %d", asInput)
			}
			axes = c.ints("axes")
		}
		if len(axes) == 0 {
			for i := range x.Rank() {
				axes = append(axes, i)
			}
		}
		for i := range axes {
			axes[i] = c.axis(axes[i], x.Rank())
		}
		keep := c.int("keepdims", 1) != 0
		ones := reduced(x.Shape(), axes, true)
		n, _ := tensor.Count(ones)
		acc := make([]float64, n)
		for i := range acc {
			acc[i] = start
		}
		each(x.Shape(), func(i []int) {
			own := slices.Clone(i)
			for _, k := range axes {
				own[k] = 0
			}
			p := position(ones, own)
			acc[p] = fold(acc[p], look(x, i))
		})
		out := tensor.New(x.DType(), reduced(x.Shape(), axes, keep)...)
		for p, v := range acc {
			if end != nil {
				v = end(v, x.Len()/max(n, 1))
			}
			out.Set(p, v)
		}
		return one(out)
	}
}

// softmax gives f of each element, the largest along the axis, and the sum of e^(x − largest) along it.
func softmax(f func(x, top, sum float64) float64) operator {
	return func(c *call) []*tensor.Tensor {
		x := c.input(0)
		k := c.axis(c.int("axis", -1), x.Rank())
		line := func(i []int) []float64 {
			own := slices.Clone(i)
			var out []float64
			for own[k] = 0; own[k] < x.Dim(k); own[k]++ {
				out = append(out, look(x, own))
			}
			return out
		}
		return one(build(x.DType(), x.Shape(), func(i []int) float64 {
			all := line(i)
			top, sum := slices.Max(all), 0.0
			for _, v := range all {
				sum += math.Exp(v - top)
			}
			return f(look(x, i), top, sum)
		}))
	}
}
