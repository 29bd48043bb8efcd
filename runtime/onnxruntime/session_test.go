package onnxruntime

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

func TestDynamicBatch(t *testing.T) {
	s := openTest(t, linear())
	for _, batch := range []int{1, 4, 0, 2} {
		x, want := tensor.New(tensor.F32, batch, 2), tensor.New(tensor.F32, batch, 3)
		for i := range batch {
			a, b := float64(i+1), float64(2*i)
			x.Set(2*i, a)
			x.Set(2*i+1, b)
			want.Set(3*i, a+4*b+.5)
			want.Set(3*i+1, 2*a+5*b)
			want.Set(3*i+2, 3*a+6*b-1)
		}
		out, err := s.Run(t.Context(), map[string]*tensor.Tensor{"x": x})
		if err != nil {
			t.Fatalf("batch %d: %v", batch, err)
		}
		same(t, fmt.Sprintf("batch %d: y", batch), out["y"], want)
		if len(out) != 1 {
			t.Errorf("%d outputs, want 1", len(out))
		}
	}
}

func TestInfo(t *testing.T) {
	s := openTest(t, graphDef{
		in:    []*wire.ValueInfo{vi("a", wire.Int64, "n", nil, 3), vi("b", wire.Int64)},
		out:   []*wire.ValueInfo{vi("y", wire.Int64, "n", nil, 3), unranked("z", wire.Int64)},
		nodes: []*wire.Node{nd("Add", "a b", "y"), nd("Identity", "a", "z")},
	})
	want := []Info{{"a", tensor.I64, []Dim{{-1, "n"}, {-1, ""}, {3, ""}}}, {"b", tensor.I64, []Dim{}}}
	if got := s.Inputs(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("Inputs() = %v, want %v", got, want)
	}
	if got := fmt.Sprint(s.Outputs()); got != "[y i64[n ? 3] z i64[...]]" {
		t.Errorf("Outputs() = %v", got)
	}
	if s.Device() != CPU {
		t.Errorf("Device() = %q", s.Device())
	}
}

// TestDTypes sends each dtype in and out unchanged, at several ranks.
func TestDTypes(t *testing.T) {
	half := func(d tensor.DType, shape ...int) *tensor.Tensor {
		x := tensor.New(d, shape...)
		for i := range x.Len() {
			x.Set(i, float64(i)*.375-1)
		}
		return x
	}
	for elem, x := range map[wire.DataType]*tensor.Tensor{
		wire.Float:    tensor.Of([]float32{1.5, -2, 3e38, 0, 4, 5}, 2, 3),
		wire.Double:   tensor.Of([]float64{1.5, -2, 1e300, 0, 4, 5}, 2, 3),
		wire.Int64:    tensor.Of([]int64{1 << 62, -2, 3}, 3),
		wire.Int32:    tensor.Of([]int32{1 << 30, -2, 3, 4}, 2, 1, 2),
		wire.Uint8:    tensor.Of([]uint8{0, 255, 7}, 3),
		wire.Bool:     tensor.Of([]bool{true, false, true, true}, 2, 2),
		wire.Int16:    tensor.Of([]int16{-1 << 15, 7}, 2),
		wire.Int8:     tensor.Of([]int8{-128, 7}, 2),
		wire.Uint64:   tensor.Of([]uint64{1<<64 - 1, 7}, 2),
		wire.Uint32:   tensor.Of([]uint32{1<<32 - 1, 7}, 2),
		wire.Uint16:   tensor.Of([]uint16{1<<16 - 1, 7}, 2),
		wire.String:   tensor.Of([]string{"a", "", "ü"}, 3),
		wire.Float16:  half(tensor.F16, 2, 3),
		wire.BFloat16: half(tensor.BF16, 4),
		17:            half(tensor.F8E4M3FN, 4),
		19:            half(tensor.F8E5M2, 2, 3),
		wire.Int4:     tensor.Of([]tensor.Int4{-8, 7, -1}, 3),
		wire.Uint4:    tensor.Of([]tensor.Uint4{15, 7, 1}, 3),
	} {
		t.Run(elem.String(), func(t *testing.T) {
			dims := make([]any, x.Rank())
			for i := range dims {
				dims[i] = fmt.Sprintf("d%d", i)
			}
			nodes := []*wire.Node{nd("Identity", "x", "y")}
			if x.DType().Bits() == 4 { // onnxruntime has no other kernel for them
				nodes = []*wire.Node{nd("Cast", "x", "z", "to", int64(wire.Int32)), nd("Cast", "z", "y", "to", int64(elem))}
			}
			s := openTest(t, graphDef{in: []*wire.ValueInfo{vi("x", elem, dims...)}, out: []*wire.ValueInfo{vi("y", elem, dims...)}, nodes: nodes, opset: 21})
			empty := slices.Clone(x.Shape())
			empty[0] = 0
			for _, x := range []*tensor.Tensor{x, tensor.New(x.DType(), empty...), x} { // the second time, the shape is known before
				out, err := s.Run(t.Context(), map[string]*tensor.Tensor{"x": x})
				if err != nil {
					t.Fatal(err)
				}
				same(t, "y", out["y"], x)
			}
			if asBytes(x.DType()) || x.DType() == tensor.String || x.DType().Bits() < 8 {
				return // docs/limits.md
			}
			for _, in := range []*wire.ValueInfo{vi("x", elem), unranked("x", elem)} {
				s := openTest(t, graphDef{in: []*wire.ValueInfo{in}, out: []*wire.ValueInfo{unranked("y", elem)}, nodes: nodes, opset: 21})
				one := tensor.New(x.DType())
				one.Set(0, 1)
				for range 2 {
					out, err := s.Run(t.Context(), map[string]*tensor.Tensor{"x": one})
					if err != nil {
						t.Fatal(err)
					}
					same(t, "y", out["y"], one)
				}
			}
		})
	}
}

