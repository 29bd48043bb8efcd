package graph_test

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// numbersOnly are the ops none of whose axes may be symbolic.
var numbersOnly = []string{"Input", "Param", "Const"}

// TestOpsSymbolic runs each sample with all axes of one size made a symbol, in the arguments and in the op's own shapes,
// and compares the value and its first two gradients with those of the sample in numbers: at the sample's size, and at 1,
// where symbols that did not broadcast while tracing would now.
func TestOpsSymbolic(t *testing.T) {
	for _, op := range graph.All() {
		name := graph.OpName(op)
		t.Run(name, func(t *testing.T) {
			tried := 0
			for _, s := range op.Samples() {
				for _, size := range sizes(s) {
					for _, bound := range []int{size, 1} {
						for _, axes := range []int{1, math.MaxInt} {
							if compareSymbolic(t, s, size, bound, axes) {
								tried++
							}
						}
					}
				}
			}
			if none := slices.Contains(numbersOnly, name); none != (tried == 0) {
				t.Errorf("%d samples can be tried with a symbol", tried)
			}
		})
	}
}

// sizes are those of the axes in s that are more than 1.
func sizes(s graph.Sample) []int {
	var out []int
	for _, in := range s.In {
		out = append(out, in.Shape...)
	}
	replaceShapes(s.Op, math.MaxInt, func(d graph.Dim) graph.Dim {
		out = append(out, int(d))
		return d
	})
	slices.Sort(out)
	return slices.DeleteFunc(slices.Compact(out), func(n int) bool { return n < 2 })
}

// replaceShapes is a copy of op with the first dimensions, so many, of each shape among its attributes, and each size, replaced.
func replaceShapes(op graph.Op, axes int, replace func(graph.Dim) graph.Dim) graph.Op {
	v := reflect.New(reflect.TypeOf(op)).Elem()
	v.Set(reflect.ValueOf(op))
	for i := range v.NumField() {
		field := v.Field(i)
		if field.Type() == reflect.TypeFor[graph.Type]() {
			field = field.FieldByName("Shape")
		}
		if field.Type() == reflect.TypeFor[graph.Dim]() {
			field.SetInt(int64(replace(graph.Dim(field.Int()))))
		}
		if field.Type() == reflect.TypeFor[graph.Shape]() {
			changed := slices.Clone(field.Interface().(graph.Shape))
			for k, d := range changed[:min(axes, len(changed))] {
				changed[k] = replace(d)
			}
			field.Set(reflect.ValueOf(changed))
		}
	}
	return v.Interface().(graph.Op)
}

// compareSymbolic compares s, with those of each shape's first axes that have the given size as a symbol bound to bound,
// against s with axes of that size. It reports false where the op refuses either.
func compareSymbolic(t *testing.T, s graph.Sample, size, bound, axes int) bool {
	t.Helper()
	resized := graph.Sample{In: slices.Clone(s.In)}
	for k, in := range resized.In {
		shape := slices.Clone(in.Shape)
		for i, d := range shape[:min(axes, len(shape))] {
			if d == size {
				shape[i] = bound
			}
		}
		resized.In[k].Shape = shape
	}
	inputs := resized.Inputs(graph.F64)
	var refused error
	results := func(dim graph.Dim) ([]*tensor.Tensor, bool) {
		replace := func(d graph.Dim) graph.Dim {
			if d == graph.Dim(size) {
				return dim
			}
			return d
		}
		f := graph.NewFunc("sample", false)
		args := make([]*graph.Value, len(inputs))
		for k, in := range s.In {
			if in.Absent {
				continue
			}
			dims := make([]graph.Dim, len(in.Shape))
			for i, d := range in.Shape {
				if dims[i] = graph.Dim(d); i < axes {
					dims[i] = replace(dims[i])
				}
			}
			args[k] = f.Input(fmt.Sprint("in", k), inputs[k].DType(), dims...)
		}
		state := byName(inputs)
		anchor := f.Input("anchor", graph.F64, dim) // binds the symbol where only the op's shape has it
		state["anchor"] = tensor.New(graph.F64, bound)
		values := graph.Sample{Op: replaceShapes(s.Op, axes, replace), Make: s.Make}.Apply(f, args).Results
		if len(values) == 0 {
			return nil, false
		}
		y, floats := f.Full(graph.F64, 0), false
		for _, v := range values {
			if v.DType().Float() {
				y, floats = y.Add(v.Cast(graph.F64).Scale(1.7).Sin().Sum()), true
			}
		}
		if floats {
			wrt := []*graph.Value{anchor}
			for k, a := range args {
				if a != nil && !s.In[k].NoGrad && graph.Reaches(y, a)[0] {
					wrt = append(wrt, args[k])
				}
			}
			grads := graph.Grad(y, wrt...)
			second := f.Full(graph.F64, 0)
			for _, g := range grads {
				second = second.Add(g.Cast(graph.F64).Square().Sum())
			}
			values = slices.Concat(values, grads, graph.Grad(second, wrt...))
		}
		if len(f.Diags) > 0 {
			t.Fatalf("%s of %v with %v for %d: %v", graph.OpText(s.Op), s.In, dim, size, f.Diags)
		}
		if err := f.Verify(); err != nil {
			t.Fatal(err)
		}
		all, err := graph.Evaluate(newContext(1), f, state)
		if err != nil && strings.Contains(err.Error(), "is outside an axis of size 1") { // an index
			return nil, false
		} else if err != nil { // sizes that do not do
			refused = err
			return nil, false
		}
		out := make([]*tensor.Tensor, len(values))
		for i, v := range values {
			out[i] = all[v.ID]
		}
		return out, true
	}
	got, ok := results(graph.Sym(fmt.Sprint("n", size)))
	if !ok && refused == nil {
		return false
	}
	want, ok2 := results(graph.Dim(bound))
	if ok2 && !ok {
		t.Fatalf("%s with a symbol for %d, bound to %d: %v; it runs with the number", graph.OpText(s.Op), size, bound, refused)
	}
	if !ok || !ok2 {
		return false
	}
	for i, w := range want {
		if !slices.Equal(got[i].Shape(), w.Shape()) {
			t.Fatalf("%s with a symbol for %d, bound to %d: result %d is %v, want %v", graph.OpText(s.Op), size, bound, i, got[i], w)
		}
		for k := range w.Len() {
			if !near(got[i].At(k), w.At(k), 1e-9) {
				t.Fatalf("%s with a symbol for %d, bound to %d: element %d of result %d is %v, want %v", graph.OpText(s.Op), size, bound, k, i, got[i].At(k), w.At(k))
			}
		}
	}
	return true
}
