package optim_test

import (
	"math"
	"reflect"
	"strings"
	"testing"

	"gonum.org/v1/gonum/blas/gonum"

	"github.com/sardonyx-ml/sardonyx/compiler/initializer"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// The loss is ½ Σ a·(p−c)², whose gradient a·(p−c) is easily written down.
var (
	curvature = []float64{1, 3, .2, 10}
	centre    = []float64{1, -2, .5, 0}
	start     = []float64{0, 1, -1, 2}
)

const steps = 12

// descend runs an optimizer for some steps and returns p after each.
func descend(t *testing.T, o optim.Optimizer) [][]float64 {
	t.Helper()
	f := graph.NewFunc("step", true)
	p := f.Param("p", initializer.Zeros{}, 4)
	constant := func(v []float64) *graph.Value {
		x := tensor.New(tensor.F32, 4)
		for i := range v {
			x.Set(i, v[i])
		}
		return f.Const(x)
	}
	loss := constant(curvature).Mul(p.Sub(constant(centre)).Square()).Sum().Scale(.5)
	o.Update(f, "opt", []*graph.Value{p}, graph.Grad(loss, p))
	if len(f.Diags) > 0 {
		t.Fatal(f.Diags)
	}
	state := map[string]*tensor.Tensor{}
	for _, q := range f.Params {
		shape, _ := q.Shape().Eval(nil)
		state[q.Name] = tensor.New(q.DType(), shape...)
	}
	for i, v := range start {
		state["p"].Set(i, v)
	}
	c := kernel.NewContext(gonum.Implementation{}, 1)
	var path [][]float64
	for range steps {
		out, err := graph.Evaluate(c, f, state)
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range f.Updates {
			state[u.Name] = out[u.Value.ID]
		}
		path = append(path, state["p"].Float64s())
	}
	if n := state["opt.step"].At(0); n != steps {
		t.Errorf("the step count is %v after %d steps", n, steps)
	}
	return path
}

// reference runs an update rule, written in float64 for one element, on the same problem. scale changes the whole gradient
// at each step, as clipping by norm does.
func reference(rule func() func(t int, p, g float64) float64, scale func(g []float64) float64) [][]float64 {
	var rules []func(t int, p, g float64) float64
	for range start {
		rules = append(rules, rule())
	}
	p := append([]float64(nil), start...)
	var path [][]float64
	for t := range steps {
		g := make([]float64, len(p))
		for i := range p {
			g[i] = curvature[i] * (p[i] - centre[i])
		}
		k := scale(g)
		for i := range p {
			p[i] = rules[i](t, p[i], k*g[i])
		}
		path = append(path, append([]float64(nil), p...))
	}
	return path
}

func one([]float64) float64 { return 1 }

// TestOptimizers compares each optimizer with the equations of its source.
func TestOptimizers(t *testing.T) {
	adam := func(lr, b1, b2, eps, decay float64) func() func(int, float64, float64) float64 {
		return func() func(int, float64, float64) float64 {
			m, v := 0.0, 0.0
			return func(t int, p, g float64) float64 {
				m, v = b1*m+(1-b1)*g, b2*v+(1-b2)*g*g
				mh, vh := m/(1-math.Pow(b1, float64(t+1))), v/(1-math.Pow(b2, float64(t+1)))
				return p - lr*decay*p - lr*mh/(math.Sqrt(vh)+eps)
			}
		}
	}
	sgd := func(lr func(t int) float64, momentum, decay float64, nesterov bool) func() func(int, float64, float64) float64 {
		return func() func(int, float64, float64) float64 {
			m := 0.0
			return func(t int, p, g float64) float64 {
				g += decay * p
				m = momentum*m + g
				if nesterov {
					return p - lr(t)*(g+momentum*m)
				}
				return p - lr(t)*m
			}
		}
	}
	flat := func(lr float64) func(int) float64 { return func(int) float64 { return lr } }
	rmsprop := func(lr, rho, eps, momentum float64) func() func(int, float64, float64) float64 {
		return func() func(int, float64, float64) float64 {
			v, m := 0.0, 0.0
			return func(_ int, p, g float64) float64 {
				v = rho*v + (1-rho)*g*g
				m = momentum*m + g/(math.Sqrt(v)+eps)
				return p - lr*m
			}
		}
	}
	norm := func(limit float64) func(g []float64) float64 {
		return func(g []float64) float64 {
			sum := 0.0
			for _, x := range g {
				sum += x * x
			}
			return math.Min(1, limit/(math.Sqrt(sum)+1e-6))
		}
	}
	cosine := func(t int) float64 {
		if t < 3 {
			return .05 * float64(t+1) / 3
		}
		return .05 * (.1 + .9*(1+math.Cos(math.Pi*math.Min(1, float64(t-3)/7)))/2)
	}
	for _, c := range []struct {
		name string
		o    optim.Optimizer
		want [][]float64
	}{
		{"sgd", optim.SGD{LR: .05}, reference(sgd(flat(.05), 0, 0, false), one)},
		{"sgd momentum decay", optim.SGD{LR: .05, Momentum: .9, WeightDecay: .1}, reference(sgd(flat(.05), .9, .1, false), one)},
		{"sgd nesterov", optim.SGD{LR: .05, Momentum: .9, Nesterov: true}, reference(sgd(flat(.05), .9, 0, true), one)},
		{"rmsprop", optim.RMSprop{LR: .05}, reference(rmsprop(.05, .9, 1e-8, 0), one)},
		{"rmsprop momentum", optim.RMSprop{LR: .02, Rho: .95, Eps: 1e-4, Momentum: .5}, reference(rmsprop(.02, .95, 1e-4, .5), one)},
		{"adam", optim.Adam{LR: .1}, reference(adam(.1, .9, .999, 1e-8, 0), one)},
		{"adam betas", optim.Adam{LR: .1, Beta1: .5, Beta2: .9, Eps: 1e-3}, reference(adam(.1, .5, .9, 1e-3, 0), one)},
		{"adamw", optim.AdamW{LR: .1, WeightDecay: .2}, reference(adam(.1, .9, .999, 1e-8, .2), one)},
		{"clip norm", optim.ClipNorm{Max: 2, Then: optim.SGD{LR: .05}}, reference(sgd(flat(.05), 0, 0, false), norm(2))},
		{"clip value", optim.ClipValue{Max: 1.5, Then: optim.SGD{LR: .05}}, reference(func() func(int, float64, float64) float64 {
			return func(_ int, p, g float64) float64 { return p - .05*math.Max(-1.5, math.Min(1.5, g)) }
		}, one)},
		{"constant", optim.SGD{LR: .05, Schedule: optim.Constant{}}, reference(sgd(flat(.05), 0, 0, false), one)},
		{"step decay", optim.SGD{LR: .05, Schedule: optim.StepDecay{Every: 3, Gamma: .5}}, reference(sgd(func(t int) float64 { return .05 * math.Pow(.5, float64(t/3)) }, 0, 0, false), one)},
		{"cosine", optim.SGD{LR: .05, Schedule: optim.Cosine{Steps: 10, WarmUp: 3, Floor: .1}}, reference(sgd(cosine, 0, 0, false), one)},
	} {
		got := descend(t, c.o)
		for s := range got {
			for i, g := range got[s] {
				if w := c.want[s][i]; math.Abs(g-w) > 2e-5*max(1, math.Abs(w)) {
					t.Fatalf("%s: after step %d, p[%d] is %v, want %v", c.name, s, i, g, w)
				}
			}
		}
	}
}

// TestClipNormTogether clips the gradients 3a and 4b of two parameters of different shapes: their joint norm is 5 times
// that of ones.
func TestClipNormTogether(t *testing.T) {
	f := graph.NewFunc("step", true)
	a, b := f.Param("a", initializer.Zeros{}, 1), f.Param("b", initializer.Zeros{}, 1, 1)
	loss := a.Scale(3).Sum().Add(b.Scale(4).Sum())
	optim.ClipNorm{Max: 1, Then: optim.SGD{LR: 1}}.Update(f, "opt", []*graph.Value{a, b}, graph.Grad(loss, a, b))
	if len(f.Diags) > 0 {
		t.Fatal(f.Diags)
	}
	out, err := graph.Evaluate(kernel.NewContext(gonum.Implementation{}, 1), f, map[string]*tensor.Tensor{
		"a": tensor.New(tensor.F32, 1), "b": tensor.New(tensor.F32, 1, 1), "opt.step": tensor.New(tensor.I64),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]float64{"a": -.6, "b": -.8, "opt.step": 1}
	for _, u := range f.Updates {
		if got := out[u.Value.ID].At(0); math.Abs(got-want[u.Name]) > 1e-5 {
			t.Errorf("%s becomes %v, want %v", u.Name, got, want[u.Name])
		}
	}
	if len(f.Updates) != len(want) {
		t.Errorf("%d updates", len(f.Updates))
	}
}

// TestClipNormExtremes clips gradients whose squares overflow or vanish in float32.
func TestClipNormExtremes(t *testing.T) {
	for _, c := range []struct {
		limit, rate float64
		g, want     [2]float64
	}{
		{1, .1, [2]float64{3e19, 4e19}, [2]float64{.94, .92}},
		{1, .1, [2]float64{-3e38, 0}, [2]float64{1.1, 1}},
		{1, .1, [2]float64{3e38, 3e38}, [2]float64{1 - .1/math.Sqrt2, 1 - .1/math.Sqrt2}}, // the norm is no float32 at all
		{1e-25, 1e24, [2]float64{3e-19, 4e-19}, [2]float64{1 - .1*3e-19/1e-6, 1}},         // far below the 1e-6 that is added to the norm
		{1e-3, 10, [2]float64{3e-4, 4e-4}, [2]float64{1 - 3e-3, 1 - 4e-3}},                // within the limit
		{1, .1, [2]float64{0, 0}, [2]float64{1, 1}},
	} {
		f := graph.NewFunc("step", true)
		a, b := f.Param("a", initializer.Zeros{}, 1), f.Param("b", initializer.Zeros{}, 1, 1)
		loss := a.Scale(c.g[0]).Sum().Add(b.Scale(c.g[1]).Sum())
		optim.ClipNorm{Max: c.limit, Then: optim.SGD{LR: c.rate}}.Update(f, "opt", []*graph.Value{a, b}, graph.Grad(loss, a, b))
		if len(f.Diags) > 0 {
			t.Fatal(f.Diags)
		}
		out, err := graph.Evaluate(kernel.NewContext(gonum.Implementation{}, 1), f, map[string]*tensor.Tensor{
			"a": tensor.Of([]float32{1}, 1), "b": tensor.Of([]float32{1}, 1, 1), "opt.step": tensor.New(tensor.I64)})
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range f.Updates {
			if i := map[string]int{"a": 0, "b": 1}[u.Name]; u.Name != "opt.step" {
				if got := out[u.Value.ID].At(0); math.Abs(got-c.want[i]) > 1e-6 {
					t.Errorf("the gradient %v clipped to %v: %s becomes %v, want %v", c.g, c.limit, u.Name, got, c.want[i])
				}
			}
		}
	}
}

// TestMistakes gives numbers that make no sense.
func TestMistakes(t *testing.T) {
	for _, c := range []struct {
		o    optim.Optimizer
		want string
	}{
		{optim.SGD{}, "SGD: LR is 0"},
		{optim.SGD{LR: -1}, "SGD: LR is -1"},
		{optim.SGD{LR: 1, Momentum: 1}, "SGD: Momentum is 1"},
		{optim.Adam{LR: math.NaN()}, "Adam: LR is NaN"},
		{optim.Adam{LR: 1, Beta2: 1.5}, "Adam: Beta2 is 1.5"},
		{optim.AdamW{LR: 1, WeightDecay: -1}, "AdamW: WeightDecay is -1"},
		{optim.RMSprop{LR: 1, Rho: -.1}, "RMSprop: Rho is -0.1"},
		{optim.ClipNorm{Max: 1}, "ClipNorm: there is no optimizer"},
		{optim.ClipValue{Then: optim.SGD{LR: 1}}, "ClipValue: Max is 0"},
		{optim.SGD{LR: 1, Schedule: optim.Cosine{Steps: 5, WarmUp: 5}}, "Cosine: Steps must be above WarmUp"},
		{optim.SGD{LR: 1, Schedule: optim.StepDecay{}}, "StepDecay: Every must be at least 1"},
		{optim.SGD{LR: 1, Schedule: optim.StepDecay{Every: 1, Gamma: math.Inf(1)}}, "StepDecay: "},
		{optim.SGD{LR: 1, Schedule: optim.Cosine{Steps: 5, Floor: math.NaN()}}, "Cosine: "},
		{optim.SGD{LR: 1, Nesterov: true}, "SGD: Nesterov without Momentum"},
	} {
		f := graph.NewFunc("step", true)
		p := f.Param("p", initializer.Zeros{}, 4)
		c.o.Update(f, "opt", []*graph.Value{p}, []*graph.Value{p})
		if len(f.Diags) != 1 || !strings.HasPrefix(f.Diags[0].Msg, c.want) {
			t.Errorf("%+v: %v, want %q", c.o, f.Diags, c.want)
		}
	}
}

// TestFloatFields sets each float of every optimizer and schedule to what is no number: a mistake.
func TestFloatFields(t *testing.T) {
	sgd := optim.SGD{LR: .1}
	tried := 0
	for _, o := range []any{
		&optim.SGD{LR: .1}, &optim.RMSprop{LR: .1}, &optim.Adam{LR: .1}, &optim.AdamW{LR: .1}, &optim.ClipNorm{Max: 1, Then: sgd}, &optim.ClipValue{Max: 1, Then: sgd},
		&optim.StepDecay{Every: 3, Gamma: .5}, &optim.Cosine{Steps: 10},
	} {
		v := reflect.ValueOf(o).Elem()
		for i := range v.NumField() {
			if v.Field(i).Kind() != reflect.Float64 {
				continue
			}
			was := v.Field(i).Float()
			for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
				v.Field(i).SetFloat(bad)
				opt, ok := o.(optim.Optimizer)
				if !ok {
					opt = optim.SGD{LR: .1, Schedule: o.(optim.Schedule)}
				}
				f := graph.NewFunc("f", true)
				p := f.Param("p", nil, 3)
				opt.Update(f, "opt", []*graph.Value{p}, []*graph.Value{f.Input("g", graph.F32, 3)})
				if tried++; len(f.Diags) != 1 || f.Diags[0].Hint == "" {
					t.Errorf("%T with %s = %v: want one mistake, have %v", o, v.Type().Field(i).Name, bad, f.Diags)
				}
			}
			v.Field(i).SetFloat(was)
		}
	}
	if tried < 60 {
		t.Errorf("only %d tried", tried)
	}
}
