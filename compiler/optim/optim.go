// Package optim has optimizers and learning-rate schedules as functions over graph values: an optimizer adds to a training
// step the new values of the parameters, and of the state it keeps, so the step is one graph that any engine can run.
package optim

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/sardonyx-ml/sardonyx/compiler/initializer"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// A mistake belongs to the line that called the package.
var _ = graph.Library()

// An Optimizer updates parameters from their gradients.
type Optimizer interface {
	// Update adds to f the updates of params given grads. Its own state are buffers called <group>.<slot>.<param>.
	Update(f *graph.Func, group string, params, grads []*graph.Value)
}

// Name is what people call o: the type, and the one that gets the gradients where o itself only changes them.
func Name(o Optimizer) string {
	switch o := o.(type) {
	case ClipNorm:
		return "ClipNorm, then " + Name(o.Then)
	case ClipValue:
		return "ClipValue, then " + Name(o.Then)
	case ClipWeights:
		return Name(o.Then) + ", clipped"
	case EMA:
		return Name(o.Then) + ", averaged"
	case Groups:
		var each []string
		for _, g := range o {
			if g.Then != nil {
				each = append(each, Name(g.Then))
			}
		}
		return strings.Join(slices.Compact(each), ", ")
	}
	name := fmt.Sprintf("%T", o)
	return name[strings.LastIndexAny(name, ".*")+1:]
}

// updater is what the optimizers share: a step count and the rate that follows from it.
type updater struct {
	f     *graph.Func
	group string
	step  *graph.Value // f64, 0 at the first step
}

// begin counts the step and checks the numbers, pairs of a name and a value: LR and Eps must be above 0, WeightDecay not
// negative, and the others, which weigh the past, in [0, 1).
func begin(f *graph.Func, name, group string, numbers ...any) (*updater, bool) {
	ok := true
	for i := 0; i < len(numbers); i += 2 {
		field, v := numbers[i].(string), numbers[i+1].(float64)
		want := ""
		switch field {
		case "LR", "Eps":
			if !(v > 0) || math.IsInf(v, 0) {
				want = "must be above 0"
			}
		case "WeightDecay":
			if !(v >= 0) || math.IsInf(v, 0) {
				want = "must not be negative"
			}
		default:
			if !(v >= 0 && v < 1) {
				want = "must be in [0, 1)"
			}
		}
		if want != "" {
			f.Mistake(f.Pos(), fmt.Sprintf("%s: %s is %v, and %s", name, field, v, want), "a usual choice is LR: 1e-3, Beta1: 0.9, Beta2: 0.999, Momentum: 0.9")
			ok = false
		}
	}
	if !ok {
		return nil, false
	}
	count := f.Buffer(group+".step", graph.I64, initializer.Zeros{})
	f.Update(count, count.Add(f.Full(graph.I64, 1)))
	return &updater{f, group, count.Cast(graph.F64)}, true
}

// rate is the learning rate at this step, an f64 scalar.
func (u *updater) rate(lr float64, s Schedule) *graph.Value {
	if s == nil {
		return u.f.Full(graph.F64, lr)
	}
	return s.Factor(u.step).Scale(lr)
}

// slot is the buffer that an optimizer keeps for a parameter, in its shape, and in f32 for a float of 16 bits.
func (u *updater) slot(name string, p *graph.Value) *graph.Value {
	return u.f.Buffer(u.group+"."+name+"."+p.Name, p.DType().Wide(), initializer.Zeros{}, p.Shape()...)
}

// each calls do with each parameter and its gradient, in f32 if that is of 16 bits, at the position of the parameter; its scope is that of
// the parameter's layer within the optimizer's.
func (u *updater) each(params, grads []*graph.Value, do func(p, g *graph.Value)) {
	for i, p := range params {
		u.f.At(p.Pos, scope(u.group, p), func() { do(p, wide(grads[i])) })
	}
}

// scope is that of an update of p by the optimizer whose state begins with group.
func scope(group string, p *graph.Value) string {
	if p.Scope == "" {
		return group
	}
	return group + "." + p.Scope
}

// as casts an f64 scalar to the dtype that p's update is computed in.
func as(p, scalar *graph.Value) *graph.Value { return scalar.Cast(p.DType().Wide()) }

// wide is v as updates are computed: a float of 16 bits, which would lose what is small, in f32.
func wide(v *graph.Value) *graph.Value {
	if !v.OK() || v.DType().Wide() == v.DType() {
		return v
	}
	return v.Cast(v.DType().Wide())
}

// move makes next the new state of p, rounded to its dtype.
func (u *updater) move(p, next *graph.Value) {
	if next.OK() && next.DType() != p.DType() {
		next = next.Cast(p.DType())
	}
	u.f.Update(p, next)
}

// oneMinusPower is 1 − β^(t+1) for the 0-based step t, in f64, where it keeps its digits.
func (u *updater) oneMinusPower(beta float64) *graph.Value {
	return u.f.Full(graph.F64, beta).Pow(u.step.Shift(1)).Neg().Shift(1)
}