// TestRanks has outputs of rank 0: declared, undeclared, and of halves.
func TestRanks(t *testing.T) {
	s := openTest(t, graphDef{
		in: []*wire.ValueInfo{vi("x", wire.Float, "n"), vi("scale", wire.Float), vi("on", wire.Bool), vi("i", wire.Int64), vi("h", wire.Float16, 1)},
		out: []*wire.ValueInfo{vi("sum", wire.Float), unranked("scaled", wire.Float), unranked("sum2", wire.Float), vi("off", wire.Bool),
			vi("i2", wire.Int64), vi("h0", wire.Float16), vi("dsum", wire.Double), vi("u8", wire.Uint8), vi("i32", wire.Int32)},
		nodes: []*wire.Node{nd("ReduceSum", "x", "total", "keepdims", int64(0)), nd("Mul", "total scale", "sum"), nd("Identity", "sum", "sum2"),
			nd("Mul", "x scale", "scaled"), nd("Not", "on", "off"), nd("Add", "i i", "i2"), nd("Squeeze", "h", "h0"),
			nd("Cast", "sum", "dsum", "to", int64(wire.Double)), nd("Cast", "sum", "u8", "to", int64(wire.Uint8)),
			nd("Cast", "sum", "i32", "to", int64(wire.Int32))},
	})
	for range 2 {
		out, err := s.Run(t.Context(), map[string]*tensor.Tensor{"x": tensor.Of([]float32{1, 2, 3}, 3), "scale": tensor.Scalar(float32(2)),
			"on": tensor.Scalar(true), "i": tensor.Scalar(int64(21)), "h": tensor.Of([]tensor.Float16{0x3e00}, 1)})
		if err != nil {
			t.Fatal(err)
		}
		for name, want := range map[string]*tensor.Tensor{
			"sum": tensor.Scalar(float32(12)), "sum2": tensor.Scalar(float32(12)), "scaled": tensor.Of([]float32{2, 4, 6}, 3),
			"off": tensor.Scalar(false), "i2": tensor.Scalar(int64(42)), "h0": tensor.Of([]tensor.Float16{0x3e00}),
			"dsum": tensor.Scalar(float64(12)), "u8": tensor.Scalar(uint8(12)), "i32": tensor.Scalar(int32(12)),
		} {
			same(t, name, out[name], want)
		}
	}
}

