package graph

import (
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// A Func is one traced entry point: inputs, values in order, named outputs, and, in a training step, the updates that
// state undergoes when it has run.
type Func struct {
	Name     string
	Doc      string // for people: of a training step, the optimizer
	Training bool   // layers that differ (Dropout, BatchNorm) take their training form
	// Products is the dtype that matrix products, convolutions and attention of f32 are computed in where f is traced: F16, BF16 or F32.
	// Their arguments are rounded to it, and their results are f32 again. What is applied as a node of several results stays as it is.
	Products DType
	Nodes    []*Node  // in an order in which they can run: every argument stands before its users
	Values   []*Value // the nodes' results, in order
	Inputs   []*Value
	Params   []*Value // parameters and buffers, in the order of first use
	Outputs  []Output
	Updates  []Update
	Diags    Diags

	instead map[string]Param  // of parameters, by name: the state to take in their place
	byName  map[string]*Value // params
	names   map[string]claim
	random  *Value
	draws   int
	infer   *Infer          // of the last inference
	body    *body           // of a Func that is traced inside another
	tracing *Func           // the body that is traced inside it now
	fresh   map[string]int  // how many sizes that only a run tells have a name, and, at "", how many bodies there are
	asked   map[asked]Dim   // such sizes, by what tells them
	segment *segment        // the Checkpoint that is traced now
	twice   map[*Value]bool // what gradients have computed again
	inside  string          // of a body, its number and those of the bodies around it, in the names of such sizes
	// applied counts the ops asked for, those over poison too.
	applied int
	scope   string
	at      Pos // overrides the caller's position when set
}

// An Output is a named result of a Func.
type Output struct {
	Name  string
	Value *Value
	Pos   Pos // where it was named
}

// An Update says that the state called Name becomes Value after the Func has run.
type Update struct {
	Name  string
	Value *Value
	Pos   Pos // where it was asked for
}

// An Initializer fills a parameter with its first values, drawing what it needs from r.
type Initializer interface {
	Init(t *tensor.Tensor, r *rand.Rand)
}

// NewFunc returns an empty Func; compilers and tests trace into it.
func NewFunc(name string, training bool) *Func {
	return &Func{Name: name, Training: training, byName: map[string]*Value{}, names: map[string]claim{}}
}

// Pos is the position that a mistake reported now belongs to: the user's line, or that of the value being rewritten.
func (f *Func) Pos() Pos {
	if f.at != (Pos{}) {
		return f.at
	}
	return Caller()
}

// Report records a mistake, one in a body with those of the Func around it.
func (f *Func) Report(d *Diag) {
	if f.body != nil {
		f.body.outer.Report(d)
		return
	}
	f.Diags = append(f.Diags, d)
}

// Mistake records a mistake at pos about args.
func (f *Func) Mistake(pos Pos, msg, hint string, args ...*Value) {
	f.Report(&Diag{Pos: pos, Scope: f.scope, Msg: msg, Args: args, Hint: hint})
}

// In runs do with scope as the path of the layer that new values belong to.
func (f *Func) In(scope string, do func() *Value) *Value {
	f = f.current()
	old := f.scope
	f.scope = scope
	defer func() { f.scope = old }()
	return do()
}

// As runs do with every new value taking v's position and scope: for rewrites, where the user's line is v's.
func (f *Func) As(v *Value, do func()) { f.At(v.Pos, v.Scope, do) }

// At runs do with every new value taking the given position and scope.
func (f *Func) At(pos Pos, scope string, do func()) {
	f = f.current()
	oldAt, oldScope := f.at, f.scope
	f.at, f.scope = pos, scope
	defer func() { f.at, f.scope = oldAt, oldScope }()
	do()
}

// Input declares an input. Its name is the one in the ONNX file and in calls.
func (f *Func) Input(name string, t DType, dims ...Dim) *Value {
	f = f.current()
	if f.body != nil {
		f.Mistake(f.Pos(), fmt.Sprintf("Input %q: it is declared in the body of an op", name), "declare it outside, and use it in the body")
		return f.Poison()
	}
	return f.input(Input{Name: name, Type: Type{t, slices.Clone(dims)}})
}

func (f *Func) input(o Input) *Value {
	if f.body == nil && len(f.fresh) > 0 && f.Late().any(o.Type.Shape) {
		f.Mistake(f.Pos(), fmt.Sprintf("Input %q: a size of %v is known only in a run", o.Name, o.Type),
			"take another name for a size that is given; of random numbers, draw as many as there can be, and take those that are wanted with Compress or Gather")
		return f.Poison()
	}
	v := f.add(&Node{Op: o}).Result(0)
	v.Name = o.Name
	if v.OK() && !f.claim(o.Name, "Input", "an input", v.Pos, v) {
		v.bad = true
	}
	if v.OK() {
		f.named(v)
	}
	return v
}

// BindSizes makes each symbol that f draws random numbers by, and that no input has as an axis, an input of its own: an i64 scalar
// of its name, which says how many to draw, unless there is one. Compilers call it when f is traced.
func (f *Func) BindSizes() {
	bound := map[string]bool{}
	for name := range f.Late() {
		bound[name] = true
	}
	for _, in := range f.Inputs {
		if in.IsSize() {
			bound[in.Name] = true
		}
		for _, d := range in.Shape() {
			bound[d.String()] = true
		}
	}
	for _, v := range f.Values[:len(f.Values):len(f.Values)] {
		switch v.Op.(type) {
		case RandomNormal, RandomUniform:
		default:
			continue
		}
		for _, d := range v.Shape() {
			if name, ok := d.Symbol(); ok && !bound[name] {
				bound[name] = true
				f.As(v, func() { f.input(Input{Name: name, Type: Type{DType: I64}, Size: true}) })
			}
		}
	}
}

// IsSize reports whether v is an input that is the size of the symbol of its name; see [Func.BindSizes].
func (v *Value) IsSize() bool {
	o, ok := v.Op.(Input)
	return ok && o.Size
}

// Output names v as a result.
func (f *Func) Output(name string, v *Value) {
	f = f.current()
	pos := f.Pos()
	switch {
	case f.body != nil:
		f.Mistake(pos, fmt.Sprintf("Output %q: it is named in the body of an op", name), "return the value from the body, and name what comes of the op")
		return
	case v == nil:
		f.Mistake(pos, fmt.Sprintf("Output %q: the value is nil", name), NilHint)
		return
	case v.bad:
		return
	case v.fn != f:
		f.Mistake(pos, fmt.Sprintf("Output %q: the value belongs to %q, not to %q", name, v.fn.Name, f.Name), "a value lives in the Func or Step that made it", v)
		return
	case name == "":
		f.Mistake(pos, "Output: the name is empty", "the name is the one in the ONNX file and in results", v)
		return
	}
	if f.claim(name, "Output", "an output", pos, v) {
		f.Outputs = append(f.Outputs, Output{name, v, pos})
	}
}

// Param is the trainable parameter called name, in f32. Asking again for the same name gives the same value: that is how layers
// share weights; asking with another shape is a mistake.
func (f *Func) Param(name string, init Initializer, dims ...Dim) *Value {
	return f.ParamIn(F32, name, init, dims...)
}

// ParamIn is Param in dtype t, a float.
func (f *Func) ParamIn(t DType, name string, init Initializer, dims ...Dim) *Value {
	return f.state(Param{Name: name, Type: Type{t, slices.Clone(dims)}, Init: init, Trainable: true})
}

// Buffer is state that no gradient trains, such as running statistics, optimizer moments and counters.
func (f *Func) Buffer(name string, t DType, init Initializer, dims ...Dim) *Value {
	return f.state(Param{Name: name, Type: Type{t, slices.Clone(dims)}, Init: init})
}

// Instead makes f take the state by wherever it asks for the parameter called name, such as its average over the steps.
func (f *Func) Instead(name string, by Param) {
	if f.instead == nil {
		f.instead = map[string]Param{}
	}
	f.instead[name] = by
}

func (f *Func) state(p Param) (v *Value) {
	f = f.current()
	if f.body != nil { // of the outermost Func; a use captures it
		f.body.outer.outside(func() {
			f.body.outer.At(f.Pos(), f.scope, func() { v = f.body.outer.state(p) })
		})
		return v
	}
	if by, ok := f.instead[p.Name]; ok && by.Type.Equal(p.Type) {
		p = by
	}
	if old := f.byName[p.Name]; old != nil {
		if want := old.Op.(Param); !want.Type.Equal(p.Type) {
			f.Mistake(f.Pos(), fmt.Sprintf("parameter %q is %v here, but %v where it was first used, at %v", p.Name, p.Type, old.Type, old.Pos),
				"two layers claim one name, or one layer is applied to inputs of different widths: give the second its own layer")
			return f.Poison()
		}
		return old
	}
	v = f.add(&Node{Op: p}).Result(0)
	v.Name = p.Name
	if v.OK() && !f.claim(p.Name, "Param", "a parameter or buffer", v.Pos, v) {
		v.bad = true
	}
	if v.OK() {
		f.named(v)
	}
	return v
}

// Lookup is the parameter or buffer called name that f uses, or nil.
func (f *Func) Lookup(name string) *Value {
	if f.body != nil {
		return f.body.outer.Lookup(name)
	}
	return f.byName[name]
}

// Update makes new the contents of state from the next run on. A second update of one state in a step must be computed from
// what the first made of it, [Func.Current].
func (f *Func) Update(state, new *Value) {
	f = f.current()
	if state == nil || new == nil {
		f.Mistake(f.Pos(), "Update: the state or its new value is nil", NilHint)
		return
	}
	if f.body != nil {
		f.Mistake(f.Pos(), fmt.Sprintf("Update of %q: it is in the body of an op", state.Name), "make it a state of the op, and update it with the last one; layers that move statistics, such as nn.BatchNorm in training, cannot be in a body", state)
		return
	}
	if !state.OK() || !new.OK() {
		return
	}
	p, ok := state.Op.(Param)
	switch {
	case !ok:
		f.Mistake(f.Pos(), "Update: the target is not a parameter or buffer", "make state with Func.Buffer", state)
		return
	case !state.Type.Equal(new.Type):
		f.Mistake(f.Pos(), fmt.Sprintf("Update of %q: %v into %v", p.Name, new.Type, state.Type), "state keeps its dtype and shape", new, state)
		return
	}
	pos := f.Pos()
	for i, u := range f.Updates {
		if u.Name != p.Name {
			continue
		}
		if !new.from(u.Value) {
			f.Mistake(pos, fmt.Sprintf("Update: %q is updated twice in one step, first at %v, and the second does not start from the first", p.Name, u.Pos),
				"start from f.Current(state), which is what the first made of it, or update it once: two optimizers that train one parameter need a step each", new, u.Value)
			return
		}
		f.Updates[i].Value, f.Updates[i].Pos = new, pos
		return
	}
	if f.claim(p.Name+NextSuffix, "Update", "the new value of a parameter or buffer", pos, new) {
		f.Updates = append(f.Updates, Update{p.Name, new, pos})
	}
}

// Current is what state holds at this point: the value that the last Update gave it in this step, or state itself. A layer that
// moves state starts from it, so that each of several applications in one step goes on from the one before.
func (f *Func) Current(state *Value) *Value {
	f = f.current()
	if f.body != nil {
		return f.body.outer.Current(state)
	}
	if state.OK() {
		for _, u := range f.Updates {
			if u.Name == state.Name {
				return u.Value
			}
		}
	}
	return state
}

// from reports whether v is computed from old.
func (v *Value) from(old *Value) bool {
	seen := map[*Value]bool{}
	var look func(v *Value) bool
	look = func(v *Value) bool {
		if v == old {
			return true
		}
		if seen[v] || v.ID < old.ID {
			return false
		}
		seen[v] = true
		return slices.ContainsFunc(v.Args, look)
	}
	return look(v)
}

// RandomState is the name of the buffer i64[2] {seed, step} that random ops draw from.
const RandomState = "random"

// Random is the random state, and the number of a stream not yet used. In a training step the state advances after
// each run; elsewhere a Func is pure and draws the same numbers until a step has run.
func (f *Func) Random() (state *Value, stream int) {
	f = f.current()
	if f.body != nil {
		f.Mistake(f.Pos(), "Random: it is asked for in the body of an op, where each run would draw the same", "RandomNormal, RandomUniform and Dropout draw for each run of a body; for others, draw outside")
		return f.Poison(), 0
	}
	if f.random == nil {
		f.random = f.Buffer(RandomState, I64, nil, 2)
		if f.Training {
			f.Update(f.random, f.random.Add(f.Const(tensor.Of([]int64{0, 1}, 2))))
		}
	}
	f.claim(fmt.Sprint(NoisePrefix, f.draws), "Random", "the numbers of a random op", f.Pos())
	f.draws++
	return f.random, f.draws - 1
}
