package onnxruntime_test

import (
	"fmt"
	"os"
	"path/filepath"
	goruntime "runtime"
	"runtime/debug"
	"testing"
	"time"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/gorgonia"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
)

// TestBillion exports a perceptron of 10⁹ parameters, whose weights are beyond what one file may have, and runs it. It takes 4 GB of disk,
// up to 10 GB of memory and a minute, so it is run where SARDONYX_TEST_LARGE asks for it. With -v it prints docs/performance.md's figures.
func TestBillion(t *testing.T) {
	if os.Getenv("SARDONYX_TEST_LARGE") == "" {
		t.Skip("SARDONYX_TEST_LARGE is not set")
	}
	requireLibrary(t)
	const width, layers = 8192, 15
	m := nn.Repeat(layers, func(int) nn.Module { return nn.Sequential{&nn.Dense{Units: width}, nn.ReLU} })
	b := compiler.New("billion")
	b.Model("", m)
	b.Func("apply", func(f *graph.Func) { f.Output("y", m.Apply(f.Input("x", graph.F32, graph.Sym("batch"), width))) })
	prog, err := b.Compile()
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	step := func(what string) {
		t.Logf("%-40s %6.1f s, %.2f GB resident at most", what, time.Since(start).Seconds(), float64(runtime.PeakResident())/1e9)
		start = time.Now()
	}
	state, err := runtime.NewState(prog, 1)
	if err != nil {
		t.Fatal(err)
	}
	step(fmt.Sprintf("%d parameters, initialised", prog.ParamCount()))
	if prog.ParamCount() < 1e9 {
		t.Fatalf("there are %d parameters", prog.ParamCount())
	}
	x := tensor.New(graph.F32, 2, width)
	for i := range x.Len() {
		x.Set(i, float64(i%17)/17)
	}
	in := map[string]*tensor.Tensor{"x": x}
	want := func() *tensor.Tensor {
		e, err := gorgonia.New(gorgonia.Options{})
		if err != nil {
			t.Fatal(err)
		}
		exec, err := e.Load(prog, state)
		if err != nil {
			t.Fatal(err)
		}
		defer exec.Close()
		out, err := runtime.Run(t.Context(), exec, "apply", in)
		if err != nil {
			t.Fatal(err)
		}
		return out["y"].Clone()
	}()
	step("run by our kernels")
	path := filepath.Join(t.TempDir(), "billion.onnx")
	if _, err := onnx.ExportFile(path, prog.Func("apply"), state, onnx.Options{}); err != nil {
		t.Fatal(err)
	}
	step("exported")
	model, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	weights, err := os.Stat(path + ".data")
	if err != nil {
		t.Fatal(err)
	}
	if model.Size() > 1<<20 || weights.Size() < 4e9 {
		t.Errorf("the model has %d bytes, its weights %d", model.Size(), weights.Size())
	}
	state = nil
	goruntime.GC()
	debug.FreeOSMemory()
	start = time.Now()
	s, err := onnxruntime.Open(path, onnxruntime.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	step("loaded into onnxruntime")
	got, err := s.Run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	step("run there")
	if err := agree(got["y"], want, 1e-4); err != nil {
		t.Error(err)
	}
}
