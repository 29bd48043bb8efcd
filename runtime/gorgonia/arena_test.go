package gorgonia

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"unsafe"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/memory"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/models/classifier"
	"github.com/sardonyx-ml/sardonyx/compiler/models/gan"
	"github.com/sardonyx-ml/sardonyx/compiler/models/vae"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/onnxtest"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	rt "github.com/sardonyx-ml/sardonyx/runtime"
)

// zoo are the models called names.
func zoo(t testing.TB, names ...string) []*compiler.Program {
	t.Helper()
	var progs []*compiler.Program
	for _, m := range slices.Concat([]models.Model{vae.Model}, gan.Models, classifier.Models) {
		if !slices.Contains(names, m.Name) {
			continue
		}
		prog, err := m.Define(m.Settings)
		if err != nil {
			t.Fatal(err)
		}
		progs = append(progs, prog)
	}
	if len(progs) < len(names) {
		t.Fatalf("the zoo has not all of %v", names)
	}
	return progs
}

func loaded(t testing.TB, prog *compiler.Program, o Options) *executable {
	t.Helper()
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	s, err := rt.NewState(prog, 1)
	if err != nil {
		t.Fatal(err)
	}
	x, err := e.Load(prog, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := x.Close(); err != nil {
			t.Error(err)
		}
	})
	return x.(*executable)
}

// inputs draws inputs of f: floats from 0 to 1, whole numbers below 2, which are classes and places everywhere.
func inputs(t testing.TB, r *rand.Rand, f *graph.Func, b graph.Binding) map[string]*tensor.Tensor {
	t.Helper()
	in := map[string]*tensor.Tensor{}
	for _, v := range f.Inputs {
		shape, err := v.Shape().Eval(b)
		if err != nil {
			t.Fatal(err)
		}
		x := tensor.New(v.DType(), shape...)
		for i := range x.Len() {
			switch {
			case v.DType().Float():
				x.Set(i, r.Float64())
			case v.IsSize():
				x.SetInt(i, int64(b[v.Name]))
			default:
				x.SetInt(i, r.Int64N(2))
			}
		}
		in[v.Name] = x
	}
	return in
}

// TestPlannedMemory runs all entry points of models by turns, at two sizes, and compares every bit of outputs and state with
// [graph.Evaluate], where each value has memory of its own. In the second round, what the plan says that nobody needs is
// overwritten after each op, and all of the arena between runs; and ops must run in the order of the plan.
func TestPlannedMemory(t *testing.T) {
	progs, err := onnxtest.Programs()
	if err != nil {
		t.Fatal(err)
	}
	for _, prog := range append(progs, zoo(t, "dcgan", "lenet")...) {
		for _, o := range []Options{{Threads: 1}, {Threads: 3, Grain: 1}} {
			if o.Threads > 1 && prog.Name() == "dcgan" {
				continue // some seconds
			}
			t.Run(fmt.Sprintf("%s/%d goroutines", prog.Name(), o.Threads), func(t *testing.T) {
				x := loaded(t, prog, o)
				ref, err := x.state.Clone()
				if err != nil {
					t.Fatal(err)
				}
				bad := poison{x: x, seen: map[*plan]bool{}}
				r := rand.New(rand.NewPCG(1, 2))
				for round := range 2 {
					for _, f := range slices.Concat(prog.Funcs(), prog.Steps()) {
						for _, b := range []graph.Binding{f.BindAll(2), f.BindAll(3)} {
							in := inputs(t, r, f, b)
							if round > 0 {
								bad.spread()
							}
							got, err := rt.Run(t.Context(), x, f.Name, in)
							if err != nil {
								t.Fatal(err)
							}
							if round > 0 && (len(bad.ran) == 0 || !slices.IsSorted(bad.ran)) {
								t.Fatalf("%s: ops run in the order %v", f.Name, bad.ran)
							}
							sameBits(t, fmt.Sprintf("round %d: %s", round, f.Name), got, reference(t, x, f, in, ref))
						}
					}
				}
				state, want := map[string]*tensor.Tensor{}, map[string]*tensor.Tensor{}
				for _, name := range ref.Names() {
					state[name], _ = x.state.Tensor(name)
					want[name], _ = ref.Tensor(name)
				}
				sameBits(t, "state", state, want)
			})
		}
	}
}

