package graph

import (
	"math"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var attentionOps = []Sampled{Attention{}, AttentionGrad{}}

// Attention is scaled dot-product attention, softmax(Scale·q·kᵀ)·v for each batch and head (Vaswani et al. 2017, eq. 1). Arguments:
// query [batch heads rows size], key [batch groups keys size] and value [batch groups keys values], where heads is a multiple of
// groups (Ainslie et al. 2023); then, or nil, a mask [rows keys], or one that broadcasts to [batch heads rows keys], which says which
// keys a row sees or is added to the products; and the keys and values of a past that stand before. A row that sees no key is 0.
// Results: y [batch heads rows values] and, if there is a past, it and key, and it and value. ONNX: Attention from opset 23 on, else
// MatMul and Softmax.
type Attention struct {
	Causal  bool    // row i sees the keys up to place i after the past
	Scale   float64 // of the products; 0 means 1/√size
	Softcap float64 // c·tanh(x/c) of the products, before the mask; 0 is none
}

// Attention is the attention o of queries v [batch heads rows size] to key [batch groups keys size] and value [batch groups keys
// values]. mask, of bools or of v's dtype, may be nil; it broadcasts to [batch heads rows keys], and its last axis is that of the keys.
func (v *Value) Attention(key, value, mask *Value, o Attention) *Value {
	return Apply(o, v, key, value, v.maskOf(mask))
}

// AttentionPast is Attention to the keys and values of a past too, which stand before key and value. It returns all keys and all
// values besides: the past of the next rows.
func (v *Value) AttentionPast(key, value, mask, pastKey, pastValue *Value, o Attention) (y, allKeys, allValues *Value) {
	n := ApplyNode(o, nil, v, key, value, v.maskOf(mask), pastKey, pastValue)
	return n.Result(0), n.Result(1), n.Result(2)
}

// maskOf gives a mask that is the same for all rows of the queries v a row for each: ONNX's operator wants them.
func (v *Value) maskOf(mask *Value) *Value {
	if !v.OK() || !mask.OK() || v.Rank() != 4 || mask.Rank() < 2 || mask.Dim(-2) != 1 {
		return mask
	}
	s := mask.Shape()
	return mask.Expand(append(s[:len(s)-2:len(s)-2], v.Dim(2), mask.Dim(-1))...)
}

var attentionArgs = []Arg{{Name: "query", DTypes: Floats, Like: "T"}, {Name: "key", DTypes: Floats, Like: "T"}, {Name: "value", DTypes: Floats, Like: "T"},
	{Name: "mask", DTypes: Floats | Bools, Optional: true}, {Name: "past key", DTypes: Floats, Like: "T", Optional: true}, {Name: "past value", DTypes: Floats, Like: "T", Optional: true}}

// Takes is a query, key and value, and a mask and a past or not.
func (Attention) Takes() []Arg { return attentionArgs }

func (o Attention) normalize(in []*Value) Op {
	if o.Scale == 0 {
		o.Scale = 1 / math.Sqrt(float64(in[0].Dim(3)))
	}
	return o
}

// Infer checks that the shapes go together.
func (o Attention) Infer(in *Infer) ([]Type, error) {
	q, k, v := in.Args[0], in.Args[1], in.Args[2]
	for _, x := range in.Args[:3] {
		if x.Rank() != 4 {
			return nil, Mistakef("split the width into heads, with .Reshape(batch, seq, heads, size).Transpose(0, 2, 1, 3)", "needs [batch heads seq size], has %v", x.Type)
		}
	}
	heads, groups, keys := q.Dim(1), k.Dim(1), k.Dim(2)
	switch {
	case q.Dim(0) != k.Dim(0) || q.Dim(3) != k.Dim(3):
		return nil, Mistakef("both have one batch, and heads of one size", "the queries are %v, the keys %v", q.Type, k.Type)
	case !v.Shape()[:3].Equal(k.Shape()[:3]):
		return nil, Mistakef("there is a value for each key", "the keys are %v, the values %v", k.Type, v.Type)
	case heads != groups && (heads.Symbolic() || groups.Symbolic() || groups == 0 || heads%groups != 0):
		return nil, Mistakef("each head of keys is that of so many heads of queries", "%v heads of queries are no multiple of %v of keys", heads, groups)
	case o.Scale < 0 || o.Softcap < 0:
		return nil, Mistakef("a scale of 0 is 1/√size, a cap of 0 is none", "the scale is %v, the cap %v", o.Scale, o.Softcap)
	case o.Scale == 0 && (q.Dim(3).Symbolic() || q.Dim(3) == 0):
		return nil, Mistakef("give a Scale", "the size of a head is %v, and the scale 1/√size", q.Dim(3))
	}
	y := Type{q.DType(), Shape{q.Dim(0), heads, q.Dim(2), v.Dim(3)}}
	pastKey, pastValue := in.Arg(4), in.Arg(5)
	if (pastKey == nil) != (pastValue == nil) {
		return nil, Mistakef("a past has both", "there are past keys or past values, not both")
	}
	types := []Type{y}
	if pastKey != nil {
		all := make([]Type, 2)
		for i, past := range []*Value{pastKey, pastValue} {
			now := in.Args[1+i]
			if past.Rank() != 4 || !past.Shape()[:2].Equal(now.Shape()[:2]) || past.Dim(3) != now.Dim(3) || past.Dim(2) != pastKey.Dim(2) {
				return nil, Mistakef("they differ in the number of places alone, which the past's keys and values have in common", "the past is %v, what follows %v", past.Type, now.Type)
			}
			all[i] = Type{now.DType(), Shape{now.Dim(0), now.Dim(1), past.Dim(2).Plus(now.Dim(2)), now.Dim(3)}}
		}
		types = append(types, all...)
		keys = all[0].Shape[2]
	}
	if mask := in.Arg(3); mask != nil {
		want := Shape{q.Dim(0), heads, q.Dim(2), keys}
		if s, err := broadcast(want, mask.Shape()); err != nil || !s.Equal(want) || mask.Rank() < 2 || mask.Dim(-1) != keys || mask.Dim(-2) != want[2] {
			return nil, Mistakef("its last two axes are those of the rows and of all keys", "the mask %v does not broadcast to %v", mask.Type, want)
		}
		if mask.DType() != Bool && mask.DType() != q.DType() {
			return nil, Mistakef("a mask of bools says which keys a row sees", "the mask is %v, the queries %v", mask.Type, q.Type)
		}
	}
	return types, nil
}

// VJP is AttentionGrad. The gradient of a mask, and those from all keys and values, are those of the smaller ops.
func (o Attention) VJP(n *Node, g []*Value) []*Value {
	q, k, v, mask := n.Args[0], n.Args[1], n.Args[2], n.Arg(3)
	for _, other := range g[1:] {
		if other != nil {
			return vjpOfLowered(n, o, g)
		}
	}
	back := ApplyNode(AttentionGrad(o), nil, q, k, v, g[0], mask, n.Arg(4), n.Arg(5))
	out := []*Value{back.Result(0), back.Result(1), back.Result(2), nil, nil, nil}
	if mask != nil && mask.DType() != Bool {
		out[3] = gradientOf(n, o, n.Args, g)[3]
	}
	if n.Arg(4) != nil {
		out[4], out[5] = back.Result(3), back.Result(4)
	}
	return out[:len(n.Args)]
}

// Lower is the definition. Of floats of 16 bits, what is between the products is computed in f32.
func (o Attention) Lower(n *Node) []*Value {
	q, k, v, mask := n.Args[0], n.Args[1], n.Args[2], n.Arg(3)
	out := []*Value{nil}
	past := q.fn.FullInt(I64, 0)
	if n.Arg(4) != nil {
		k, v = Join(2, n.Arg(4), k), Join(2, n.Arg(5), v)
		out = append(out, k, v)
		past = n.Arg(4).Size(2).Cast(I64)
	}
	batch, heads, groups, rows, keys := q.Dim(0), q.Dim(1), k.Dim(1), q.Dim(2), k.Dim(2)
	shared := Dim(1) // heads that have one key: their rows are taken for one head's
	if heads != groups {
		shared = heads / groups
	}
	x := q.Scale(o.Scale).Reshape(batch, groups, rows.Times(shared), q.Dim(3)).MatMul(k.T()).Reshape(batch, heads, rows, keys).in(q.DType().Wide())
	if o.Softcap > 0 {
		x = x.Scale(1 / o.Softcap).Tanh().Scale(o.Softcap)
	}
	nothing := x.Scalar(math.Inf(-1))
	switch {
	case mask == nil:
	case mask.DType() == Bool:
		x = mask.Where(x, nothing)
	default:
		x = x.Add(mask.in(x.DType()))
	}
	if o.Causal {
		seen := q.fn.Arange(rows).Add(past).Unsqueeze(1).GreaterEqual(q.fn.Arange(keys))
		if q.fn.Training {
			x = seen.Where(x, nothing)
		} else { // [rows keys] once, for all layers: adding it takes half the time of choosing in runtimes
			x = x.Add(seen.Where(x.Scalar(0), nothing))
		}
	}
	var p *Value
	if mask == nil {
		p = x.Softmax(-1)
	} else {
		zero := x.Scalar(0)
		sees := x.ReduceMaxKeep(-1).Greater(nothing)
		p = sees.Where(sees.Where(x, zero).Softmax(-1), zero)
	}
	out[0] = p.in(q.DType()).Reshape(batch, groups, rows.Times(shared), keys).MatMul(v).Reshape(batch, heads, rows, v.Dim(3))
	return out
}

// Forms is Attention, from opset 23 on, in f32.
func (Attention) Forms() []Form {
	return []Form{{Operator: "Attention", Since: 23, DTypes: 1 << F32,
		Fields: []Field{{Attribute: "is_causal", Name: "Causal"}, {Attribute: "scale", Name: "Scale"}, {Attribute: "softcap", Name: "Softcap"}}}}
}

// Run joins the past and what follows it, and computes the attention.
func (o Attention) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return floats(c, o, out, in, attentionFloats[float32], attentionFloats[float64])
}

