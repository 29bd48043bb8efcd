package onnxruntime

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	rt "github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime/cudatest"
)

// moves counts what an engine does on its device.
type moves struct {
	copied   int // tensors, to the device and from it
	held     int // native tensors that were not freed
	sessions int // that are open
	opened   int // sessions, all together

	runs   []recordedRun
	apart  bool         // the device is to seem to have memory of its own
	fails  bool         // copies are errors
	most   int          // elements of a tensor that the device has room for; 0 is no bound
	placed []placedNode // and its sessions to have these nodes
}

// A recordedRun is a run of a session, the number it had, and its tensors.
type recordedRun struct {
	session *countedSession
	number  int
	with    []deviceTensor
}

// countedEngine is an engine on the CPU that counts in the moves.
func countedEngine(t *testing.T) (*Engine, *moves) {
	t.Helper()
	if !Available() {
		t.Skip("this binary was built without cgo")
	}
	if _, err := Find(""); err != nil {
		t.Skipf("needs onnxruntime: %v", err)
	}
	e, err := NewEngine(Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	m := &moves{}
	e.open = func(o Options) (device, error) {
		d, err := newDevice(o)
		return &countedDevice{d, m}, err
	}
	return e, m
}

type countedDevice struct {
	device
	m *moves
}

func (d *countedDevice) host() bool { return !d.m.apart }

func (d *countedDevice) held(t deviceTensor, err error) (deviceTensor, error) {
	if err != nil {
		return nil, err
	}
	d.m.held++
	return &countedTensor{t, d.m}, nil
}

func (d *countedDevice) alloc(t tensor.DType, shape ...int) (deviceTensor, error) {
	if n, err := tensor.Count(shape); err == nil && d.m.most > 0 && n > d.m.most {
		return nil, errors.New("the device is full")
	}
	return d.held(d.device.alloc(t, shape...))
}

func (d *countedDevice) wrap(x *tensor.Tensor) (deviceTensor, error) { return d.held(d.device.wrap(x)) }

func (d *countedDevice) copy(to, from []deviceTensor) error {
	if d.m.fails {
		return errors.New("a copy failed")
	}
	d.m.copied += len(to)
	return d.device.copy(bare(to), bare(from))
}

func (d *countedDevice) open(model []byte, o opening) (deviceSession, error) {
	o.graphs = false // which no host has
	s, err := d.device.open(model, o)
	if err != nil {
		return nil, err
	}
	d.m.sessions++
	d.m.opened++
	return &countedSession{s, d.m}, nil
}

type countedTensor struct {
	deviceTensor
	m *moves
}

func (t *countedTensor) free() {
	t.m.held--
	t.deviceTensor.free()
}

// bare are the tensors of list, without counting.
func bare(list []deviceTensor) []deviceTensor {
	out := slices.Clone(list)
	for i, t := range out {
		if c, ok := t.(*countedTensor); ok {
			out[i] = c.deviceTensor
		}
	}
	return out
}

type countedSession struct {
	deviceSession
	m *moves
}

func (s *countedSession) run(ctx context.Context, number int, in, out []deviceTensor) error {
	s.m.runs = append(s.m.runs, recordedRun{s, number, slices.Concat(bare(in), bare(out))})
	results := bare(out)
	err := s.deviceSession.run(ctx, number, bare(in), results)
	for i, t := range out {
		if t == nil && results[i] != nil {
			out[i] = &countedTensor{results[i], s.m}
			s.m.held++
		}
	}
	return err
}

func (s *countedSession) nodes() ([]placedNode, error) { return s.m.placed, nil }

func (s *countedSession) close() error {
	s.m.sessions--
	return s.deviceSession.close()
}

// lines is a program of two lines that are fitted in turn, each by a Step of its own, and a Func of both.
func lines(t *testing.T) *compiler.Program {
	t.Helper()
	m := &struct{ A, B nn.Dense }{nn.Dense{Units: 1}, nn.Dense{Units: 1}}
	b := compiler.New("lines")
	b.Model("", m)
	for name, d := range map[string]*nn.Dense{"first": &m.A, "second": &m.B} {
		b.Step(name, optim.SGD{LR: .1, Momentum: .5}, d, func(f *graph.Func) *graph.Value {
			x := f.Input("x", graph.F32, graph.Sym("batch"), 3)
			return m.A.Apply(x).Add(m.B.Apply(x.NormalLike().Scale(.1).Add(x))).Square().Mean()
		})
	}
	b.Func("both", func(f *graph.Func) {
		x := f.Input("x", graph.F32, graph.Sym("batch"), 3)
		f.Output("y", m.A.Apply(x).Add(m.B.Apply(x)))
	})
	prog, err := b.Compile()
	if err != nil {
		t.Fatal(err)
	}
	return prog
}

func loaded(t *testing.T, e *Engine, prog *compiler.Program) (rt.Executable, *rt.State) {
	t.Helper()
	state, err := rt.NewState(prog, 5)
	if err != nil {
		t.Fatal(err)
	}
	x, err := e.Load(prog, state)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := x.Close(); err != nil {
			t.Error(err)
		}
	})
	return x, state
}

