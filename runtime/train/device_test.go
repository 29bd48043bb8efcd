package train

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime"
)

// A deviceEngine keeps state apart from host memory, as an engine on a GPU does, and counts what is moved. Its device is another State,
// over which an engine of the host runs; what a step has not told of, or host memory not sent, is not there.
type deviceEngine struct {
	runtime.Engine
	moved *moves
}

// moves counts tensors that go to a device and come from it, and runs of Steps.
type moves struct{ up, down, steps int }

type deviceExec struct {
	runtime.Executable
	prog         *compiler.Program
	host, device *runtime.State
	moved        *moves
}

type deviceCall struct {
	runtime.Call
	x *deviceExec
}

func (e deviceEngine) Load(p *compiler.Program, s *runtime.State) (runtime.Executable, error) {
	device, err := runtime.NewState(p, 12345) // wrong all over: it has to be uploaded
	if err != nil {
		return nil, err
	}
	inner, err := e.Engine.Load(p, device)
	if err != nil {
		return nil, err
	}
	x := &deviceExec{inner, p, s, device, e.moved}
	return x, s.Attach(x)
}

func (x *deviceExec) Download(name string, t *tensor.Tensor) error {
	x.moved.down++
	d, err := x.device.Tensor(name)
	if err == nil {
		t.CopyFrom(d)
	}
	return err
}

func (x *deviceExec) Prepare(entry string, like map[string]*tensor.Tensor) (runtime.Call, error) {
	c, err := x.Executable.Prepare(entry, like)
	return deviceCall{c, x}, err
}

func (c deviceCall) Run(ctx context.Context) error {
	err := c.x.host.Upload(func(name string, t *tensor.Tensor) error {
		c.x.moved.up++
		return c.x.device.Set(name, t)
	})
	if err == nil {
		err = c.Call.Run(ctx)
	}
	if err == nil && c.Func().Training {
		c.x.moved.steps++
		for _, u := range c.Func().Updates {
			c.x.host.Ahead(u.Name)
		}
	}
	return err
}

func (x *deviceExec) Close() error {
	if err := x.host.Detach(); err != nil {
		return err
	}
	return x.Executable.Close()
}

// TestOnDevice runs the tests of the loop on an engine that keeps the state apart.
func TestOnDevice(t *testing.T) {
	plain := newEngine
	newEngine = func(t testing.TB) runtime.Engine { return deviceEngine{plain(t), new(moves)} }
	defer func() { newEngine = plain }()
	for name, test := range map[string]func(*testing.T){
		"Fit": TestFit, "Resume": TestResume, "Rhythm": TestRhythm, "ResumeRhythm": TestResumeRhythm, "NonFinite": TestNonFinite,
		"NonFiniteData": TestNonFiniteData, "EarlyStop": TestEarlyStop, "Measures": TestMeasures,
	} {
		t.Run(name, test)
	}
}

// TestDeviceMoves: the loop brings the state to host memory for checkpoints, and for the copy of the best epoch where there is no folder,
// and at no other time; it goes to the device once. What comes of it is what comes of an engine in host memory.
func TestDeviceMoves(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(c *Config)
		down   int // in units of what a step updates
		up     int // in units of the state
	}{
		{"without a folder", func(c *Config) { c.Dir = "" }, 1, 1},
		{"a checkpoint an epoch", func(c *Config) {}, 3, 1},
		{"a checkpoint a step, and an epoch", func(c *Config) { c.SaveEvery = 1 }, 15, 1},
		{"validated by averages", func(c *Config) {
			c.Program = program(t, 8, optim.EMA{Decay: .9, Then: optim.Adam{LR: 1e-2}}, func(b *compiler.Builder, m *net) {
				b.EMAFunc("averaged", func(f *graph.Func) {
					d := m.apply(f.Input("x", graph.F32, batch, 3)).Sub(f.Input("y", graph.F32, batch, 4))
					f.Output("loss", d.Square().Mean())
				})
			})
			c.Validate = "averaged"
		}, 3, 1},
		{"the best epoch in the end", func(c *Config) { c.RestoreBest = true }, 3, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := config(t, filepath.Join(t.TempDir(), "host"))
			tt.change(&c)
			want := fit(t, t.Context(), c)
			if c.Dir != "" {
				c.Dir = Folder(filepath.Join(t.TempDir(), "device"))
			}
			var moved moves
			c.Engine = deviceEngine{c.Engine, &moved}
			got := fit(t, t.Context(), c)
			if bits(t, got.State) != bits(t, want.State) || fmt.Sprint(got.Step) != fmt.Sprint(want.Step) {
				t.Error("the state in the end is another")
			}
			state, updated := len(c.Program.Params()), len(c.Program.Step("train").Updates)
			if moved.down != tt.down*updated || moved.up != tt.up*state || moved.steps != 15 {
				t.Errorf("%d tensors came and %d went in %d steps, want %d and %d in 15", moved.down, moved.up, moved.steps, tt.down*updated, tt.up*state)
			}
		})
	}
}

// TestAttach: a state is on one device at a time, what is set goes there alone, and what is read comes from there alone.
func TestAttach(t *testing.T) {
	prog := program(t, 8, optim.SGD{LR: 1e-2})
	s, err := runtime.NewState(prog, 1)
	if err != nil {
		t.Fatal(err)
	}
	var moved moves
	e := deviceEngine{engine(t), &moved}
	x, err := e.Load(prog, s)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Load(prog, s); err == nil || !strings.Contains(err.Error(), "on a device already") {
		t.Errorf("a second device: %v", err)
	}
	in := map[string]*tensor.Tensor{"x": tensor.New(tensor.F32, 2, 3), "y": tensor.New(tensor.F32, 2, 4)}
	step := func() {
		t.Helper()
		if _, err := Run(t.Context(), x, prog.Step("train"), in); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(what string, up, down int) {
		t.Helper()
		if moved.up != up || moved.down != down {
			t.Errorf("%s: %d went and %d came, want %d and %d", what, moved.up, moved.down, up, down)
		}
		moved = moves{}
	}
	step()
	expect("the first step", len(prog.Params()), 0)
	step()
	expect("the second step", 0, 0)
	for range 2 {
		if _, err := s.Tensor("out.bias"); err != nil {
			t.Fatal(err)
		}
	}
	expect("a read, twice", 0, 1)
	if err := s.Set("out.bias", tensor.Of([]float32{1, 2, 3, 4}, 4)); err != nil {
		t.Fatal(err)
	}
	if err := s.Set("hidden.bias", tensor.New(tensor.F32, 8)); err != nil { // newer on the device: it does not come back first
		t.Fatal(err)
	}
	if zero, err := s.Tensor("hidden.bias"); err != nil || !slices.Equal(zero.Float64s(), make([]float64, 8)) {
		t.Errorf("a bias that was set to 0 is %v: %v", zero.Raw(), err)
	}
	step()
	expect("two that were set", 2, 0)
	b, err := s.Tensor("out.bias")
	if err != nil || !(b.At(3) > 3.5 && b.At(3) < 4) {
		t.Errorf("a bias of 4 is %v after a step: %v", b.Raw(), err)
	}
	moved = moves{}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	expect("the end", 0, len(prog.Step("train").Updates)-1)
	if x, err = e.Load(prog, s); err != nil {
		t.Fatal(err)
	}
	step()
	expect("another program over it", len(prog.Params()), 0)
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
}
