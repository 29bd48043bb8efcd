package compiler_test

import (
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/blas/gonum"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/loss"
	"github.com/sardonyx-ml/sardonyx/compiler/models/vae"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/compiler/pass"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var (
	update = flag.Bool("update", false, "rewrite the golden files")
	batch  = graph.Sym("batch")
	seq    = graph.Sym("seq")
)

func compile(t testing.TB, b *compiler.Builder) *compiler.Program {
	t.Helper()
	prog, err := b.Compile()
	if err != nil {
		t.Fatal(err)
	}
	return prog
}

// TestGolden compares the compiled text of programs with testdata/golden; -update rewrites it.
func TestGolden(t *testing.T) {
	for name, define := range map[string]func() (*compiler.Program, error){
		"vae": func() (*compiler.Program, error) { return vae.Define(vae.Model.Settings) },
		"gan": func() (*compiler.Program, error) { return gan().Compile() },
	} {
		t.Run(name, func(t *testing.T) {
			prog, err := define()
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for _, f := range slices.Concat(prog.Funcs(), prog.Steps()) {
				f.Print(&got, false)
			}
			file := filepath.Join("..", "testdata", "golden", name+".txt")
			if *update {
				if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			g, w := strings.Split(got.String(), "\n"), strings.Split(string(want), "\n")
			for i := range max(len(g), len(w)) {
				if i >= len(g) || i >= len(w) || g[i] != w[i] {
					t.Fatalf("line %d differs from %s; if that is meant, run go test ./compiler -update\n got %q\nwant %q", i+1, file, at(g, i), at(w, i))
				}
			}
		})
	}
}

func at(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(end)"
}

type critic struct {
	Down  []nn.Conv2D
	Score nn.Dense
}

func (c *critic) Apply(x *graph.Value) *graph.Value {
	for i := range c.Down {
		x = c.Down[i].Apply(x).LeakyReLU(.2)
	}
	return c.Score.Apply(x.Flatten())
}

type generator struct {
	Stem nn.Dense
	Norm nn.BatchNorm
	Up   nn.ConvTranspose2D
}

func (g *generator) Apply(z *graph.Value) *graph.Value {
	h := g.Norm.Apply(g.Stem.Apply(z).Reshape(z.Dim(0), 8, 4, 4)).ReLU()
	return g.Up.Apply(h).Tanh()
}

// gan has two Steps over two models, batch statistics, and a loss that holds a gradient (WGAN-GP).
func gan() *compiler.Builder {
	g := &generator{Stem: nn.Dense{Units: 8 * 4 * 4}, Up: nn.ConvTranspose2D{Filters: 1, Kernel: 4, Stride: 2, Pad: 1}}
	c := &critic{Down: []nn.Conv2D{{Filters: 4, Kernel: 4, Stride: 2, Pad: 1}}, Score: nn.Dense{Units: 1}}
	b := compiler.New("gan")
	b.Model("gen", g)
	b.Model("critic", c)
	noise := func(f *graph.Func) *graph.Value { return f.Input("z", graph.F32, batch, 6) }
	b.Func("generate", func(f *graph.Func) { f.Output("image", g.Apply(noise(f))) })
	b.Step("critic", optim.Adam{LR: 1e-4, Beta1: .5, Beta2: .9}, c, func(f *graph.Func) *graph.Value {
		real, fake := f.Input("real", graph.F32, batch, 1, 8, 8), g.Apply(noise(f)).Detach()
		t := f.RandomUniform(graph.F32, batch, 1, 1, 1)
		mix := fake.Add(t.Mul(real.Sub(fake)))
		slope := graph.Grad(c.Apply(mix).Sum(), mix)[0].Square().Sum(1, 2, 3).Sqrt()
		penalty := slope.Shift(-1).Square().Mean().Scale(10)
		return c.Apply(fake).Mean().Sub(c.Apply(real).Mean()).Add(penalty)
	})
	b.Step("gen", optim.Adam{LR: 1e-4, Beta1: .5, Beta2: .9}, g, func(f *graph.Func) *graph.Value {
		return c.Apply(g.Apply(noise(f))).Mean().Neg()
	})
	return b
}

// TestSteps checks what each of two Steps trains, and that batch statistics are updated by training alone.
func TestSteps(t *testing.T) {
	prog := compile(t, gan())
	for step, prefix := range map[string]string{"critic": "critic.", "gen": "gen."} {
		trained := 0
		for _, u := range prog.Step(step).Updates {
			switch {
			case strings.HasPrefix(u.Name, "opt."), u.Name == graph.RandomState:
			case strings.HasSuffix(u.Name, ".norm.mean"), strings.HasSuffix(u.Name, ".norm.variance"):
			case strings.HasPrefix(u.Name, prefix):
				trained++
			default:
				t.Errorf("step %s updates %s", step, u.Name)
			}
		}
		if trained == 0 {
			t.Errorf("step %s trains nothing", step)
		}
	}
	if n := len(prog.Func("generate").Updates); n != 0 {
		t.Errorf("the function has %d updates", n)
	}
	if _, err := prog.Entry("x"); err == nil || !strings.Contains(err.Error(), "generate, critic, gen") {
		t.Errorf("Entry: %v", err)
	}
}

// tower is a model that holds itself, and layers without parameters.
type tower struct {
	Parent *tower
	Norm   nn.LayerNorm
	Drop   nn.Dropout
	FC     nn.Dense
}

// TestUnusualModels compiles models that are right, if only just: one that points back into itself, one with layers without
// parameters, and one model in two programs under two names.
func TestUnusualModels(t *testing.T) {
	m := &tower{Norm: nn.LayerNorm{NoAffine: true}, Drop: nn.Dropout{P: .1}, FC: nn.Dense{Units: 3}}
	m.Parent = m
	for _, prefix := range []string{"a", "b"} {
		b := compiler.New(prefix)
		b.Model(prefix, m)
		b.Func("f", func(f *graph.Func) {
			f.Output("y", m.FC.Apply(m.Drop.Apply(m.Norm.Apply(f.Input("x", graph.F32, batch, 4)))))
		})
		if prog := compile(t, b); prog.Params()[0].Name != prefix+".fc.weight" {
			t.Errorf("program %s has the parameter %s", prefix, prog.Params()[0].Name)
		}
	}
}

// probe is a model that keeps values of its last tracing, as a person might to look at them, and whose parts point to one
// another.
type probe struct {
	FC   nn.Dense
	Last *graph.Value
	All  []*graph.Value
	Any  any
	Data [][]float32
	Next []*part
}

type part struct {
	Scale float64
	Next  []*part
}

// TestModelsThatKeepValues must compile without walking through the graph that the values belong to, or through the parts
// along every path.
func TestModelsThatKeepValues(t *testing.T) {
	m := &probe{FC: nn.Dense{Units: 3}, Data: [][]float32{make([]float32, 1<<24)}}
	for range 60 { // two ways to each part: 2⁶⁰ paths
		next := &part{Next: m.Next}
		m.Next = []*part{next, next}
	}
	b := compiler.New("probe")
	b.Model("", m)
	b.Step("train", optim.SGD{LR: .1}, m, func(f *graph.Func) *graph.Value {
		x := f.Input("x", graph.F32, batch, 3)
		for range 60 {
			x = m.FC.Apply(x).Tanh()
			x = x.Add(x.Neg())
			m.Last, m.Any, m.All = x, x, append(m.All, x)
		}
		return x.Square().Mean()
	})
	if prog := compile(t, b); prog.ParamCount() != 12 {
		t.Errorf("%d parameters", prog.ParamCount())
	}
}

// TestConstants must not be joined because they are nearly equal.
func TestConstants(t *testing.T) {
	constant := func(v float64) *tensor.Tensor {
		x := tensor.New(graph.F32, 9)
		for i := range 9 {
			x.Set(i, v)
		}
		return x
	}
	b := compiler.New("constants")
	b.Func("f", func(f *graph.Func) {
		d := f.Const(constant(1e-9)).Sub(f.Const(constant(5e-9))).Scale(1e9)
		f.Output("y", f.Input("x", graph.F32, 9).Add(d))
	})
	f := compile(t, b).Func("f")
	out, err := graph.Evaluate(kernel.NewContext(gonum.Implementation{}, 1), f, map[string]*tensor.Tensor{"x": tensor.New(graph.F32, 9)})
	if err != nil {
		t.Fatal(err)
	}
	if got := out[f.Outputs[0].Value.ID].At(0); math.Abs(got+4) > 1e-5 {
		t.Errorf("1 − 5 is %v", got)
	}
}

// TestFingerprint must tell programs apart and not depend on where they stand.
func TestFingerprint(t *testing.T) {
	a, err := vae.Define(vae.Model.Settings)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := vae.Define(vae.Model.Settings)
	wider, _ := vae.Model.Settings.With(map[string]float64{"latent": 21})
	c, _ := vae.Define(wider)
	if a.Fingerprint() != b.Fingerprint() || a.Fingerprint() == c.Fingerprint() {
		t.Errorf("%s %s %s", a.Fingerprint(), b.Fingerprint(), c.Fingerprint())
	}
	of := func(build func(f *graph.Func, x *graph.Value) *graph.Value) string {
		b := compiler.New("p")
		b.Func("f", func(f *graph.Func) { f.Output("y", build(f, f.Input("x", graph.I64, 3))) })
		return compile(t, b).Fingerprint()
	}
	seen := map[string]string{}
	for _, c := range []struct {
		name  string
		build func(f *graph.Func, x *graph.Value) *graph.Value
	}{
		{"an integer", func(f *graph.Func, x *graph.Value) *graph.Value { return x.Add(f.Const(tensor.Scalar(int64(1 << 53)))) }},
		{"the next", func(f *graph.Func, x *graph.Value) *graph.Value {
			return x.Add(f.Const(tensor.Scalar(int64(1<<53 + 1))))
		}},
		{"an op", func(f *graph.Func, x *graph.Value) *graph.Value { return x.Cast(graph.F32).Shift(2) }},
		{"a user's op that prints alike", func(f *graph.Func, x *graph.Value) *graph.Value { return graph.Apply(Shift{By: 2}, x.Cast(graph.F32)) }},
		{"a user's op by pointer", func(f *graph.Func, x *graph.Value) *graph.Value { return graph.Apply(&Shift{By: 2}, x.Cast(graph.F32)) }},
		{"an op without attributes", func(f *graph.Func, x *graph.Value) *graph.Value { return x.Cast(graph.F32).Step() }},
		{"a user's of that name", func(f *graph.Func, x *graph.Value) *graph.Value { return graph.Apply(Step{}, x.Cast(graph.F32)) }},
		{"zero", func(f *graph.Func, x *graph.Value) *graph.Value { return x.Cast(graph.F32).Shift(0) }},
		{"minus zero", func(f *graph.Func, x *graph.Value) *graph.Value { return x.Cast(graph.F32).Shift(math.Copysign(0, -1)) }},
	} {
		print := of(c.build)
		if other, ok := seen[print]; ok {
			t.Errorf("%s has the fingerprint of %s", c.name, other)
		}
		seen[print] = c.name
		if again := of(c.build); again != print {
			t.Errorf("%s has two fingerprints", c.name)
		}
	}
	// What lies elsewhere in memory in another process must not be in it.
	at := func(n int) string {
		return of(func(f *graph.Func, x *graph.Value) *graph.Value {
			return graph.Apply(Shift{at: &n, call: func() int { return n }}, x.Cast(graph.F32))
		})
	}
	if at(1) != at(2) {
		t.Error("the fingerprint depends on an address")
	}
}

// Step is a user's own op with the name of one of the house's.
type Step struct{ graph.Tanh }

// Shift is a user's own op that has the name, and prints like, one of the house's.
type Shift struct {
	graph.Neg
	By   float64
	at   *int
	call func() int
}

// TestPasses runs every Func of the programs before and after each pass, at two batch sizes.
func TestPasses(t *testing.T) {
	c := kernel.NewContext(gonum.Implementation{}, 1)
	off := make([]string, len(pass.Table))
	for i, p := range pass.Table {
		off[i] = p.Name
	}
	b := gan()
	b.Passes(pass.Options{Off: off})
	raw := compile(t, b)
	for _, f := range slices.Concat(raw.Funcs(), raw.Steps()) {
		for _, n := range []int{1, 3} {
			if err := pass.Check(c, f, graph.Binding{"batch": n}, 5); err != nil {
				t.Error(err)
			}
		}
	}
	before, after := len(raw.Step("critic").Values), len(compile(t, gan()).Step("critic").Values)
	if after >= before {
		t.Errorf("the passes leave %d values of %d", after, before)
	}
	b.Passes(pass.Options{Off: []string{"polish"}})
	if _, err := b.Compile(); err == nil || !strings.Contains(err.Error(), `no pass is called "polish"`) {
		t.Errorf("an unknown pass: %v", err)
	}
}

// gptBlock is a pre-norm transformer block (Radford et al. 2019).
type gptBlock struct {
	LN1, LN2            nn.LayerNorm
	QKV, Proj, Up, Down nn.Dense
}

func (b *gptBlock) Apply(x *graph.Value, heads int) *graph.Value {
	n, t, c := x.Dim(0), x.Dim(1), x.Dim(2)
	h, d := graph.Dim(heads), c/graph.Dim(heads)
	split := func(v *graph.Value) *graph.Value { return v.Reshape(n, t, h, d).Transpose(0, 2, 1, 3) }
	qkv := b.QKV.Apply(b.LN1.Apply(x)).Split(2, 3)
	att := split(qkv[0]).MatMul(split(qkv[1]).T()).Scale(1 / math.Sqrt(float64(d))).Softmax(-1)
	x = x.Add(b.Proj.Apply(att.MatMul(split(qkv[2])).Transpose(0, 2, 1, 3).Reshape(n, t, c)))
	return x.Add(b.Down.Apply(b.Up.Apply(b.LN2.Apply(x)).GELU()))
}

type gpt struct {
	Tok, Pos nn.Embedding
	Block    []gptBlock
	LN       nn.LayerNorm
	Head     nn.Dense
}

// gpt2 has GPT-2 small's shape, for inference and, if train, its training step.
func gpt2(train bool) *compiler.Builder {
	const layers, heads, width, vocab = 12, 12, 768, 50257
	m := &gpt{Tok: nn.Embedding{Vocab: vocab, Dim: width}, Pos: nn.Embedding{Vocab: 1024, Dim: width}, Head: nn.Dense{Units: vocab, NoBias: true}}
	for range layers {
		m.Block = append(m.Block, gptBlock{QKV: nn.Dense{Units: 3 * width}, Proj: nn.Dense{Units: width}, Up: nn.Dense{Units: 4 * width}, Down: nn.Dense{Units: width}})
	}
	logits := func(f *graph.Func) *graph.Value {
		x := m.Tok.Apply(f.Input("ids", graph.I64, batch, seq)).Add(m.Pos.Apply(f.Input("pos", graph.I64, seq)))
		for i := range m.Block {
			x = m.Block[i].Apply(x, heads)
		}
		return m.Head.Apply(m.LN.Apply(x))
	}
	b := compiler.New("gpt2")
	b.Model("", m)
	b.Func("logits", func(f *graph.Func) { f.Output("logits", logits(f)) })
	if train {
		b.Step("train", optim.AdamW{LR: 6e-4}, m, func(f *graph.Func) *graph.Value {
			return loss.CrossEntropy(logits(f), f.Input("next", graph.I64, batch, seq)).Mean()
		})
	}
	return b
}

func TestGPT2(t *testing.T) {
	prog := compile(t, gpt2(false))
	if n := prog.ParamCount(); n != 163037184 { // 124,439,808 with tied embeddings, and the head's 50257·768 again
		t.Errorf("%d parameters", n)
	}
	if n := len(prog.Func("logits").Values); n < 400 {
		t.Errorf("only %d values", n)
	}
}

// BenchmarkCompileGPT2 traces, checks and compiles a graph of GPT-2 small's size.
func BenchmarkCompileGPT2(b *testing.B) {
	for _, train := range []bool{false, true} {
		b.Run(fmt.Sprintf("train=%v", train), func(b *testing.B) {
			b.ReportAllocs()
			values := 0
			for range b.N {
				prog := compile(b, gpt2(train))
				values = 0
				for _, f := range slices.Concat(prog.Funcs(), prog.Steps()) {
					values += len(f.Values)
				}
			}
			b.ReportMetric(float64(values), "values")
		})
	}
}

// TestEMAFunc must read the averages that a Step keeps, defined before or after it, and the parameters that it does not average;
// other entry points read the parameters.
func TestEMAFunc(t *testing.T) {
	m := &struct{ Enc, Dec nn.Dense }{nn.Dense{Units: 2, NoBias: true}, nn.Dense{Units: 3, NoBias: true}}
	apply := func(f *graph.Func) *graph.Value { return m.Dec.Apply(m.Enc.Apply(f.Input("x", graph.F32, batch, 3))) }
	out := func(f *graph.Func) { f.Output("y", apply(f)) }
	b := compiler.New("average")
	b.Model("", m)
	b.EMAFunc("averaged", out)
	b.Func("plain", out)
	b.Step("train", optim.EMA{Decay: .9, Then: optim.SGD{LR: .1}}, &m.Dec, func(f *graph.Func) *graph.Value { return apply(f).Square().Mean() })
	b.Step("other", optim.SGD{LR: .1}, &m.Enc, func(f *graph.Func) *graph.Value { return apply(f).Square().Mean() })
	prog := compile(t, b)
	for name, want := range map[string]string{"averaged": "enc.weight opt.train.ema.dec.weight", "plain": "enc.weight dec.weight"} {
		var got []string
		for _, p := range prog.Func(name).Params {
			got = append(got, p.Name)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s reads %v, want %s", name, got, want)
		}
	}
	for _, p := range prog.Params() {
		if average := strings.HasPrefix(p.Name, "opt."); average == p.Trainable {
			t.Errorf("%s: trainable is %v", p.Name, p.Trainable)
		}
	}
}

// TestDrawnSizes compiles a Step and a Func that draw by a symbol which no input has: it is an input, wherever it is not the axis of
// another, and says how many there are.
func TestDrawnSizes(t *testing.T) {
	m := &struct{ FC nn.Dense }{nn.Dense{Units: 2}}
	b := compiler.New("draws")
	b.Model("", m)
	draw := func(f *graph.Func) *graph.Value { return m.FC.Apply(f.RandomNormal(graph.F32, batch, 3)) }
	b.Func("free", func(f *graph.Func) { f.Output("y", draw(f)) })
	b.Func("given", func(f *graph.Func) { f.Output("y", draw(f).Add(f.Input("x", graph.F32, batch, 1))) })
	b.Step("train", optim.SGD{LR: .1}, m, func(f *graph.Func) *graph.Value { return draw(f).Square().Mean() })
	prog := compile(t, b)
	for name, want := range map[string]string{"free": "batch i64[]", "given": "x f32[batch 1]", "train": "batch i64[]"} {
		f, _ := prog.Entry(name)
		if len(f.Inputs) != 1 || fmt.Sprint(f.Inputs[0].Name, " ", f.Inputs[0].Type) != want || f.Inputs[0].IsSize() != (name != "given") {
			t.Errorf("%s: the inputs are %v, want %s", name, f.Inputs, want)
		}
		if err := f.Verify(); err != nil {
			t.Error(err)
		}
		for _, n := range []int{1, 3} {
			if err := pass.Check(kernel.NewContext(gonum.Implementation{}, 1), prog.Traced(name), graph.Binding{"batch": n}, 5); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	f := prog.Func("free")
	in := map[string]*tensor.Tensor{"fc.weight": tensor.New(tensor.F32, 3, 2), "fc.bias": tensor.New(tensor.F32, 2), graph.RandomState: tensor.Of([]int64{1, 2}, 2)}
	for _, n := range []int64{0, 4, -1, math.MaxInt64} {
		in["batch"] = tensor.Scalar(n)
		out, err := graph.Evaluate(kernel.NewContext(gonum.Implementation{}, 1), f, in)
		if good := n >= 0 && n < 5; good != (err == nil) || good && out[f.Outputs[0].Value.ID].Dim(0) != int(n) {
			t.Errorf("%d examples: %v", n, err)
		}
	}
}