// MultiplyAdds is that of the scores, of each query with each key, and of the values by them.
func (Attention) MultiplyAdds(out, in [][]int) float64 { return attentionProducts(in, 4, 1, 1) }

// attentionProducts are so many products of the size of keys and of values, for each query with each key, the past's too, whose keys
// are argument past.
func attentionProducts(in [][]int, past int, keys, values float64) float64 {
	n := float64(in[1][2])
	if past < len(in) && in[past] != nil {
		n += float64(in[past][2])
	}
	q := in[0]
	return float64(q[0]) * float64(q[1]) * float64(q[2]) * n * (keys*float64(q[3]) + values*float64(in[2][3]))
}

func attentionFloats[T kernel.Float](c *kernel.Context, o Attention, out, in []*tensor.Tensor) error {
	k, v := in[1], in[2]
	if past := argument(in, 4); past != nil {
		k, v = out[1], out[2]
		joinPlaces[T](k, past, in[1])
		joinPlaces[T](v, in[5], in[2])
	}
	s, mask := attentionShape[T](o, in[0], k, v, argument(in, 3), argument(in, 4))
	kernel.Attention(c, s, tensor.Data[T](out[0]), tensor.Data[T](in[0]), tensor.Data[T](k), tensor.Data[T](v), mask)
	return nil
}

