package train

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/data"
	"github.com/sardonyx-ml/sardonyx/runtime/gorgonia"
)

var batch = graph.Sym("batch")

type net struct{ Hidden, Out nn.Dense }

func (m *net) apply(x *graph.Value) *graph.Value {
	return m.Out.Apply(m.Hidden.Apply(x).Tanh().Dropout(.1))
}

// program is a small regression with dropout: its state has weights, moments, a step count and a random counter.
func program(t testing.TB, width int, opt optim.Optimizer, change ...func(*compiler.Builder, *net)) *compiler.Program {
	t.Helper()
	m := &net{nn.Dense{Units: width}, nn.Dense{Units: 4}}
	b := compiler.New("net")
	b.Model("", m)
	loss := func(f *graph.Func) *graph.Value {
		d := m.apply(f.Input("x", graph.F32, batch, 3)).Sub(f.Input("y", graph.F32, batch, 4))
		f.Output("mae", d.Abs().Mean())
		return d.Square().Mean()
	}
	b.Func("validate", func(f *graph.Func) { f.Output("loss", loss(f)) })
	b.Func("draw", func(f *graph.Func) {
		f.Output("image", m.apply(f.Input("x", graph.F32, batch, 3)).Sigmoid().Reshape(batch, 1, 2, 2))
	})
	b.Step("train", opt, m, loss)
	for _, f := range change {
		f(b, m)
	}
	prog, err := b.Compile()
	if err != nil {
		t.Fatal(err)
	}
	return prog
}

