package compiler

import (
	"fmt"
	"slices"

	"github.com/sardonyx-ml/sardonyx/compiler/initializer"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// Outputs of a Step in mixed precision of f16: the factor of its gradient, and 1 if the gradient was not finite, so that the Step left
// parameters and the optimizer's state as they are, else 0. The norm of such a gradient is given as 0.
const (
	LossScale = "loss_scale"
	Skipped   = "skipped"
)

// The scale of f16 gradients. They begin large, so that what is small in them is not lost, and find their size by halving. At 1 the
// gradient is the loss's own: if it is not finite then, no scale helps.
const (
	firstScale  = 1 << 16
	leastScale  = 1
	mostScale   = 1 << 24
	scaleGrowth = 2000 // steps of finite gradients after which the scale doubles
)

// MixedPrecision makes Steps compute their matrix products, convolutions and attention in t, f16 or bf16, forward and backward
// (Micikevicius et al. 2018); f32 is as without it. All else, parameters and the optimizer's state among it, stays in f32, and so do
// Funcs. With f16, whose range is small, the gradient is that of the loss times a scale, a power of two, by which it is divided
// again. The scale is state of the Step: it is halved when a gradient is not finite, and the Step then changes nothing else of the
// optimizer's; after 2,000 finite ones it doubles. A loss that is not finite, or a gradient at a scale of 1, is an error of the run, as
// in f32.
func (b *Builder) MixedPrecision(t graph.DType) { b.precision, b.precisionPos = t, graph.Caller() }

// MixedPrecision is p, compiled again with its Steps in the precision t; see [Builder.MixedPrecision].
func (p *Program) MixedPrecision(t graph.DType) (*Program, error) {
	b := *p.definition
	b.entries = nil
	for _, e := range p.definition.entries {
		again := *e
		b.entries = append(b.entries, &again)
	}
	b.MixedPrecision(t)
	return b.Compile()
}

// Precision is the dtype of the products in p's Steps: f32, or that of mixed precision.
func (p *Program) Precision() graph.DType { return p.definition.precision }

// checkPrecision reports a precision that there is not.
func (b *Builder) checkPrecision() graph.Diags {
	if slices.Contains([]graph.DType{graph.F32, graph.F16, graph.BF16}, b.precision) {
		return nil
	}
	return graph.Diags{{Pos: b.precisionPos, Msg: fmt.Sprintf("MixedPrecision: products in %v", b.precision), Hint: "graph.BF16, graph.F16 or graph.F32"}}
}

// lossScale is the scale of a Step's gradient, and the state that it moves by; nil is none.
type lossScale struct {
	f      *graph.Func
	scale  *graph.Value // f32
	good   *graph.Value // how many gradients were finite since it changed, i64
	finite *graph.Value // whether the gradient is, a bool
	counts *graph.Value // whether the Step moves parameters, a bool
}

// newLossScale is the scale of e, which f16 alone needs, and only where there are parameters to move.
func (e *entry) newLossScale(params []*graph.Value) *lossScale {
	if e.f.Products != graph.F16 || len(params) == 0 {
		return nil
	}
	group := reserved + "." + e.name
	return &lossScale{f: e.f, scale: e.f.Buffer(group+".scale", graph.F32, initializer.Constant{Value: firstScale}), good: e.f.Buffer(group+".good", graph.I64, initializer.Zeros{})}
}

// grad are the gradients of the loss by params.
func (s *lossScale) grad(loss *graph.Value, params []*graph.Value) []*graph.Value {
	if s == nil {
		return graph.Grad(loss, params...)
	}
	grads := graph.Grad(loss.Mul(s.scale.Cast(loss.DType())), params...)
	for i, g := range grads {
		s.f.As(params[i], func() { grads[i] = g.Div(s.scale.Cast(g.DType())) })
	}
	s.finite = grads[0].AllFinite(grads[1:]...)
	s.counts = s.finite.Or(s.scale.LessEqual(s.scale.Scalar(leastScale)))
	return grads
}

// update has opt update params and, where the Step does not count, takes back what it did. Then the scale moves.
func (s *lossScale) update(f *graph.Func, opt optim.Optimizer, group string, params, grads []*graph.Value) {
	if s == nil {
		opt.Update(f, group, params, grads)
		return
	}
	before := map[string]*graph.Value{}
	for _, u := range f.Updates {
		before[u.Name] = u.Value
	}
	opt.Update(f, group, params, grads)
	for i, u := range f.Updates {
		old := before[u.Name]
		if old == u.Value {
			continue
		}
		if old == nil {
			old = f.Lookup(u.Name)
		}
		f.At(u.Pos, "", func() { f.Updates[i].Value = s.counts.Where(u.Value, old) })
	}
	s.move()
}

// move updates the scale and the count, and reports the scale.
func (s *lossScale) move() {
	f := s.f
	zero := f.FullInt(graph.I64, 0)
	good := s.good.Add(f.FullInt(graph.I64, 1))
	grows := good.GreaterEqual(f.FullInt(graph.I64, scaleGrowth))
	f.Update(s.good, s.finite.Where(grows.Where(zero, good), zero))
	larger := grows.Where(s.scale.Scale(2).Min(s.scale.Scalar(mostScale)), s.scale)
	smaller := s.scale.Scale(.5).Max(s.scale.Scalar(leastScale))
	f.Update(s.scale, s.finite.Where(larger, smaller))
	f.Output(LossScale, s.scale)
	f.Output(Skipped, s.counts.Where(s.scale.Scalar(0), s.scale.Scalar(1)))
}

// norm is the norm of a gradient that counts, else 0.
func (s *lossScale) norm(norm *graph.Value) *graph.Value {
	if s == nil {
		return norm
	}
	return s.counts.Where(norm, norm.Scalar(0))
}
