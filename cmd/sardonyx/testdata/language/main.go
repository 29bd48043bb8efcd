// This program trains a step of each model of docs/language.md, exports its entry points, and compares them in onnxruntime. The
// models are the page's; a test puts them beside this file.
package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/gorgonia"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
	"github.com/sardonyx-ml/sardonyx/runtime/verify"
)

func main() {
	for _, define := range []func() (*compiler.Program, error){vae, cvae, gan, gpt, unet, lstm} {
		if err := try(define); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}

func try(define func() (*compiler.Program, error)) error {
	ctx := context.Background()
	prog, err := define()
	if err != nil {
		return err
	}
	state, err := runtime.NewState(prog, 1)
	if err != nil {
		return err
	}
	engine, err := gorgonia.New(gorgonia.Options{})
	if err != nil {
		return err
	}
	x, err := engine.Load(prog, state)
	if err != nil {
		return err
	}
	defer x.Close()
	for _, step := range prog.Steps() {
		out, err := runtime.Run(ctx, x, step.Name, inputs(step))
		if err != nil {
			return fmt.Errorf("%s: %w", prog.Name(), err)
		}
		fmt.Printf("%s: %s: loss %v\n", prog.Name(), step.Name, out["loss"].At(0))
	}
	for _, f := range slices.Concat(prog.Funcs(), prog.Steps()) {
		path := filepath.Join(prog.Name(), f.Name+".onnx")
		if err := os.MkdirAll(prog.Name(), 0o700); err != nil {
			return err
		}
		if _, err := onnx.ExportFile(path, f, state, onnx.Options{Training: f.Training}); err != nil {
			return err
		}
		compared, err := verify.File(ctx, path, func(path string) (verify.Session, error) {
			return onnxruntime.Open(path, onnxruntime.Options{Threads: 1})
		}, verify.Stated)
		if err != nil {
			return err
		}
		fmt.Printf("%s: %s: %d outputs compared\n", prog.Name(), f.Name, len(compared))
	}
	return nil
}

// inputs draws a batch of 2 and 3 places, with whole numbers of 0 and 1.
func inputs(f *graph.Func) map[string]*tensor.Tensor {
	r, in := rand.New(rand.NewPCG(1, 2)), map[string]*tensor.Tensor{}
	for _, v := range f.Inputs {
		shape, err := v.Shape().Eval(graph.Binding{"batch": 2, "seq": 3})
		if err != nil {
			panic(err)
		}
		t := tensor.New(v.DType(), shape...)
		for i := range t.Len() {
			if t.Set(i, r.Float64()); v.DType() == graph.I64 {
				t.SetInt(i, r.Int64N(2))
			}
		}
		if v.IsSize() {
			t.SetInt(0, 2)
		}
		in[v.Name] = t
	}
	return in
}
