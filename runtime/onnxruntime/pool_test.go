package onnxruntime

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// poolOf is a Pool of g's session, which the test closes.
func poolOf(t testing.TB, g graphDef, runs int, sizes map[string]int) (*Session, *Pool) {
	t.Helper()
	s := openTest(t, g)
	in, err := s.Zeros(sizes)
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Pool(t.Context(), runs, in)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return s, p
}

// TestPool runs a pool from more goroutines than it has runs: each gets what its own input gives, and never are there more at once.
func TestPool(t *testing.T) {
	const runs = 3
	_, p := poolOf(t, linear(), runs, map[string]int{"batch": 2})
	if p.Size() != runs {
		t.Errorf("Size() = %d, want %d", p.Size(), runs)
	}
	var wg sync.WaitGroup
	var at, most atomic.Int32
	seen := make([]sync.Map, 12)
	for g := range seen {
		wg.Go(func() {
			for k := range 50 {
				err := p.Do(t.Context(), func(b *Binding) error {
					if n := at.Add(1); n > most.Load() {
						most.Store(n)
					}
					defer at.Add(-1)
					seen[g].Store(b, true)
					x := b.Input("x")
					v := float32(100*g + k + 1)
					copy(tensor.Data[float32](x), []float32{v, 1, 0, -v})
					if err := b.Run(t.Context()); err != nil {
						return err
					}
					same(t, "y", b.Output("y"), tensor.Of([]float32{v + 4.5, 2*v + 5, 3*v + 5, -4*v + .5, -5 * v, -6*v - 1}, 2, 3))
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := most.Load(); n > runs {
		t.Errorf("%d runs at once, of %d", n, runs)
	}
	all := map[any]bool{}
	for g := range seen {
		seen[g].Range(func(b, _ any) bool { all[b] = true; return true })
	}
	if len(all) > runs {
		t.Errorf("%d bindings, of %d", len(all), runs)
	}
}

// TestPoolInputs sees that runs have inputs and outputs of their own, which begin as those that Pool was given.
func TestPoolInputs(t *testing.T) {
	s := openTest(t, linear())
	x := tensor.Of([]float32{3, 1}, 1, 2)
	p, err := s.Pool(t.Context(), 2, map[string]*tensor.Tensor{"x": x})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	err = p.Do(t.Context(), func(a *Binding) error {
		return p.Do(t.Context(), func(b *Binding) error {
			for _, of := range []*Binding{a, b} {
				same(t, "x", of.Input("x"), x)
				same(t, "y after warming up", of.Output("y"), tensor.Of([]float32{7.5, 11, 14}, 1, 3))
				of.Input("x").Set(0, 0)
			}
			if x.At(0) != 3 || overlap(a.Output("y"), b.Output("y")) || overlap(a.Input("x"), b.Input("x")) {
				t.Error("tensors are shared")
			}
			if a.Input("y") != nil || a.Output("x") != nil {
				t.Error("names that are none have tensors")
			}
			return nil
		})
	})
	if err != nil {
		t.Error(err)
	}
}

// TestPoolErrors has what goes wrong in a pool, after each of which it has all its runs again.
func TestPoolErrors(t *testing.T) {
	broken := errors.New("broken")
	_, p := poolOf(t, chain(2000), 1, map[string]int{"n": 64})
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(broken)
	brief := func() context.Context {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Millisecond)
		t.Cleanup(cancel)
		return ctx
	}
	run := func(b *Binding) error { return b.Run(context.Background()) }
	for _, c := range []struct {
		name string
		do   func() error
		want error
	}{
		{"f fails", func() error { return p.Do(t.Context(), func(*Binding) error { return broken }) }, broken},
		{"ended before", func() error { return p.Do(ended, run) }, broken},
		{"ended while it waits", func() error {
			return p.Do(t.Context(), func(*Binding) error { return p.Do(brief(), run) })
		}, context.DeadlineExceeded},
		{"ended while it runs", func() error {
			ctx := brief()
			return p.Do(ctx, func(b *Binding) error {
				for { // until one does not end in time
					if err := b.Run(ctx); err != nil {
						return err
					}
				}
			})
		}, context.DeadlineExceeded},
		{"f panics", func() (err error) {
			defer func() { err = recover().(error) }()
			return p.Do(t.Context(), func(*Binding) error { panic(broken) })
		}, broken},
	} {
		t.Run(c.name, func(t *testing.T) {
			if err := c.do(); !errors.Is(err, c.want) {
				t.Errorf("%v, want %v", err, c.want)
			}
			if err := p.Do(t.Context(), run); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// TestPoolNative has a run that native code refuses, and a good one after it.
func TestPoolNative(t *testing.T) {
	_, p := poolOf(t, graphDef{in: []*wire.ValueInfo{vi("x", wire.Float, 3), vi("i", wire.Int64, "m")}, out: []*wire.ValueInfo{vi("y", wire.Float, "m")},
		nodes: []*wire.Node{nd("Gather", "x i", "y")}}, 1, map[string]int{"m": 1})
	for _, i := range []int64{9, 2} {
		err := p.Do(t.Context(), func(b *Binding) error {
			b.Input("x").Set(2, 5)
			b.Input("i").SetInt(0, i)
			if err := b.Run(t.Context()); err != nil {
				return err
			}
			same(t, "y", b.Output("y"), tensor.Of([]float32{5}, 1))
			return nil
		})
		if i > 2 {
			wantError(t, err, "running the model on cpu", "Gather")
		} else if err != nil {
			t.Error(err)
		}
	}
}

func TestPoolRefused(t *testing.T) {
	s := openTest(t, linear())
	gather := openTest(t, graphDef{in: []*wire.ValueInfo{vi("x", wire.Float, 3), vi("i", wire.Int64, 1)}, out: []*wire.ValueInfo{vi("y", wire.Float, 1)},
		nodes: []*wire.Node{nd("Gather", "x i", "y")}})
	unnamed := openTest(t, graphDef{in: []*wire.ValueInfo{vi("x", wire.Float, nil, 2)}, out: []*wire.ValueInfo{vi("y", wire.Float, nil, 2)},
		nodes: []*wire.Node{nd("Neg", "x", "y")}})
	rankless := openTest(t, graphDef{in: []*wire.ValueInfo{unranked("x", wire.Float)}, out: []*wire.ValueInfo{unranked("y", wire.Float)},
		nodes: []*wire.Node{nd("Neg", "x", "y")}})
	x := map[string]*tensor.Tensor{"x": tensor.New(tensor.F32, 1, 2)}
	pool := func(s *Session, runs int, in map[string]*tensor.Tensor) func() error {
		return func() error { _, err := s.Pool(t.Context(), runs, in); return err }
	}
	zeros := func(s *Session, sizes map[string]int) func() error {
		return func() error { _, err := s.Zeros(sizes); return err }
	}
	for _, c := range []struct {
		name string
		try  func() error
		want []string
	}{
		{"negative", pool(s, -1, x), []string{"-1 runs", "0 for one a processor"}},
		{"missing", pool(s, 2, nil), []string{`"x" is missing`}},
		{"refused at first", pool(gather, 2, map[string]*tensor.Tensor{"x": tensor.New(tensor.F32, 3), "i": tensor.Of([]int64{3}, 1)}), []string{"Gather"}},
		{"no size", zeros(s, nil), []string{"x f32[batch 2]", `size for "batch"`}},
		{"another size", zeros(s, map[string]int{"batch": 1, "n": 2}), []string{`size for "n"`, "x f32[batch 2]"}},
		{"negative size", zeros(s, map[string]int{"batch": -1}), []string{"x f32[batch 2]", "negative"}},
		{"too large", zeros(s, map[string]int{"batch": 1 << 62}), []string{"x f32[batch 2]", "too large"}},
		{"no symbol", zeros(unnamed, map[string]int{"": 1}), []string{"axis 0", "x f32[? 2]", "neither"}},
		{"no rank", zeros(rankless, nil), []string{"no declared rank"}},
	} {
		t.Run(c.name, func(t *testing.T) { wantError(t, c.try(), c.want...) })
	}
	for _, s := range []*Session{s, gather} {
		if n := len(s.bindings); n != 0 {
			t.Errorf("%d bindings are left of pools that were refused", n)
		}
	}
}

// TestPoolClose closes a pool, and another's session, while many run them: each call ends well or with ErrClosed.
func TestPoolClose(t *testing.T) {
	for _, session := range []bool{false, true} {
		t.Run(fmt.Sprint("session ", session), func(t *testing.T) {
			needLibrary(t)
			s, err := OpenBytes(linear().encode(t), Options{Threads: 1})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			p, err := s.Pool(t.Context(), 2, map[string]*tensor.Tensor{"x": tensor.New(tensor.F32, 5, 2)})
			if err != nil {
				t.Fatal(err)
			}
			var wg sync.WaitGroup
			var under atomic.Int32
			for range 6 {
				wg.Go(func() {
					for {
						err := p.Do(context.Background(), func(b *Binding) error {
							under.Add(1)
							defer under.Add(-1)
							return b.Run(t.Context())
						})
						if errors.Is(err, ErrClosed) {
							return
						}
						if err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			time.Sleep(5 * time.Millisecond)
			if session {
				if err := s.Close(); err != nil {
					t.Error(err)
				}
			}
			var closers sync.WaitGroup
			for range 2 {
				closers.Go(func() {
					if err := p.Close(); err != nil {
						t.Error(err)
					}
					if n := under.Load(); n != 0 {
						t.Errorf("Close returned while %d runs went on", n)
					}
				})
			}
			closers.Wait()
			wg.Wait()
			if !session {
				if _, err := s.Run(t.Context(), map[string]*tensor.Tensor{"x": tensor.New(tensor.F32, 1, 2)}); err != nil {
					t.Errorf("the session after its pool was closed: %v", err)
				}
			}
		})
	}
}

// TestPoolMemory makes 100,000 runs, of four goroutines, and watches the memory of the process.
func TestPoolMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("100,000 runs take seconds")
	}
	_, p := poolOf(t, kinds(), 2, map[string]int{"batch": 4})
	round := func(n int) {
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range n {
					ctx, cancel := context.WithCancel(t.Context())
					if err := p.Do(ctx, func(b *Binding) error { return b.Run(ctx) }); err != nil {
						t.Error(err)
					}
					cancel()
				}
			})
		}
		wg.Wait()
	}
	round(10_000)
	before := resident(t)
	round(25_000)
	if grown := resident(t) - before; grown > 4<<20 {
		t.Errorf("100000 runs left %d bytes", grown)
	}
}

// kinds is linear, a Relu, and outputs of halves and of rank 0.
func kinds() graphDef {
	g := linear()
	g.nodes = append(g.nodes, nd("Relu", "y", "r"), nd("Cast", "r", "h", "to", int64(wire.Float16)), nd("ReduceSum", "r", "sum", "keepdims", int64(0)))
	g.out = append(g.out, vi("h", wire.Float16, "batch", 3), vi("sum", wire.Float))
	return g
}

// TestPoolWarm sees that the first run that a pool is asked for allocates as little as later ones: nothing.
func TestPoolWarm(t *testing.T) {
	_, p := poolOf(t, linear(), 1, map[string]int{"batch": 1})
	ctx := context.Background()
	if n := testing.AllocsPerRun(1, func() {
		if err := p.Do(ctx, func(b *Binding) error { return b.Run(ctx) }); err != nil {
			t.Fatal(err)
		}
	}); n > 1 { // the closure
		t.Errorf("a run of a pool allocates %v times", n)
	}
}
