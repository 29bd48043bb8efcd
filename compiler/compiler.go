// Package compiler turns a model's definition into a [Program]: checked, differentiated graphs over one set of named
// weights.
//
// A definition names its models, its entry points (Funcs, for inference) and its training steps (Steps: loss, gradients
// and optimizer update). Compile traces each one, reports every mistake in all of them as one error, and runs the passes.
//
//	b := compiler.New("vae")
//	b.Model("", m)
//	b.Func("decode", func(f *graph.Func) {
//		f.Output("image", m.Decode(f.Input("z", graph.F32, batch, 20)).Sigmoid())
//	})
//	b.Step("train", optim.Adam{LR: 1e-3}, m, func(f *graph.Func) *graph.Value {
//		return m.Loss(f.Input("image", graph.F32, batch, 1, 28, 28))
//	})
//	prog, err := b.Compile()
package compiler

import (
	"fmt"
	"slices"
	"strings"

	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/compiler/pass"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// A mistake belongs to the line that called the package.
var _ = graph.Library()

// A Builder collects a definition.
type Builder struct {
	name    string
	models  []boundModel
	entries []*entry
	diags   graph.Diags
	passes  pass.Options
	bound   map[*nn.Layer]bool // named by Model
	paths   map[string]bool    // their names

	precision    graph.DType // of products in Steps
	precisionPos graph.Pos
}

// reserved is the first part of the names of optimizers' state.
const reserved = "opt"

// GradNorm is the output of a Step that is the 2-norm of its gradient, in the loss's dtype: that of the loss by all parameters that
// the Step updates, as it is before an optimizer clips it.
const GradNorm = "grad_norm"

// Loss is the output of a Step that is its loss.
const Loss = "loss"

type boundModel struct {
	prefix string
	layers []*nn.Layer
	pos    graph.Pos
}

type entry struct {
	name      string
	pos       graph.Pos
	build     func(f *graph.Func)              // of a Func
	loss      func(f *graph.Func) *graph.Value // of a Step
	opt       optim.Optimizer
	model     any
	ema       bool        // of a Func that reads averages
	precision graph.DType // of a Step's products

	f       *graph.Func
	trained []trained
}

// trained is a parameter of a Step's model, and whether the Step's loss reaches it.
type trained struct {
	param   *graph.Value
	reached bool
}

// New begins the definition of a program.
func New(name string) *Builder {
	return &Builder{name: name, bound: map[*nn.Layer]bool{}, paths: map[string]bool{}}
}

// Passes sets which optimisations Compile runs.
func (b *Builder) Passes(o pass.Options) { b.passes = o }

// Model names the layers of m, a pointer to a struct, by the fields that lead to them, under prefix: with prefix "gen" the
// field Up[0].Conv becomes gen.up.0.conv. A model that is one chain of layers may be an nn.Sequential: gen.0, gen.1, and so on.
// The prefix of a program's only model may be "".
func (b *Builder) Model(prefix string, m any) {
	pos := graph.Caller()
	layers, problems := nn.Bind(prefix, m, b.bound)
	for _, p := range problems {
		b.diags = append(b.diags, &graph.Diag{Pos: pos, Scope: prefix, Msg: "Model: " + p.Msg, Hint: p.Hint})
	}
	for _, l := range layers {
		if path := l.Path(); b.paths[path] {
			b.mistake(pos, fmt.Sprintf("Model: two layers are called %q", path), "fields that differ only in case have one name, and a model's prefix must not be the name of another's field")
		} else if path == reserved || strings.HasPrefix(path, reserved+".") {
			b.mistake(pos, fmt.Sprintf("Model: the layer's name %q is reserved for the state of optimizers", path), "choose another field name or prefix")
		}
		b.paths[l.Path()] = true
	}
	for _, other := range b.models {
		if other.prefix == prefix {
			b.mistake(pos, fmt.Sprintf("Model: a second model with the prefix %q", prefix), fmt.Sprintf("the first is at %v; give each its own prefix", other.pos))
		}
	}
	b.models = append(b.models, boundModel{prefix, layers, pos})
}

// Func defines the inference entry point called name. Layers take their inference form: no dropout, running statistics.
func (b *Builder) Func(name string, build func(f *graph.Func)) {
	b.add(&entry{name: name, pos: graph.Caller(), build: build})
}

// EMAFunc is Func with averaged weights: each parameter of which a Step's [optim.EMA] keeps an average is that average here. What
// is exported, sampled and validated by such a Func has the averages; other state, such as running statistics, is the model's.
func (b *Builder) EMAFunc(name string, build func(f *graph.Func)) {
	b.add(&entry{name: name, pos: graph.Caller(), build: build, ema: true})
}

// Step defines a training step called name: loss is traced in training form and must be a scalar; opt updates the
// parameters of model, and no others. Running statistics change in every layer that the loss applies. model is what was
// given to Model, a part of one, or a slice of such. The step's outputs are "loss", what the loss function
// itself names with f.Output, [GradNorm] and [OK].
func (b *Builder) Step(name string, opt optim.Optimizer, model any, loss func(f *graph.Func) *graph.Value) {
	b.add(&entry{name: name, pos: graph.Caller(), loss: loss, opt: opt, model: model})
}

func (b *Builder) add(e *entry) {
	if e.name == "" {
		b.mistake(e.pos, "the entry point has no name", "it is the name of the ONNX file, and what programs call it by")
	}
	for _, o := range b.entries {
		if o.name == e.name {
			b.mistake(e.pos, fmt.Sprintf("a second entry point named %q", e.name), fmt.Sprintf("the first is at %v", o.pos))
			return
		}
	}
	if e.build == nil && e.loss == nil {
		b.mistake(e.pos, fmt.Sprintf("%q has a nil function", e.name), "give the function that makes its outputs, or its loss")
		return
	}
	if e.loss != nil && e.opt == nil {
		b.mistake(e.pos, fmt.Sprintf("Step %q has no optimizer", e.name), "give one, such as optim.Adam{LR: 1e-3}")
		return
	}
	b.entries = append(b.entries, e)
}

func (b *Builder) mistake(pos graph.Pos, msg, hint string) {
	b.diags = append(b.diags, &graph.Diag{Pos: pos, Msg: msg, Hint: hint})
}

// Compile traces the definition and returns the program, or every mistake in it as [graph.Diags].
func (b *Builder) Compile() (*Program, error) {
	compiled := graph.Caller()
	diags := append(slices.Clone(b.diags), b.checkPrecision()...)
	if len(b.entries) == 0 && len(diags) == 0 {
		diags = append(diags, &graph.Diag{Pos: compiled, Msg: fmt.Sprintf("program %q has no entry point", b.name), Hint: "define a Func or a Step"})
	}
	averages, wrong := map[string][]graph.Param{}, false
	for _, e := range b.entries {
		e.precision = b.precision
		if !e.ema {
			e.trace(compiled, nil)
			e.averages(averages)
			wrong = wrong || len(e.f.Diags) > 0
		}
	}
	for _, e := range b.entries {
		if e.ema {
			e.trace(compiled, averages)
			e.averaged(averages, wrong)
		}
		e.f.BindSizes()
		unbound(e.f)
		diags = append(diags, e.f.Diags...)
	}
	prog := &Program{name: b.name, definition: b}
	diags = append(diags, prog.collectState(b.entries)...)
	diags = distinct(diags)
	if len(diags) == 0 { // with mistakes about, a layer may be unused only because a poisoned value silenced it
		diags = append(diags, b.unused()...)
	}
	if len(diags) > 0 {
		return nil, diags
	}
	for _, e := range b.entries {
		f, err := pass.Run(e.f, b.passes)
		if err == nil && e.loss != nil {
			f, err = e.guarded(f)
		}
		if err != nil {
			return nil, fmt.Errorf("compiling %s: %w", b.name, err)
		}
		prog.traced = append(prog.traced, e.f)
		if e.loss != nil {
			prog.steps = append(prog.steps, f)
		} else {
			prog.funcs = append(prog.funcs, f)
		}
	}
	return prog, nil
}

// distinct drops repeated mistakes: a wrong layer is traced once for each entry point that applies it.
func distinct(diags graph.Diags) graph.Diags {
	type key struct {
		pos        graph.Pos
		scope, msg string
	}
	seen := map[key]bool{}
	return slices.DeleteFunc(diags, func(d *graph.Diag) bool {
		k := key{d.Pos, d.Scope, d.Msg}
		again := seen[k]
		seen[k] = true
		return again
	})
}

// averages adds to all, by the name of the parameter, the averages that a Step keeps.
func (e *entry) averages(all map[string][]graph.Param) {
	for _, v := range e.f.Params {
		p := v.Op.(graph.Param)
		if a, ok := p.Init.(optim.Average); ok {
			all[a.Of] = append(all[a.Of], p)
		}
	}
}

// averaged reports an EMAFunc that reads one of two averages, or none; none may be the fault of a Step that is wrong.
func (e *entry) averaged(averages map[string][]graph.Param, wrong bool) {
	read := 0
	for _, v := range e.f.Params {
		if a, ok := v.Op.(graph.Param).Init.(optim.Average); ok {
			read++
			if all := averages[a.Of]; len(all) > 1 {
				e.f.Mistake(e.pos, fmt.Sprintf("EMAFunc %q: there are two averages of %q, %q and %q", e.name, a.Of, all[0].Name, all[1].Name), "let one Step keep averages: optim.EMA around its optimizer")
			}
		}
	}
	if read == 0 && !wrong && len(e.f.Diags) == 0 {
		e.f.Mistake(e.pos, fmt.Sprintf("EMAFunc %q: no Step keeps an average of what it reads", e.name), "wrap the Step's optimizer: optim.EMA{Decay: .999, Then: optim.Adam{LR: 1e-3}}; without averages, it is a Func")
	}
}

// trace runs the user's function, with averages in place of parameters. A panic in it becomes a mistake at the line that panicked;
// compiled is the line that called Compile.
func (e *entry) trace(compiled graph.Pos, averages map[string][]graph.Param) {
	f := graph.NewFunc(e.name, e.loss != nil)
	if f.Training {
		f.Products = e.precision
	}
	for name, all := range averages {
		f.Instead(name, all[0])
	}
	e.f, e.trained = f, nil
	defer func() {
		if r := recover(); r != nil {
			pos, hint := graph.Caller(), "the model's own Go code panicked here"
			if pos == compiled { // no line of the model: an optimizer or schedule that is a nil pointer, say
				pos, hint = e.pos, "it came from a value that was given here, such as the optimizer"
			}
			if m, ok := r.(*graph.Mistake); ok {
				hint = m.Hint
			}
			f.Mistake(pos, fmt.Sprintf("%s: panic while tracing: %v", e.name, r), hint)
		}
	}()
	if e.build != nil {
		e.build(f)
		if len(f.Outputs) == 0 && len(f.Diags) == 0 {
			f.Mistake(e.pos, fmt.Sprintf("Func %q has no output", e.name), "name a result with f.Output(\"name\", value)")
		}
		return
	}
	f.Doc = optim.Name(e.opt)
	loss := e.loss(f)
	e.reserve()
	switch {
	case loss == nil:
		f.Mistake(e.pos, fmt.Sprintf("Step %q: the loss is nil", e.name), "return the loss value")
		return
	case !loss.OK():
		if len(f.Diags) == 0 {
			f.Mistake(e.pos, fmt.Sprintf("Step %q: the loss was made from a value that is wrong, but nothing says why", e.name), "this is a bug in Sardonyx: please report it with the model")
		}
		return
	case loss.Rank() != 0 || !loss.DType().Float():
		f.Mistake(loss.Pos, fmt.Sprintf("Step %q: the loss is %v, want a floating-point scalar", e.name, loss.Type), "reduce it, with .Mean() for one", loss)
		return
	}
	f.At(e.pos, "", func() { f.Output(Loss, loss) })
	var all []*graph.Value
	for _, path := range nn.Paths(e.model) {
		for _, p := range f.Params {
			if p.Op.(graph.Param).Trainable && strings.HasPrefix(p.Name, path+".") && !slices.Contains(all, p) {
				all = append(all, p)
			}
		}
	}
	if len(all) == 0 {
		f.Mistake(e.pos, fmt.Sprintf("Step %q trains nothing: its loss uses no parameter of the model given", e.name), "give the model whose layers the loss applies, as it was given to Model")
		return
	}
	var params []*graph.Value
	for i, reached := range graph.Reaches(loss, all...) {
		e.trained = append(e.trained, trained{all[i], reached})
		if reached {
			params = append(params, all[i])
		}
	}
	f.At(e.pos, "", func() {
		scale := e.newLossScale(params)
		grads, name := scale.grad(loss, params), reserved+"."+e.name
		f.At(e.pos, name, func() { scale.update(f, e.opt, name, params, grads) })
		f.Output(GradNorm, scale.norm(optim.Norm(f, moved(f, params, grads)).Cast(loss.DType())))
	})
}

// moved are those of grads whose parameters an optimizer has updated: frozen ones need no gradient.
func moved(f *graph.Func, params, grads []*graph.Value) []*graph.Value {
	var out []*graph.Value
	for i, p := range params {
		if f.Current(p) != p {
			out = append(out, grads[i])
		}
	}
	return out
}

// unbound reports symbols that no input has as an axis of its own: nothing would say how large they are.
func unbound(f *graph.Func) {
	if len(f.Diags) > 0 { // the input that is missing may be the mistake
		return
	}
	bound := map[string]bool{}
	for name := range f.Late() {
		bound[name] = true
	}
	for _, in := range f.Inputs {
		if in.IsSize() {
			bound[in.Name] = true
		}
		for _, d := range in.Shape() {
			if name, ok := d.Symbol(); ok {
				bound[name] = true
			}
		}
	}
	for _, n := range f.Nodes {
		for _, name := range n.Symbols() {
			if !bound[name] {
				bound[name] = true // once is enough
				f.At(n.Pos, n.Scope, func() {
					f.Mistake(n.Pos, fmt.Sprintf("%s: no input of %q has %s as an axis: its size would not be known", graph.OpName(n.Op), f.Name, name),
						"give an input that axis, or take a number", n.Results[0])
				})
			}
		}
	}
}

// collectState joins the parameters of all entry points and reports those that disagree.
func (p *Program) collectState(entries []*entry) graph.Diags {
	var diags graph.Diags
	index := map[string]int{}
	for _, e := range entries {
		for _, v := range e.f.Params {
			o := v.Op.(graph.Param)
			i, ok := index[o.Name]
			if !ok {
				index[o.Name] = len(p.params)
				p.params = append(p.params, ParamInfo{o.Name, o.Type, o.Trainable, o.Init, v.Pos})
				continue
			}
			if q := p.params[i]; !q.Type.Equal(o.Type) {
				diags = append(diags, &graph.Diag{Pos: v.Pos, Scope: v.Scope,
					Msg:  fmt.Sprintf("%s: parameter %q is %v here, but %v where it was first used, at %v", e.name, o.Name, o.Type, q.Type, q.Pos),
					Hint: "two layers claim one name, or one layer is applied to inputs of different widths: give the second its own layer"})
			}
		}
	}
	return diags
}

// unused reports parameters that a Step should train but no Step's loss reaches, and layers that nothing applies.
func (b *Builder) unused() graph.Diags {
	var diags graph.Diags
	reached := map[string]bool{}
	for _, e := range b.entries {
		for _, t := range e.trained {
			reached[t.param.Name] = reached[t.param.Name] || t.reached
		}
	}
	for _, e := range b.entries {
		for _, t := range e.trained {
			if !reached[t.param.Name] {
				diags = append(diags, &graph.Diag{Pos: t.param.Pos, Scope: t.param.Scope,
					Msg:  fmt.Sprintf("Step %q: no loss reaches parameter %q: it would never be trained", e.name, t.param.Name),
					Hint: "use the layer's result in the loss, or leave the layer out of the model given to Step"})
				reached[t.param.Name] = true // once is enough
			}
		}
	}
	for _, m := range b.models {
		for _, l := range m.layers {
			if !l.Applied() {
				diags = append(diags, &graph.Diag{Pos: m.pos, Scope: l.Path(),
					Msg:  "Model: no entry point applies this layer",
					Hint: "apply it, or remove the field"})
			}
		}
	}
	return diags
}
