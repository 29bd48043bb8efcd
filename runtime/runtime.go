// Package runtime is what runs programs: the [Engine] that loads a compiled program, the [Executable] that runs its entry
// points, and the [State] (parameters, optimizer moments, statistics, counters) that training changes.
//
// Engines live in packages below: runtime/gorgonia trains and infers in Go, runtime/onnxruntime runs exported files, and is an engine
// too, which exports the entry points itself.
package runtime

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// An Engine runs programs on some library and device.
type Engine interface {
	// Name says which engine, BLAS and device, for people: "gorgonia (OpenBLAS 0.3.21, 2 threads)".
	Name() string
	// Load prepares prog to run over s. The Executable reads and updates s itself, not a copy; where it keeps the tensors on a device,
	// it tells s, which gets them from there when they are read.
	Load(prog *compiler.Program, s *State) (Executable, error)
}

// An Executable is a program loaded by an engine. Its methods, and those of its Calls, may be called by one goroutine at a time.
type Executable interface {
	// Prepare readies the Func or Step called entry for inputs of the dtypes and shapes of those in like, which has one for each input;
	// of an input that is a size, the value counts too. What is in the others does not. It compiles what it must the first time, and
	// gives the same Call again after that. If like has a tensor called [graph.RandomState], i64[2] {seed, step}, a Func that draws
	// random numbers draws from that input instead of the state's, so that a caller can draw anew in each of many runs.
	Prepare(entry string, like map[string]*tensor.Tensor) (Call, error)
	// Close frees what the engine holds. All of the state is then in host memory.
	Close() error
}

// A Call is a Func or Step with memory for inputs of fixed shapes: write the inputs, run, read the outputs that are wanted.
type Call interface {
	// Func is the entry point.
	Func() *graph.Func
	// Input is host memory for the input called name, to be written before a run; nil if there is no such input. It keeps what is
	// written until that is written over, over runs too. What it has is undefined at first, but for sizes.
	Input(name string) *tensor.Tensor
	// Run runs the entry point on what the inputs hold. A Step applies its updates to the state; if it ends in a [NonFiniteError] the
	// state is as before it.
	Run(ctx context.Context) error
	// Output is the output called name of the last run, valid until the next run of the Call. It is fetched when it is asked for.
	Output(name string) (*tensor.Tensor, error)
	// Explain runs the entry point again, value by value, on the same inputs from the present state, and returns the
	// [NonFiniteError] that names the first value that is NaN or Inf. It is for a Func whose output is one; a Step's Run explains itself.
	Explain() error
}

// Run runs the Func or Step called entry on named inputs and returns all of its outputs, which are valid until the next run of that
// entry. It is [Do], and each output fetched.
func Run(ctx context.Context, x Executable, entry string, in map[string]*tensor.Tensor) (map[string]*tensor.Tensor, error) {
	c, err := Do(ctx, x, entry, in)
	if err != nil {
		return nil, err
	}
	outputs := c.Func().Outputs
	out := make(map[string]*tensor.Tensor, len(outputs))
	for _, o := range outputs {
		if out[o.Name], err = c.Output(o.Name); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Do runs the Func or Step called entry on named inputs, as [Executable.Prepare] takes them, and returns the Call, to fetch outputs from.
func Do(ctx context.Context, x Executable, entry string, in map[string]*tensor.Tensor) (Call, error) {
	c, err := x.Prepare(entry, in)
	if err != nil {
		return nil, err
	}
	for name, t := range in {
		to := c.Input(name)
		if to == nil {
			return nil, fmt.Errorf("%s: no input is called %q: it has %s", entry, name, inputNames(c.Func()))
		}
		to.CopyFrom(t)
	}
	return c, c.Run(ctx)
}

func inputNames(f *graph.Func) string {
	var names []string
	for _, v := range f.Inputs {
		names = append(names, fmt.Sprintf("%s %v", v.Name, v.Type))
	}
	return fmt.Sprint(names)
}

// NoOutput is the error of a Call that is asked for an output that is not there, for engines.
func NoOutput(c Call, name string) error {
	var names []string
	for _, o := range c.Func().Outputs {
		if o.Name == name {
			return fmt.Errorf("%s has not run: there is no output %q yet", c.Func().Name, name)
		}
		names = append(names, o.Name)
	}
	return fmt.Errorf("%s has no output %q: it has %v", c.Func().Name, name, names)
}

// CheckRandom reports whether like has a random state for f to draw from, for engines, or what is wrong with it.
func CheckRandom(f *graph.Func, like map[string]*tensor.Tensor) (bool, error) {
	t := like[graph.RandomState]
	switch {
	case t == nil:
		return false, nil
	case t.DType() != graph.I64 || t.Len() != 2:
		return false, fmt.Errorf("%s: %q is %v, want i64[2] {seed, step}", f.Name, graph.RandomState, t)
	case f.Training || f.Lookup(graph.RandomState) == nil:
		return false, fmt.Errorf("%s: no input is called %q: it has %s", f.Name, graph.RandomState, inputNames(f))
	}
	return true, nil
}

// CheckState is an error if s is not the state that prog has, for engines that load it.
func CheckState(prog *compiler.Program, s *State) error {
	for _, p := range prog.Params() {
		t := s.tensors[p.Name]
		if t == nil {
			return fmt.Errorf("loading %s: no state is called %q: there are %v", prog.Name(), p.Name, slices.Sorted(maps.Keys(s.tensors)))
		}
		if shape, _ := p.Type.Shape.Eval(nil); t.DType() != p.Type.DType || !slices.Equal(t.Shape(), shape) {
			return fmt.Errorf("loading %s: state %q is %v, want %v", prog.Name(), p.Name, t, p.Type)
		}
	}
	return nil
}
