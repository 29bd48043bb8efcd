package runtime

import (
	"fmt"
	"math"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

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

// Explain finds the first value of call that went bad, for engines: it runs the entry point again with our own kernels, value by value,
// from the state s, which must be as it was before the run.
func Explain(c *kernel.Context, call Call, s *State) error {
	f := call.Func()
	all := make(map[string]*tensor.Tensor, len(f.Inputs)+len(f.Params))
	for _, v := range f.Inputs {
		all[v.Name] = call.Input(v.Name)
	}
	for _, p := range f.Params {
		if own := call.Input(p.Name); own != nil { // the random state of one run
			all[p.Name] = own
			continue
		}
		t, err := s.Tensor(p.Name)
		if err != nil {
			return err
		}
		all[p.Name] = t
	}
	out, err := graph.Evaluate(c, f, all)
	if err != nil {
		return fmt.Errorf("%s: looking for the value that went bad: %w", f.Name, err)
	}
	for _, blame := range []func(*graph.Value, []*tensor.Tensor) bool{
		culprit,
		func(v *graph.Value, out []*tensor.Tensor) bool { return nonFinite(out[v.ID]) != "" }, // a bad constant
	} {
		for _, v := range f.Values {
			if blame(v, out) {
				return &NonFiniteError{Entry: f.Name, Value: v.Text(), Pos: v.Pos, Scope: v.Scope, What: nonFinite(out[v.ID])}
			}
		}
	}
	return fmt.Errorf("%s: an output or the new state is not finite, but a second run gave finite values", f.Name)
}

// culprit reports whether v is bad and its arguments are not to blame: it is NaN or Inf from finite arguments, or NaN from
// arguments without NaN (an Inf may be meant, as in a mask). A constant is never to blame.
func culprit(v *graph.Value, out []*tensor.Tensor) bool {
	what := nonFinite(out[v.ID])
	if what == "" {
		return false
	}
	switch v.Op.(type) {
	case graph.Input, graph.Param:
		return true
	}
	finite, noNaN := true, true
	for _, a := range v.Args {
		if a == nil {
			continue
		}
		w := nonFinite(out[a.ID])
		finite = finite && w == ""
		noNaN = noNaN && w != "NaN"
	}
	return len(v.Args) > 0 && (finite || what == "NaN" && noNaN)
}

// nonFinite is "NaN" or "Inf" if t has one, else "".
func nonFinite(t *tensor.Tensor) string {
	if !t.DType().Float() || Finite(t) {
		return ""
	}
	for i := range t.Len() {
		if math.IsNaN(t.At(i)) {
			return "NaN"
		}
	}
	return "Inf"
}
