package optim

import (
	"fmt"
	"math/rand/v2"
	"path"
	"strings"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// Groups gives parameters to optimizers by their names: each to the first group that matches it.
//
//	optim.Groups{
//		{Match: "embed.*"},                                               // frozen
//		{Match: "*.bias", Then: optim.Adam{LR: 1e-3}},                    // no weight decay
//		{Match: "*", Then: optim.AdamW{LR: 1e-3, WeightDecay: .1}},
//	}
type Groups []Group

// A Group is some of a Step's parameters and what updates them.
type Group struct {
	// Match are patterns of names, apart by spaces: * is any characters, dots too, ? is one, [ab] one of some ([path.Match]).
	Match string
	Then  Optimizer // nil leaves the parameters as they are
}

// Update hands each group its parameters. The state of group i is called <group>.<i>.<slot>.<param>.
func (o Groups) Update(f *graph.Func, group string, params, grads []*graph.Value) {
	const hint = `name all parameters, such as with a last group of the pattern "*"`
	taken := make([]bool, len(params))
	ok := true
	for i, g := range o {
		var ps, gs []*graph.Value
		patterns := strings.Fields(g.Match)
		if len(patterns) == 0 {
			f.Mistake(f.Pos(), fmt.Sprintf("Groups: group %d has no pattern", i), hint)
			ok = false
		}
		for _, pattern := range patterns {
			if _, err := path.Match(pattern, ""); err != nil {
				f.Mistake(f.Pos(), fmt.Sprintf("Groups: group %d has the pattern %q: %v", i, pattern, err), `such as "*.bias", "dec.*"`)
				ok = false
				continue
			}
			any := false
			for k, p := range params {
				if match, _ := path.Match(pattern, p.Name); !match {
					continue
				}
				any = true
				if !taken[k] {
					taken[k] = true
					ps, gs = append(ps, p), append(gs, grads[k])
				}
			}
			if !any {
				f.Mistake(f.Pos(), fmt.Sprintf("Groups: group %d: no parameter is called %q: there are %s", i, pattern, names(params)), `patterns match whole names: "dec.*", "*.bias"`)
				ok = false
			}
		}
		if ok && g.Then != nil && len(ps) > 0 {
			g.Then.Update(f, fmt.Sprintf("%s.%d", group, i), ps, gs)
		}
	}
	for k, p := range params {
		if ok && !taken[k] {
			f.Mistake(f.Pos(), fmt.Sprintf("Groups: no group has the parameter %q", p.Name), hint)
		}
	}
}

// names are those of params, the first of them if there are many.
func names(params []*graph.Value) string {
	var out []string
	for i, p := range params {
		if i == 8 {
			out = append(out, "...")
			break
		}
		out = append(out, p.Name)
	}
	return strings.Join(out, ", ")
}

// EMA keeps an exponential moving average of the parameters beside them, of their values after each of Then's updates:
//
//	average ← average + max(1−Decay, 1/t)·(p − average) at step t = 1, 2, ...
//
// so it is the plain mean of the first 1/(1−Decay) steps, without a trace of how the parameters started (Polyak and Juditsky
// 1992; Karras et al. 2018 for generators). An entry point reads the averages in place of the parameters if it is defined with
// Builder.EMAFunc. They are state like any other, called <group>.ema.<param>.
type EMA struct {
	Decay float64 // 0.999 is a usual choice
	Then  Optimizer
}

// Update adds the updates of Then and those of the averages.
func (o EMA) Update(f *graph.Func, group string, params, grads []*graph.Value) {
	if o.Then == nil {
		f.Mistake(f.Pos(), "EMA: there is no optimizer whose parameters to average", "optim.EMA{Decay: .999, Then: optim.Adam{LR: 1e-3}}")
		return
	}
	o.Then.Update(f, group, params, grads)
	if !(o.Decay > 0) {
		f.Mistake(f.Pos(), fmt.Sprintf("EMA: Decay is %v, and must be above 0", o.Decay), "0.999 is a usual choice")
		return
	}
	u, ok := begin(f, "EMA", group+".ema", "Decay", o.Decay)
	if !ok {
		return
	}
	rate := u.step.Shift(1).Reciprocal().Max(u.step.Scalar(1 - o.Decay))
	rest := rate.Scalar(1).Sub(rate)
	u.each(params, grads, func(p, _ *graph.Value) {
		average := f.Buffer(group+".ema."+p.Name, p.DType(), Average{p.Name, p.Op.(graph.Param).Init}, p.Shape()...)
		u.move(average, wide(average).Mul(as(p, rest)).Add(wide(f.Current(p)).Mul(as(p, rate))))
	})
}

// Average is how the average of a parameter starts: as the parameter does. It tells averages from other state.
type Average struct {
	Of   string // the parameter's name
	From graph.Initializer
}

// Init fills t as the parameter is filled.
func (a Average) Init(t *tensor.Tensor, r *rand.Rand) {
	if a.From != nil {
		a.From.Init(t, r)
	}
}