// joinPlaces makes all of what is before and after along axis 2 of 4.
func joinPlaces[T kernel.Float](all, before, after *tensor.Tensor) {
	n, m := before.Dim(2)*before.Dim(3), after.Dim(2)*after.Dim(3)
	to, a, b := tensor.Data[T](all), tensor.Data[T](before), tensor.Data[T](after)
	for i := range all.Dim(0) * all.Dim(1) {
		copy(to[i*(n+m):], a[i*n:(i+1)*n])
		copy(to[i*(n+m)+n:], b[i*m:(i+1)*m])
	}
}

// partPlaces is joinPlaces the other way.
func partPlaces[T kernel.Float](all, before, after *tensor.Tensor) {
	n, m := before.Dim(2)*before.Dim(3), after.Dim(2)*after.Dim(3)
	from, a, b := tensor.Data[T](all), tensor.Data[T](before), tensor.Data[T](after)
	for i := range all.Dim(0) * all.Dim(1) {
		copy(a[i*n:(i+1)*n], from[i*(n+m):])
		copy(b[i*m:(i+1)*m], from[i*(n+m)+n:])
	}
}

// attentionShape is what the kernel is told of o's arguments; k and v are all keys and values.
func attentionShape[T kernel.Float](o Attention, q, k, v, mask, past *tensor.Tensor) (kernel.AttentionShape, kernel.AttentionMask[T]) {
	s := kernel.AttentionShape{
		Batch: q.Dim(0), Heads: q.Dim(1), Groups: k.Dim(1), Rows: q.Dim(2), Keys: k.Dim(2), Size: q.Dim(3), Values: v.Dim(3),
		Scale: o.Scale, Softcap: o.Softcap, Causal: o.Causal,
	}
	if past != nil {
		s.Past = past.Dim(2)
	}
	var m kernel.AttentionMask[T]
	if mask == nil {
		return s, m
	}
	if mask.DType() == Bool {
		m.Seen = tensor.Data[bool](mask)
	} else {
		m.Bias = tensor.Data[T](mask)
	}
	step := 1
	for i, to := range []*int{&s.MaskKey, &s.MaskRow, &s.MaskHead, &s.MaskBatch} {
		if i < mask.Rank() {
			if n := mask.Dim(-1 - i); n > 1 {
				*to = step
				step *= n
			}
		}
	}
	return s, m
}

