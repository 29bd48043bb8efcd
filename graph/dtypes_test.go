package graph_test

import (
	"fmt"
	"math/big"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// movers are the ops that take elements of all dtypes and change none.
var movers = []string{"Detach", "Where", "Reshape", "Transpose", "Expand", "Slice", "Concat", "Part", "Pad", "Gather"}

// TestMoves runs the ops that only move elements on every dtype. Where each element of a result comes from, the same op tells on
// numbers that are all different.
func TestMoves(t *testing.T) {
	const first = 1000 // of these numbers: no op adds such
	for _, op := range graph.All() {
		name := graph.OpName(op)
		if !slices.Contains(movers, name) {
			continue
		}
		for i, s := range op.Samples() {
			if !slices.ContainsFunc(s.In, func(in graph.SampleInput) bool { return in.DType.Native() }) {
				continue
			}
			fill := func(dt graph.DType) (*graph.Func, map[string]*tensor.Tensor, []*graph.Value) {
				f, n, in := s.Trace(graph.I64)
				if len(f.Diags) > 0 { // it fills with what is no integer
					return nil, nil, nil
				}
				id := int64(first)
				g, args := graph.NewFunc("sample", false), make([]*graph.Value, len(s.In))
				for k, x := range s.Inputs(graph.I64) {
					if s.In[k].DType.Native() {
						x = tensor.New(dt, x.Shape()...)
						for j := range x.Len() {
							setText(x, j, id)
							id++
						}
					}
					key := fmt.Sprint("in", k)
					in[key], args[k] = x, g.Input(key, x.DType(), n.Args[k].Shape()...)
				}
				return g, in, s.Apply(g, args).Results
			}
			f, in, ys := fill(graph.I64)
			if f == nil {
				continue
			}
			from := evaluate(t, newContext(1), f, in)[ys[0].ID]
			for _, dt := range tensor.DTypes() {
				g, in, ys := fill(dt)
				if dt == graph.String && name == "Pad" {
					if len(g.Diags) == 0 {
						t.Errorf("%s takes strings", name)
					}
					continue
				}
				if len(g.Diags) > 0 {
					if name == "Pad" && strings.Contains(g.Diags[0].Error(), "is no ") { // the dtype does not hold what it fills with
						continue
					}
					t.Fatalf("%s of %v: %v", name, dt, g.Diags)
				}
				got, want := evaluate(t, cutContext(2), g, in)[ys[0].ID], tensor.New(dt, 1)
				if got.DType() != dt || got.Len() != from.Len() {
					t.Fatalf("%s of %v gives %v", name, dt, got)
				}
				for j := range got.Len() {
					if id := from.Int(j); id >= first {
						if setText(want, 0, id); got.Text(j) != want.Text(0) {
							t.Fatalf("%s, sample %d, in %v: element %d is %s, want %s", name, i, dt, j, got.Text(j), want.Text(0))
						}
					}
				}
			}
		}
	}
}

// setText makes element i of x what id stands for in x's dtype.
func setText(x *tensor.Tensor, i int, id int64) {
	if d, ok := x.Raw().([]string); ok {
		d[i] = fmt.Sprint("s", id)
		return
	}
	x.SetInt(i, id&(id>>1)) // not always true, of bools
}

// TestIntegers compares integer ops in every width with big integers cut to the dtype's bits, on numbers of its whole range.
func TestIntegers(t *testing.T) {
	type number = *big.Int
	r := rand.New(rand.NewPCG(5, 8))
	binary := map[string]struct {
		apply func(a, b *graph.Value) *graph.Value
		want  func(z, a, b number) number
	}{
		"Add": {(*graph.Value).Add, (number).Add},
		"Sub": {(*graph.Value).Sub, (number).Sub},
		"Mul": {(*graph.Value).Mul, (number).Mul},
		"Div": {(*graph.Value).Div, (number).Quo},
		"Min": {(*graph.Value).Min, func(_, a, b number) number { return []number{a, b}[(a.Cmp(b)+1)/2] }},
		"Max": {(*graph.Value).Max, func(_, a, b number) number { return []number{b, a}[(a.Cmp(b)+1)/2] }},
		"Mod": {(*graph.Value).Mod, func(z, a, b number) number {
			if z.Rem(a, b); z.Sign()*b.Sign() < 0 {
				z.Add(z, b)
			}
			return z
		}},
		"BitwiseNot":    {func(a, _ *graph.Value) *graph.Value { return a.BitwiseNot() }, func(z, a, _ number) number { return z.Not(a) }},
		"BitShiftLeft":  {(*graph.Value).BitShiftLeft, func(z, a, b number) number { return z.Lsh(a, uint(min(b.Uint64(), 64))) }},
		"BitShiftRight": {(*graph.Value).BitShiftRight, func(z, a, b number) number { return z.Rsh(a, uint(min(b.Uint64(), 64))) }},
		"BitwiseAnd":    {(*graph.Value).BitwiseAnd, (number).And},
		"BitwiseOr":     {(*graph.Value).BitwiseOr, (number).Or},
		"BitwiseXor":    {(*graph.Value).BitwiseXor, (number).Xor},
		"Less": {func(a, b *graph.Value) *graph.Value { return a.Less(b).Cast(a.DType()) },
			func(z, a, b number) number { return z.SetInt64(int64(truth(a.Cmp(b) < 0))) }},
		"LessEqual": {func(a, b *graph.Value) *graph.Value { return a.LessEqual(b).Cast(a.DType()) },
			func(z, a, b number) number { return z.SetInt64(int64(truth(a.Cmp(b) <= 0))) }},
		"Equal": {func(a, b *graph.Value) *graph.Value { return a.Equal(b).Cast(a.DType()) },
			func(z, a, b number) number { return z.SetInt64(int64(truth(a.Cmp(b) == 0))) }},
		"Abs":  {func(a, _ *graph.Value) *graph.Value { return a.Abs() }, func(z, a, _ number) number { return z.Abs(a) }},
		"Sign": {func(a, _ *graph.Value) *graph.Value { return a.Sign() }, func(z, a, _ number) number { return z.SetInt64(int64(a.Sign())) }},
		"Neg": {func(a, _ *graph.Value) *graph.Value {
			if a.DType().Unsigned() {
				return a.Scalar(0).Sub(a)
			}
			return a.Neg()
		}, func(z, a, _ number) number { return z.Neg(a) }},
		"ReduceProd": {func(a, b *graph.Value) *graph.Value { return graph.Join(0, a.Unsqueeze(0), b.Unsqueeze(0)).Prod(0) }, (number).Mul},
		"CumSum": {func(a, b *graph.Value) *graph.Value {
			return graph.Join(0, a.Unsqueeze(0), b.Unsqueeze(0)).CumSum(0).Slice(0, 1, 2).Squeeze(0)
		}, (number).Add},
		"Sum": {func(a, b *graph.Value) *graph.Value { return graph.Join(0, a.Unsqueeze(0), b.Unsqueeze(0)).Sum(0) }, (number).Add},
		"ReduceMax": {func(a, b *graph.Value) *graph.Value {
			return graph.Join(0, a.Unsqueeze(0), b.Unsqueeze(0)).ReduceMax(0)
		},
			func(_, a, b number) number { return []number{b, a}[(a.Cmp(b)+1)/2] }},
		"MatMul": {func(a, b *graph.Value) *graph.Value {
			ones := a.Func().Full(a.DType(), 1, 2, 1)
			return graph.Join(1, a.Unsqueeze(1), b.Unsqueeze(1)).MatMul(ones).Squeeze(1)
		}, (number).Add},
	}
	for _, dt := range graph.Integers.List() {
		const n = 64
		a, b := tensor.New(dt, n), tensor.New(dt, n)
		for i := range n {
			a.SetInt(i, int64(r.Uint64()>>r.IntN(64)))
			b.SetInt(i, int64(r.Uint64()>>r.IntN(64)))
			if b.Int(i) == 0 {
				b.SetInt(i, 1)
			}
		}
		edge := new(big.Int).Lsh(big.NewInt(1), uint(dt.Bits()-1)) // the least number if there is a sign
		a.SetInt(0, int64(edge.Uint64()))
		b.SetInt(0, -1)
		a.SetInt(1, int64(edge.Uint64()-1))
		b.SetInt(1, a.Int(1))
		for name, op := range binary {
			if strings.HasPrefix(name, "BitShift") && !dt.Unsigned() {
				continue
			}
			f := graph.NewFunc("integers", false)
			y := op.apply(f.Input("a", dt, n), f.Input("b", dt, n))
			if len(f.Diags) > 0 {
				t.Fatalf("%s of %v: %v", name, dt, f.Diags)
			}
			got := evaluate(t, newContext(1), f, map[string]*tensor.Tensor{"a": a, "b": b})[y.ID]
			for i := range n {
				want := op.want(new(big.Int), exact(a, i), exact(b, i))
				low := new(big.Int).And(want, new(big.Int).SetUint64(1<<64-1))
				cut := tensor.New(dt, 1)
				if cut.SetInt(0, int64(low.Uint64())); got.Text(i) != cut.Text(0) {
					t.Fatalf("%s of %v: %s and %s give %s, want %s", name, dt, a.Text(i), b.Text(i), got.Text(i), cut.Text(0))
				}
			}
		}
	}
}

// exact is element i of x.
func exact(x *tensor.Tensor, i int) *big.Int {
	v, _ := new(big.Int).SetString(x.Text(i), 10)
	return v
}

// TestIntegerErrors has what integers do not have: quotients by 0, and the largest of none.
func TestIntegerErrors(t *testing.T) {
	for _, dt := range []graph.DType{graph.I8, graph.U64} {
		in := map[string]*tensor.Tensor{"x": tensor.New(dt, 3), "none": tensor.New(dt, 0, 2), "y": tensor.New(dt, 3)}
		for name, divide := range map[string]func(x, y *graph.Value) *graph.Value{"Div": (*graph.Value).Div, "Mod": (*graph.Value).Mod} {
			f := graph.NewFunc("integers", false)
			divide(f.Input("x", dt, 3), f.Input("y", dt, 3))
			if _, err := graph.Evaluate(newContext(1), f, in); err == nil || !strings.Contains(err.Error(), "division by 0") {
				t.Errorf("%s of %v by 0: %v", name, dt, err)
			}
		}
		f := graph.NewFunc("integers", false)
		none := f.Input("none", dt, 0, 2)
		none.ReduceMax(0)
		if _, err := graph.Evaluate(newContext(1), f, in); err == nil || !strings.Contains(err.Error(), "of no integers") {
			t.Errorf("the largest of no %v: %v", dt, err)
		}
	}
}

// TestFullExactly makes constants that a float64 does not hold, and refuses what dtypes do not have.
func TestFullExactly(t *testing.T) {
	f := graph.NewFunc("constants", false)
	for _, c := range []struct {
		dt   graph.DType
		v    int64
		want string // "": a mistake
	}{
		{graph.I64, 1<<62 + 1, "4611686018427387905"}, {graph.U64, 1<<62 + 1, "4611686018427387905"}, {graph.I8, -128, "-128"}, {graph.I8, 128, ""},
		{graph.U16, 65535, "65535"}, {graph.U16, -1, ""}, {graph.U64, -1, ""}, {graph.I4, -8, "-8"}, {graph.I4, 8, ""}, {graph.U2, 3, "3"}, {graph.U2, 4, ""},
		{graph.F8E4M3FN, 448, "448"}, {graph.BF16, 256, "256"}, {graph.String, 1, ""},
	} {
		f.Diags = nil
		y := f.FullInt(c.dt, c.v, 2)
		if (len(f.Diags) > 0) != (c.want == "") {
			t.Fatalf("%d in %v: %v", c.v, c.dt, f.Diags)
		}
		if c.want == "" {
			continue
		}
		if got := evaluate(t, newContext(1), graph.Extract(f, y), nil); got[len(got)-1].Text(1) != c.want {
			t.Errorf("%d in %v is %s", c.v, c.dt, got[len(got)-1].Text(1))
		}
	}
}
