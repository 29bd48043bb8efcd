package onnx

import (
	"fmt"
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// separate returns f with copies where gorgonia would overwrite what is still wanted, as onnx-go uses it. A value that is an
// output must feed no node; one whose memory is overwritten, or seen in another shape, must have no other reader; no node
// may read one value twice.
func separate(f *graph.Func) (*graph.Func, error) {
	uses := make([]int, len(f.Values))
	for _, v := range f.Values {
		for _, a := range v.Args {
			uses[a.ID]++
		}
	}
	for _, o := range f.Outputs {
		uses[o.Value.ID]++
	}
	copies := map[*graph.Value]int{}
	out := graph.Rewrite(f, func(out *graph.Func, n *graph.Node, args []*graph.Value) []*graph.Value {
		for k, a := range args {
			shared := uses[n.Args[k].ID] > 1
			twice := slices.Index(args, a) < k
			if shared && (view(n.Op) || overwrites(n.Op)) || twice || replaced(n.Op, a.Op) {
				args[k] = duplicate(a, copies)
			}
		}
		y := out.Copy(n, args...).Result(0)
		if view(n.Op) && uses[n.Results[0].ID] > 1 {
			y = duplicate(y, copies)
		}
		return []*graph.Value{y}
	})
	given := map[*graph.Value]bool{}
	for i, o := range out.Outputs {
		_, input := o.Value.Op.(graph.Input)
		_, param := o.Value.Op.(graph.Param)
		_, constant := o.Value.Op.(graph.Const)
		if uses[f.Outputs[i].Value.ID] > 1 || input || param || constant || given[o.Value] {
			out.As(o.Value, func() { out.Outputs[i].Value = duplicate(o.Value, copies) })
		}
		given[out.Outputs[i].Value] = true
	}
	for v, n := range copies {
		if n > len(neutral) {
			return nil, fmt.Errorf("%s is wanted in %d shapes, and onnx-go can be made to copy a value %d times", v.Text(), n, len(neutral))
		}
	}
	if len(out.Diags) > 0 {
		return nil, out.Diags
	}
	return out, nil
}

// view says that an op's result is its argument's memory.
func view(op graph.Op) bool {
	switch op.(type) {
	case graph.Reshape, graph.Transpose:
		return true
	}
	return false
}

// overwrites says that an op works in its argument's memory.
func overwrites(op graph.Op) bool {
	_, ok := op.(graph.LeakyReLU)
	return ok
}

// replaced says that gorgonia puts another op in the place of op after before.
func replaced(op, before graph.Op) bool {
	switch op.(type) {
	case graph.Neg:
		_, ok := before.(graph.Neg)
		return ok
	case graph.Log:
		_, ok := before.(graph.Sigmoid)
		return ok
	}
	return false
}

// neutral are the operations that copy a value: gorgonia takes equal ones for one, so each copy of a value is another.
var neutral = []struct {
	op graph.Op
	by float32
}{{graph.Add{}, 0}, {graph.Sub{}, 0}, {graph.Mul{}, 1}, {graph.Div{}, 1}}

// duplicate is a copy of v.
func duplicate(v *graph.Value, copies map[*graph.Value]int) *graph.Value {
	n := neutral[copies[v]%len(neutral)]
	copies[v]++
	var shape []int
	if v.Rank() > 4 { // scalars broadcast to four axes
		shape = sizes(v)
	}
	t := tensor.New(graph.F32, shape...)
	for i := range t.Len() {
		t.Set(i, float64(n.by))
	}
	f := v.Func()
	return f.Apply(n.op, v, f.Const(t))
}
