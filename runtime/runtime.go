// Package runtime is what runs programs: the [Engine] that loads a compiled program, the [Executable] that runs its entry
// points, and the [State] (parameters, optimizer moments, statistics, counters) that training changes.
//
// Engines live in packages below: runtime/gorgonia trains and infers in Go, runtime/onnxruntime infers from exported files.
package runtime

import (
	"context"
	"fmt"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// An Engine runs programs on some library and device.
type Engine interface {
	// Name says which engine, BLAS and device, for people: "gorgonia (OpenBLAS 0.3.21, 2 threads)".
	Name() string
	// Load prepares prog to run over s. The Executable reads and updates s itself, not a copy.
	Load(prog *compiler.Program, s *State) (Executable, error)
}

// An Executable is a program loaded by an engine. Its methods may be called by one goroutine at a time.
type Executable interface {
	// Run runs the Func or Step called entry on named inputs and returns its outputs, which are valid until the next Run
	// of that entry. A Step applies its updates to the state; if it ends in a [NonFiniteError] the state is as before it.
	// A Func that draws random numbers takes, if in has a tensor called [graph.RandomState], i64[2] {seed, step}, that
	// instead of the state's, so that a caller can draw anew in each of many runs.
	Run(ctx context.Context, entry string, in map[string]*tensor.Tensor) (map[string]*tensor.Tensor, error)
	// Explain runs entry again, value by value, from the present state, and returns the [NonFiniteError] that names the
	// first value that is NaN or Inf. It is for a Func whose output is one; a Step's Run explains itself.
	Explain(entry string, in map[string]*tensor.Tensor) error
	// Close frees what the engine holds.
	Close() error
}

// A NonFiniteError says that a training step or a Func produced NaN or Inf, and which value went bad first.
type NonFiniteError struct {
	Entry string    // the step or Func
	Value string    // the first bad value, in the text form
	Pos   graph.Pos // the line that made it
	Scope string    // the layer it belongs to
	What  string    // "NaN" or "Inf"
}

// Error names the value, its layer and its line.
func (e *NonFiniteError) Error() string {
	where := e.Pos.String()
	if e.Scope != "" {
		where += ", in " + e.Scope
	}
	msg := fmt.Sprintf("%q went %s: first in %s\n\tat %s", e.Entry, e.What, e.Value, where)
	if src := e.Pos.Source(); src != "" {
		msg += "\n\t" + src
	}
	return msg
}
