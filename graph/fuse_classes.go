package graph

import (
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// LogSoftmaxAt is the element of LogSoftmax along the last axis of x at each row's class, 0 where there is no such class, and what is
// subtracted from the row for that: its largest element, and the logarithm of the sum. It is what [Fuse] makes of the sum of a LogSoftmax
// where OneHot says, as cross entropies have it, so that the logits are read once. It has no ONNX form.
type LogSoftmaxAt struct{}

var logSoftmaxAtArgs = []Arg{{Name: "x", DTypes: Floats}, {Name: "class", DTypes: 1 << I64}}

// Takes is the logits and the classes.
func (LogSoftmaxAt) Takes() []Arg { return logSoftmaxAtArgs }

// Infer drops the last axis.
func (LogSoftmaxAt) Infer(in *Infer) ([]Type, error) {
	x, class := in.Args[0], in.Args[1]
	if n := x.Rank(); n == 0 || !x.Shape()[:n-1].Equal(class.Shape()) {
		return nil, Mistakef("each row of x has a class", "x is %v, and the classes %v", x.Type, class.Type)
	}
	t := Type{x.DType(), class.Shape()}
	return []Type{t, t, t}, nil
}

// Run computes it.
func (o LogSoftmaxAt) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return floats(c, o, out, in, logSoftmaxAtFloats[float32], logSoftmaxAtFloats[float64])
}

func logSoftmaxAtFloats[T kernel.Float](c *kernel.Context, o LogSoftmaxAt, out, in []*tensor.Tensor) error {
	kernel.LogSoftmaxAt(c, tensor.Data[T](out[0]), tensor.Data[T](out[1]), tensor.Data[T](out[2]), tensor.Data[T](in[0]),
		tensor.Data[int64](in[1]), in[0].Dim(-1))
	return nil
}

// Lower is the ops that it was made of.
func (LogSoftmaxAt) Lower(n *Node) []*Value {
	x := n.Args[0]
	y := x.LogSoftmax(-1)
	return []*Value{hits(x, n.Args[1]).Where(y, scalarLike(x, 0)).Sum(-1), x.ReduceMax(-1), y.ReduceMax(-1).Neg()}
}

// hits is where the class of each row of x is.
func hits(x, class *Value) *Value {
	return class.OneHot(int(x.Dim(-1)), x.DType()).Greater(scalarLike(x, 0))
}

// LogSoftmaxAtGrad is the gradient of the first result of [LogSoftmaxAt] for x, from x, the classes, the other two results and the gradient
// g, which has one element for each row: g where the class is, less g·softmax x.
type LogSoftmaxAtGrad struct{}

var logSoftmaxAtGradArgs = []Arg{{Name: "x", DTypes: Floats, Like: "T"}, {Name: "class", DTypes: 1 << I64}, {Name: "top", DTypes: Floats, Like: "T"},
	{Name: "log", DTypes: Floats, Like: "T"}, {Name: "g", DTypes: Floats, Like: "T"}}

// Takes is what LogSoftmaxAt has and makes, and the gradient.
func (LogSoftmaxAtGrad) Takes() []Arg { return logSoftmaxAtGradArgs }

// Infer is the type of x.
func (LogSoftmaxAtGrad) Infer(in *Infer) ([]Type, error) { return in.Same(0) }

// Run computes it.
func (o LogSoftmaxAtGrad) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return floats(c, o, out, in, logSoftmaxAtGradFloats[float32], logSoftmaxAtGradFloats[float64])
}

func logSoftmaxAtGradFloats[T kernel.Float](c *kernel.Context, o LogSoftmaxAtGrad, out, in []*tensor.Tensor) error {
	kernel.LogSoftmaxAtGrad(c, tensor.Data[T](out[0]), tensor.Data[T](in[0]), tensor.Data[int64](in[1]), tensor.Data[T](in[2]),
		tensor.Data[T](in[3]), tensor.Data[T](in[4]), out[0].Dim(-1))
	return nil
}

// Lower is the ops that it was made of.
func (LogSoftmaxAtGrad) Lower(n *Node) []*Value {
	x, top, log := n.Args[0], n.Args[2].Unsqueeze(-1), n.Args[3].Unsqueeze(-1)
	g := n.Args[4].Reshape(top.Shape()...)
	own := hits(x, n.Args[1]).Where(g.Expand(x.Shape()...), scalarLike(x, 0))
	return []*Value{own.Sub(x.Sub(top).Sub(log).Exp().Mul(own.SumKeep(-1)))}
}

func (LogSoftmaxAtGrad) shares(k int) Sharing {
	if k == 0 {
		return Over
	}
	return Apart
}