// ramp is a batch of n examples.
func ramp(n int) map[string]*tensor.Tensor {
	x := tensor.New(tensor.F32, n, 3)
	for i := range x.Len() {
		x.Set(i, float64(i%7)-3)
	}
	return map[string]*tensor.Tensor{"x": x}
}

// TestEngineMoves: each state goes to the device once, where an entry point needs it, and comes from there when it is read. Nothing else is
// copied, and all is freed in the end.
func TestEngineMoves(t *testing.T) {
	e, m := countedEngine(t)
	x, state := loaded(t, e, lines(t))
	run := func(entry string, n int) {
		t.Helper()
		if _, err := rt.Run(t.Context(), x, entry, ramp(n)); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(what string, copied int) {
		t.Helper()
		if m.copied != copied {
			t.Errorf("%s: %d tensors were copied, want %d", what, m.copied, copied)
		}
		m.copied = 0
	}
	read := func(name string) *tensor.Tensor {
		t.Helper()
		x, err := state.Tensor(name)
		if err != nil {
			t.Fatal(err)
		}
		return x.Clone()
	}
	run("first", 4)
	expect("a step: two layers, and what the optimizer of one keeps", 4+3)
	run("first", 4)
	run("both", 4)
	run("first", 5)
	expect("more of it, also of other sizes", 0)
	run("second", 4)
	expect("another step: what its optimizer keeps", 3)
	before := read("a.weight")
	read("a.weight")
	expect("a read, twice", 1)
	run("second", 4)
	expect("a step that does not write what was read", 0)
	if now := read("a.weight"); !slices.Equal(now.Float64s(), before.Float64s()) {
		t.Errorf("a step of the second line moved the first: %v, before %v", now.Raw(), before.Raw())
	}
	run("first", 4)
	if now := read("a.weight"); slices.Equal(now.Float64s(), before.Float64s()) {
		t.Errorf("a step of the first line did not move it")
	}
	expect("a step, and a read", 1)
	if err := state.Set("b.weight", tensor.New(tensor.F32, 3, 1)); err != nil {
		t.Fatal(err)
	}
	run("both", 2)
	expect("a state that was set", 1)
	if got := read(graph.RandomState).Int(1); got != 6 {
		t.Errorf("%d steps have drawn, want 6", got)
	}
	if m.sessions != 3 || m.opened != 3 {
		t.Errorf("%d sessions are open of %d, want one for each entry point", m.sessions, m.opened)
	}
	if _, err := e.Load(lines(t), state); err == nil {
		t.Error("a state is on two devices")
	}
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	expect("the end: what steps have written and nobody has read or set", 5-1+5-1)
	if m.held != 0 || m.sessions != 0 {
		t.Errorf("%d tensors and %d sessions are left", m.held, m.sessions)
	}
	if _, err := rt.Run(t.Context(), x, "both", ramp(2)); !errors.Is(err, ErrClosed) {
		t.Errorf("a run after the end: %v", err)
	}
	x, err := e.Load(lines(t), state)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rt.Run(t.Context(), x, "both", ramp(2)); err != nil {
		t.Error(err)
	}
	if err := x.Close(); err != nil {
		t.Error(err)
	}
}

// TestEngineApart: where the device has memory of its own, a run takes one copy of the inputs to it and one of what is small back, gives the
// same as where it has not, and each call has a session for its sizes.
func TestEngineApart(t *testing.T) {
	type step struct {
		entry string
		batch int
	}
	steps := []step{{"first", 4}, {"second", 4}, {"both", 2}, {"first", 5}, {"both", 2000}, {"second", 4}, {"first", 4}, {"both", 2000}}
	var want []float64
	for _, apart := range []bool{false, true} {
		e, m := countedEngine(t)
		m.apart = apart
		x, state := loaded(t, e, lines(t))
		var got []float64
		for i, s := range steps {
			in := ramp(s.batch)
			before := m.copied
			c, err := rt.Do(t.Context(), x, s.entry, in)
			if err != nil {
				t.Fatal(err)
			}
			ran := m.copied - before
			name := "loss"
			if s.entry == "both" {
				name = "y"
			}
			for range 2 {
				y, err := c.Output(name)
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, y.Float64s()...)
			}
			// Noise is an input; loss, grad_norm and ok are outputs. The state is on the device from the fourth step on.
			up, down, late := 2, 3, 0
			switch {
			case s.batch == 2000:
				up, down, late = 1, 0, 1
			case s.entry == "both":
				up, down = 1, 1
			}
			if asked := m.copied - before - ran; apart && i >= 3 && (ran != up+down || asked != late) {
				t.Errorf("step %d: %d tensors were copied in the run and %d when outputs were asked for, want %d and %d", i, ran, asked, up+down, late)
			}
		}
		w, err := state.Tensor("a.weight")
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, w.Float64s()...)
		if !apart {
			want = got
			continue
		}
		if !slices.Equal(got, want) {
			t.Error("a device apart gives other numbers")
		}
		if m.opened != 5 {
			t.Errorf("%d sessions for 5 entry points and sizes", m.opened)
		}
		for n := range 3 * maxCalls {
			if _, err := rt.Run(t.Context(), x, "both", ramp(n+1)); err != nil {
				t.Fatal(err)
			}
		}
		if m.sessions != maxCalls {
			t.Errorf("%d sessions are open after many sizes, want %d", m.sessions, maxCalls)
		}
		if err := x.Close(); err != nil || m.held != 0 || m.sessions != 0 {
			t.Errorf("%d tensors and %d sessions are left: %v", m.held, m.sessions, err)
		}
	}
}

