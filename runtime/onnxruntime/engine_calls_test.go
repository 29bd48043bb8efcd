package onnxruntime

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	rt "github.com/sardonyx-ml/sardonyx/runtime"
)

// TestEngineFull: where the device has no room for an output, the run is an error, and leaves nothing behind.
func TestEngineFull(t *testing.T) {
	e, m := countedEngine(t)
	m.apart = true
	b := compiler.New("grown")
	b.Func("grown", func(f *graph.Func) {
		x := f.Input("x", graph.F32, graph.Sym("batch"), 3)
		f.Output("y", x.Unsqueeze(2).Add(f.Full(graph.F32, 1, 2000)))
	})
	prog, err := b.Compile()
	if err != nil {
		t.Fatal(err)
	}
	x, _ := loaded(t, e, prog)
	m.most = 1000
	held := m.held
	if _, err := rt.Run(t.Context(), x, "grown", ramp(1)); err == nil || !strings.Contains(err.Error(), `the output "y": the device is full`) {
		t.Errorf("a run without room for its output: %v", err)
	}
	if m.held != held {
		t.Errorf("%d tensors are left of it", m.held-held)
	}
	m.most = 0
	if _, err := rt.Run(t.Context(), x, "grown", ramp(1)); err != nil {
		t.Errorf("with room: %v", err)
	}
}

// TestEngineUploadFails: state that could not be taken to the device is taken there before the next run.
func TestEngineUploadFails(t *testing.T) {
	e, m := countedEngine(t)
	x, _ := loaded(t, e, lines(t))
	if _, err := rt.Run(t.Context(), x, "first", ramp(4)); err != nil {
		t.Fatal(err)
	}
	m.fails = true
	if _, err := rt.Run(t.Context(), x, "second", ramp(4)); err == nil || !strings.Contains(err.Error(), "a copy failed") {
		t.Errorf("a run whose state does not come to the device: %v", err)
	}
	m.fails, m.copied = false, 0
	if _, err := rt.Run(t.Context(), x, "second", ramp(4)); err != nil {
		t.Fatal(err)
	}
	if m.copied != 3 {
		t.Errorf("%d tensors were copied then, want the 3 that the optimizer keeps", m.copied)
	}
}

// TestEngineKept: a large output that lies on the device apart stays that of the last run when the call gives its memory up to others, and
// when the program is closed.
func TestEngineKept(t *testing.T) {
	e, m := countedEngine(t)
	m.apart = true
	x, _ := loaded(t, e, lines(t))
	call := func(n int) rt.Call {
		t.Helper()
		c, err := rt.Do(t.Context(), x, "both", ramp(n))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	output := func(c rt.Call) []float64 {
		t.Helper()
		y, err := c.Output("y")
		if err != nil {
			t.Fatal(err)
		}
		return slices.Clone(y.Float64s())
	}
	want := output(call(2000))
	kept := []rt.Call{call(2002)}
	for n := range maxCalls {
		call(n + 1)
	}
	kept = append(kept, call(2001))
	if err := x.Close(); err != nil {
		t.Fatal(err)
	}
	for i, c := range kept {
		if got := output(c); !slices.Equal(got[:2000], want) {
			t.Errorf("call %d gives other numbers, %v, want %v", i, got[:4], want[:4])
		}
	}
}

// TestEngineCalls: calls of ever new sizes take no more memory of the library, and one that had to give its memory up runs nonetheless.
func TestEngineCalls(t *testing.T) {
	e, m := countedEngine(t)
	x, _ := loaded(t, e, lines(t))
	output := func(c rt.Call) []float64 {
		t.Helper()
		if err := c.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		y, err := c.Output("y")
		if err != nil {
			t.Fatal(err)
		}
		return slices.Clone(y.Float64s())
	}
	prepare := func(n int) rt.Call {
		t.Helper()
		in := ramp(n)
		c, err := x.Prepare("both", in)
		if err != nil {
			t.Fatal(err)
		}
		c.Input("x").CopyFrom(in["x"])
		return c
	}
	first, often := prepare(1), prepare(2)
	want := output(first)
	if _, err := often.Output("y"); err == nil {
		t.Error("an output before the first run")
	}
	held := 0
	for n := range 3 * maxCalls {
		output(prepare(3 + n))
		output(often)
		if n == maxCalls {
			held = m.held
		}
	}
	if m.held != held || m.sessions != 1 {
		t.Errorf("%d native tensors after many sizes, %d before; %d sessions", m.held, held, m.sessions)
	}
	if prepare(2) != often {
		t.Error("the call that is always used had to go")
	}
	if got := output(first); !slices.Equal(got, want) {
		t.Errorf("the first call, whose memory others had, gives %v, before %v", got, want)
	}
	if m.held != held {
		t.Errorf("%d native tensors after it, %d before", m.held, held)
	}
}

// TestEngineCancel breaks a run off in the middle.
func TestEngineCancel(t *testing.T) {
	e, _ := countedEngine(t)
	b := compiler.New("chain")
	b.Func("chain", func(f *graph.Func) {
		x := f.Input("x", graph.F32, 256, 256)
		y := x
		for range 2000 {
			y = y.MatMul(x)
		}
		f.Output("y", y)
	})
	prog, err := b.Compile()
	if err != nil {
		t.Fatal(err)
	}
	x, _ := loaded(t, e, prog)
	in := map[string]*tensor.Tensor{"x": tensor.New(tensor.F32, 256, 256)}
	c, err := x.Prepare("chain", in)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
		if err := c.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Run = %v, want the context's error", err)
		}
		cancel()
		if _, err := c.Output("y"); err == nil {
			t.Error("a run that was broken off has an output")
		}
	}
	if err := c.Run(t.Context()); err != nil {
		t.Errorf("after runs that were broken off: %v", err)
	}
}