// fuseClasses makes [LogSoftmaxAt] and its gradient of what they stand for, where nothing else needs the LogSoftmax.
func fuseClasses(f *Func) *Func {
	found := classSums{newUsage(f), map[*Node]classSum{}}
	for _, n := range f.Nodes {
		if s, ok := classSumOf(n.Results[0]); ok {
			found.of[n] = s
		}
	}
	for n, s := range found.of {
		if !found.enough(s.y) {
			delete(found.of, n)
		}
	}
	if len(found.of) == 0 {
		return f
	}
	args := make([][]*Value, len(f.Values)) // of what was made of each, by the IDs in f
	type rows struct{ y, class *Value }
	parts := map[rows]*Node{}
	return Prune(Rewrite(f, func(out *Func, n *Node, in []*Value) []*Value {
		args[n.Results[0].ID] = in
		s, ok := found.of[n]
		if !ok {
			return nil
		}
		x, class := args[s.y.ID][0], args[s.hot.ID][0]
		p := parts[rows{x, class}]
		if p == nil {
			p = out.ApplyNode(LogSoftmaxAt{}, nil, x, class)
			parts[rows{x, class}] = p
		}
		if s.slope == nil {
			return p.Results[:1]
		}
		g := args[s.slope.ID][0]
		if one := append(slices.Clone(class.Shape()), 1); !g.Shape().Equal(one) {
			g = g.Expand(one...)
		}
		return []*Value{Apply(LogSoftmaxAtGrad{}, x, class, p.Result(1), p.Result(2), g)}
	}))
}

// A classSum is the LogSoftmax y, summed up where the one-hot value hot is; or the gradient of that, of which the gradients of the sums are
// expanded in slope.
type classSum struct{ y, hot, slope *Value }

// classSumOf is what v is if it is one. The gradient is that of LogSoftmax.
func classSumOf(v *Value) (classSum, bool) {
	switch o := v.Op.(type) {
	case Sum:
		w := v.Args[0]
		if hot := chosen(w); hot != nil && !o.KeepDims && overLast(o, w) && lastSoftmax(w.Args[1], hot) {
			return classSum{y: w.Args[1], hot: hot}, true
		}
	case Sub:
		w, product := v.Args[0], v.Args[1]
		hot := chosen(w)
		if _, ok := product.Op.(Mul); hot == nil || !ok {
			break
		}
		e, total := product.Args[0], product.Args[1]
		_, exp := e.Op.(Exp)
		sum, summed := total.Op.(Sum)
		_, expanded := w.Args[1].Op.(Expand)
		if !exp || !summed || !expanded || total.Args[0] != w || !sum.KeepDims || !overLast(sum, w) || !lastSoftmax(e.Args[0], hot) {
			break
		}
		if g := w.Args[1].Args[0]; g.Rank() == 0 || g.Dim(-1) == 1 {
			return classSum{e.Args[0], hot, w.Args[1]}, true
		}
	}
	return classSum{}, false
}

// chosen is the one-hot value of v, if v is something where that is, and 0 elsewhere, of its shape.
func chosen(v *Value) *Value {
	if _, ok := v.Op.(Where); !ok || !zero(v.Args[2]) {
		return nil
	}
	hit := v.Args[0]
	if _, ok := hit.Op.(Greater); !ok || !zero(hit.Args[1]) {
		return nil
	}
	if _, ok := hit.Args[0].Op.(OneHot); !ok || hit.Args[0].Args[0].DType() != I64 || !hit.Args[0].Shape().Equal(v.Shape()) {
		return nil
	}
	return hit.Args[0]
}

func zero(v *Value) bool {
	o, ok := v.Op.(Full)
	return ok && o.Value == 0
}

// overLast reports whether o sums up the last axis of x alone.
func overLast(o Sum, x *Value) bool { return slices.Equal(o.Axes, []int{x.Rank() - 1}) }

// lastSoftmax reports whether y is a LogSoftmax along the last axis, of the shape of hot.
func lastSoftmax(y, hot *Value) bool {
	o, ok := y.Op.(LogSoftmax)
	return ok && o.Axis == y.Rank()-1 && y.Shape().Equal(hot.Shape()) && y.DType().Native()
}

// classSums are all that are in a Func.
type classSums struct {
	*usage
	of map[*Node]classSum
}

// enough reports whether nothing else needs y: all that uses it, and what uses that, is part of a classSum.
func (u classSums) enough(y *Value) bool {
	only := func(v *Value, part func(n *Node) bool) bool {
		return !u.kept[v.ID] && !slices.ContainsFunc(u.users[v.ID], func(n *Node) bool { return !part(n) })
	}
	is := func(n *Node) bool { _, ok := u.of[n]; return ok }
	return only(y, func(n *Node) bool {
		v := n.Results[0]
		switch n.Op.(type) {
		case Where:
			return only(v, is)
		case Exp:
			return only(v, func(n *Node) bool { return only(n.Results[0], is) })
		}
		return false
	})
}