// TestEnginePlaces: a Step that would run in host memory in part is refused, with ops and lines. A Func is not.
func TestEnginePlaces(t *testing.T) {
	e, m := countedEngine(t)
	m.apart = true
	prog := lines(t)
	x, _ := loaded(t, e, prog)
	f := prog.Step("first")
	entry, err := x.(*executable).entry(f)
	if err != nil {
		t.Fatal(err)
	}
	list, err := linesOf(entry.file)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for name, line := range list {
		if strings.HasPrefix(line, "engine_device_test.go:") && strings.HasPrefix(name, "a.MatMul") {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		t.Fatalf("no product has a line: %v", list)
	}
	m.placed = []placedNode{{"a", "Add", "CUDAExecutionProvider"}, {names[0], "MatMul", onHost}, {"made up", "Fused", onHost}}
	_, err = rt.Run(t.Context(), x, "first", ramp(2))
	if err == nil || !strings.Contains(err.Error(), "2 of its nodes") || !strings.Contains(err.Error(), "MatMul at "+list[names[0]]) || !strings.Contains(err.Error(), "\tFused") {
		t.Errorf("a step with nodes on the CPU: %v", err)
	}
	if _, err := rt.Run(t.Context(), x, "both", ramp(2)); err != nil {
		t.Errorf("a Func with nodes on the CPU: %v", err)
	}
	m.placed = m.placed[:1]
	if _, err := rt.Run(t.Context(), x, "first", ramp(2)); err != nil {
		t.Errorf("a step without: %v", err)
	}
}

// TestEngineRecorded: runs that are recorded have one number for the same tensors, whichever steps of others came between. Funcs are not.
func TestEngineRecorded(t *testing.T) {
	e, m := countedEngine(t)
	m.apart, e.o.CUDAGraphs = true, true
	x, _ := loaded(t, e, lines(t))
	for _, entry := range []string{"first", "first", "second", "first", "both", "second", "second", "first", "first", "second", "first", "first", "both"} {
		if _, err := rt.Run(t.Context(), x, entry, ramp(4)); err != nil {
			t.Fatal(err)
		}
	}
	numbers := map[*countedSession]map[int][]deviceTensor{}
	for i, r := range m.runs {
		of := numbers[r.session]
		if of == nil {
			of = map[int][]deviceTensor{}
			numbers[r.session] = of
		}
		if of[r.number] == nil {
			of[r.number] = r.with
		} else if !slices.Equal(of[r.number], r.with) && r.session != m.runs[len(m.runs)-1].session {
			t.Errorf("run %d has the number %d of one with other tensors", i, r.number)
		}
	}
	if first := numbers[m.runs[0].session]; len(first) != 4 {
		t.Errorf("%d recordings of a step over two states that are turned or not", len(first))
	}
	if both := numbers[m.runs[len(m.runs)-1].session]; len(both) != 1 {
		t.Error("a Func is recorded")
	}
}

// TestEngineName: what a run's record says of its engine is enough to go on with it.
func TestEngineName(t *testing.T) {
	for _, o := range []Options{{Device: CPU}, {Device: CUDA}, {Device: CUDA, TF32: true}, {Device: CUDA, CUDAGraphs: true}, {Device: CUDA, TF32: true, CUDAGraphs: true}} {
		e := &Engine{o: o, lib: Library{Version: "1.29.0"}}
		for _, from := range []Options{{Device: CPU}, {Device: CUDA, TF32: true, CUDAGraphs: true}} {
			if got := from.OfName(e.Name()); got != o {
				t.Errorf("of %q: %+v, want %+v", e.Name(), got, o)
			}
		}
	}
	for _, name := range []string{"", "gorgonia (OpenBLAS 0.3.21, 2 threads)", "onnxruntime 1.29.0 (npu)"} {
		if got := (Options{Device: CUDA}).OfName(name); got.Device != CUDA {
			t.Errorf("of %q: %+v", name, got)
		}
	}
}

// TestEngineCUDAMoves: with stand-ins for NVIDIA's libraries, under which nothing computes, a Func that only moves elements has the right
// outputs: data and state go to the device and come back, small and large.
func TestEngineCUDAMoves(t *testing.T) {
	needLibrary(t)
	lib, err := Find("")
	if err != nil {
		t.Fatal(err)
	}
	cudatest.Build(t, lib.Path).Run(t, nil, nil, func(t *testing.T) {
		e, err := NewEngine(Options{Device: CUDA, Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		m := &struct{ A nn.Dense }{nn.Dense{Units: 2}}
		b := compiler.New("moving")
		b.Model("", m)
		b.Func("move", func(f *graph.Func) {
			x := f.Input("x", graph.F32, graph.Sym("batch"), 3)
			m.A.Apply(x)
			f.Output("y", x.Flatten())
			f.Output("weight", f.Lookup("a.weight").Reshape(2, 3))
		})
		prog, err := b.Compile()
		if err != nil {
			t.Fatal(err)
		}
		x, state := loaded(t, e, prog)
		for i, n := range []int{2, 2000, 2} {
			if err := state.Set("a.weight", tensor.Of([]float32{1, 2, 3, 4, 5, float32(i)}, 3, 2)); err != nil {
				t.Fatal(err)
			}
			in := ramp(n)
			out, err := rt.Run(t.Context(), x, "move", in)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(out["y"].Float64s(), in["x"].Float64s()) || !slices.Equal(out["weight"].Float64s(), []float64{1, 2, 3, 4, 5, float64(i)}) {
				t.Errorf("batch %d: y is %v, the weight %v", n, out["y"].Raw(), out["weight"].Raw())
			}
		}
	})
}

// TestEngineCUDAGraphs: with stand-ins for NVIDIA's libraries, a step's first run from each place of its state is recorded, and later ones
// replay it. Nothing computes there, so whether a step counts, and its state changes places, is what the memory happens to say.
func TestEngineCUDAGraphs(t *testing.T) {
	needLibrary(t)
	lib, err := Find("")
	if err != nil {
		t.Fatal(err)
	}
	cudatest.Build(t, lib.Path).Run(t, nil, nil, func(t *testing.T) {
		e, err := NewEngine(Options{Device: CUDA, CUDAGraphs: true, Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		x, _ := loaded(t, e, lines(t))
		places, at := map[bool]bool{}, false
		for n := range 5 {
			places[at] = true
			_, err := rt.Run(t.Context(), x, "first", ramp(4))
			if err != nil && !strings.Contains(err.Error(), "is not finite") {
				t.Fatal(err)
			}
			if err == nil {
				at = !at
			}
			counts, err := cudatest.Counts()
			if err != nil {
				t.Fatal(err)
			}
			if counts[cudatest.Graphs] != len(places) || counts[cudatest.Launches] != n+1 {
				t.Errorf("run %d: %d graphs for %d places of the state, %d launches", n, counts[cudatest.Graphs], len(places), counts[cudatest.Launches])
			}
		}
	})
}
