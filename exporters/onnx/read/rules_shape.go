package read

import (
	"math"
	"slices"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/symbolic"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// noTensor is an attribute that is left out.
var noTensor *wire.Tensor

// constantOfShape is Full, of an f32 0 if nothing is said. An i64 that no float64 is becomes a constant.
func constantOfShape(c *call) []*graph.Value {
	t := tensor.New(graph.F32, 1)
	if attribute(c, "value", noTensor) != nil {
		t = c.tensor("value")
	}
	if t.Len() != 1 {
		fail("its value is %v, want one number", t)
	}
	shape := c.shape(0)
	if t.DType() == graph.I64 {
		return one(c.r.f.FullInt(graph.I64, t.Int(0), shape...))
	}
	if v := t.At(0); v == v {
		return one(c.r.f.Full(t.DType(), v, shape...))
	}
	return one(c.r.f.Const(t.Reshape()).Expand(shape...)) // NaN
}

func shapeOf(c *call) []*graph.Value {
	x := c.arg(0)
	start, end := clampAxis(c.int("start", 0), x.Rank()), clampAxis(c.int("end", x.Rank()), x.Rank())
	sizes := x.ShapeVector()
	if start > 0 || end < x.Rank() {
		sizes = sizes.Slice(0, start, max(start, end))
	}
	return one(sizes)
}

func sizeOf(c *call) []*graph.Value {
	sizes, n := c.arg(0).ShapeVector(), c.r.f.FullInt(graph.I64, 1)
	for i := range c.arg(0).Rank() {
		n = n.Mul(sizes.Gather(c.r.f.FullInt(graph.I64, int64(i)), 0))
	}
	return one(n)
}

// reshape has 0 for the size that is there, unless allowzero says that it is 0, and -1 for what is left.
func reshape(c *call) []*graph.Value {
	x, to := c.arg(0), c.shape(1)
	copies := c.int("allowzero", 0) == 0
	for i, d := range to {
		if d == 0 && copies {
			if i >= x.Rank() {
				fail("0 stands for axis %d of %v", i, x.Type)
			}
			to[i] = x.Shape()[i]
		}
	}
	return one(x.Reshape(to...))
}

func flatten(c *call) []*graph.Value {
	x := c.arg(0)
	axis := c.int("axis", 1)
	if axis < 0 {
		axis += x.Rank()
	}
	if axis < 0 || axis > x.Rank() {
		fail("its axis %d is outside %v", axis, x.Type)
	}
	return one(x.Reshape(x.Shape()[:axis].Size(), x.Shape()[axis:].Size()))
}

func squeeze(c *call) []*graph.Value {
	axes, given := c.knownInts(1)
	if given && len(axes) == 0 {
		return one(c.arg(0))
	}
	return one(c.arg(0).Squeeze(axes...))
}

func unsqueeze(c *call) []*graph.Value {
	axes, _ := c.knownInts(1)
	return one(c.arg(0).Unsqueeze(axes...))
}

// expand broadcasts both ways: a 1 in the shape leaves an axis as it is.
func expand(c *call) []*graph.Value {
	x, to := c.arg(0), c.shape(1)
	if n := x.Rank() - len(to); n > 0 {
		to = slices.Concat(slices.Repeat(graph.Shape{1}, n), to)
	}
	for i, d := range x.Shape() {
		if k := len(to) - x.Rank() + i; to[k] == 1 {
			to[k] = d
		}
	}
	return one(x.Expand(to...))
}

// transpose turns the axes round if nothing is said.
func transpose(c *call) []*graph.Value {
	x, perm := c.arg(0), c.ints("perm")
	if perm == nil {
		for i := range x.Rank() {
			perm = append(perm, x.Rank()-1-i)
		}
	}
	return one(x.Transpose(perm...))
}

// cuts are what a Slice of a value of a shape takes along axes, one after another. Positions beyond an axis are those of its ends; where
// its size is a symbol they are taken to be within it, and a run in which they are not ends with an error.
func (c *call) cuts(shape graph.Shape) []graph.Slice {
	starts, ends := c.positions(1), c.positions(2)
	axes, given := c.knownInts(3)
	steps, stepped := c.knownInts(4)
	for i := range starts {
		if !given {
			axes = append(axes, i)
		}
		if !stepped {
			steps = append(steps, 1)
		}
	}
	if len(ends) != len(starts) || len(axes) != len(starts) || len(steps) != len(starts) {
		fail("it has %d starts, %d ends, %d axes and %d steps", len(starts), len(ends), len(axes), len(steps))
	}
	var out []graph.Slice
	for i, a := range axes {
		if a < 0 {
			a += len(shape)
		}
		if a < 0 || a >= len(shape) || steps[i] == 0 {
			fail("it takes axis %d of the shape %v in steps of %d", axes[i], shape, steps[i])
		}
		n := shape[a]
		k := graph.Slice{Axis: a, Step: steps[i]}
		if k.Step > 0 {
			k.Start, k.End = position(starts[i], n, 0), position(ends[i], n, 0)
		} else { // the first is the last of the range, and the end is before its first
			k.Start, k.End = position(ends[i], n, 1), position(starts[i], n, 1)
		}
		if !k.Start.Symbolic() && !k.End.Symbolic() {
			k.End = max(k.Start, k.End)
		}
		out = append(out, k)
	}
	return out
}

// positions are the elements of input i; those beyond any axis are cut.
func (c *call) positions(i int) []*symbolic.Expr {
	var t *tensor.Tensor
	if c.has(i) {
		t = c.r.small(c.in[i])
	}
	if t == nil || t.DType() != graph.I64 && t.DType() != graph.I32 {
		return c.of(i).list
	}
	var out []*symbolic.Expr
	for k := range t.Len() {
		out = append(out, symbolic.Number(max(-beyond, min(t.Int(k), beyond))))
	}
	return out
}

// beyond is a position that no axis has.
const beyond = 1 << 52

// position is p+after on an axis of n, where p counts from the end if it is below 0.
func position(p *symbolic.Expr, n graph.Dim, after int64) graph.Dim {
	at, ok := p.Number()
	if !ok {
		return graph.DimOf(p.Plus(symbolic.Number(after)))
	}
	if n.Symbolic() {
		switch {
		case at > math.MaxInt32:
			return n
		case at < -math.MaxInt32:
			return 0
		case at < 0 && at+after == 0:
			return n
		case at < 0:
			return graph.DimOf(n.Expr().Plus(symbolic.Number(at + after)))
		}
		return graph.Dim(at + after)
	}
	if at < 0 {
		at += int64(n)
	}
	return graph.Dim(max(0, min(min(at, int64(n))+after, int64(n))))
}

func slice(c *call) []*graph.Value {
	x := c.arg(0)
	for _, k := range c.cuts(x.Shape()) {
		x = c.r.f.Apply(k, x)
	}
	return one(x)
}

func split(c *call) []*graph.Value {
	x, axis := c.arg(0), c.int("axis", 0)
	if c.has(1) {
		return x.SplitSizes(axis, c.shape(1)...)
	}
	n := c.int("num_outputs", len(c.Outputs))
	if axis < 0 {
		axis += x.Rank()
	}
	if axis < 0 || axis >= x.Rank() || n < 1 || n > len(c.Outputs) {
		fail("it cuts axis %d of %v into %d parts", axis, x.Type, n)
	}
	left := x.Shape()[axis]
	part := left.Plus(graph.Dim(n - 1)).Div(graph.Dim(n))
	sizes := make([]graph.Dim, n)
	for i := range sizes {
		if sizes[i] = part; i == n-1 || !left.Symbolic() && left < part {
			sizes[i] = left
		}
		left = left.Minus(sizes[i])
	}
	return x.SplitSizes(axis, sizes...)
}

// compress takes elements where no axis is named.
func compress(c *call) []*graph.Value {
	x, axis := c.arg(0), c.int("axis", math.MinInt)
	if axis == math.MinInt {
		x, axis = x.Reshape(x.Shape().Size()), 0
	}
	return one(x.Compress(c.arg(1), axis))
}

func unique(c *call) []*graph.Value {
	if c.int("sorted", 1) != 1 {
		fail("what it finds is in no order: only what is sorted is read")
	}
	op := graph.Unique{}
	if axis := c.int("axis", math.MinInt); axis != math.MinInt {
		op = graph.Unique{Along: true, Axis: axis}
	}
	return c.apply(op, c.args())
}

// arange is Arange, moved and stretched; of other numbers than whole ones only a known one is read.
func arange(c *call) []*graph.Value {
	for i := range 3 {
		c.has(i)
	}
	start, limit, delta := c.r.sizesOf(c.in[0]), c.r.sizesOf(c.in[1]), c.r.sizesOf(c.in[2])
	if start == nil || limit == nil || delta == nil {
		return one(c.r.f.Const(numbers(c.known(0), c.known(1), c.known(2))))
	}
	step, ok := delta.list[0].Number()
	if !ok || step == 0 || step == math.MinInt64 {
		fail("its step is 0, or only a run tells it")
	}
	from, to := start.list[0], limit.list[0]
	if step < 0 {
		from, to = to, from
	}
	room := to.Minus(from)
	if step > 1 || step < -1 {
		room = room.Plus(symbolic.Number(max(step, -step) - 1)).Div(symbolic.Number(max(step, -step)))
	}
	n := room.Max(symbolic.Number(0))
	if n == nil || room.Least() >= 0 {
		n = room
	}
	y := c.r.f.Arange(graph.DimOf(n))
	if step != 1 {
		y = y.Mul(c.r.f.FullInt(graph.I64, step))
	}
	if first, ok := start.list[0].Number(); !ok {
		y = y.Add(c.arg(0))
	} else if first != 0 {
		y = y.Add(c.r.f.FullInt(graph.I64, first))
	}
	return one(y.Cast(c.arg(0).DType()))
}

// numbers are start, start+delta, ... before limit.
func numbers(start, limit, delta *tensor.Tensor) *tensor.Tensor {
	n := math.Ceil((limit.At(0) - start.At(0)) / delta.At(0))
	if !(n <= maxFolded) {
		fail("it has %v numbers, which are too many to be stored", n)
	}
	out := tensor.New(start.DType(), max(0, int(n)))
	for i := range out.Len() {
		out.Set(i, start.At(0)+float64(i)*delta.At(0))
	}
	return out
}

// tile repeats x along an axis of its own before each, and joins the two.
func tile(c *call) []*graph.Value {
	x, times := c.arg(0), c.shape(1)
	if len(times) != x.Rank() {
		fail("it has %d numbers of repetitions for %v", len(times), x.Type)
	}
	var apart, wide, joined graph.Shape
	for i, d := range x.Shape() {
		apart, wide, joined = append(apart, 1, d), append(wide, times[i], d), append(joined, times[i].Times(d))
	}
	return one(x.Reshape(apart...).Expand(wide...).Reshape(joined...))
}

// oneHot has two values and a place for the new axis. Indices that are floats are cast.
func oneHot(c *call) []*graph.Value {
	i, depth, values := c.arg(0), c.known(1), c.known(2)
	if values.Len() != 2 || depth.Len() != 1 {
		fail("its depth is %v and its values are %v", depth, values)
	}
	if i.DType() != graph.I32 {
		i = i.Cast(graph.I64)
	}
	axis, t := c.int("axis", -1), values.DType()
	float := t
	if !t.Float() {
		float = graph.F64
	}
	y := i.OneHot(int(depth.At(0)), float)
	if off, on := values.At(0), values.At(1); off != 0 || on != 1 {
		y = y.Scale(on - off).Shift(off)
	}
	if t != float {
		y = y.Cast(t)
	}
	if axis < 0 {
		axis += y.Rank()
	}
	if axis == y.Rank()-1 || !y.OK() {
		return one(y)
	}
	var perm []int
	for k := range y.Rank() - 1 {
		perm = append(perm, k)
	}
	if axis < 0 || axis > len(perm) {
		fail("its axis %d is outside the result", axis)
	}
	return one(y.Transpose(slices.Insert(perm, axis, y.Rank()-1)...))
}

// pad has amounts for some of the axes.
func pad(c *call) []*graph.Value {
	if m := attribute(c, "mode", "constant"); m != "constant" {
		fail("its mode is %q; constant is known here", m)
	}
	x := c.arg(0)
	amounts, _ := c.knownInts(1)
	axes, given := c.knownInts(3)
	if !given {
		for i := range x.Rank() {
			axes = append(axes, i)
		}
	}
	if len(amounts) != 2*len(axes) {
		fail("it has %d amounts for %d axes", len(amounts), len(axes))
	}
	before, after := make([]int, x.Rank()), make([]int, x.Rank())
	for i, a := range axes {
		if a < 0 {
			a += x.Rank()
		}
		if a < 0 || a >= x.Rank() {
			fail("its axis %d is outside %v", axes[i], x.Type)
		}
		before[a], after[a] = amounts[i], amounts[len(axes)+i]
	}
	value := 0.
	if c.has(2) {
		value = c.known(2).At(0)
	}
	return one(x.Pad(before, after, value))
}

// depthToSpace makes blocks of channels blocks of pixels.
func depthToSpace(c *call) []*graph.Value {
	x, n := c.arg(0), graph.Dim(c.int("blocksize", 0))
	if x.Rank() != 4 || n < 1 {
		fail("it has blocks of %d for %v", n, x.Type)
	}
	s := x.Shape()
	channels := s[1].Div(n.Times(n))
	switch mode := attribute(c, "mode", "DCR"); mode {
	case "DCR":
		x = x.Reshape(s[0], n, n, channels, s[2], s[3]).Transpose(0, 3, 4, 1, 5, 2)
	case "CRD":
		x = x.Reshape(s[0], channels, n, n, s[2], s[3]).Transpose(0, 1, 4, 2, 5, 3)
	default:
		fail("its mode is %q", mode)
	}
	return one(x.Reshape(s[0], channels, s[2].Times(n), s[3].Times(n)))
}
