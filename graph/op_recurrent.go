package graph

import (
	"fmt"
	"math"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var recurrentOps = []Sampled{LSTM{}, LSTMGrad{}, GRU{}, GRUGrad{}}

// This file has what LSTM and GRU have in common. Their arguments are ONNX's: x [seq batch in]; for each direction weights w
// [dirs gates·hidden in] and r [dirs gates·hidden hidden], and biases b [dirs 2·gates·hidden], those of w and then those of r; how many
// places each example has, lengths i32[batch]; and the first states [dirs batch hidden].

// recurrentArgs are the arguments that both take.
var recurrentArgs = []Arg{
	{Name: "x", DTypes: Floats, Like: "T"}, {Name: "w", DTypes: Floats, Like: "T"}, {Name: "r", DTypes: Floats, Like: "T"},
	{Name: "b", DTypes: Floats, Like: "T", Optional: true}, {Name: "lengths", DTypes: 1 << I32, Optional: true},
	{Name: "h", DTypes: Floats, Like: "T", Optional: true},
}

// floatArgs are arguments that may be left out, of the dtype of the others.
func floatArgs(names ...string) []Arg {
	var out []Arg
	for _, name := range names {
		out = append(out, Arg{Name: name, DTypes: Floats, Like: "T", Optional: true})
	}
	return out
}

// directions says of each direction whether it is the reverse one.
func directions(direction string) []bool {
	switch direction {
	case "", "forward":
		return []bool{false}
	case "reverse":
		return []bool{true}
	case "bidirectional":
		return []bool{false, true}
	}
	return nil
}

// normalRecurrence are the attributes of an op over in, as it is said in one way.
func normalRecurrence(direction string, in []*Value) (hidden int, _ string) {
	if direction == "" {
		direction = "forward"
	}
	return int(in[2].Dim(2)), direction
}

// arguments are the first of n's, so many, nil where they were left out.
func arguments(n *Node, count int) []*Value {
	out := make([]*Value, count)
	copy(out, n.Args)
	return out
}

// recurrentFields are the attributes of both operators; that the batch is the second axis is as it always is.
func recurrentFields() []Field {
	return []Field{{Attribute: "hidden_size", Name: "Hidden"}, {Attribute: "direction", Name: "Direction", Default: "forward"}, {Attribute: "layout", Value: 0, Default: 0}}
}

// A recurrence is the types of the results of an LSTM or GRU, and of its biases.
type recurrence struct{ y, state, b Type }

// places holds values to the type of the result along places; nil is any.
func (t recurrence) places(vs ...*Value) error {
	for _, v := range vs {
		if v != nil && !v.Type.Equal(t.y) {
			return Mistakef("it is of the states at all places", "a result is %v, want %v", v.Type, t.y)
		}
	}
	return nil
}

// inferRecurrence finds them, for so many gates, from the arguments that both ops take, and holds states to theirs.
func inferRecurrence(in *Infer, gates, hidden int, direction string, states ...*Value) (t recurrence, err error) {
	x, w, r := in.Args[0], in.Args[1], in.Args[2]
	dirs := Dim(len(directions(direction)))
	if dirs == 0 {
		return t, Mistakef(`"forward", "reverse" or "bidirectional"`, "the direction is %q", direction)
	}
	if x.Rank() != 3 || w.Rank() != 3 || r.Rank() != 3 {
		return t, Mistakef("x is [seq batch in], w [directions gates·hidden in], r [directions gates·hidden hidden]", "x, w and r are %v, %v and %v", x.Type, w.Type, r.Type)
	}
	n := r.Dim(2)
	if n.Symbolic() || n < 1 || n > math.MaxInt32 || hidden != 0 && n != Dim(hidden) {
		return t, Mistakef("r is [directions gates·hidden hidden], and hidden is a number, 1 or more", "r is %v, for Hidden = %d", r.Type, hidden)
	}
	t = recurrence{Type{x.DType(), Shape{x.Dim(0), dirs, x.Dim(1), n}}, Type{x.DType(), Shape{dirs, x.Dim(1), n}}, Type{x.DType(), Shape{dirs, Dim(2*gates) * n}}}
	check := func(name string, v *Value, dtype DType, s ...Dim) {
		if want := (Type{dtype, s}); err == nil && v != nil && !v.Type.Equal(want) {
			err = Mistakef(fmt.Sprintf("x is %v, and there are %d gates of %d for each of %d directions", x.Type, gates, n, dirs), "%s is %v, want %v", name, v.Type, want)
		}
	}
	check("w", w, x.DType(), dirs, Dim(gates)*n, x.Dim(2))
	check("r", r, x.DType(), dirs, Dim(gates)*n, n)
	check("b", in.Arg(3), x.DType(), t.b.Shape...)
	check("lengths", in.Arg(4), I32, x.Dim(1))
	for _, s := range states {
		check("a state", s, x.DType(), t.state.Shape...)
	}
	return t, err
}

// of is the part of v for direction d, nil of nil.
func (v *Value) of(d int) *Value {
	if v == nil {
		return nil
	}
	return v.Slice(0, d, d+1).Squeeze(0)
}

// A turn is one direction of an LSTM or GRU as smaller ops: what its arguments have for it.
type turn struct {
	f       *Func
	reverse bool
	x, w, r *Value   // [seq batch in], [gates·hidden in], [gates·hidden hidden]
	wb, rb  *Value   // [gates·hidden], or nil
	live    *Value   // bool[seq batch 1], or nil: whether an example has the place
	state   []*Value // the first states [batch hidden]
}

// turns are the directions of n, whose first states are the arguments from 5 on, so many.
func turns(n *Node, direction string, states int) []turn {
	x, f := n.Args[0], n.fn
	var live *Value
	if lengths := n.Arg(4); lengths != nil {
		live = f.Arange(x.Dim(0)).Reshape(x.Dim(0), 1, 1).Less(lengths.Cast(I64).Reshape(1, x.Dim(1), 1))
	}
	var out []turn
	for d, reverse := range directions(direction) {
		t := turn{f: f, reverse: reverse, x: x, w: n.Args[1].of(d), r: n.Args[2].of(d), live: live}
		if b := n.Arg(3).of(d); b != nil {
			half := b.Split(0, 2)
			t.wb, t.rb = half[0], half[1]
		}
		for k := range states {
			s := n.Arg(5 + k).of(d)
			if s == nil {
				s = f.Full(x.DType(), 0, x.Dim(1), t.r.Dim(1))
			}
			t.state = append(t.state, s)
		}
		out = append(out, t)
	}
	return out
}

// A keep is a where an example has the place, else b.
type keep func(a, b *Value) *Value

// scan is a Scan in the direction of t, or the other.
func (t turn) scan(what string, back bool, states, xs []*Value, body func(s, x []*Value, live keep) (next, ys []*Value)) (final, ys []*Value) {
	if t.live != nil {
		xs = append(xs, t.live)
	}
	return t.f.scan(what, t.reverse != back, states, xs, func(s, x []*Value) (next, ys []*Value) {
		live := func(a, b *Value) *Value { return a }
		if t.live != nil {
			live = x[len(x)-1].Where
		}
		return body(s, x, live)
	})
}

// plus is a + b, where nil is zeros.
func plus(a, b *Value) *Value {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	}
	return a.Add(b)
}

