package check

import (
	"slices"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
)

// rules are the operators whose shapes are inferred.
var rules map[string]rule

func init() { // the rules of subgraphs lead back to this map
	rules = map[string]rule{
		"Gemm": gemm, "MatMul": matmul, "Where": elementwise, "Cast": cast, "ArgMax": argMax, "ArgMin": argMax,
		"Softmax": softmax, "LogSoftmax": softmax, "Hardmax": softmax,
		"LayerNormalization": layerNorm, "BatchNormalization": batchNorm, "InstanceNormalization": channels(3), "GroupNormalization": channels(3),
		"RMSNormalization": rmsNorm, "Attention": attention,
		"Conv": conv, "ConvTranspose": convTranspose, "MaxPool": pool, "AveragePool": pool, "LpPool": pool,
		"GlobalAveragePool": globalPool, "GlobalMaxPool": globalPool, "Resize": resize, "DepthToSpace": depthToSpace, "SpaceToDepth": spaceToDepth,
		"Shape": shapeOf, "Size": sizeOf, "Reshape": reshape, "Flatten": flatten, "Transpose": transpose, "Expand": expand, "Tile": tile,
		"Squeeze": squeeze, "Unsqueeze": unsqueeze, "Concat": concat, "Split": split, "Slice": slice, "Pad": pad, "Identity": identity,
		"Gather": gather, "GatherElements": gatherElements, "ScatterElements": scatterElements, "GatherND": gatherND, "ScatterND": first,
		"OneHot": oneHot, "Constant": constant, "ConstantOfShape": constantOfShape, "Range": rangeOf, "CumSum": first, "Trilu": first,
		"RandomNormalLike": randomLike, "RandomUniformLike": randomLike, "Bernoulli": first, "RandomNormal": random, "RandomUniform": random, "EyeLike": randomLike,
		"Dropout": dropout, "TopK": topK, "PRelu": first, "Clip": first, "CastLike": castLike, "NonZero": nonZero, "Compress": compress, "Unique": unique,
		"LSTM": recurrent(4), "GRU": recurrent(3), "RNN": recurrent(1),
		"Scan": scan, "Loop": loop, "If": choice,
	}
	for _, name := range []string{"Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "BitwiseNot", "Ceil", "Celu", "Cos", "Cosh", "Elu", "Erf",
		"Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish", "IsInf", "IsNaN", "LeakyRelu", "Log", "LRN", "LpNormalization",
		"MeanVarianceNormalization", "Mish", "Neg", "Not", "Reciprocal", "Relu", "Round", "Selu", "Shrink", "Sigmoid", "Sign", "Sin", "Sinh",
		"Softplus", "Softsign", "Sqrt", "Swish", "Tan", "Tanh", "ThresholdedRelu"} {
		rules[name] = first
	}
	for _, name := range []string{"And", "BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Equal", "Greater", "GreaterOrEqual", "Less",
		"LessOrEqual", "Mean", "Or", "Pow", "Sum", "Xor"} {
		rules[name] = elementwise
	}
	for name, f := range map[string]func(a, b dim) dim{"Add": dim.plus, "Sub": dim.minus, "Mul": dim.times, "Div": quotient, "Mod": remainder, "Min": dim.min, "Max": dim.max} {
		rules[name] = arithmetic(f)
	}
	for _, name := range []string{"ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum",
		"ReduceSumSquare"} {
		rules[name] = reduce
	}
}

// first gives the output the shape of the first input.
func first(x *nodeContext) {
	if s := x.input(0).shape; s != nil {
		x.set(0, s)
	}
}

func identity(x *nodeContext) {
	if len(x.out) > 0 {
		x.out[0] = x.input(0)
	}
}

func elementwise(x *nodeContext) {
	if s := x.broadcastAll(); s != nil {
		x.set(0, s)
	}
}

// quotient is a/b of shapes, which are not negative: a negative one would be rounded up.
func quotient(a, b dim) dim {
	if !a.known() || !b.known() || b.isNum(0) {
		return unknown
	}
	if d := a.over(b); d.known() || !a.positive() {
		return d
	}
	return a.divided(b)
}

// remainder is a mod b, of integers.
func remainder(a, b dim) dim {
	if !a.known() || !b.known() || !b.positive() {
		return unknown
	}
	return a.mod(b)
}

// arithmetic is an elementwise operator that also works on the contents of shape tensors.
func arithmetic(f func(a, b dim) dim) rule {
	return func(x *nodeContext) {
		elementwise(x)
		a, b := x.input(0).content, x.input(1).content
		if a == nil || b == nil || len(x.in) != 2 || len(x.out) == 0 || len(a) != len(b) && len(a) != 1 && len(b) != 1 {
			return
		}
		n := len(a)
		if len(a) == 1 {
			n = len(b)
		}
		out := make([]dim, n)
		for i := range out {
			out[i] = f(a[min(i, len(a)-1)], b[min(i, len(b)-1)])
		}
		x.out[0].content = out
	}
}

func cast(x *nodeContext) {
	first(x)
	to := wire.DataType(x.int("to", 0))
	if to <= wire.Undefined || to > lastElem {
		x.fail("attribute \"to\" is %d, which is no element type", to)
		return
	}
	x.elem(0, to)
	if len(x.out) > 0 && (to == wire.Int64 || to == wire.Int32) {
		x.out[0].content = x.input(0).content
	}
}

