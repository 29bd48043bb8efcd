package memory_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler/memory"
	"github.com/sardonyx-ml/sardonyx/graph"
)

func plan(t *testing.T, f *graph.Func, b graph.Binding) *memory.Plan {
	t.Helper()
	if err := f.Verify(); err != nil {
		t.Fatal(err)
	}
	p, err := memory.New(f, b)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// check runs f on lines of memory that know whose elements they hold: every argument must be whole when it is read, and so must
// what is copied into the state after the run. It also computes what is needed at once by itself.
func check(t *testing.T, f *graph.Func, p *memory.Plan) {
	t.Helper()
	holds := make([]*graph.Value, p.Arena/memory.Align) // nil: nobody's
	content := make([]*graph.Value, len(f.Values))      // whose elements a value has
	lines := func(v *graph.Value) []*graph.Value {
		lo := p.Offset[v.ID]
		if lo%memory.Align != 0 || lo+p.Bytes[v.ID] > p.Arena {
			t.Fatalf("%s lies at %d, %d bytes, in an arena of %d", v.Text(), lo, p.Bytes[v.ID], p.Arena)
		}
		return holds[lo/memory.Align : (lo+p.Bytes[v.ID]+memory.Align-1)/memory.Align]
	}
	whole := func(what string, v *graph.Value) {
		if p.Class[v.ID] != memory.Arena {
			return
		}
		for _, h := range lines(v) {
			if h != content[v.ID] {
				t.Fatalf("%s: %s is lost to %v:\n%v", what, v.Text(), h.Text(), f)
			}
		}
	}
	write := func(v *graph.Value) {
		content[v.ID] = v
		for i, at := 0, lines(v); i < len(at); i++ {
			at[i] = v
		}
	}
	for _, v := range f.Values {
		if v.Index == 0 { // one run of the kernel reads the arguments and writes all results
			for _, a := range v.Args {
				whole(v.Text(), a)
			}
		}
		if k := p.Alias[v.ID]; k >= 0 && p.Class[v.ID] == memory.Input && (p.Class[k] != memory.Input || !slices.Contains(v.Args, f.Values[k])) {
			t.Fatalf("%s is said to be %s", v.Text(), f.Values[k].Text())
		}
		if k := p.Alias[v.ID]; k >= 0 && p.Class[v.ID] == memory.State && (p.Class[k] != memory.State || !v.Type.Equal(f.Values[k].Type) || v.Args[0] != f.Values[k]) {
			t.Fatalf("%s is said to be %s", v.Text(), f.Values[k].Text())
		}
		if p.Class[v.ID] != memory.Arena {
			continue
		}
		if k := p.Alias[v.ID]; k >= 0 {
			i := slices.Index(v.Args, f.Values[k])
			if v.Shares(i) != graph.Same || p.Offset[k] != p.Offset[v.ID] || p.Class[k] != memory.Arena {
				t.Fatalf("%s is said to be argument %d", v.Text(), i)
			}
			content[v.ID] = content[k]
			continue
		}
		for k, a := range v.Args {
			if p.Class[a.ID] != memory.Arena || p.Offset[a.ID]+p.Bytes[a.ID] <= p.Offset[v.ID] || p.Offset[v.ID]+p.Bytes[v.ID] <= p.Offset[a.ID] {
				continue
			}
			if len(lines(v)) > 0 && (v.Shares(k) != graph.Over || p.Offset[a.ID] != p.Offset[v.ID] || p.Bytes[a.ID] != p.Bytes[v.ID] || a.DType() != v.DType()) {
				t.Fatalf("%s is written over argument %d", v.Text(), k)
			}
		}
		write(v)
		if v.Index == len(v.Results)-1 { // all are written by one run of the kernel
			for _, r := range v.Results {
				whole(v.Text(), r)
			}
		}
	}
	for _, u := range f.Updates {
		whole("new "+u.Name, u.Value)
	}
	if live := needed(f, p); live != p.Live || p.Arena < p.Live {
		t.Errorf("%d bytes are needed at once, %d by the plan, of an arena of %d", live, p.Live, p.Arena)
	}
}

// needed is the most bytes of the arena that hold what is read at the same time or later.
func needed(f *graph.Func, p *memory.Plan) int {
	most := 0
	for at, n := range f.Nodes { // all results of a node begin at once
		places := map[int]int{}
		for i, v := range f.Values {
			begun := slices.Contains(f.Nodes[:at+1], v.Node)
			later := v.Node == n || slices.ContainsFunc(f.Nodes[at:], func(u *graph.Node) bool { return slices.Contains(u.Args, v) }) ||
				slices.ContainsFunc(f.Updates, func(u graph.Update) bool { return u.Value == v })
			if p.Class[i] == memory.Arena && begun && later {
				places[p.Offset[i]] = max(places[p.Offset[i]], p.Bytes[i])
			}
		}
		sum := 0
		for _, n := range places {
			sum += n
		}
		most = max(most, sum)
	}
	return most
}

// TestRandomGraphs plans graphs of all kinds of sharing, with inputs, constants, state and results of values used later.
func TestRandomGraphs(t *testing.T) {
	shared, over, state := 0, 0, 0
	for seed := range uint64(300) {
		f := randomFunc(rand.New(rand.NewPCG(seed, 1)))
		for _, f := range []*graph.Func{f, graph.Prune(f), graph.Fuse(f)} {
			p := plan(t, f, graph.Binding{"n": 3})
			check(t, f, p)
			for i, v := range f.Values {
				if p.Alias[i] >= 0 {
					shared++
					if p.Class[i] == memory.State {
						state++
					}
				}
				for k, a := range v.Args {
					if v.Shares(k) == graph.Over && p.Class[i] == memory.Arena && p.Class[a.ID] == memory.Arena && p.Offset[a.ID] == p.Offset[i] {
						over++
					}
				}
			}
		}
	}
	if shared < 500 || over < 500 || state < 50 {
		t.Errorf("only %d values are arguments, %d of them state, and %d written over them", shared, state, over)
	}
}

// randomFunc is a Func of 40 ops on values of two sizes.
func randomFunc(r *rand.Rand) *graph.Func {
	f := graph.NewFunc("f", true)
	n := graph.Sym("n")
	values := []*graph.Value{f.Input("x", graph.F32, n, 40), f.Input("y", graph.F32, n, 40), f.Input("z", graph.F32, 40), f.Full(graph.F32, 1, 40)}
	var state []*graph.Value
	for i := range 3 {
		state = append(state, f.Buffer(fmt.Sprint("s", i), graph.F32, nil, 40))
	}
	values = append(values, state...)
	one := func(rank int) *graph.Value {
		for {
			if v := values[r.IntN(len(values))]; v.Rank() == rank {
				return v
			}
		}
	}
	for i := range 40 {
		if i == 20 {
			values = append(values, f.Input("late", graph.F32, n, 40))
		}
		a, b, row := one(2), one(2), one(1)
		values = append(values, []func() *graph.Value{
			func() *graph.Value { return a.Add(b) },
			func() *graph.Value { return a.Mul(row) },
			func() *graph.Value { return a.Tanh() },
			func() *graph.Value { return a.Softmax(-1) },
			func() *graph.Value { return a.Reshape(40, n).Reshape(n, 40) },
			func() *graph.Value { return a.Detach() },
			func() *graph.Value { return a.Greater(b).Where(a, b) },
			func() *graph.Value { return a.Transpose(1, 0).Reshape(n, 40) },
			func() *graph.Value { return a.Sum(0) },
			func() *graph.Value { return row.Scale(2) },
			func() *graph.Value { return row.Detach().Sub(one(1)) },
			func() *graph.Value { return row.Reshape(1, 40).Reshape(40) },
			func() *graph.Value { return row.After(a) },
		}[r.IntN(13)]())
	}
	f.Output("first", values[len(values)-1])
	f.Output("second", one(2))
	for _, s := range state[:r.IntN(4)] {
		f.Update(s, one(1))
	}
	return f
}

// TestPlan is a graph whose places are known.
func TestPlan(t *testing.T) {
	f := graph.NewFunc("f", false)
	x := f.Input("x", graph.F32, 100)         // 400 bytes of its own
	w := f.Buffer("w", graph.F32, nil, 100)   // state
	c := f.Full(graph.F32, 1, 1000).Exp()     // two constants
	a := x.Reshape(10, 10)                    // is x
	b := a.Transpose(1, 0)                    // another place, while x is needed
	d := b.Tanh()                             // over b
	e := d.Add(a)                             // over d: a is needed later
	g := e.Mul(a).Reshape(100).Mul(w).Sum()   // over e; the sum is a scalar
	f.Output("y", g.Add(c.Sum()).Neg().Exp()) // a chain of scalars, over one another, the last of them an output
	f.Output("w.old", w)
	f.Update(w, x.Scale(2))
	p := plan(t, f, nil)
	if len(f.Diags) > 0 {
		t.Fatal(f.Diags)
	}
	check(t, f, p)
	for _, same := range [][2]*graph.Value{{d, b}, {e, d}} {
		if p.Offset[same[0].ID] != p.Offset[same[1].ID] {
			t.Errorf("%s and %s lie apart", same[0].Text(), same[1].Text())
		}
	}
	if p.Alias[a.ID] != x.ID || p.Class[a.ID] != memory.Input || p.Alias[d.ID] != -1 {
		t.Errorf("aliases are %v", p.Alias)
	}
	// the last over b and its sum are needed at once; own memory have x, the constants, the sum of one, the output, a copy of w, and new state
	if want := 448 + 64; p.Arena != want || p.Live != 400+4 {
		t.Errorf("an arena of %d bytes, want %d; %d needed at once", p.Arena, want, p.Live)
	}
	if want := 400 + 2*4000 + 4 + 4 + 400 + 400; p.Fixed != want || p.State != 400 || p.Peak() != p.Arena+p.Fixed+p.State {
		t.Errorf("%d bytes apart, want %d; %d of state; a peak of %d", p.Fixed, want, p.State, p.Peak())
	}
	// of 100 elements: four ops of one argument, three of two; a sum of them, and three ops on scalars
	if want := 4*2*400 - 400 + 4 + 3*3*400 + 12 + 8 + 8; p.Moved != want {
		t.Errorf("%d bytes are moved, want %d", p.Moved, want)
	}
	if want := p.Fixed - 400 + 8*400 + 4*3; p.Each != want {
		t.Errorf("%d bytes, each value apart, want %d", p.Each, want)
	}
}

// TestUpdates holds where new state is computed: in its own memory, unless it also stays elsewhere.
func TestUpdates(t *testing.T) {
	f := graph.NewFunc("f", true)
	x := f.Input("x", graph.F32, 8)
	var state []*graph.Value
	for i := range 5 {
		state = append(state, f.Buffer(fmt.Sprint("s", i), graph.F32, nil, 8))
	}
	v, out := state[0].Add(x), state[1].Mul(x)
	f.Output("out", out)
	f.Update(state[0], v)
	f.Update(state[1], v)
	f.Update(state[2], out)
	f.Update(state[3], x)
	f.Update(state[4], state[0])
	p := plan(t, f, nil)
	check(t, f, p)
	for i, want := range []bool{true, false, false, false, false} {
		if got := p.Direct[i]; got != want {
			t.Errorf("new s%d is computed in place: %v", i, got)
		}
	}
	if p.Class[v.ID] != memory.Update || p.Class[out.ID] != memory.Output || p.Class[x.ID] != memory.Input || p.Fixed != 7*32 {
		t.Errorf("classes %v, %d bytes apart", p.Class, p.Fixed)
	}
}

// TestTooLarge holds that sizes which would overflow are an error.
func TestTooLarge(t *testing.T) {
	f := graph.NewFunc("f", false)
	n, m := graph.Sym("n"), graph.Sym("m")
	x := f.Input("x", graph.F64, n, m)
	for range 30 {
		x = x.Transpose(1, 0).Exp()
	}
	f.Output("y", x)
	for size, want := range map[int]string{1 << 23: "take smaller batches", 1<<31 - 1: "too large"} {
		if _, err := memory.New(f, graph.Binding{"n": 1<<31 - 1, "m": size}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d elements: %v", size, err)
		}
	}
	if _, err := memory.New(f, nil); err == nil {
		t.Error("no size, and no error")
	}
}

// TestSeveralResults plans nodes of two results of which one, or the other, is not used.
func TestSeveralResults(t *testing.T) {
	f := graph.NewFunc("f", false)
	x := f.Input("x", graph.F32, graph.Sym("n"), 40)
	elements, _ := x.Tanh().TopK(20, 1)
	_, places := elements.BottomK(10, 1)
	first, second := elements.TopK(5, 1)
	f.Output("y", places.Cast(graph.F32).Sum().Add(first.Sum()).Add(second.Cast(graph.F32).Sum()))
	if len(f.Diags) > 0 {
		t.Fatal(f.Diags)
	}
	check(t, f, plan(t, f, graph.Binding{"n": 3}))
}

// TestLate plans values whose sizes only a run tells: they lie elsewhere, and what is computed of them, of known size, in the arena.
func TestLate(t *testing.T) {
	f := graph.NewFunc("f", false)
	x := f.Input("x", graph.F32, 100)
	kept := x.Compress(x.Greater(x.Scalar(0)), 0)
	filled := f.Full(graph.F32, 2, kept.Dim(0)) // of constants, but for its size
	y := kept.Mul(filled).Sum()
	start := f.Arange(100).SliceDims(0, 0, kept.Dim(0), 1)
	f.Output("kept", kept)
	f.Output("y", y.Add(y))
	f.Output("start", start)
	p := plan(t, f, nil)
	for _, v := range []*graph.Value{kept, filled, start} {
		if p.Class[v.ID] != memory.Late || p.Bytes[v.ID] != 0 {
			t.Errorf("%s is of class %d, %d bytes", v.Text(), p.Class[v.ID], p.Bytes[v.ID])
		}
	}
	if p.Class[y.ID] != memory.Arena || p.Late != 4 {
		t.Errorf("the sum is of class %d; %d values are late", p.Class[y.ID], p.Late)
	}
}