// SGD is stochastic gradient descent, with momentum (Polyak 1964; Nesterov 1983; Sutskever et al. 2013). As in PyTorch,
//
//	g ← g + WeightDecay·p
//	m ← Momentum·m + g
//	p ← p − LR·m, or with Nesterov p − LR·(g + Momentum·m)
type SGD struct {
	LR          float64
	Momentum    float64
	Nesterov    bool
	WeightDecay float64
	Schedule    Schedule // nil means constant
}

// Update adds the updates.
func (o SGD) Update(f *graph.Func, group string, params, grads []*graph.Value) {
	if o.Nesterov && o.Momentum == 0 {
		f.Mistake(f.Pos(), "SGD: Nesterov without Momentum", "set Momentum: 0.9, or leave Nesterov out")
		return
	}
	u, ok := begin(f, "SGD", group, "LR", o.LR, "Momentum", o.Momentum, "WeightDecay", o.WeightDecay)
	if !ok {
		return
	}
	rate := u.rate(o.LR, o.Schedule)
	u.each(params, grads, func(p, g *graph.Value) {
		if o.WeightDecay > 0 {
			g = g.Add(wide(p).Scale(o.WeightDecay))
		}
		d := g
		if o.Momentum > 0 {
			m := u.slot("m", p)
			d = m.Scale(o.Momentum).Add(g)
			f.Update(m, d)
			if o.Nesterov {
				d = g.Add(d.Scale(o.Momentum))
			}
		}
		u.move(p, wide(p).Sub(d.Mul(as(p, rate))))
	})
}

// RMSprop divides by a running root mean square (Tieleman and Hinton 2012). As in PyTorch, whose alpha is Rho with a default
// of 0.99, and where Eps stands outside of the root,
//
//	v ← Rho·v + (1−Rho)·g²
//	p ← p − LR·g/(√v + Eps)
//
// and with Momentum the quotient goes through m ← Momentum·m + quotient first.
type RMSprop struct {
	LR       float64
	Rho      float64 // 0 means 0.9
	Eps      float64 // 0 means 1e-8
	Momentum float64
	Schedule Schedule // nil means constant
}

// Update adds the updates.
func (o RMSprop) Update(f *graph.Func, group string, params, grads []*graph.Value) {
	rho, eps := cmp.Or(o.Rho, .9), cmp.Or(o.Eps, 1e-8)
	u, ok := begin(f, "RMSprop", group, "LR", o.LR, "Rho", rho, "Eps", eps, "Momentum", o.Momentum)
	if !ok {
		return
	}
	rate := u.rate(o.LR, o.Schedule)
	u.each(params, grads, func(p, g *graph.Value) {
		v := u.slot("v", p)
		v2 := v.Lerp(g.Square(), 1-rho)
		f.Update(v, v2)
		d := g.Div(v2.Sqrt().Shift(eps))
		if o.Momentum > 0 {
			m := u.slot("m", p)
			d = m.Scale(o.Momentum).Add(d)
			f.Update(m, d)
		}
		u.move(p, wide(p).Sub(d.Mul(as(p, rate))))
	})
}

// Adam is the method of Kingma and Ba (2015), algorithm 1:
//
//	m ← Beta1·m + (1−Beta1)·g,  v ← Beta2·v + (1−Beta2)·g²
//	p ← p − LR · m/(1−Beta1ᵗ) / (√(v/(1−Beta2ᵗ)) + Eps)
type Adam struct {
	LR       float64
	Beta1    float64  // 0 means 0.9
	Beta2    float64  // 0 means 0.999
	Eps      float64  // 0 means 1e-8
	Schedule Schedule // nil means constant
}

// Update adds the updates.
func (o Adam) Update(f *graph.Func, group string, params, grads []*graph.Value) {
	adam("Adam", o, 0, f, group, params, grads)
}

// AdamW is Adam with weight decay apart from the gradient (Loshchilov and Hutter 2019): p ← p − LR·WeightDecay·p first.
type AdamW struct {
	LR          float64
	Beta1       float64  // 0 means 0.9
	Beta2       float64  // 0 means 0.999
	Eps         float64  // 0 means 1e-8
	WeightDecay float64  // 0 means 0.01
	Schedule    Schedule // nil means constant
}

// Update adds the updates.
func (o AdamW) Update(f *graph.Func, group string, params, grads []*graph.Value) {
	adam("AdamW", Adam{o.LR, o.Beta1, o.Beta2, o.Eps, o.Schedule}, cmp.Or(o.WeightDecay, .01), f, group, params, grads)
}