// Samples covers the kinds of masks and how they broadcast, heads that share keys, a past, fewer and more rows than keys, a cap, and rows
// that see nothing.
func (Attention) Samples() []Sample { return attentionSamples(func(o Attention) Op { return o }, nil) }

func attentionSamples(op func(o Attention) Op, more func(y []int) []SampleInput) []Sample {
	none := SampleInput{Absent: true}
	bools := func(shape ...int) SampleInput { return SampleInput{DType: Bool, Shape: shape, Lo: 0, Hi: 1} }
	floats := func(shape ...int) SampleInput { return SampleInput{Shape: shape} }
	var out []Sample
	for _, s := range []struct {
		o       Attention
		q, k, v []int
		mask    SampleInput
		past    int
	}{
		{Attention{}, []int{1, 1, 2, 3}, []int{1, 1, 2, 3}, []int{1, 1, 2, 3}, none, 0},
		{Attention{Causal: true}, []int{2, 2, 3, 2}, []int{2, 2, 3, 2}, []int{2, 2, 3, 3}, none, 0},
		{Attention{Scale: .3}, []int{1, 2, 3, 2}, []int{1, 2, 4, 2}, []int{1, 2, 4, 1}, none, 0},
		{Attention{Causal: true, Softcap: 1.5}, []int{1, 4, 2, 2}, []int{1, 2, 3, 2}, []int{1, 2, 3, 2}, none, 0},
		{Attention{Causal: true}, []int{1, 1, 4, 2}, []int{1, 1, 2, 2}, []int{1, 1, 2, 3}, none, 0},
		{Attention{}, []int{2, 2, 2, 2}, []int{2, 2, 3, 2}, []int{2, 2, 3, 2}, bools(2, 1, 2, 3), 0},
		{Attention{Causal: true}, []int{1, 2, 3, 2}, []int{1, 2, 3, 2}, []int{1, 2, 3, 2}, bools(3, 3), 0},
		{Attention{Softcap: 2}, []int{1, 2, 3, 2}, []int{1, 2, 3, 2}, []int{1, 2, 3, 2}, bools(2, 3, 3), 0},
		{Attention{}, []int{1, 2, 2, 2}, []int{1, 2, 3, 2}, []int{1, 2, 3, 2}, SampleInput{DType: Bool, Shape: []int{1, 1, 2, 3}}, 0}, // sees nothing
		{Attention{Softcap: 2}, []int{2, 4, 2, 2}, []int{2, 1, 3, 2}, []int{2, 1, 3, 2}, floats(1, 4, 2, 3), 0},
		{Attention{Causal: true}, []int{1, 2, 3, 2}, []int{1, 2, 3, 2}, []int{1, 2, 3, 2}, floats(1, 2, 3, 3), 0},
		{Attention{}, []int{2, 1, 1, 2}, []int{2, 1, 1, 2}, []int{2, 1, 1, 2}, floats(2, 1, 1, 1), 0},
		{Attention{Causal: true}, []int{1, 2, 2, 2}, []int{1, 2, 2, 2}, []int{1, 2, 2, 3}, none, 3},
		{Attention{Causal: true, Scale: .5}, []int{2, 4, 1, 2}, []int{2, 2, 1, 2}, []int{2, 2, 1, 2}, none, 2},
		{Attention{Softcap: 1}, []int{1, 2, 2, 2}, []int{1, 1, 3, 2}, []int{1, 1, 3, 2}, bools(1, 1, 2, 5), 2},
		{Attention{Causal: true}, []int{1, 1, 2, 2}, []int{1, 1, 2, 2}, []int{1, 1, 2, 1}, floats(2, 5), 3},
	} {
		in := []SampleInput{floats(s.q...), floats(s.k...), floats(s.v...)}
		if more != nil {
			in = append(in, more([]int{s.q[0], s.q[1], s.q[2], s.v[3]})...)
		}
		if in = append(in, s.mask); s.past > 0 {
			in = append(in, floats(s.k[0], s.k[1], s.past, s.k[3]), floats(s.v[0], s.v[1], s.past, s.v[3]))
		}
		out = append(out, Sample{Op: op(s.o), In: in})
	}
	return out
}

