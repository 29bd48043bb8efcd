package read

import (
	"maps"
	"math"
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// A rule reads what no row says: a node whose attributes are counted or left out otherwise, or that is several ops.
type rule func(c *call) []*graph.Value

// rules are by operator. One that has a row too asks for it where the row fits.
var rules map[string]rule

func init() { // rules of graphs lead back to this map
	rules = map[string]rule{
		// shapes, in rules_shape.go
		"ConstantOfShape": constantOfShape, "Shape": shapeOf, "Size": sizeOf, "Reshape": reshape, "Flatten": flatten,
		"Squeeze": squeeze, "Unsqueeze": unsqueeze, "Expand": expand, "Transpose": transpose, "Slice": slice, "Split": split,
		"Range": arange, "Tile": tile, "OneHot": oneHot, "Pad": pad, "Compress": compress, "Unique": unique, "DepthToSpace": depthToSpace,

		// graphs inside, in rules_control.go
		"If": ifElse, "Loop": loop, "Scan": scan,

		// images, in rules_image.go
		"Conv": conv, "ConvTranspose": conv, "MaxPool": pool, "AveragePool": pool, "GlobalMaxPool": globalMaxPool, "Resize": resize,

		"Min": folded((*graph.Value).Min), "Max": folded((*graph.Value).Max), "Sum": folded((*graph.Value).Add),
		"Mean": func(c *call) []*graph.Value {
			return one(folded((*graph.Value).Add)(c)[0].Scale(1 / float64(len(c.in))))
		},
		"MatMul":  matMul,
		"Gemm":    gemm,
		"Clip":    clip,
		"Pow":     func(c *call) []*graph.Value { x := c.arg(0); return one(x.Pow(c.arg(1).Cast(x.DType()))) },
		"Mod":     mod,
		"Dropout": dropout,
		"CastLike": func(c *call) []*graph.Value {
			if c.int("saturate", 1) == 0 {
				fail("it does not saturate")
			}
			return one(c.arg(0).Cast(c.arg(1).DType()))
		},

		"ArgMax":    argMax(1),
		"ArgMin":    argMax(-1),
		"ReduceSum": reduce, "ReduceMean": reduce, "ReduceMax": reduce, "ReduceMin": reduce, "ReduceProd": reduce,
		"ReduceSumSquare": reduced((*graph.Value).Square, nil),
		"ReduceL1":        reduced((*graph.Value).Abs, nil),
		"ReduceL2":        reduced((*graph.Value).Square, (*graph.Value).Sqrt),
		"ReduceLogSum":    reduced(nil, (*graph.Value).Log),
		"ReduceLogSumExp": reduceLogSumExp,

		"Ceil":     unary(func(_ *call, x *graph.Value) *graph.Value { return x.Neg().Floor().Neg() }),
		"Tan":      unary(func(_ *call, x *graph.Value) *graph.Value { return x.Sin().Div(x.Cos()) }),
		"Softsign": unary(func(_ *call, x *graph.Value) *graph.Value { return x.Div(x.Abs().Shift(1)) }),
		"HardSigmoid": unary(func(c *call, x *graph.Value) *graph.Value {
			return hardSigmoid(x, c.float("alpha", .2), c.float("beta", .5))
		}),
		"HardSwish":       unary(func(_ *call, x *graph.Value) *graph.Value { return x.Mul(hardSigmoid(x, 1./6, .5)) }),
		"ThresholdedRelu": unary(thresholded),
		"Selu":            unary(selu),
		"Celu": unary(func(c *call, x *graph.Value) *graph.Value {
			a := c.float("alpha", 1)
			return x.Scale(1 / a).ELU(1).Scale(a)
		}),
		"PRelu": func(c *call) []*graph.Value {
			x := c.arg(0)
			return one(x.Less(x.Scalar(0)).Where(x.Mul(c.arg(1)), x))
		},
		"Xor": func(c *call) []*graph.Value {
			a, b := c.arg(0), c.arg(1)
			return one(a.Or(b).And(a.And(b).Not()))
		},
	}
}

// Rules are the operators that rules read, sorted.
func Rules() []string {
	names := slices.Collect(maps.Keys(rules))
	names = append(names, "Constant", "Identity")
	slices.Sort(names)
	return names
}

func one(v *graph.Value) []*graph.Value { return []*graph.Value{v} }

// unary is a rule of one input.
func unary(of func(c *call, x *graph.Value) *graph.Value) rule {
	return func(c *call) []*graph.Value {
		return one(of(c, c.arg(0)))
	}
}

// folded is a rule of any number of inputs, one op after another.
func folded(op func(a, b *graph.Value) *graph.Value) rule {
	return func(c *call) []*graph.Value {
		x := c.arg(0)
		for i := range c.in[1:] {
			x = op(x, c.arg(i+1))
		}
		return one(x)
	}
}

// constant is the tensor of a Constant.
func (c *call) constant() *tensor.Tensor {
	for _, a := range c.Attributes {
		switch v := a.Value.(type) {
		case int64:
			return tensor.Scalar(v)
		case float32:
			return tensor.Scalar(v)
		case []int64:
			return tensor.Of(v, len(v))
		case []float32:
			return tensor.Of(v, len(v))
		}
	}
	return c.tensor("value")
}

// tensor is the attribute called name, which is there.
func (c *call) tensor(name string) *tensor.Tensor {
	stored := attribute(c, name, noTensor)
	if stored == nil {
		fail("its attribute %q is missing, or of a kind that is not read", name)
	}
	t, err := c.r.load(stored)
	if err != nil {
		fail("its attribute %q: %v", name, err)
	}
	return t
}

// matMul makes a vector a matrix of one row or column, and takes the axis away again.
func matMul(c *call) []*graph.Value {
	a, b := c.arg(0), c.arg(1)
	row, column := a.Rank() == 1, b.Rank() == 1
	if row {
		a = a.Unsqueeze(0)
	}
	if column {
		b = b.Unsqueeze(-1)
	}
	y := a.MatMul(b)
	if column {
		y = y.Squeeze(-1)
	}
	if row && column {
		y = y.Squeeze(-1)
	} else if row {
		y = y.Squeeze(-2)
	}
	return one(y)
}

// gemm leaves out an addend that is left out.
func gemm(c *call) []*graph.Value {
	if len(c.in) == 3 && c.in[2] == nil {
		c.in = c.in[:2]
	}
	return c.row()
}

// clip has limits that may be computed.
func clip(c *call) []*graph.Value {
	known := true
	for i := 1; i < len(c.in); i++ {
		known = known && (c.in[i] == nil || c.r.small(c.in[i]) != nil)
	}
	x := c.arg(0)
	if known && x.DType().Float() {
		lo, hi := math.Inf(-1), math.Inf(1)
		if c.has(1) {
			lo = c.known(1).At(0)
		}
		if c.has(2) {
			hi = c.known(2).At(0)
		}
		if lo <= hi {
			return c.row()
		}
	}
	if c.has(1) {
		x = x.Max(c.arg(1))
	}
	if c.has(2) {
		x = x.Min(c.arg(2))
	}
	return one(x)
}

// dropout is nothing where nothing is trained.
func dropout(c *call) []*graph.Value {
	if c.has(2) && c.known(2).At(0) != 0 {
		fail("it is in training mode: export the model for inference")
	}
	c.has(1) // how much would be dropped
	x := c.arg(0)
	return []*graph.Value{x, c.r.f.Full(graph.Bool, 1, x.Shape()...)}
}

// argMax is ArgMax of x, or of −x, whose axis may stay.
func argMax(sign float64) rule {
	return func(c *call) []*graph.Value {
		x := c.arg(0)
		if c.int("select_last_index", 0) != 0 {
			fail("it takes the last of equals; the first is known here")
		}
		if sign < 0 {
			x = x.Neg()
		}
		axis := c.int("axis", 0)
		y := x.ArgMax(axis)
		if c.int("keepdims", 1) != 0 && y.OK() {
			if axis < 0 {
				axis += x.Rank()
			}
			y = y.Unsqueeze(axis)
		}
		return one(y)
	}
}

// reduce leaves x as it is, where no axes are named and that is none.
func reduce(c *call) []*graph.Value {
	if c.int("noop_with_empty_axes", 0) == 0 {
		return c.row()
	}
	if axes := c.axes(); len(axes) > 0 {
		return c.with(len(c.in), map[string]any{"noop_with_empty_axes": nil}).row()
	}
	c.int("keepdims", 1)
	return one(c.arg(0))
}

// mod is a row where the sign is that of the op, the divisor's of integers and the dividend's of floats. What is left has one sign or the
// other, and is made into it.
func mod(c *call) []*graph.Value {
	a, b := c.arg(0), c.arg(1)
	switch dividend := c.int("fmod", 0) != 0; {
	case dividend != a.DType().Integer():
		return c.row()
	case dividend:
		return one(a.Sub(a.Div(b).Mul(b)))
	case c.r.opset < 28:
		fail("floats have the dividend's sign before opset 28, so its fmod is 1")
	}
	left := a.Mod(b)
	other := left.Sign().Mul(b.Sign()).Less(left.Scalar(0))
	return one(other.Where(left.Add(b), left))
}

// axes are those that a reduction names.
func (c *call) axes() []int {
	if c.has(1) {
		axes, _ := c.knownInts(1)
		return axes
	}
	return c.ints("axes")
}

// reduced is the sum of what before makes of x, and after of the sum.
func reduced(before, after func(*graph.Value) *graph.Value) rule {
	return func(c *call) []*graph.Value {
		x, axes := c.arg(0), c.axes()
		if before != nil {
			x = before(x)
		}
		keep := c.int("keepdims", 1) != 0
		if c.int("noop_with_empty_axes", 0) == 0 || len(axes) > 0 {
			x = c.r.f.Apply(graph.Sum{Axes: axes, KeepDims: keep}, x)
		}
		if after != nil {
			x = after(x)
		}
		return one(x)
	}
}

// reduceLogSumExp takes the largest out, so that nothing overflows.
func reduceLogSumExp(c *call) []*graph.Value {
	x, axes := c.arg(0), c.axes()
	keep, none := c.int("keepdims", 1) != 0, c.int("noop_with_empty_axes", 0) != 0 && len(axes) == 0
	if none {
		return one(x)
	}
	most := x.ReduceMaxKeep(axes...).Detach()
	y := x.Sub(most).Exp().SumKeep(axes...).Log().Add(most)
	if !keep {
		y = c.r.f.Apply(graph.Sum{Axes: axes}, y) // of one element each
	}
	return one(y)
}

func hardSigmoid(x *graph.Value, alpha, beta float64) *graph.Value {
	return x.Scale(alpha).Shift(beta).Clip(0, 1)
}

func thresholded(c *call, x *graph.Value) *graph.Value {
	return x.Greater(x.Scalar(c.float("alpha", 1))).Where(x, x.Scalar(0))
}

func selu(c *call, x *graph.Value) *graph.Value {
	return x.ELU(c.float("alpha", 1.67326319217681884765625)).Scale(c.float("gamma", 1.05070102214813232421875))
}
