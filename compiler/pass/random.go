package pass

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// The rewrites below are none of the table: they change what a Func takes. An exporter chooses one, by what is to become of random ops.

// SeedInput is the input, an i64 scalar, of a file that draws by a seed.
const SeedInput = "seed"

// The distributions of noise.
const (
	Normal  = "normal"  // mean 0, variance 1
	Uniform = "uniform" // [0, 1)
)

// A Noise is an input that stands for the numbers of one random op.
type Noise struct {
	Input        string // noise.<stream>
	Distribution string // Normal or Uniform
	Stream       int    // of the random op
}

// HoistRandom returns a copy of f in which every random op is an input of the value's type, called noise.<stream>, and the
// list of those inputs. Dropout in training takes uniform noise of its argument's type, and keeps the elements where
// it is at least P. The random state, which then only counts runs, is left out: counting is up to the caller who draws the noise.
func HoistRandom(f *graph.Func) (*graph.Func, []Noise) {
	if !Draws(f) {
		return f, nil
	}
	h := hoist{inputs: map[string]*graph.Value{}}
	out := graph.Rewrite(f, h.visit)
	if len(out.Diags) > 0 {
		return out, nil
	}
	out.Updates = slices.DeleteFunc(out.Updates, func(u graph.Update) bool { return u.Name == graph.RandomState })
	return graph.Prune(out), h.noise
}

// Draws reports whether f has a random op.
func Draws(f *graph.Func) bool {
	return slices.ContainsFunc(f.Values, func(v *graph.Value) bool { _, _, random := Drawn(v.Op); return random })
}

type hoist struct {
	inputs map[string]*graph.Value
	noise  []Noise
}

// Drawn is how the numbers that op draws are distributed, and their stream; random is false for an op that draws none.
func Drawn(op graph.Op) (distribution string, stream int, random bool) {
	switch o := op.(type) {
	case graph.RandomNormal:
		return Normal, o.Stream, true
	case graph.RandomUniform:
		return Uniform, o.Stream, true
	case graph.Dropout:
		return Uniform, o.Stream, true
	}
	return "", 0, false
}

func (h *hoist) visit(out *graph.Func, n *graph.Node, args []*graph.Value) []*graph.Value {
	distribution, stream, random := Drawn(n.Op)
	if !random {
		return nil
	}
	noise := h.input(out, stream, distribution, n.Results[0].Type)
	if o, ok := n.Op.(graph.Dropout); ok {
		noise = dropout(out, o, args[0], noise)
	}
	return []*graph.Value{noise}
}

// input is the noise of a stream. The gradient of a Dropout draws the numbers of the Dropout itself: one input is both.
func (h *hoist) input(out *graph.Func, stream int, distribution string, t graph.Type) *graph.Value {
	name := graph.NoisePrefix + strconv.Itoa(stream)
	if v := h.inputs[name]; v != nil {
		i := slices.IndexFunc(h.noise, func(n Noise) bool { return n.Input == name })
		if h.noise[i].Distribution == distribution && v.Type.Equal(t) {
			return v
		}
		out.Mistake(out.Pos(), fmt.Sprintf("two random ops of stream %d draw different numbers: %v %s, and %v %s", stream, v.Type, h.noise[i].Distribution, t, distribution),
			"give each its own stream, as Func.Random does", v)
		return out.Poison()
	}
	v := out.Input(name, t.DType, t.Shape...)
	h.inputs[name] = v
	h.noise = append(h.noise, Noise{name, distribution, stream})
	return v
}

// dropout is o of x with the uniform numbers u.
func dropout(out *graph.Func, o graph.Dropout, x, u *graph.Value) *graph.Value {
	kept := u.GreaterEqual(out.Full(x.DType(), o.P))
	return kept.Where(x.Scale(1/(1-o.P)), out.Full(x.DType(), 0))
}

// SeedRandom returns a copy of f, which is no training step, that draws by an input, seed, what f draws by its random state {seed, 1}. The
// inputs named by drawn, of floats, go: the file draws them too, each in its Stream of the state {seed, 0}, as the command sample does.
// Where the number of them was known by their axis only, it is an input now, a scalar; see [graph.Func.BindSizes]. An f that draws nothing
// stays as it is.
func SeedRandom(f *graph.Func, drawn ...Noise) (*graph.Func, error) {
	for _, n := range drawn {
		if !slices.ContainsFunc(f.Inputs, func(v *graph.Value) bool { return v.Name == n.Input && v.DType().Float() }) {
			return nil, fmt.Errorf("%s: %q is to be drawn, and there is no such input of floats", f.Name, n.Input)
		}
	}
	if f.Training || len(drawn) == 0 && f.Lookup(graph.RandomState) == nil {
		return f, nil
	}
	if err := seedIsFree(f); err != nil {
		return nil, err
	}
	var seed *graph.Value
	state := func(out *graph.Func, step int64) *graph.Value {
		if seed == nil {
			seed = out.Input(SeedInput, graph.I64)
		}
		return graph.Join(0, seed.Unsqueeze(0), out.Const(tensor.Of([]int64{step}, 1)))
	}
	out := graph.Fill(f, func(out *graph.Func, v *graph.Value) *graph.Value {
		if _, ok := v.Op.(graph.Param); ok {
			if v.Name == graph.RandomState {
				return state(out, 1)
			}
			return nil
		}
		i := slices.IndexFunc(drawn, func(n Noise) bool { return n.Input == v.Name })
		switch {
		case i < 0:
			return nil
		case drawn[i].Distribution == Normal:
			return out.Apply(graph.RandomNormal{Type: v.Type, Stream: drawn[i].Stream}, state(out, 0))
		}
		return out.Apply(graph.RandomUniform{Type: v.Type, Stream: drawn[i].Stream}, state(out, 0))
	})
	out.BindSizes()
	return out, nil
}

// seedIsFree reports whether f has a name of its own that SeedInput would take.
func seedIsFree(f *graph.Func) error {
	var names []string
	for _, v := range slices.Concat(f.Inputs, f.Params) {
		names = append(names, v.Name)
	}
	for _, o := range f.Outputs {
		names = append(names, o.Name)
	}
	if slices.Contains(names, SeedInput) {
		return fmt.Errorf("%s has a %q of its own, and a file that draws by a seed has an input of that name: rename it", f.Name, SeedInput)
	}
	return nil
}

// ShareDraws makes the random ops of one stream, a Dropout and its gradient's or those of a Checkpoint, use one draw: the random nodes of
// runtimes never draw the same numbers twice.
func ShareDraws(f *graph.Func) *graph.Func {
	draws := map[int]*graph.Value{}
	return graph.Rewrite(f, func(out *graph.Func, n *graph.Node, args []*graph.Value) []*graph.Value {
		_, stream, random := Drawn(n.Op)
		if !random {
			return nil
		}
		o, masks := n.Op.(graph.Dropout)
		switch {
		case draws[stream] != nil:
		case masks:
			draws[stream] = out.Apply(graph.RandomUniform{Type: n.Results[0].Type, Stream: stream}, args[1])
		default:
			draws[stream] = out.Copy(n, args...).Result(0)
		}
		if masks {
			return []*graph.Value{dropout(out, o, args[0], draws[stream])}
		}
		return []*graph.Value{draws[stream]}
	})
}