// TestDataDependentShape has an output whose size only the values decide.
func TestDataDependentShape(t *testing.T) {
	s := openTest(t, graphDef{in: []*wire.ValueInfo{vi("x", wire.Bool, "n")}, out: []*wire.ValueInfo{vi("y", wire.Int64, 1, nil)},
		nodes: []*wire.Node{nd("NonZero", "x", "y")}})
	for _, c := range []struct {
		in   []bool
		want []int64
	}{{[]bool{true, false, true}, []int64{0, 2}}, {[]bool{false, false}, []int64{}}} {
		out, err := s.Run(t.Context(), map[string]*tensor.Tensor{"x": tensor.Of(c.in, len(c.in))})
		if err != nil {
			t.Fatal(err)
		}
		same(t, "y", out["y"], tensor.Of(c.want, 1, len(c.want)))
	}
}

func TestNoInputs(t *testing.T) {
	s := openTest(t, graphDef{out: []*wire.ValueInfo{vi("y", wire.Float, 3), vi("z", wire.Float)},
		nodes:   []*wire.Node{nd("Add", "w w", "y"), nd("ReduceSum", "y", "z", "keepdims", int64(0))},
		weights: []*wire.Tensor{{Name: "w", Type: wire.Float, Dims: []int64{3}, Data: []float32{1, 2, 3}}}})
	if len(s.Inputs()) != 0 {
		t.Errorf("Inputs() = %v", s.Inputs())
	}
	out, err := s.Run(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "y", out["y"], tensor.Of([]float32{2, 4, 6}, 3))
	same(t, "z", out["z"], tensor.Scalar(float32(12)))
	_, err = s.Run(t.Context(), map[string]*tensor.Tensor{"x": tensor.New(tensor.F32, 1)})
	wantError(t, err, `no input "x"`, "no inputs")
}

