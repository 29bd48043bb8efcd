package graph

import (
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// Loop runs its body until it says that it is enough, or Most times: from the number of the iteration and states it makes whether to go
// on and the next states. Arguments: the states, and what the body takes from outside. Results: the last states. ONNX: Loop.
type Loop struct {
	States int // how many of the arguments
	Most   int
}

// Loop runs body, at least once and at most the given number of times, with the number of the iteration, an i64 scalar from 0 on, and the
// states; it returns whether to go on, a bool scalar, and the next states, of the same types. What comes of it is the last states. No
// gradient flows: where the number of iterations is known, [Func.Repeat] has one.
func (f *Func) Loop(most int, states []*Value, body func(i *Value, states []*Value) (more *Value, next []*Value)) []*Value {
	f = f.current()
	good := true
	for _, v := range states {
		if v == nil {
			f.Mistake(f.Pos(), "Loop: a state is nil", NilHint)
		}
		good = good && v.OK()
	}
	b := f.inner()
	b.body.what = "Loop"
	own := []*Value{b.port(Type{DType: I64}), b.port(Type{DType: Bool})} // as in ONNX: the second says that it runs
	for _, v := range states {
		if good {
			own = append(own, b.port(v.Type))
		} else {
			own = append(own, b.Poison())
		}
	}
	var more *Value
	var next []*Value
	f.trace(b, func() { more, next = body(own[0], slices.Clone(own[2:])) })
	if len(next) != len(states) {
		f.Mistake(f.Pos(), "Loop: the body does not return as many states as there are", "return the next states in the order of the states")
		good = false
	}
	if !b.results("Loop", slices.Concat([]*Value{more}, next)) || !good || !b.close("Loop", own) {
		b.body.done = true
		return f.poisons(len(states))
	}
	n := f.add(&Node{Op: Loop{States: len(states), Most: most}, Bodies: []*Func{b}, Args: slices.Concat(states, b.body.captured)})
	return n.first(len(states))
}

// Takes is whatever the body takes.
func (Loop) Takes() []Arg { return []Arg{anyArgs} }

// Infer holds the body to the arguments.
func (o Loop) Infer(in *Infer) ([]Type, error) {
	if o.Most < 1 {
		return nil, Mistakef("a loop that would not end must: say how many iterations are too many", "it runs at most %d times", o.Most)
	}
	if len(in.Bodies) != 1 {
		return nil, Mistakef("f.Loop(most, states, body) makes it", "it has %d bodies, not one", len(in.Bodies))
	}
	takes, gives := in.Bodies[0].types()
	if o.States < 1 || o.States > len(in.Args) || len(takes) != 2+len(in.Args) || len(gives) != 1+o.States || !takes[0].Equal(Type{DType: I64}) || !takes[1].Equal(Type{DType: Bool}) {
		return nil, Mistakef("a loop has one state or more", "the body takes %d values and gives %d, for %d states and %d arguments", len(takes), len(gives), o.States, len(in.Args))
	}
	for i, a := range in.Args {
		if !a.Type.Equal(takes[2+i]) {
			return nil, Mistakef("a body is traced for the types of its arguments", "argument %d is %v, for %v in the body", i, a.Type, takes[2+i])
		}
	}
	if !gives[0].Equal(Type{DType: Bool}) {
		return nil, Mistakef("compare numbers: a scalar, x.Less(y), is bool[]", "what says whether to go on is %v, want bool[]", gives[0])
	}
	for i, t := range gives[1:] {
		if !t.Equal(takes[2+i]) {
			return nil, Mistakef("a state keeps its dtype and shape: cast or reshape what the body returns, or where it begins", "state %d is %v, and the body makes it %v", i, takes[2+i], t)
		}
	}
	return gives[1:], nil
}

// RunBodies runs the body until it is enough.
func (o Loop) RunBodies(c *kernel.Context, bodies []*Func, out, in []*tensor.Tensor) error {
	own := []*tensor.Tensor{tensor.New(I64), tensor.New(Bool)}
	r, err := newBodyRun(c, bodies[0], append(own, in[:o.States]...), in[o.States:])
	if err != nil {
		return err
	}
	for i, t := range in[:o.States] {
		r.in[2+i].CopyFrom(t)
	}
	r.in[1].Set(0, 1)
	for i := range o.Most {
		r.in[0].SetInt(0, int64(i))
		if err := r.run(); err != nil {
			return err
		}
		more := r.out[0].At(0) != 0
		r.next(r.out[1:], r.in[2:2+o.States])
		if !more {
			break
		}
	}
	for i := range o.States {
		out[i].CopyFrom(r.in[2+i])
	}
	return nil
}

func (o Loop) own() int { return 2 + o.States }

// Forms is Loop, which goes on at first.
func (Loop) Forms() []Form {
	return []Form{{Operator: "Loop", First: 2, Fields: []Field{{Name: "Most", Input: 0}}, Bodies: []string{"body"}}}
}

// Samples covers loops that end by themselves, at once, and when it is too much.
func (Loop) Samples() []Sample {
	var out []Sample
	for _, o := range []Loop{{States: 2, Most: 100}, {States: 2, Most: 3}, {States: 2, Most: 1}} {
		// x doubles, and is less w, until its elements sum to more than 50; n counts
		out = append(out, Sample{Op: o, In: []SampleInput{{Shape: []int{3}, Lo: 1, Hi: 2}, {DType: I64, Shape: []int{}, Lo: 0, Hi: 3}, {Shape: []int{3}, Lo: .1, Hi: .5}},
			Make: func(f *Func, a []*Value) *Node {
				return f.Loop(o.Most, a[:2], func(i *Value, s []*Value) (*Value, []*Value) {
					x := s[0].Scale(2).Sub(a[2])
					return x.Sum().Less(x.Scalar(50)), []*Value{x, s[1].Add(i)}
				})[0].Node
			}})
	}
	return out
}