func castLike(x *nodeContext) {
	first(x)
	x.elem(0, x.input(1).elem)
}

func matmul(x *nodeContext) {
	if !x.rank(0, 1) || !x.rank(1, 1) {
		return
	}
	a, b := x.input(0).shape, x.input(1).shape
	inner := b[max(len(b)-2, 0)]
	if differ(a[len(a)-1], inner) {
		x.fail("%s times %s: the inner sizes are %v and %v", x.name(0), x.name(1), a[len(a)-1], inner)
		return
	}
	out, ok := broadcast(a[:max(len(a)-2, 0)], b[:max(len(b)-2, 0)])
	if !ok {
		x.fail("%s times %s: the axes before the last two do not broadcast", x.name(0), x.name(1))
		return
	}
	out = slices.Clone(out)
	if len(a) > 1 {
		out = append(out, a[len(a)-2])
	}
	if len(b) > 1 {
		out = append(out, b[len(b)-1])
	}
	x.set(0, out)
}

func gemm(x *nodeContext) {
	if !x.exactRank(0, 2) || !x.exactRank(1, 2) {
		return
	}
	a, b := slices.Clone(x.input(0).shape), slices.Clone(x.input(1).shape)
	if x.int("transA", 0) != 0 {
		slices.Reverse(a)
	}
	if x.int("transB", 0) != 0 {
		slices.Reverse(b)
	}
	if differ(a[1], b[0]) {
		x.fail("%s times %s: the inner sizes are %v and %v", x.name(0), x.name(1), a[1], b[0])
		return
	}
	out := []dim{a[0], b[1]}
	x.set(0, out)
	if c := x.input(2).shape; c != nil {
		if all, ok := broadcast(c, out); !ok || len(all) != 2 || differ(all[0], out[0]) || differ(all[1], out[1]) {
			x.fail("%s does not broadcast to the product's shape, %v", x.name(2), out)
		}
	}
}

// reduced is shape without axes, or with 1 there.
func reduced(shape []dim, axes []int, keep bool) []dim {
	out := []dim{}
	for i, d := range shape {
		switch {
		case !slices.Contains(axes, i):
			out = append(out, d)
		case keep:
			out = append(out, number(1))
		}
	}
	return out
}

func all(rank int) []int {
	out := make([]int, rank)
	for i := range out {
		out[i] = i
	}
	return out
}

func reduce(x *nodeContext) {
	in := x.input(0)
	if in.shape == nil {
		return
	}
	keep := x.int("keepdims", 1) != 0
	axes, given, ok := x.axes(1, len(in.shape))
	switch {
	case !ok && keep:
		x.set(0, unknowns(len(in.shape)))
		return
	case !ok:
		return
	case !given || len(axes) == 0:
		if x.int("noop_with_empty_axes", 0) != 0 {
			x.set(0, in.shape)
			return
		}
		axes = all(len(in.shape))
	}
	x.set(0, reduced(in.shape, axes, keep))
	if x.node.OpType == "ReduceProd" && in.content != nil && len(x.out) > 0 {
		x.out[0].content = []dim{sized(in.content)}
	}
}

func argMax(x *nodeContext) {
	x.elem(0, wire.Int64)
	s := x.input(0).shape
	if s == nil {
		return
	}
	if k, ok := x.axis(0, len(s)); ok {
		x.set(0, reduced(s, []int{k}, x.int("keepdims", 1) != 0))
	}
}

func softmax(x *nodeContext) {
	first(x)
	if s := x.input(0).shape; s != nil && len(s) > 0 {
		x.axis(-1, len(s))
	}
}

func topK(x *nodeContext) {
	x.elem(1, wire.Int64)
	s := x.input(0).shape
	if s == nil {
		return
	}
	k, ok := x.axis(-1, len(s))
	if !ok {
		return
	}
	out := slices.Clone(s)
	out[k] = unknown
	if c := x.input(1).content; len(c) == 1 {
		out[k] = c[0]
	}
	x.set(0, out)
	x.set(1, out)
}

func dropout(x *nodeContext) {
	first(x)
	x.elem(1, wire.Bool)
	if s := x.input(0).shape; s != nil {
		x.set(1, s)
	}
}

func randomLike(x *nodeContext) {
	first(x)
	x.elem(0, x.dtype(x.input(0).elem))
}

func random(x *nodeContext) {
	x.elem(0, x.dtype(wire.Float))
	if list, ok := x.attribute("shape").([]int64); ok {
		x.set(0, x.sizes("shape", list))
	}
}

// dtype is the attribute of that name, or def.
func (x *nodeContext) dtype(def wire.DataType) wire.DataType {
	t := wire.DataType(x.int("dtype", int64(def)))
	if x.attribute("dtype") != nil && !slices.Contains(x.schema.outputs[0].types, t.String()) {
		x.fail("attribute \"dtype\" is %d, which the operator does not give", t)
		return wire.Undefined
	}
	return t
}

// sizes is a list of sizes that are numbers; a negative one is a fault.
func (x *nodeContext) sizes(what string, list []int64) []dim {
	for _, n := range list {
		if n < 0 {
			x.fail("%s %v has a negative size", what, list)
			return unknowns(len(list))
		}
	}
	return numbers(list)
}