func TestRunErrors(t *testing.T) {
	s := openTest(t, graphDef{in: []*wire.ValueInfo{vi("x", wire.Float, "batch", 2), vi("w", wire.Float, "batch", 1)},
		out: []*wire.ValueInfo{vi("y", wire.Float, "batch", 2)}, nodes: []*wire.Node{nd("Mul", "x w", "y")}})
	x, w := tensor.New(tensor.F32, 3, 2), tensor.New(tensor.F32, 3, 1)
	for _, c := range []struct {
		name string
		in   map[string]*tensor.Tensor
		want []string
	}{
		{"unknown", map[string]*tensor.Tensor{"x": x, "w": w, "v": w}, []string{`no input "v"`, "x f32[batch 2], w f32[batch 1]"}},
		{"missing", map[string]*tensor.Tensor{"x": x}, []string{`"w" is missing`, "w f32[batch 1]"}},
		{"nil", map[string]*tensor.Tensor{"x": x, "w": nil}, []string{`"w" is missing`}},
		{"dtype", map[string]*tensor.Tensor{"x": x, "w": tensor.New(tensor.F64, 3, 1)}, []string{`"w" is f64[3 1]`, "f32[batch 1]"}},
		{"rank", map[string]*tensor.Tensor{"x": tensor.New(tensor.F32, 6), "w": w}, []string{`"x" is f32[6], of rank 1`, "of rank 2"}},
		{"size", map[string]*tensor.Tensor{"x": tensor.New(tensor.F32, 2, 3), "w": w}, []string{`"x" is f32[2 3]`, "axis 1 is 3, not 2"}},
		{"symbol", map[string]*tensor.Tensor{"x": x, "w": tensor.New(tensor.F32, 1, 1)}, []string{`batch is 1 here and 3 in the input "x"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := s.Run(t.Context(), c.in)
			wantError(t, err, c.want...)
		})
	}
	if _, err := s.Run(t.Context(), map[string]*tensor.Tensor{"x": x, "w": w}); err != nil {
		t.Errorf("after errors: %v", err)
	}
}

// TestNativeError has an error that only shows when the model runs.
func TestNativeError(t *testing.T) {
	s := openTest(t, graphDef{in: []*wire.ValueInfo{vi("x", wire.Float, "n"), vi("i", wire.Int64, "m")}, out: []*wire.ValueInfo{vi("y", wire.Float, "m")},
		nodes: []*wire.Node{nd("Gather", "x i", "y")}})
	_, err := s.Run(t.Context(), map[string]*tensor.Tensor{"x": tensor.New(tensor.F32, 3), "i": tensor.Of([]int64{7}, 1)})
	wantError(t, err, "running the model on cpu", "Gather", "7")
}

func TestConcurrentRuns(t *testing.T) {
	s := openTest(t, linear())
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			x := tensor.Of([]float32{float32(g), 1}, 1, 2)
			v := float32(g)
			want := tensor.Of([]float32{v + 4.5, 2*v + 5, 3*v + 5}, 1, 3)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			for range 50 {
				out, err := s.Run(ctx, map[string]*tensor.Tensor{"x": x})
				if err != nil {
					t.Error(err)
					return
				}
				same(t, "y", out["y"], want)
			}
		})
	}
	wg.Wait()
}

// TestClose closes a session while others run it: each run ends well or with ErrClosed.
func TestClose(t *testing.T) {
	needLibrary(t)
	s, err := OpenBytes(linear().encode(t), Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for {
				_, err := s.Run(context.Background(), map[string]*tensor.Tensor{"x": tensor.New(tensor.F32, 5, 2)})
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
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
}

// chain is a chain of n products of square matrices.
func chain(n int) graphDef {
	g := graphDef{in: []*wire.ValueInfo{vi("x", wire.Float, "n", "n")}, out: []*wire.ValueInfo{vi("y", wire.Float, "n", "n")}}
	from := "x"
	for i := range n {
		to := fmt.Sprint("h", i)
		g.nodes = append(g.nodes, nd("MatMul", from+" x", to))
		from = to
	}
	g.nodes = append(g.nodes, nd("Identity", from, "y"))
	return g
}

func TestCancel(t *testing.T) {
	s := openTest(t, chain(2000)) // seconds of work, broken off between two nodes
	in := map[string]*tensor.Tensor{"x": tensor.New(tensor.F32, 512, 512)}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	start := time.Now()
	if _, err := s.Run(ctx, in); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Run = %v after %v, want the context's error", err, time.Since(start))
	}
	if _, err := s.Run(ctx, in); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Run = %v with a context that has ended", err)
	}
}

func TestOpenErrors(t *testing.T) {
	good := linear().encode(t)
	dir := t.TempDir()
	uz := graphDef{in: []*wire.ValueInfo{vi("x", e4m3fnuz, 1)}, out: []*wire.ValueInfo{vi("y", e4m3fnuz, 1)}, nodes: []*wire.Node{nd("Identity", "x", "y")}}
	for _, c := range []struct {
		name string
		path string
		o    Options
		want []string
	}{
		{"missing", filepath.Join(dir, "none.onnx"), Options{}, []string{"none.onnx", "no such file"}},
		{"folder", dir, Options{}, []string{dir, "is not a file"}},
		{"empty", writeTemp(t, "empty.onnx", nil), Options{}, []string{"empty.onnx"}},
		{"text", writeTemp(t, "text.onnx", []byte("this is not a model, but it is long enough to look at")), Options{}, []string{"text.onnx"}},
		{"cut", writeTemp(t, "cut.onnx", good[:len(good)/2]), Options{}, []string{"cut.onnx"}},
		{"elements", writeTemp(t, "uz.onnx", uz.encode(t)), Options{}, []string{`input "x"`, "cannot hold"}},
		{"device", writeTemp(t, "m.onnx", good), Options{Device: "tpu"}, []string{`"tpu" is unknown`, "cpu, cuda"}},
		{"threads", writeTemp(t, "m.onnx", good), Options{Threads: -1}, []string{"-1 threads"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := Open(c.path, c.o)
			if err == nil {
				s.Close()
			}
			wantError(t, err, c.want...)
		})
	}
}

// TestTypes has inputs and outputs that are no tensors, or that no tensor here can hold.
func TestTypes(t *testing.T) {
	for _, c := range []struct {
		name string
		in   *wire.ValueInfo
		out  *wire.ValueInfo
		want []string
	}{
		{"complex input", vi("x", wire.Complex64, 1), vi("y", wire.Float, 1), []string{`input "x"`, "c64", "cannot hold"}},
		{"complex output", vi("x", wire.Float, 1), vi("y", wire.Complex64, 1), []string{`output "y"`, "c64"}},
		{"newer type", vi("x", wire.Float, 1), vi("y", 99, 1), []string{`output "y"`, "type 99"}},
		{"sequence", vi("x", wire.Float, 1), &wire.ValueInfo{Name: "y"}, []string{`output "y" is not a tensor`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := graphDef{in: []*wire.ValueInfo{c.in}, out: []*wire.ValueInfo{c.out}, nodes: []*wire.Node{nd("Identity", "x", "y")}}
			s, err := OpenBytes(g.encode(t), Options{})
			if err == nil {
				s.Close()
			}
			wantError(t, err, c.want...)
		})
	}
	single := openTest(t, graphDef{in: []*wire.ValueInfo{vi("x", wire.Float16)}, out: []*wire.ValueInfo{vi("y", wire.Float16)}, nodes: []*wire.Node{nd("Neg", "x", "y")}})
	_, err := single.Run(t.Context(), map[string]*tensor.Tensor{"x": tensor.New(tensor.F16)})
	wantError(t, err, "x f16[]", "single f16")
	s := openTest(t, graphDef{in: []*wire.ValueInfo{vi("x", wire.String, "n")}, out: []*wire.ValueInfo{vi("y", wire.String, "n")}, nodes: []*wire.Node{nd("Identity", "x", "y")}})
	_, err = s.Run(t.Context(), map[string]*tensor.Tensor{"x": tensor.Of([]string{"a", "b\x00c"}, 2)})
	wantError(t, err, "x string[n]", "zero byte")
}

// TestBadGraphs has models that decode but that onnxruntime refuses.
func TestBadGraphs(t *testing.T) {
	needLibrary(t)
	unknown := linear()
	unknown.nodes = append(unknown.nodes, nd("NoSuchOperator", "y", "q"))
	_, err := OpenBytes(unknown.encode(t), Options{})
	wantError(t, err, "loading the model into onnxruntime", "NoSuchOperator")

	dangling := linear()
	dangling.nodes[0].Inputs[0] = "nobody"
	_, err = OpenBytes(dangling.encode(t), Options{})
	wantError(t, err, "loading the model into onnxruntime", "nobody")
}

// TestDamaged flips bytes: whatever comes of it, the process lives and a session that opens can be closed.
func TestDamaged(t *testing.T) {
	needLibrary(t)
	good := linear().encode(t)
	opened := 0
	for i := range good {
		bad := slices.Clone(good)
		bad[i] ^= 0x55
		s, err := OpenBytes(bad, Options{Threads: 1})
		if err != nil {
			continue
		}
		opened++
		s.Run(t.Context(), map[string]*tensor.Tensor{"x": tensor.New(tensor.F32, 1, 2)})
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if opened == len(good) {
		t.Error("no damage was noticed")
	}
}

// FuzzRead reads damaged models, up to the point where the native library would get them.
func FuzzRead(f *testing.F) {
	half, _ := external("w.bin")
	half.out = append(half.out, vi("h", wire.Float16), unranked("u", wire.Float))
	for _, g := range []graphDef{linear(), half} {
		f.Add(g.encode(f))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		readBytes(data) // whatever comes of it
	})
}

// TestProviders holds the CPU to working, and CUDA to working or to saying what is missing.
func TestProviders(t *testing.T) {
	needLibrary(t)
	list, err := Providers("")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range list {
		switch {
		case p.Device == CPU && p.Err != nil:
			t.Errorf("%s: %v", p.Name, p.Err)
		case p.Device == CUDA && p.Err != nil:
			wantError(t, p.Err, "device cuda cannot be used", "--device cpu works")
			if text := p.Err.Error(); !strings.Contains(text, " lacks ") && !strings.Contains(text, "nvidia-smi") {
				t.Errorf("%v does not say what is missing", p.Err)
			}
			t.Log(p.Err)
		}
	}
	if len(list) != len(Devices()) || Version() == "" {
		t.Errorf("Providers() = %v, Version() = %q", list, Version())
	}
}