// inputs is what the places bring to the gates, x·wᵀ, and the biases of w.
func (t turn) inputs() *Value { return plus(t.x.MatMul(t.w.T()), t.wb) }

// before are the states h that the steps began with, [seq batch hidden]: those after them are y.
func (t turn) before(what string, y *Value) *Value {
	_, ys := t.scan(what, false, t.state[:1], []*Value{y}, func(s, x []*Value, live keep) (next, ys []*Value) {
		return []*Value{live(x[0], s[0])}, s
	})
	return ys[0]
}

// along is what y [seq dirs batch hidden] has for direction d; nil of nil.
func along(y *Value, d int) *Value {
	if y == nil {
		return nil
	}
	return y.Slice(1, d, d+1).Squeeze(1)
}

// ended is what g [dirs batch hidden] has for direction d, zeros like of nil.
func ended(g *Value, d int, like *Value) *Value {
	if g == nil {
		return like.fn.Full(like.DType(), 0, like.Shape()...)
	}
	return g.of(d)
}

// rows is v with the places and examples as one axis.
func rows(v *Value) *Value { return v.Reshape(v.Shape()[:2].Size(), v.Dim(2)) }

// product is aᵀ·b over all places and examples.
func product(a, b *Value) *Value { return rows(a).T().MatMul(rows(b)) }

// stack joins what the directions made, along an axis for them.
func stack(axis int, parts []*Value) *Value {
	for i, v := range parts {
		parts[i] = v.Unsqueeze(axis)
	}
	return Join(axis, parts...)
}

// A direction is what the kernel of an LSTM or GRU is given for one of them.
type direction[T kernel.Float] struct {
	kernel.Recurrence
	d, dirs int
}

