package app

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/pass"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	rt "github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
)

// inferBatches are the batches of --infer: one example, for the latency, and many, for the throughput.
var inferBatches = []int{1, 64}

// functions times the functions of m.
func (b *bench) functions(m models.Model, prog *compiler.Program, s models.Settings) error {
	list := prog.Funcs()
	if want := b.c.StringSlice("func"); len(want) > 0 {
		list = nil
		for _, name := range want {
			f := prog.Func(name)
			if f == nil {
				return fmt.Errorf("%s has no function %q: it has %s", prog.Name(), name, strings.Join(names(prog.Funcs()), ", "))
			}
			list = append(list, f)
		}
	}
	batches := b.c.IntSlice("batch")
	if len(batches) == 0 {
		batches = inferBatches
	}
	for _, f := range list {
		for _, batch := range batches {
			if err := b.function(m, prog, f, batch, classesOf(s)); err != nil {
				return fmt.Errorf("%s: %w", f.Name, err)
			}
		}
	}
	return nil
}

// function times f at a batch. To onnxruntime it is a file, with the weights in it.
func (b *bench) function(m models.Model, prog *compiler.Program, f *graph.Func, batch, kinds int) error {
	of := benchOf{Model: m.Name, Func: f.Name, Batch: batch}
	sizes, err := b.sizes(m, prog, []*graph.Func{f}, batch)
	if err != nil {
		return err
	}
	if err := of.count(f, sizes); err != nil {
		return err
	}
	in, err := drawInputs(f.Inputs, sizes, kinds)
	if err != nil {
		return err
	}
	state, err := rt.NewState(prog, 1)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "sardonyx-bench-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, f.Name+".onnx")
	if _, err := onnx.ExportFile(file, f, state, onnx.Options{NoVectors: true}); err != nil {
		return err
	}
	replace := of.replaced(sizes)
	replace["{file}"] = file
	return b.heats(of, replace, func(e benchEngine) ([]racer, error) {
		if e.session != nil {
			return b.inFile(e, file, f, sizes, kinds)
		}
		r, err := inEngine(e, prog, state, f, in)
		r.bytes = of.Memory
		return []racer{r}, err
	})
}

// inEngine is f run by an engine on the inputs in, which it reads where they lie.
func inEngine(e benchEngine, prog *compiler.Program, state *rt.State, f *graph.Func, in map[string]*tensor.Tensor) (racer, error) {
	x, err := e.Load(prog, state)
	if err != nil {
		return racer{}, err
	}
	call, err := x.Prepare(f.Name, in)
	if err != nil {
		x.Close()
		return racer{}, err
	}
	for name, t := range in {
		call.Input(name).CopyFrom(t)
	}
	return timed(e.name, x.Close, call.Run), nil
}

// inFile is f's file run in a session, bound to its inputs and outputs, and handed its inputs in each call for new outputs; random numbers are
// inputs too, and drawn once.
func (b *bench) inFile(e benchEngine, file string, f *graph.Func, sizes graph.Binding, kinds int) ([]racer, error) {
	pure, _ := pass.HoistRandom(f)
	in, err := drawInputs(pure.Inputs, sizes, kinds)
	if err != nil {
		return nil, err
	}
	s, err := onnxruntime.Open(file, *e.session)
	if err != nil {
		return nil, err
	}
	for name := range in {
		if !slices.ContainsFunc(s.Inputs(), func(i onnxruntime.Info) bool { return i.Name == name }) {
			delete(in, name) // of a size that the file has from its noise
		}
	}
	bound, err := s.Bind(context.WithoutCancel(b.c.Context), in, nil)
	if err != nil {
		s.Close()
		return nil, err
	}
	unbound := func(ctx context.Context) error {
		_, err := s.Run(ctx, in)
		return err
	}
	return []racer{timed(e.name, s.Close, bound.Run), timed(e.name+", unbound", nil, unbound)}, nil
}