func adam(name string, o Adam, decay float64, f *graph.Func, group string, params, grads []*graph.Value) {
	b1, b2, eps := cmp.Or(o.Beta1, .9), cmp.Or(o.Beta2, .999), cmp.Or(o.Eps, 1e-8)
	u, ok := begin(f, name, group, "LR", o.LR, "Beta1", b1, "Beta2", b2, "Eps", eps, "WeightDecay", decay)
	if !ok {
		return
	}
	// The corrections of both moments go into two scalars: LR·√(1−Beta2ᵗ)/(1−Beta1ᵗ) and Eps·√(1−Beta2ᵗ).
	lr, root := u.rate(o.LR, o.Schedule), u.oneMinusPower(b2).Sqrt()
	rate, floor := lr.Mul(root).Div(u.oneMinusPower(b1)), root.Scale(eps)
	u.each(params, grads, func(p, g *graph.Value) {
		m, v := u.slot("m", p), u.slot("v", p)
		m2, v2 := m.Lerp(g, 1-b1), v.Lerp(g.Square(), 1-b2)
		f.Update(m, m2)
		f.Update(v, v2)
		q := wide(p)
		if decay > 0 {
			q = q.Mul(as(p, lr.Scale(-decay).Shift(1)))
		}
		u.move(p, q.Sub(m2.Mul(as(p, rate)).Div(v2.Sqrt().Add(as(p, floor)))))
	})
}

// Norm is the joint 2-norm of grads, an f64 scalar. It is infinite if the squares of one of them are.
func Norm(f *graph.Func, grads []*graph.Value) *graph.Value {
	total := f.Full(graph.F64, 0)
	for _, g := range grads {
		total = total.Add(wide(g).Square().Sum().Cast(graph.F64))
	}
	return total.Sqrt()
}

// ClipNorm scales all gradients together so that their joint 2-norm is at most Max, then hands them to Then (Pascanu et
// al. 2013).
type ClipNorm struct {
	Max  float64
	Then Optimizer
}

// Update adds the updates.
func (o ClipNorm) Update(f *graph.Func, group string, params, grads []*graph.Value) {
	if !wrapped(f, "ClipNorm", o.Max, o.Then) || len(grads) == 0 {
		return
	}
	// The norm is counted in units of the largest element, so that no square overflows or vanishes. 1e-6 keeps it off zero, as
	// in PyTorch's clip_grad_norm_.
	const floor = 1e-6
	clipped := make([]*graph.Value, len(grads))
	for i, g := range grads {
		clipped[i] = wide(g)
	}
	unit := f.Full(clipped[0].DType(), floor)
	for _, g := range clipped {
		unit = unit.Max(g.Abs().ReduceMax())
	}
	total := f.Full(unit.DType(), 0)
	for _, g := range clipped {
		total = total.Add(g.Div(unit).Square().Sum())
	}
	one := f.Full(unit.DType(), 1)
	norm := total.Sqrt().Add(f.Full(unit.DType(), floor).Div(unit))
	scale := f.Full(unit.DType(), o.Max).Div(unit).Div(norm).Min(one)
	for i, g := range clipped {
		clipped[i] = g.Mul(scale)
	}
	o.Then.Update(f, group, params, clipped)
}

// ClipValue limits each element of each gradient to [-Max, Max], then hands them to Then.
type ClipValue struct {
	Max  float64
	Then Optimizer
}

// Update adds the updates.
func (o ClipValue) Update(f *graph.Func, group string, params, grads []*graph.Value) {
	if !wrapped(f, "ClipValue", o.Max, o.Then) {
		return
	}
	clipped := make([]*graph.Value, len(grads))
	for i, g := range grads {
		clipped[i] = g.Clip(-o.Max, o.Max)
	}
	o.Then.Update(f, group, params, clipped)
}

// wrapped checks an optimizer that hands on to another.
func wrapped(f *graph.Func, name string, limit float64, then Optimizer) bool {
	if then == nil {
		f.Mistake(f.Pos(), name+": there is no optimizer to hand the gradients to", fmt.Sprintf("optim.%s{Max: 1, Then: optim.Adam{LR: 1e-3}}", name))
		return false
	}
	if !(limit > 0) || math.IsInf(limit, 0) {
		f.Mistake(f.Pos(), fmt.Sprintf("%s: Max is %v, and must be above 0", name, limit), "1 is a usual choice")
		return false
	}
	return true
}

// ClipWeights keeps each parameter in [-Max, Max] after each of Then's updates: what makes the critic of a Wasserstein GAN Lipschitz
// (Arjovsky et al. 2017, algorithm 1).
type ClipWeights struct {
	Max  float64
	Then Optimizer
}

// Update adds the updates of Then and cuts what comes of them. What Then leaves as it is, such as a group without an optimizer, stays.
func (o ClipWeights) Update(f *graph.Func, group string, params, grads []*graph.Value) {
	if !wrapped(f, "ClipWeights", o.Max, o.Then) {
		return
	}
	o.Then.Update(f, group, params, grads)
	for _, p := range params {
		if f.Current(p) != p {
			f.At(p.Pos, scope(group, p), func() { f.Update(p, f.Current(p).Clip(-o.Max, o.Max)) })
		}
	}
}
