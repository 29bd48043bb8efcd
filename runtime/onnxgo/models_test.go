package onnxgo

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/blas/gonum"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/pass"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/onnxtest"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
)

// TestModels compares our kernels, onnxruntime where it is installed, and onnx-go on the files that the exporter writes for
// onnx-go. The models that it has no form for are listed here.
func TestModels(t *testing.T) {
	refused := map[string]string{
		"vae/validate":      "no form for onnx-go", // a scalar
		"vae/log_weights":   "no form for onnx-go", // the number of draws
		"text/logits":       "no form for onnx-go", // indices
		"recurrent/logits":  "no form for onnx-go",
		"recurrent/average": "no form for onnx-go",
		"recurrent/next":    "no form for onnx-go", // a past of any length
		"anysize/segment":   "no form for onnx-go", // images of any size
		"anysize/measure":   "no form for onnx-go",
		"anysize/nearest":   "no form for onnx-go",
		"types/types":       "no form", // other types than f32
	}
	networks, err := onnxtest.Networks()
	if err != nil {
		t.Fatal(err)
	}
	programs, err := onnxtest.Programs()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range slices.Concat(networks, programs) {
		for _, f := range p.Funcs() {
			name := p.Name() + "/" + f.Name
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				for _, batch := range []int{1, 3} {
					compareModel(t, p, f, batch, refused[name])
				}
			})
		}
	}
}

func compareModel(t *testing.T, p *compiler.Program, f *graph.Func, batch int, refused string) {
	t.Helper()
	pure, noise := pass.HoistRandom(f)
	r := rand.New(rand.NewPCG(5, uint64(batch)))
	weights := onnx.Tensors{}
	for _, v := range f.Params {
		shape, err := v.Shape().Eval(nil)
		if err != nil {
			t.Fatal(err)
		}
		w, spread := tensor.New(v.DType(), shape...), .4
		switch len(shape) {
		case 2:
			spread = 1 / math.Sqrt(float64(shape[0]))
		case 4:
			spread = 1 / math.Sqrt(float64(w.Len()/shape[0]))
		}
		for i := range w.Len() {
			switch {
			case !v.DType().Float():
			case strings.HasSuffix(v.Name, "variance"):
				w.Set(i, .5+r.Float64())
			default:
				w.Set(i, spread*r.NormFloat64())
			}
		}
		weights[v.Name] = w
	}
	var file bytes.Buffer
	_, err := onnx.Export(&file, f, weights, onnx.Options{Profile: onnx.OnnxGo, Batch: batch})
	if refused != "" {
		if err == nil || !strings.Contains(err.Error(), refused) {
			t.Errorf("the exporter says %v, want %q", err, refused)
		}
		if !errors.Is(err, onnx.ErrProfile) {
			t.Errorf("%v is no ErrProfile", err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	in := map[string]*tensor.Tensor{}
	for _, v := range pure.Inputs {
		shape, err := v.Shape().Eval(graph.Binding{"batch": batch})
		if err != nil {
			t.Fatal(err)
		}
		x := tensor.New(v.DType(), shape...)
		for i := range x.Len() {
			x.Set(i, r.NormFloat64())
		}
		in[v.Name] = x
	}
	all := map[string]*tensor.Tensor{}
	for _, m := range []map[string]*tensor.Tensor{in, weights} {
		for name, x := range m {
			all[name] = x
		}
	}
	ours, err := graph.Evaluate(kernel.NewContext(gonum.Implementation{}, 1), pure, all)
	if err != nil {
		t.Fatal(err)
	}
	s, err := OpenBytes(file.Bytes(), roomy)
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := s.Run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	reference := theirs
	if _, err := onnxruntime.Find(""); err == nil && onnxruntime.Available() {
		o, err := onnxruntime.OpenBytes(file.Bytes(), onnxruntime.Options{Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer o.Close()
		if reference, err = o.Run(t.Context(), in); err != nil {
			t.Fatal(err)
		}
	} else {
		t.Log("onnxruntime is missing: only our kernels and onnx-go are compared")
	}
	var figures []string
	for _, o := range pure.Outputs {
		want := ours[o.Value.ID]
		for engine, got := range map[string]*tensor.Tensor{"onnx-go": theirs[o.Name], "onnxruntime": reference[o.Name]} {
			if err := agree(got, want, 1e-5); err != nil {
				t.Errorf("batch %d, output %q, %s: %v", batch, o.Name, engine, err)
				continue
			}
			far := 0.0
			for i := range want.Len() {
				far = max(far, math.Abs(got.At(i)-want.At(i)))
			}
			figures = append(figures, fmt.Sprintf("%s %s %.1e", o.Name, engine, far))
		}
	}
	slices.Sort(figures)
	t.Logf("batch %d, noise inputs %d: %s", batch, len(noise), strings.Join(figures, ", "))
}
