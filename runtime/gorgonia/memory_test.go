package gorgonia

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/loss"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/models/classifier"
	"github.com/sardonyx-ml/sardonyx/compiler/models/gan"
	"github.com/sardonyx-ml/sardonyx/compiler/models/vae"
	"github.com/sardonyx-ml/sardonyx/compiler/models/yardstick"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
	rt "github.com/sardonyx-ml/sardonyx/runtime"
)

// GPT is a language model of the GPT kind (Radford et al. 2019), with tied embeddings.
func GPT(t testing.TB, vocab, width, heads, depth int) *compiler.Program {
	t.Helper()
	m := &struct {
		Tok    nn.Embedding
		Pos    nn.Positions
		Blocks nn.Sequential
		Norm   nn.LayerNorm
	}{Tok: nn.Embedding{Vocab: vocab, Dim: width}, Pos: nn.Positions{Len: 1024}, Blocks: nn.Repeat(depth, func(int) nn.Module {
		return nn.Sequential{
			nn.Residual{&nn.LayerNorm{}, &nn.Attention{Heads: heads, Causal: true}},
			nn.Residual{&nn.LayerNorm{}, &nn.Dense{Units: 4 * width}, nn.GELU, &nn.Dense{Units: width}},
		}
	})}
	b, batch, seq := compiler.New("gpt"), graph.Sym("batch"), graph.Sym("seq")
	b.Model("", m)
	b.Step("train", optim.AdamW{LR: 3e-4}, m, func(f *graph.Func) *graph.Value {
		logits := m.Tok.Attend(m.Norm.Apply(m.Blocks.Apply(m.Pos.Apply(m.Tok.Apply(f.Input("ids", graph.I64, batch, seq))))))
		return loss.CrossEntropy(logits, f.Input("next", graph.I64, batch, seq)).Mean()
	})
	prog, err := b.Compile()
	if err != nil {
		t.Fatal(err)
	}
	return prog
}

// TestPeakOfTheZoo holds the arena of every Func and Step of the zoo to 1.3 times what is needed at once.
func TestPeakOfTheZoo(t *testing.T) {
	for _, m := range slices.Concat([]models.Model{vae.Model}, vae.Models, gan.Models, classifier.Models) {
		prog, err := m.Define(m.Settings)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range slices.Concat(prog.Funcs(), prog.Steps()) {
			for _, n := range []int{1, 100} {
				p, err := Memory(f, f.BindAll(n))
				if err != nil {
					t.Fatal(err)
				}
				if 10*p.Arena > 13*p.Live+10*4096 { // a page more: blocks begin at multiples of 64 bytes
					t.Errorf("%s: %s of %d: an arena of %d bytes, where %d are needed at once", m.Name, f.Name, n, p.Arena, p.Live)
				}
			}
		}
	}
}

// TestRectifiersKeepOne: a convolutional net keeps the results of its rectifiers until its gradients, and not what they are made of.
func TestRectifiersKeepOne(t *testing.T) {
	for _, m := range yardstick.Models {
		if m.Name != "step-cnn" {
			continue
		}
		prog, err := m.Define(m.Settings)
		if err != nil {
			t.Fatal(err)
		}
		f := prog.Step("train")
		p, err := Memory(f, f.BindAll(64))
		if err != nil {
			t.Fatal(err)
		}
		const rectified = 4 * 64 * (32*28*28 + 64*14*14) // bytes of both layers
		if least := rectified; p.Live < least || 10*p.Live > 16*least {
			t.Errorf("%d bytes are needed at once, the rectifiers' results are %d", p.Live, least)
		}
		return
	}
	t.Error("there is no such yardstick")
}

// TestPeak prints the table of docs/benchmarks.md, with -v, and holds it: the arena is at most 1.3 times what is needed at once, and
// what a run takes of the heap is what [Peak] says, within a tenth or what a convolution has besides.
func TestPeak(t *testing.T) {
	t.Logf("%-18s %9s %9s %9s %9s %9s %9s", "MB", "before", "now", "arena", "live", "predicted", "measured")
	for _, c := range []struct {
		prog  *compiler.Program
		name  string
		sizes graph.Binding
		run   bool
	}{
		{zoo(t, "vae")[0], "vae", graph.Binding{"batch": 128}, true},
		{zoo(t, "cnn")[0], "cnn", graph.Binding{"batch": 64}, true},
		{zoo(t, "dcgan")[0], "dcgan", graph.Binding{"batch": 64}, true},
		{GPT(t, 65, 64, 4, 3), "gpt", graph.Binding{"batch": 16, "seq": 64}, true},
		{GPT(t, 50257, 768, 12, 12), "gpt2", graph.Binding{"batch": 4, "seq": 128}, false},
	} {
		for _, f := range c.prog.Steps() {
			p, err := Memory(f, c.sizes)
			if err != nil {
				t.Fatal(err)
			}
			measured, state := 0, p.State
			if c.run {
				measured, state = heapOf(t, c.prog, f, c.sizes)
			}
			predicted := Peak(p) + state - p.State // with what state other steps have
			mb := func(n int) float64 { return float64(n) / 1e6 }
			t.Logf("%-18s %9.2f %9.2f %9.2f %9.2f %9.2f %9.2f", c.name+" "+f.Name, mb(p.Each), mb(p.Arena+p.Fixed), mb(p.Arena), mb(p.Live), mb(predicted), mb(measured))
			if 10*p.Arena > 13*p.Live {
				t.Errorf("%s: an arena of %d bytes, where %d are needed at once", f.Name, p.Arena, p.Live)
			}
			slack := max(predicted/10, convolution)
			if c.run && (measured > predicted+slack || measured < predicted-slack) {
				t.Errorf("%s: a run takes %d bytes, %d by the plan", f.Name, measured, predicted)
			}
		}
	}
}

// convolution is the memory of its own that a convolution has on one goroutine, in bytes, at most.
const convolution = 3 << 19

// heapOf is what a run of f takes of the heap, state, plan and what kernels keep, and the bytes of the state.
func heapOf(t *testing.T, prog *compiler.Program, f *graph.Func, b graph.Binding) (bytes, state int) {
	t.Helper()
	in := inputs(t, rand.New(rand.NewPCG(1, 1)), f, b)
	before := heap()
	x := loaded(t, prog, Options{Threads: 1})
	for range 2 {
		if _, err := rt.Run(t.Context(), x, f.Name, in); err != nil {
			t.Fatal(err)
		}
	}
	bytes = heap() - before
	for _, name := range x.state.Names() {
		s, err := x.state.Tensor(name)
		if err != nil {
			t.Fatal(err)
		}
		state += s.Len() * s.DType().Size()
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	return bytes, state
}

// heap is what of the heap is in use, when finalizers have run: gorgonia's machines have some.
func heap() int {
	for range 3 {
		done := make(chan bool)
		runtime.SetFinalizer(&struct{ c chan bool }{done}, func(s *struct{ c chan bool }) { close(s.c) })
		runtime.GC()
		<-done
	}
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}
