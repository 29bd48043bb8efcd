// Package pass has the rewrites that every compiled Func undergoes, and the one table that orders them.
//
// A pass returns a new Func with the same inputs, outputs and updates that computes the same numbers. Each is verified
// after it ran, can be switched off by name, and is checked numerically: [Check] runs a Func before and after.
package pass

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// A mistake belongs to the line that called the package.
var _ = graph.Library()

// A Pass is one rewrite.
type Pass struct {
	Name string
	Doc  string
	Run  func(f *graph.Func) *graph.Func
	// Tolerance is how far a pass may move a number, relative to its size: 0 if it keeps every bit.
	Tolerance float64
}

// Table lists the passes in the order in which they run: simplify makes equal values that cse then joins, and both leave values
// unused.
var Table = []Pass{
	{Name: "prune", Doc: "drop values that no output and no update needs", Run: graph.Prune},
	{Name: "simplify", Doc: "drop operations that change nothing, fold transposes into matrix products", Run: simplify(&rules), Tolerance: 1e-6},
	{Name: "cse", Doc: "compute equal values once", Run: cse},
	{Name: "sweep", Doc: "drop what the rewrites left unused", Run: graph.Prune},
}

// everywhere runs p on f and on the bodies inside it.
func (p Pass) everywhere(f *graph.Func) *graph.Func { return p.Run(graph.InBodies(f, p.everywhere)) }

func index(name string) int {
	return slices.IndexFunc(Table, func(p Pass) bool { return p.Name == name })
}

// Options choose the passes to run. The zero value runs all of them.
type Options struct {
	Off []string // names of passes not to run
}

// Run applies the passes to f.
func Run(f *graph.Func, o Options) (*graph.Func, error) {
	for _, name := range o.Off {
		if index(name) < 0 {
			var names []string
			for _, p := range Table {
				names = append(names, p.Name)
			}
			return nil, fmt.Errorf("no pass is called %q: there are %s", name, strings.Join(names, ", "))
		}
	}
	return run(Table, f, o.Off)
}

// run applies the passes of a table to f, but for those that are off.
func run(table []Pass, f *graph.Func, off []string) (*graph.Func, error) {
	for _, p := range table {
		if slices.Contains(off, p.Name) {
			continue
		}
		g := p.everywhere(f)
		if len(g.Diags) > 0 {
			return nil, fmt.Errorf("pass %s broke %q: %w", p.Name, f.Name, g.Diags)
		}
		if err := g.Verify(); err != nil {
			return nil, fmt.Errorf("pass %s: %w", p.Name, err)
		}
		if err := sameResults(f, g); err != nil {
			return nil, fmt.Errorf("pass %s: %w", p.Name, err)
		}
		f = g
	}
	return f, nil
}

// sameResults checks that g has the inputs, outputs and updates of f, of the same types.
func sameResults(f, g *graph.Func) error {
	before, after := interfaceOf(f), interfaceOf(g)
	for i := range max(len(before), len(after)) {
		var a, b port
		if i < len(before) {
			a = before[i]
		}
		if i < len(after) {
			b = after[i]
		}
		if a.name != b.name || a.kind != b.kind || !a.t.Equal(b.t) {
			return fmt.Errorf("%q had %v, has %v", f.Name, a, b)
		}
	}
	return nil
}

// A port is an input, output or update of a Func.
type port struct {
	kind, name string
	t          graph.Type
}

// String names the port.
func (p port) String() string {
	if p.kind == "" {
		return "nothing"
	}
	return fmt.Sprintf("the %s %q, %v", p.kind, p.name, p.t)
}

func interfaceOf(f *graph.Func) []port {
	out := make([]port, 0, len(f.Inputs)+len(f.Outputs)+len(f.Updates))
	for _, v := range f.Inputs {
		out = append(out, port{"input", v.Name, v.Type})
	}
	for _, o := range f.Outputs {
		out = append(out, port{"output", o.Name, o.Value.Type})
	}
	for _, u := range f.Updates {
		out = append(out, port{"update", u.Name, u.Value.Type})
	}
	return out
}

