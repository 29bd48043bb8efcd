package onnxruntime

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// everything has inputs and outputs of many kinds: of rank 0, of unknown rank, of 16-bit floats.
func everything() graphDef {
	return graphDef{
		in: []*wire.ValueInfo{vi("x", wire.Float, "n"), vi("scale", wire.Float), vi("i", wire.Int64), vi("h", wire.Float16, 2)},
		out: []*wire.ValueInfo{vi("sum", wire.Float), unranked("scaled", wire.Float), unranked("sum2", wire.Float), vi("i2", wire.Int64),
			vi("hs", wire.Float16), vi("hh", wire.Float16, 2), vi("y", wire.Float, "n"), vi("twice", wire.Float, nil)},
		nodes: []*wire.Node{nd("ReduceSum", "x", "total", "keepdims", int64(0)), nd("Mul", "total scale", "sum"), nd("Identity", "sum", "sum2"),
			nd("Mul", "x scale", "scaled"), nd("Add", "i i", "i2"), nd("Cast", "sum", "hs", "to", int64(wire.Float16)), nd("Add", "h h", "hh"),
			nd("Neg", "x", "y"), nd("Concat", "x x", "twice", "axis", int64(0))},
	}
}

// TestBinding changes bound inputs in place, and compares each bound run with a plain one: with a context that can end and
// with one that cannot, which run differently, and with tensors of the caller's for some outputs.
func TestBinding(t *testing.T) {
	s := openTest(t, everything())
	in := map[string]*tensor.Tensor{"x": tensor.Of([]float32{1, 2, 3}, 3), "scale": tensor.Scalar(float32(2)), "i": tensor.Scalar(int64(1) << 53),
		"h": tensor.Of([]tensor.Float16{0x3e00, 0x3c00}, 2)}
	own := map[string]*tensor.Tensor{"y": tensor.New(tensor.F32, 3), "sum": tensor.New(tensor.F32), "hh": tensor.New(tensor.F16, 2)}
	b, err := s.Bind(t.Context(), in, own)
	if err != nil {
		t.Fatal(err)
	}
	out := b.Outputs()
	for name, x := range own {
		if out[name] != x {
			t.Errorf("the output %q is not written to the tensor that was given", name)
		}
	}
	compare := func(step string) {
		t.Helper()
		want, err := s.Run(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		for name, w := range want {
			same(t, step+": "+name, out[name], w)
		}
		if len(out) != len(want) {
			t.Errorf("%d outputs, want %d", len(out), len(want))
		}
	}
	compare("bound")
	for _, ctx := range []context.Context{context.Background(), t.Context()} {
		for step := range 3 {
			in["x"].Set(step, float64(10+step))
			in["scale"].Set(0, in["scale"].At(0)+1)
			tensor.Data[int64](in["i"])[0]++ // 2⁵³+1 and on, which float64 cannot hold
			tensor.Data[tensor.Float16](in["h"])[0]++
			if err := b.Run(ctx); err != nil {
				t.Fatal(err)
			}
			compare(fmt.Sprint("step ", step))
			if i := tensor.Data[int64](in["i"])[0]; tensor.Data[int64](out["i2"])[0] != 2*i {
				t.Errorf("step %d: i2 = %d, want 2·%d", step, tensor.Data[int64](out["i2"])[0], i)
			}
		}
		in["scale"].Set(0, 2) // as it was at first
		if err := b.Run(ctx); err != nil {
			t.Fatal(err)
		}
		compare("first scale")
	}
	for range 2 {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	if err := b.Run(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("Run after Close = %v", err)
	}
}

// TestBindingState binds a part of the inputs that have defaults, and a model without inputs.
func TestBindingState(t *testing.T) {
	g := linear()
	g.in = append(g.in, vi("b", wire.Float, 3), vi("w", wire.Float, 2, 3))
	s := openTest(t, g)
	bias := tensor.Of([]float32{10, 20, 30}, 3)
	b, err := s.Bind(t.Context(), map[string]*tensor.Tensor{"x": tensor.Of([]float32{1, 0}, 1, 2), "b": bias}, nil)
	if err != nil {
		t.Fatal(err)
	}
	bias.Set(1, 50)
	if err := b.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	same(t, "y", b.Outputs()["y"], tensor.Of([]float32{11, 52, 33}, 1, 3))

	s = openTest(t, graphDef{out: []*wire.ValueInfo{vi("y", wire.Float, 3)}, nodes: []*wire.Node{nd("Add", "w w", "y")},
		weights: []*wire.Tensor{{Name: "w", Type: wire.Float, Dims: []int64{3}, Data: []float32{1, 2, 3}}}})
	if b, err = s.Bind(t.Context(), nil, nil); err != nil {
		t.Fatal(err)
	}
	b.Outputs()["y"].Set(0, 9)
	if err := b.Run(context.Background()); err != nil {
		t.Fatal(err)
	}
	same(t, "y", b.Outputs()["y"], tensor.Of([]float32{2, 4, 6}, 3))
}

func TestBindErrors(t *testing.T) {
	s := openTest(t, linear())
	data := make([]float32, 12)
	x, y := tensor.Of(data[:6], 3, 2), tensor.New(tensor.F32, 3, 3)
	two := linear()
	two.nodes, two.out = append(two.nodes, nd("Neg", "y", "z")), append(two.out, vi("z", wire.Float, "batch", 3))
	pair := openTest(t, two)
	for _, c := range []struct {
		name    string
		session *Session
		in, out map[string]*tensor.Tensor
		want    []string
	}{
		{"no such output", s, map[string]*tensor.Tensor{"x": x}, map[string]*tensor.Tensor{"z": y}, []string{`no output "z"`, "y f32[batch 3]"}},
		{"missing input", s, nil, nil, []string{`"x" is missing`}},
		{"shape", s, map[string]*tensor.Tensor{"x": x}, map[string]*tensor.Tensor{"y": tensor.New(tensor.F32, 3, 2)}, []string{`"y" is f32[3 3], its tensor f32[3 2]`}},
		{"dtype", s, map[string]*tensor.Tensor{"x": x}, map[string]*tensor.Tensor{"y": tensor.New(tensor.F64, 3, 3)}, []string{`"y" is f32[3 3], its tensor f64[3 3]`}},
		{"over an input", s, map[string]*tensor.Tensor{"x": x}, map[string]*tensor.Tensor{"y": tensor.Of(data[3:], 3, 3)}, []string{`output "y"`, `input "x"`, "share"}},
		{"strings", openTest(t, graphDef{in: []*wire.ValueInfo{vi("x", wire.String, 1)}, out: []*wire.ValueInfo{vi("y", wire.String, 1)},
			nodes: []*wire.Node{nd("Identity", "x", "y")}}), map[string]*tensor.Tensor{"x": tensor.New(tensor.String, 1)}, nil, []string{"x string[1]", "cannot be bound"}},
		{"twice", pair, map[string]*tensor.Tensor{"x": x}, map[string]*tensor.Tensor{"y": y, "z": y}, []string{`outputs "y" and "z" share`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := c.session.Bind(t.Context(), c.in, c.out)
			wantError(t, err, c.want...)
		})
	}
	b, err := s.Bind(t.Context(), map[string]*tensor.Tensor{"x": x}, map[string]*tensor.Tensor{"y": tensor.New(tensor.F32, 3, 3)})
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := b.Run(ended); !errors.Is(err, context.Canceled) {
		t.Errorf("Run = %v with a context that has ended", err)
	}
}

// TestBindingShapeChanges has an output whose size the values decide, so that a later run does not fit its tensor.
func TestBindingShapeChanges(t *testing.T) {
	for _, out := range []*wire.ValueInfo{vi("y", wire.Int64, 1, nil), unranked("y", wire.Int64)} {
		s := openTest(t, graphDef{in: []*wire.ValueInfo{vi("x", wire.Bool, "n")}, out: []*wire.ValueInfo{out}, nodes: []*wire.Node{nd("NonZero", "x", "y")}})
		x := tensor.Of([]bool{true, false, true}, 3)
		b, err := s.Bind(t.Context(), map[string]*tensor.Tensor{"x": x}, nil)
		if err != nil {
			t.Fatal(err)
		}
		x.Set(1, 1)
		for _, ctx := range []context.Context{context.Background(), t.Context()} {
			wantError(t, b.Run(ctx), "hape")
		}
		x.Set(0, 0)
		if err := b.Run(context.Background()); err != nil {
			t.Fatal(err)
		}
		same(t, "y", b.Outputs()["y"], tensor.Of([]int64{1, 2}, 1, 2))
	}
}

// TestDeclaredShapes runs a model again and again that declares shapes which hold at first only: no run may fail.
func TestDeclaredShapes(t *testing.T) {
	s := openTest(t, graphDef{in: []*wire.ValueInfo{vi("x", wire.Float, "n")}, out: []*wire.ValueInfo{vi("y", wire.Float, "n"), vi("z", wire.Float, 1)},
		nodes: []*wire.Node{nd("Mul", "x two", "sq"), nd("Slice", "sq zero count", "y"), nd("Identity", "x", "z")},
		weights: []*wire.Tensor{{Name: "two", Type: wire.Float, Dims: []int64{1}, Data: []float32{2}},
			{Name: "zero", Type: wire.Int64, Dims: []int64{1}, Data: []int64{0}}, {Name: "count", Type: wire.Int64, Dims: []int64{1}, Data: []int64{1}}}})
	for _, n := range []int{1, 1, 3, 1, 2} {
		x := tensor.New(tensor.F32, n)
		x.Set(0, 4)
		out, err := s.Run(t.Context(), map[string]*tensor.Tensor{"x": x})
		if err != nil {
			t.Fatalf("n = %d: %v", n, err)
		}
		same(t, "y", out["y"], tensor.Of([]float32{8}, 1))
		same(t, "z", out["z"], x)
	}
}

// TestBindingConcurrent runs one binding and others from many goroutines, and closes the session meanwhile.
func TestBindingConcurrent(t *testing.T) {
	needLibrary(t)
	s, err := OpenBytes(linear().encode(t), Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	shared, err := s.Bind(t.Context(), map[string]*tensor.Tensor{"x": tensor.New(tensor.F32, 4, 2)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			x := tensor.Of([]float32{float32(g), 1}, 1, 2)
			for {
				own, err := s.Bind(context.Background(), map[string]*tensor.Tensor{"x": x}, nil)
				if err == nil {
					err = own.Run(context.Background())
				}
				if err == nil {
					same(t, "y", own.Outputs()["y"], tensor.Of([]float32{float32(g) + 4.5, 2*float32(g) + 5, 3*float32(g) + 5}, 1, 3))
					err = shared.Run(context.Background())
				}
				if err == nil && g%2 == 0 { // the others leave it to the session
					err = own.Close()
				}
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
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	wg.Wait()
	if err := shared.Close(); err != nil {
		t.Error(err)
	}
}

// TestBindingCancel breaks bound runs off, each with another context, of which all but the last have ended when the next run begins; the last also
// after runs that it did not break off.
func TestBindingCancel(t *testing.T) {
	s := openTest(t, chain(2000))
	x := tensor.New(tensor.F32, 128, 128)
	b, err := s.Bind(t.Context(), map[string]*tensor.Tensor{"x": x}, nil)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Millisecond)
		if err := b.Run(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Run = %v, want the context's error", err)
		}
		cancel()
		if err := b.Run(t.Context()); err != nil {
			t.Errorf("Run = %v with the next context", err)
		}
	}
	ctx, cancel := context.WithCancelCause(context.Background())
	why := errors.New("enough")
	time.AfterFunc(30*time.Millisecond, func() { cancel(why) })
	for err == nil {
		err = b.Run(ctx)
	}
	if !errors.Is(err, why) {
		t.Errorf("Run = %v, want the cause of the context's end", err)
	}
	if err := b.Run(ctx); err == nil {
		t.Error("a run with a context that has ended goes through")
	}
	if err := b.Run(context.Background()); err != nil {
		t.Errorf("after runs that were broken off: %v", err)
	}
}

// TestBindingAllocs holds a bound run to allocating nothing.
func TestBindingAllocs(t *testing.T) {
	s := openTest(t, linear())
	b, err := s.Bind(t.Context(), map[string]*tensor.Tensor{"x": tensor.New(tensor.F32, 4, 2)}, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if n := testing.AllocsPerRun(100, func() {
		if err := b.Run(ctx); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("a bound run allocates %v times", n)
	}
	if !slices.Equal(slices.Sorted(maps.Keys(b.Outputs())), []string{"y"}) {
		t.Errorf("Outputs() = %v", b.Outputs())
	}
}