// TestEngineTypes takes each dtype in and out, as a vector, a scalar, and of a size that only the run tells. Strings, elements of less
// than a byte, and what opset 17 does not have, are errors.
func TestEngineTypes(t *testing.T) {
	e, _ := countedEngine(t)
	for _, dtype := range tensor.DTypes() {
		b := compiler.New("types")
		b.Func("same", func(f *graph.Func) {
			x := f.Input("x", dtype, graph.Sym("n"))
			f.Output("same", x)
			f.Output("scalar", x.Slice(0, 0, 1).Squeeze(0))
			f.Output("chosen", x.Compress(f.Input("mask", graph.Bool, graph.Sym("n")), 0))
		})
		prog, err := b.Compile()
		if err != nil {
			t.Fatal(err)
		}
		x, _ := loaded(t, e, prog)
		in := tensor.New(dtype, 3)
		for i := range 3 {
			if dtype != tensor.String {
				in.SetInt(i, int64(i%2))
			}
		}
		out, err := rt.Run(t.Context(), x, "same", map[string]*tensor.Tensor{"x": in, "mask": tensor.Of([]bool{false, true, true}, 3)})
		if dtype.Bits() < 8 || dtype.Opset() > 17 {
			if err == nil {
				t.Errorf("%v runs", dtype)
			}
			continue
		}
		if err != nil {
			t.Errorf("%v: %v", dtype, err)
			continue
		}
		for name, want := range map[string][]int64{"same": {0, 1, 0}, "scalar": {0}, "chosen": {1, 0}} {
			var got []int64
			for i := range out[name].Len() {
				got = append(got, out[name].Int(i))
			}
			if out[name].DType() != dtype || !slices.Equal(got, want) {
				t.Errorf("%v: %s is %v %v, want %v", dtype, name, out[name], got, want)
			}
		}
	}
}

// TestEngineAllocs: a run allocates nothing, and a step nothing but what counts its draws.
func TestEngineAllocs(t *testing.T) {
	needLibrary(t)
	e, err := NewEngine(Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	x, _ := loaded(t, e, lines(t))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for entry, most := range map[string]float64{"both": 0, "first": 6} {
		c, err := x.Prepare(entry, ramp(4))
		if err != nil {
			t.Fatal(err)
		}
		c.Input("x").CopyFrom(ramp(4)["x"])
		if n := testing.AllocsPerRun(20, func() {
			if err := c.Run(ctx); err != nil {
				t.Fatal(err)
			}
		}); n > most {
			t.Errorf("a run of %s allocates %v times, want %v at most", entry, n, most)
		}
	}
}