// Check runs f before and after each pass on inputs and state drawn from seed, at the given binding of its symbols, and
// returns an error that names the first pass to move an output or update past its tolerance.
func Check(c *kernel.Context, f *graph.Func, b graph.Binding, seed uint64) error {
	return check(Table, c, f, b, seed)
}

// CheckFast is Check for the passes of [RunFast].
func CheckFast(c *kernel.Context, f *graph.Func, b graph.Binding, seed uint64) error {
	return check(fast, c, f, b, seed)
}

func check(table []Pass, c *kernel.Context, f *graph.Func, b graph.Binding, seed uint64) error {
	in, err := sampleInputs(f, b, seed)
	if err != nil {
		return err
	}
	before, err := results(c, f, in)
	if err != nil {
		return err
	}
	for _, p := range table {
		g := p.everywhere(f)
		after, err := results(c, g, in)
		if err != nil {
			return fmt.Errorf("pass %s: %w", p.Name, err)
		}
		for i, r := range before {
			if d := difference(r.t, after[i].t); d > p.Tolerance {
				return fmt.Errorf("pass %s moves %q of %q by %.3g, more than %.3g: it is %s, made at %v",
					p.Name, r.name, f.Name, d, p.Tolerance, after[i].v.Text(), after[i].v.Pos)
			}
		}
		f, before = g, after
	}
	return nil
}

type result struct {
	name string
	v    *graph.Value
	t    *tensor.Tensor
}

func results(c *kernel.Context, f *graph.Func, in map[string]*tensor.Tensor) ([]result, error) {
	all, err := graph.Evaluate(c, f, in)
	if err != nil {
		return nil, err
	}
	var out []result
	for _, o := range f.Outputs {
		out = append(out, result{o.Name, o.Value, all[o.Value.ID]})
	}
	for _, u := range f.Updates {
		out = append(out, result{u.Name, u.Value, all[u.Value.ID]})
	}
	return out, nil
}

// sampleInputs draws inputs and state: floats in [0.1, 1), small integers.
func sampleInputs(f *graph.Func, b graph.Binding, seed uint64) (map[string]*tensor.Tensor, error) {
	r := rand.New(rand.NewPCG(seed, 1))
	in := map[string]*tensor.Tensor{}
	for _, v := range slices.Concat(f.Inputs, f.Params) {
		shape, err := v.Shape().Eval(b)
		if err == nil {
			_, err = tensor.Count(shape)
		}
		if err != nil {
			return nil, fmt.Errorf("%s %q: %w", f.Name, v.Name, err)
		}
		t := tensor.New(v.DType(), shape...)
		for i := range t.Len() {
			if v.DType() == graph.String {
				tensor.Data[string](t)[i] = string(rune('a' + r.IntN(26)))
			} else if v.DType().Float() {
				t.Set(i, .1+.9*r.Float64())
			} else {
				t.Set(i, float64(r.IntN(2)))
			}
		}
		if v.IsSize() {
			t.SetInt(0, int64(b[v.Name]))
		}
		in[v.Name] = t
	}
	return in, nil
}

// difference is the largest |a-b| relative to max(1, |a|).
func difference(a, b *tensor.Tensor) float64 {
	if a.Len() != b.Len() || a.DType() != b.DType() {
		return math.Inf(1)
	}
	worst := 0.0
	for i := range a.Len() {
		if a.DType() == graph.String {
			if a.Text(i) != b.Text(i) {
				return math.Inf(1)
			}
			continue
		}
		x, y := a.At(i), b.At(i)
		if a.DType().Integer() && a.Int(i) != b.Int(i) { // they may round to one float
			return math.Inf(1)
		}
		if x == y || math.IsNaN(x) && math.IsNaN(y) {
			continue
		}
		d := math.Abs(x-y) / max(1, math.Abs(x))
		if math.IsNaN(d) {
			return math.Inf(1)
		}
		worst = max(worst, d)
	}
	return worst
}