// AttentionGrad is the gradient of Attention, from its arguments and the gradient of its first result, which stands before the mask.
// Results: the gradients of query, key and value and, if there is a past, of its keys and values. ONNX: MatMul, Softmax and arithmetic.
type AttentionGrad Attention

var attentionGradArgs = []Arg{attentionArgs[0], attentionArgs[1], attentionArgs[2], {Name: "gradient", DTypes: Floats, Like: "T"},
	attentionArgs[3], attentionArgs[4], attentionArgs[5]}

// Takes is what Attention takes, and a gradient.
func (AttentionGrad) Takes() []Arg { return attentionGradArgs }

func (o AttentionGrad) normalize(in []*Value) Op {
	return AttentionGrad(Attention(o).normalize(in).(Attention))
}

// forward are the arguments of the Attention.
func (AttentionGrad) forward(n *Node) []*Value {
	return []*Value{n.Args[0], n.Args[1], n.Args[2], n.Arg(4), n.Arg(5), n.Arg(6)}
}

// Infer checks that there is an Attention of the arguments whose result is of the gradient's type.
func (o AttentionGrad) Infer(in *Infer) ([]Type, error) {
	args := o.forward(&Node{Args: in.Args})
	types, err := Attention(o).Infer(&Infer{Args: args})
	if err != nil {
		return nil, err
	}
	if g := in.Args[3]; !g.Type.Equal(types[0]) {
		return nil, Mistakef("it is that of the attention's first result", "the gradient is %v, want %v", g.Type, types[0])
	}
	out := []Type{args[0].Type, args[1].Type, args[2].Type}
	if args[4] != nil {
		out = append(out, args[4].Type, args[5].Type)
	}
	return out, nil
}

// Lower is the gradient of the smaller ops that Attention is.
func (o AttentionGrad) Lower(n *Node) []*Value {
	args := o.forward(n)
	g := gradientOf(n, Attention(o), args, []*Value{n.Args[3], nil, nil})
	if args[4] == nil {
		return g[:3]
	}
	return []*Value{g[0], g[1], g[2], g[4], g[5]}
}

// Run computes the probabilities again, and from them the gradients.
func (o AttentionGrad) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	return floats(c, o, out, in, attentionGradFloats[float32], attentionGradFloats[float64])
}

// MultiplyAdds is that of the scores again, and of the four gradients.
func (AttentionGrad) MultiplyAdds(out, in [][]int) float64 { return attentionProducts(in, 5, 3, 2) }

func attentionGradFloats[T kernel.Float](c *kernel.Context, o AttentionGrad, out, in []*tensor.Tensor) error {
	k, v, dk, dv := in[1], in[2], out[1], out[2]
	past := argument(in, 5)
	if past != nil {
		all := func(before, after *tensor.Tensor) *tensor.Tensor {
			return tensor.New(after.DType(), after.Dim(0), after.Dim(1), before.Dim(2)+after.Dim(2), after.Dim(3))
		}
		k, v, dk, dv = all(past, k), all(in[6], v), all(past, k), all(in[6], v)
		joinPlaces[T](k, past, in[1])
		joinPlaces[T](v, in[6], in[2])
	}
	s, mask := attentionShape[T](Attention(o), in[0], k, v, argument(in, 4), past)
	kernel.AttentionGrad(c, s, tensor.Data[T](out[0]), tensor.Data[T](dk), tensor.Data[T](dv),
		tensor.Data[T](in[0]), tensor.Data[T](k), tensor.Data[T](v), tensor.Data[T](in[3]), mask)
	if past != nil {
		partPlaces[T](dk, out[3], out[1])
		partPlaces[T](dv, out[4], out[2])
	}
	return nil
}

// Samples are Attention's.
func (AttentionGrad) Samples() []Sample {
	return attentionSamples(func(o Attention) Op { return AttentionGrad(o) }, func(y []int) []SampleInput { return []SampleInput{{Shape: y}} })
}
