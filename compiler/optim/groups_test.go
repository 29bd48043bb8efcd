package optim_test

import (
	"math"
	"strings"
	"testing"

	"gonum.org/v1/gonum/blas/gonum"

	"github.com/sardonyx-ml/sardonyx/compiler/initializer"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// fall traces o over three scalars, each with the loss 3p, and runs it; trace is what is in the state after each step.
func fall(t *testing.T, o optim.Optimizer, n int) (trace []map[string]float64) {
	t.Helper()
	f := graph.NewFunc("step", true)
	var params []*graph.Value
	loss := f.Full(graph.F32, 0)
	for _, name := range []string{"dec.weight", "dec.bias", "enc.weight"} {
		p := f.Param(name, initializer.Constant{Value: 5})
		params = append(params, p)
		loss = loss.Add(p.Scale(3))
	}
	o.Update(f, "opt.s", params, graph.Grad(loss, params...))
	if len(f.Diags) > 0 {
		t.Fatal(f.Diags)
	}
	state := map[string]*tensor.Tensor{}
	for _, q := range f.Params {
		state[q.Name] = tensor.New(q.DType())
		if o := q.Op.(graph.Param); o.Init != nil {
			o.Init.Init(state[q.Name], nil)
		}
	}
	for range n {
		out, err := graph.Evaluate(kernel.NewContext(gonum.Implementation{}, 1), f, state)
		if err != nil {
			t.Fatal(err)
		}
		now := map[string]float64{}
		for _, u := range f.Updates {
			state[u.Name] = out[u.Value.ID]
		}
		for name, x := range state {
			now[name] = x.At(0)
		}
		trace = append(trace, now)
	}
	return trace
}

// TestGroups gives each parameter to the first group that has it: frozen, with a rate of its own, and with decay.
func TestGroups(t *testing.T) {
	o := optim.Groups{{Match: "enc.*"}, {Match: "*.bias enc.weight", Then: optim.SGD{LR: .01}}, {Match: "*", Then: optim.SGD{LR: .1, WeightDecay: .5}}}
	last := fall(t, o, 1)[0]
	for name, want := range map[string]float64{"enc.weight": 5, "dec.bias": 5 - .01*3, "dec.weight": 5 - .1*(3+.5*5), "opt.s.1.step": 1, "opt.s.2.step": 1} {
		if got := last[name]; math.Abs(got-want) > 1e-6 {
			t.Errorf("%s is %v, want %v", name, got, want)
		}
	}
	if len(last) != 5 {
		t.Errorf("the state is %v", last)
	}
}

// TestEMA compares the averages with their definition in a loop over the new values of the parameters: the mean of all of them at
// first, and then the exponential one. Parameters that a group within freezes are averaged too.
func TestEMA(t *testing.T) {
	const decay, steps = .75, 9
	average := map[string]float64{}
	o := optim.EMA{Decay: decay, Then: optim.ClipNorm{Max: 1e3, Then: optim.Groups{{Match: "enc.*"}, {Match: "*", Then: optim.SGD{LR: .1}}}}}
	for i, state := range fall(t, o, steps) {
		for _, name := range []string{"dec.weight", "dec.bias", "enc.weight"} {
			rate := max(1-decay, 1/float64(i+1))
			average[name] += rate * (state[name] - average[name])
			if got := state["opt.s.ema."+name]; math.Abs(got-average[name]) > 1e-5 {
				t.Errorf("step %d: the average of %s is %v, want %v", i+1, name, got, average[name])
			}
		}
	}
	if p := 5 - .1*3*float64(steps); math.Abs(average["dec.weight"]-p) < .5 {
		t.Errorf("the average %v is no other than the parameter, %v", average["dec.weight"], p)
	}
	first := fall(t, o, 1)[0]
	if first["opt.s.ema.dec.bias"] != first["dec.bias"] {
		t.Errorf("after one step the average is %v, want the parameter, %v", first["opt.s.ema.dec.bias"], first["dec.bias"])
	}
}

// TestClipWeights holds that parameters stay in their interval, from the first step on, also where it is another optimizer's update
// that goes beyond it, and that averages are of what is clipped.
func TestClipWeights(t *testing.T) {
	o := optim.EMA{Decay: .5, Then: optim.ClipWeights{Max: 4, Then: optim.SGD{LR: .5}}}
	for i, state := range fall(t, o, 8) {
		want := max(5-1.5*float64(i+1), -4)
		if got := state["dec.weight"]; math.Abs(got-want) > 1e-6 {
			t.Errorf("step %d: the weight is %v, want %v", i+1, got, want)
		}
		if got := state["opt.s.ema.dec.weight"]; got < -4 {
			t.Errorf("step %d: the average is %v", i+1, got)
		}
	}
	if got := fall(t, optim.ClipWeights{Max: .01, Then: optim.SGD{LR: 1e-6}}, 1)[0]["dec.bias"]; math.Abs(got-.01) > 1e-9 {
		t.Errorf("a parameter that starts outside is %v, want .01", got)
	}
	frozen := optim.ClipWeights{Max: .01, Then: optim.Groups{{Match: "enc.*"}, {Match: "*", Then: optim.SGD{LR: .1}}}}
	if got := fall(t, frozen, 1)[0]["enc.weight"]; got != 5 {
		t.Errorf("a frozen parameter is %v, want 5", got)
	}
}

// TestGroupMistakes must say what is wrong with groups and averages.
func TestGroupMistakes(t *testing.T) {
	sgd := optim.SGD{LR: .1}
	for _, c := range []struct {
		o    optim.Optimizer
		want []string
	}{
		{optim.Groups{}, []string{`no group has the parameter "dec.weight"`}},
		{optim.Groups{{Match: "enc", Then: sgd}, {Match: "*", Then: sgd}}, []string{`group 0: no parameter is called "enc": there are dec.weight`}},
		{optim.Groups{{Match: "[", Then: sgd}, {Match: "*", Then: sgd}}, []string{`group 0 has the pattern "["`}},
		{optim.Groups{{Then: sgd}, {Match: "*", Then: sgd}}, []string{"group 0 has no pattern"}},
		{optim.Groups{{Match: "*", Then: optim.SGD{}}}, []string{"SGD: LR is 0"}},
		{optim.EMA{Then: sgd}, []string{"EMA: Decay is 0"}},
		{optim.EMA{Decay: 1, Then: sgd}, []string{"EMA: Decay is 1"}},
		{optim.EMA{Decay: math.NaN(), Then: sgd}, []string{"EMA: Decay is NaN"}},
		{optim.ClipWeights{Then: sgd}, []string{"ClipWeights: Max is 0"}},
		{optim.ClipWeights{Max: -1, Then: sgd}, []string{"ClipWeights: Max is -1"}},
		{optim.ClipWeights{Max: .01}, []string{"ClipWeights: there is no optimizer"}},
		{optim.EMA{Decay: .9}, []string{"EMA: there is no optimizer"}},
	} {
		f := graph.NewFunc("step", true)
		p := f.Param("dec.weight", initializer.Zeros{})
		c.o.Update(f, "opt", []*graph.Value{p}, graph.Grad(p.Square(), p))
		if len(f.Diags) != len(c.want) {
			t.Errorf("%+v: %v", c.o, f.Diags)
			continue
		}
		for i, w := range c.want {
			if d := f.Diags[i]; !strings.Contains(d.Msg, w) || d.Hint == "" {
				t.Errorf("%+v: %s", c.o, d.Msg)
			}
		}
	}
}