// eachDirection calls do for each direction of a node over in.
func eachDirection[T kernel.Float](name string, in []*tensor.Tensor, do func(p direction[T])) error {
	x, r := in[0], in[2]
	s := kernel.Recurrence{Seq: x.Dim(0), Batch: x.Dim(1), In: x.Dim(2), Hidden: r.Dim(2)}
	if t := argument(in, 4); t != nil {
		s.Lengths = tensor.Data[int64](t) // i32, in the wide dtype
		for i, n := range s.Lengths {
			if n < 0 || n > int64(s.Seq) {
				return fmt.Errorf("example %d has the length %d, and there are %d places", i, n, s.Seq)
			}
		}
	}
	turns := directions(name)
	s.Stride = len(turns) * s.Batch * s.Hidden
	for d, reverse := range turns {
		s.Reverse = reverse
		do(direction[T]{s, d, len(turns)})
	}
	return nil
}

// of is what t has for the direction, along its first axis; nil of nil.
func (p direction[T]) of(t *tensor.Tensor) []T {
	if t == nil {
		return nil
	}
	n := t.Len() / p.dirs
	return tensor.Data[T](t)[p.d*n : (p.d+1)*n]
}

// along is y [seq dirs batch hidden] from where the direction begins; nil of nil.
func (p direction[T]) along(y *tensor.Tensor) []T {
	if y == nil || y.Len() == 0 {
		return nil
	}
	return tensor.Data[T](y)[p.d*p.Batch*p.Hidden:]
}

// biases are what is added to x·wᵀ, and to h·rᵀ; nil of nil.
func (p direction[T]) biases(b *tensor.Tensor) (wb, rb []T) {
	all := p.of(b)
	return all[:len(all)/2], all[len(all)/2:]
}

// copyOr0 makes out what in is, zeros if that is nil.
func copyOr0[T kernel.Float](out, in *tensor.Tensor) {
	if in == nil {
		clear(tensor.Data[T](out))
		return
	}
	out.CopyFrom(in)
}

// recurrentSamples cover the directions, and arguments that are there or not.
func recurrentSamples(gates, states int, op func(hidden int, direction string) Op) []Sample {
	var out []Sample
	for _, c := range []struct {
		direction              string
		seq, batch, in, hidden int
		bias, lengths          bool
		first                  [2]bool // which of the first states are given
	}{
		{"forward", 3, 2, 1, 2, true, false, [2]bool{}},
		{"", 1, 1, 2, 1, false, false, [2]bool{true, true}},
		{"reverse", 3, 1, 2, 2, true, false, [2]bool{true, false}},
		{"forward", 3, 2, 1, 2, false, true, [2]bool{false, true}},
		{"reverse", 3, 2, 1, 1, true, true, [2]bool{true, true}},
		{"bidirectional", 2, 3, 1, 1, true, true, [2]bool{true, true}},
		{"bidirectional", 2, 1, 1, 2, false, false, [2]bool{}},
	} {
		dirs := len(directions(c.direction))
		in := []SampleInput{
			{Shape: []int{c.seq, c.batch, c.in}}, {Shape: []int{dirs, gates * c.hidden, c.in}}, {Shape: []int{dirs, gates * c.hidden, c.hidden}},
			{Shape: []int{dirs, 2 * gates * c.hidden}, Absent: !c.bias},
			{DType: I32, Shape: []int{c.batch}, Lo: 1, Hi: float64(c.seq + 1), Absent: !c.lengths},
		}
		for k := range states {
			in = append(in, SampleInput{Shape: []int{dirs, c.batch, c.hidden}, Absent: !c.first[k]})
		}
		out = append(out, Sample{Op: op(c.hidden, c.direction), In: in})
	}
	out[0].Op = op(0, "")
	return out
}

// recurrentGradSamples are those of the gradient: each gradient of a result is left out in one, and an example may be without places.
func recurrentGradSamples(gates, states int, op func(hidden int, direction string) Op) []Sample {
	out := recurrentSamples(gates, states, op)
	for i := range out {
		in := out[i].In
		dirs, batch, hidden := in[2].Shape[0], in[0].Shape[1], in[2].Shape[2]
		y := SampleInput{Shape: []int{in[0].Shape[0], dirs, batch, hidden}, Lo: -1, Hi: 1}
		in = append(in, y)
		y.Absent = i == 1
		in[4].Lo = 0
		in = append(in, y)
		for k := range states {
			in = append(in, SampleInput{Shape: []int{dirs, batch, hidden}, Absent: i == 2+k})
		}
		out[i].In = in
	}
	return out
}