// newEngine makes the engine of a test.
var newEngine = func(t testing.TB) runtime.Engine {
	t.Helper()
	e, err := gorgonia.New(gorgonia.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func engine(t testing.TB) runtime.Engine {
	t.Helper()
	return newEngine(t)
}

// hooked is an engine that calls before ahead of each run and after, if not nil, when it has succeeded.
type hooked struct {
	runtime.Engine
	before func(entry string)
	after  func(c runtime.Call)
}

type hookedExec struct {
	runtime.Executable
	h hooked
}

type hookedCall struct {
	runtime.Call
	h hooked
}

func (h hooked) Load(p *compiler.Program, s *runtime.State) (runtime.Executable, error) {
	x, err := h.Engine.Load(p, s)
	return hookedExec{x, h}, err
}

func (x hookedExec) Prepare(entry string, like map[string]*tensor.Tensor) (runtime.Call, error) {
	c, err := x.Executable.Prepare(entry, like)
	return hookedCall{c, x.h}, err
}

func (c hookedCall) Run(ctx context.Context) error {
	if c.h.before != nil {
		c.h.before(c.Func().Name)
	}
	err := c.Call.Run(ctx)
	if err == nil && c.h.after != nil {
		c.h.after(c.Call)
	}
	return err
}

// dataset has n examples of fields "x" and "target" of a smooth function.
func dataset(t testing.TB, n int, seed uint64) *data.Dataset {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	x, y := tensor.New(tensor.F32, n, 3), tensor.New(tensor.F32, n, 4)
	for i := range n {
		for j := range 3 {
			x.Set(3*i+j, r.NormFloat64())
		}
		for j := range 4 {
			y.Set(4*i+j, x.At(3*i+j%3)*.5-x.At(3*i+(j+1)%3)*.25)
		}
	}
	var fields []data.Field
	for name, v := range map[string]*tensor.Tensor{"x": x, "target": y} {
		s, err := data.FromTensor(v)
		if err != nil {
			t.Fatal(err)
		}
		fields = append(fields, data.Field{Name: name, Source: s})
	}
	if fields[0].Name != "target" {
		fields[0], fields[1] = fields[1], fields[0]
	}
	d, err := data.New(fields...)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// config is of a run of 3 epochs of 5 steps, the last of them short, with validation.
func config(t testing.TB, dir string) Config {
	return Config{
		Program: program(t, 8, optim.Adam{LR: 1e-2}), Engine: engine(t), Seed: 7,
		Train: dataset(t, 37, 1), Test: dataset(t, 11, 2), Validate: "validate", Inputs: Inputs{"y": "target"},
		Epochs: 3, Batch: 8, Dir: Folder(dir), LogEvery: 2, SaveEvery: -1, Settings: map[string]float64{"width": 8},
	}
}

func fit(t testing.TB, ctx context.Context, c Config) *Result {
	t.Helper()
	r, err := Fit(ctx, c)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// bits is all of a state, as text that tells any two apart.
func bits(t testing.TB, s *runtime.State) string {
	t.Helper()
	var b strings.Builder
	for _, name := range s.Names() {
		x, err := s.Tensor(name)
		if err != nil {
			t.Fatal(err)
		}
		j, err := json.Marshal(x.Float64s())
		if err != nil {
			t.Fatal(err)
		}
		b.WriteString(name + x.String() + string(j) + "\n")
	}
	return b.String()
}

// left is what a run leaves that must not depend on interruptions: its files by name, without times.
func left(t testing.TB, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Name() == "loss.png" || e.Name() == "report.html" { // made of the records, and of their times
			return err
		}
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if e.Name() == "metrics.jsonl" {
			b = withoutTimes(t, b)
		} else if filepath.Dir(rel) == "tensorboard" {
			rel = "tensorboard"
			b = []byte(out[rel] + strings.Join(readEvents(t, b), "\n")) // a second file would show
		}
		out[rel] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func withoutTimes(t testing.TB, b []byte) []byte {
	t.Helper()
	var out []byte
	for line := range strings.Lines(string(b)) {
		var m map[string]any
		if err := json.Unmarshal([]byte(line), &m); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		delete(m, "seconds")
		delete(m, "examples_per_second")
		delete(m, "validate_seconds")
		delete(m, "time")
		j, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		out = append(append(out, j...), '\n')
	}
	return out
}

// readEvents is what the events of a file for TensorBoard say, without times: "12 loss/train 0.25 samples [1830 bytes 9f86d081]".
func readEvents(t testing.TB, b []byte) (list []string) {
	t.Helper()
	message := func(b []byte, each func(num protowire.Number, v []byte)) {
		for len(b) > 0 {
			num, typ, n := protowire.ConsumeField(b)
			if n < 0 {
				t.Fatal(protowire.ParseError(n))
			}
			_, _, tag := protowire.ConsumeTag(b[:n])
			v := b[tag:n]
			if typ == protowire.BytesType {
				v, _ = protowire.ConsumeBytes(v)
			}
			each(num, v)
			b = b[n:]
		}
	}
	for len(b) > 0 {
		n := binary.LittleEndian.Uint64(b)
		var step uint64
		text := ""
		message(b[12:12+n], func(num protowire.Number, v []byte) {
			switch num {
			case 2:
				step, _ = protowire.ConsumeVarint(v)
			case 5:
				message(v, func(_ protowire.Number, v []byte) {
					message(v, func(num protowire.Number, v []byte) {
						switch num {
						case 1:
							text += " " + string(v)
						case 2:
							bits, _ := protowire.ConsumeFixed32(v)
							text += fmt.Sprint(" ", math.Float32frombits(bits))
						default:
							text += fmt.Sprintf(" [%d bytes %.4x]", len(v), sha256.Sum256(v))
						}
					})
				})
			case 1: // the time
			default:
				text += fmt.Sprint(" field ", num)
			}
		})
		list, b = append(list, fmt.Sprint(step, text)), b[16+n:]
	}
	return list
}

func compareLeft(t testing.TB, what string, got, want map[string]string) {
	t.Helper()
	for name, w := range want {
		if g, ok := got[name]; !ok {
			t.Errorf("%s: %s is missing", what, name)
		} else if g != w {
			t.Errorf("%s: %s is\n%.1500s\nwant\n%.1500s", what, name, g, w)
		}
	}
	for name := range got {
		if _, ok := want[name]; !ok {
			t.Errorf("%s: %s is left over", what, name)
		}
	}
}
