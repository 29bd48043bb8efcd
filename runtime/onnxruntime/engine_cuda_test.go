package onnxruntime_test

import (
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/models/gan"
	"github.com/sardonyx-ml/sardonyx/compiler/models/yardstick"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime/cudatest"
)

// TestEngineCUDA runs training steps in the CUDA provider, with stand-ins for NVIDIA's libraries, in f32 and in mixed precision: every
// node is on the device, and a run goes to its end, or to a convolution, for which the stand-in has no plan. What comes out is what
// was there, which mostly says that the step is not finite. A node that the provider has no kernel for is refused, and named.
func TestEngineCUDA(t *testing.T) {
	requireLibrary(t)
	lib, err := onnxruntime.Find("")
	if err != nil {
		t.Fatal(err)
	}
	stub := cudatest.Build(t, lib.Path)
	for _, m := range append([]models.Model{gan.WGANGP}, yardstick.Models...) { // the first has convolutions that cut off unevenly
		for _, p := range []graph.DType{graph.F32, graph.BF16, graph.F16} {
			t.Run(m.Name+"/"+p.String(), func(t *testing.T) {
				stub.Run(t, nil, nil, func(t *testing.T) {
					prog, err := m.Define(m.Settings)
					if err == nil {
						prog, err = prog.MixedPrecision(p)
					}
					if err != nil {
						t.Fatal(err)
					}
					for step, err := range onCUDA(t, prog, 0) {
						if err == nil { // what is in the device's memory happens to say that the step is finite
							continue
						}
						text := err.Error()
						if !strings.Contains(text, "is not finite") && !strings.Contains(text, "went Inf") && !strings.Contains(text, "running Conv") {
							t.Errorf("%s: %v", step, err)
						}
					}
				})
			})
		}
	}
	t.Run("refused", func(t *testing.T) {
		stub.Run(t, nil, nil, func(t *testing.T) {
			m := &struct{ FC nn.Dense }{nn.Dense{Units: 2}}
			b := compiler.New("refused")
			b.Model("", m)
			b.Step("train", optim.SGD{LR: .1}, m, func(f *graph.Func) *graph.Value {
				x := f.Input("x", graph.F32, graph.Sym("batch"), 3)
				values, _, _, _ := x.Unique()
				return m.FC.Apply(x).Mean().Add(values.ReduceMax())
			})
			prog, err := b.Compile()
			if err != nil {
				t.Fatal(err)
			}
			err = onCUDA(t, prog, 0)["train"]
			for _, want := range []string{"no kernel on the device", "Unique at engine_cuda_test.go:"} {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("the error is %v, want %q", err, want)
				}
			}
		})
	})
}

// onCUDA runs each step of prog once on zeros, two examples, with a limit of memory unless it is 0, and returns the errors.
func onCUDA(t *testing.T, prog *compiler.Program, limit int64) map[string]error {
	t.Helper()
	state, err := runtime.NewState(prog, 1)
	if err != nil {
		t.Fatal(err)
	}
	e, err := onnxruntime.NewEngine(onnxruntime.Options{Device: onnxruntime.CUDA, MemoryLimit: limit})
	if err != nil {
		t.Fatal(err)
	}
	x, err := e.Load(prog, state)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := x.Close(); err != nil {
			t.Error(err)
		}
	}()
	errs := map[string]error{}
	for _, f := range prog.Steps() {
		in, b := map[string]*tensor.Tensor{}, f.BindAll(2)
		for _, v := range f.Inputs {
			shape, err := v.Sizes(b)
			if err != nil {
				t.Fatal(err)
			}
			in[v.Name] = tensor.New(v.DType(), shape...)
			if v.IsSize() {
				in[v.Name].SetInt(0, 2)
			}
		}
		_, errs[f.Name] = runtime.Do(t.Context(), x, f.Name, in)
	}
	return errs
}

// TestEngineNoGPU: where the provider's libraries are there and a GPU is not, or no memory of it is left, making an engine is an error.
func TestEngineNoGPU(t *testing.T) {
	requireLibrary(t)
	lib, err := onnxruntime.Find("")
	if err != nil {
		t.Fatal(err)
	}
	stub := cudatest.Build(t, lib.Path)
	for _, env := range []string{"STUB_CUDA_DEVICES=0", "STUB_CUDA_FULL=1"} {
		t.Run(env, func(t *testing.T) {
			stub.Run(t, nil, []string{env}, func(t *testing.T) {
				for range 2 {
					_, err := onnxruntime.NewEngine(onnxruntime.Options{Device: onnxruntime.CUDA})
					if err == nil || !strings.Contains(err.Error(), "device cuda cannot be used") {
						t.Errorf("the error is %v", err)
					}
				}
			})
		})
	}
}

// TestEngineMemoryLimit: an engine's sessions keep to the limit of the device's memory that they are given, and what does not fit says so.
func TestEngineMemoryLimit(t *testing.T) {
	requireLibrary(t)
	lib, err := onnxruntime.Find("")
	if err != nil {
		t.Fatal(err)
	}
	stub := cudatest.Build(t, lib.Path)
	for _, c := range []struct {
		name  string
		limit int64
		fits  bool
	}{{"none", 0, true}, {"enough", 1 << 30, true}, {"less than a weight", 1 << 20, false}} {
		t.Run(c.name, func(t *testing.T) {
			stub.Run(t, nil, nil, func(t *testing.T) {
				m := yardstick.Models[0]
				prog, err := m.Define(m.Settings)
				if err != nil {
					t.Fatal(err)
				}
				err = onCUDA(t, prog, c.limit)["train"]
				if full := err != nil && strings.Contains(err.Error(), "Available memory of"); full == c.fits {
					t.Errorf("with a limit of %d bytes: %v", c.limit, err)
				}
			})
		})
	}
}
