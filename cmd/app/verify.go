package app

import (
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/compiler/pass"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/runtime/gorgonia"
)

// verifyBatches are the batch sizes at which functions are compared.
var verifyBatches = []int{1, 3}

// verifyRun compares each function of a run in onnxruntime with our kernels, and each pass with what it was given.
func (a *app) verifyRun(c *cli.Context) ([]comparison, error) {
	m, err := a.modelArg(c)
	if err != nil {
		return nil, err
	}
	if c.Path("run") == "" {
		return nil, usagef(c, "say what to verify: a model with --run DIR, or an ONNX file")
	}
	r, err := openRun(c, m)
	if err != nil {
		return nil, err
	}
	fs, err := r.funcs(c)
	if err != nil {
		return nil, err
	}
	var list []comparison
	for _, f := range fs {
		if err := checkPasses(r.prog.Traced(f.Name), c.Uint64("seed")); err != nil {
			return nil, err
		}
		ds, err := r.verifyFunc(c, f)
		if err != nil {
			return nil, err
		}
		list = append(list, ds...)
	}
	return list, nil
}

func checkPasses(f *graph.Func, seed uint64) error {
	ctx, err := gorgonia.KernelContext(gorgonia.Options{})
	if err != nil {
		return err
	}
	for _, n := range verifyBatches {
		b := graph.Binding{}
		for _, v := range f.Inputs {
			for _, d := range v.Shape() {
				for _, s := range d.Symbols() {
					b[s] = n
				}
			}
		}
		if err := pass.Check(ctx, f, b, seed); err != nil {
			return err
		}
	}
	return nil
}

// verifyFunc compares one function at each batch size.
func (r *run) verifyFunc(c *cli.Context, f *graph.Func) ([]comparison, error) {
	s, from, err := r.open(c, f)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	pure, noise := onnx.HoistRandom(f)
	var list []comparison
	for _, n := range verifyBatches {
		in, err := seededInputs(pure, noise, n, c.Uint64("seed"))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.Name, err)
		}
		want, err := r.evaluate(pure, in)
		if err != nil {
			return nil, err
		}
		got, err := s.Run(c.Context, in)
		if err != nil {
			return nil, fmt.Errorf("%s in onnxruntime, from %s: %w", f.Name, from, err)
		}
		for _, name := range sortedKeys(want) {
			if got[name] == nil {
				return nil, fmt.Errorf("%s in onnxruntime gave no output %q", f.Name, name)
			}
			d := compare(want[name], got[name], c.Float64("tolerance"), c.Float64("tolerance"))
			d.Func, d.Batch, d.Output = f.Name, n, name
			list = append(list, d)
		}
	}
	return list, nil
}