// reference is what f gives from the state s, which it updates, each value in memory of its own.
func reference(t *testing.T, x *executable, f *graph.Func, in map[string]*tensor.Tensor, s *rt.State) map[string]*tensor.Tensor {
	t.Helper()
	all := map[string]*tensor.Tensor{}
	for name, v := range in {
		all[name] = v
	}
	for _, p := range f.Params {
		v, err := s.Tensor(p.Name)
		if err != nil {
			t.Fatal(err)
		}
		all[p.Name] = v.Clone()
	}
	values, err := graph.Evaluate(x.ctx, f, all)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*tensor.Tensor{}
	for _, o := range f.Outputs {
		out[o.Name] = values[o.Value.ID]
	}
	for _, u := range f.Updates {
		if err := s.Set(u.Name, values[u.Value.ID]); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func sameBits(t *testing.T, what string, got, want map[string]*tensor.Tensor) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: has %d tensors, want %d", what, len(got), len(want))
	}
	for name, w := range want {
		g := got[name]
		if g == nil || !slices.Equal(g.Shape(), w.Shape()) {
			t.Fatalf("%s: %q is %v, want %v", what, name, g, w)
		}
		if x, ok := g.Raw().([]float32); ok && slices.EqualFunc(x, w.Raw().([]float32), func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }) {
			continue // the large ones
		}
		for i := range w.Len() {
			if a, b := g.At(i), w.At(i); math.Float64bits(a) != math.Float64bits(b) || g.Int(i) != w.Int(i) {
				t.Fatalf("%s: %q[%d] is %v, want %v", what, name, i, a, b)
			}
		}
	}
}

// A poison overwrites what nobody needs in the arena of an executable, and notes the values whose ops run.
type poison struct {
	x    *executable
	seen map[*plan]bool
	ran  []int
}

// spread overwrites the arena, and has new plans overwrite what nobody needs any more after each op.
func (s *poison) spread() {
	s.ran = nil
	spoil(s.x.arena.mem)
	for _, b := range s.x.all() {
		p := b.plan
		if s.seen[p] {
			continue
		}
		s.seen[p] = true
		for i, o := range p.ops {
			dead := p.deadAfter(i)
			o.done = func() {
				s.ran = append(s.ran, o.node.Results[0].ID)
				for _, at := range dead {
					spoil(s.x.arena.mem[at : at+memory.Align])
				}
			}
		}
	}
}

// spoil makes mem NaN: in f32, f64 and 16 bits; -1 in integers, and no bool.
func spoil(mem []byte) {
	for i := range mem {
		mem[i] = 0xff
	}
}

// deadAfter are the lines of the arena, by their offsets, that hold nothing that is read after op i.
func (p *plan) deadAfter(i int) []int {
	read := make([]int, len(p.bufs)) // the last op that reads a value
	reads := func(id, op int) {
		for ; id >= 0; id = p.memory.Alias[id] {
			read[id] = op
		}
	}
	for k, o := range p.ops {
		for _, a := range o.node.Args {
			if a != nil {
				reads(a.ID, k)
			}
		}
	}
	for _, u := range p.updates {
		reads(u.value, len(p.ops))
	}
	needed := make([]bool, p.memory.Arena/memory.Align)
	results := p.ops[i].node.Results
	for id := range p.f.Values {
		if p.memory.Class[id] != memory.Arena || read[id] <= i || id > results[len(results)-1].ID {
			continue
		}
		for at := p.memory.Offset[id]; at < p.memory.Offset[id]+p.memory.Bytes[id]; at += memory.Align {
			needed[at/memory.Align] = true
		}
	}
	var dead []int
	for k, n := range needed {
		if !n {
			dead = append(dead, k*memory.Align)
		}
	}
	return dead
}

// TestOneArena makes plans of several entry points and sizes, larger ones later: all their values lie in the one arena, which is
// as large as the largest needs, and new state is computed into the same memory by all.
func TestOneArena(t *testing.T) {
	prog := zoo(t, "dcgan")[0]
	x := loaded(t, prog, Options{Threads: 1})
	r := rand.New(rand.NewPCG(1, 2))
	most := 0
	for _, n := range []int{2, 5, 3} {
		for _, f := range slices.Concat(prog.Funcs(), prog.Steps()) {
			b := f.BindAll(n)
			if _, err := rt.Run(t.Context(), x, f.Name, inputs(t, r, f, b)); err != nil {
				t.Fatal(err)
			}
			m, err := Memory(f, b)
			if err != nil {
				t.Fatal(err)
			}
			most = max(most, m.Arena)
		}
	}
	if len(x.arena.mem) != most {
		t.Errorf("the arena has %d bytes, want %d", len(x.arena.mem), most)
	}
	lo := uintptr(unsafe.Pointer(unsafe.SliceData(x.arena.mem)))
	spares := map[string]*buffer{}
	for _, p := range x.all() {
		for i, b := range p.bufs {
			if p.memory.Class[i] != memory.Arena || b.Len() == 0 || b.DType() != graph.F32 {
				continue
			}
			if at := uintptr(unsafe.Pointer(&tensor.Data[float32](b.Tensor)[0])); at != lo+uintptr(p.memory.Offset[i]) {
				t.Fatalf("%s: %s does not lie in the arena, or not in its place", p.f.Name, p.f.Values[i].Text())
			}
		}
		for _, u := range p.updates {
			if old := spares[u.name]; old != nil && old != u.buf {
				t.Errorf("the plans have several buffers for new %q", u.name)
			}
			spares[u.name] = u.buf
		}
	}
}
