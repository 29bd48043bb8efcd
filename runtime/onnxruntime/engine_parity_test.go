package onnxruntime_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/models/modelstest"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/gorgonia"
)

// A parity compares runs of one training, each over a state of its own, with one in gorgonia. All take the same steps on the same data, and
// go on from its state again after every stretch of so many.
//
// How far apart they may be is measured, not chosen: gorgonia trains once more, and in each step takes its gradients at parameters that are
// each moved to the float beside it. What comes of that is the envelope: what rounding alone does to this training. A run is as it should be
// if it is in no step farther off than a small multiple of the envelope so far, or a few roundings.
type parity struct {
	prog    *compiler.Program
	turns   []string // the Steps that one step runs
	stretch int
	start   [groups][][]float32 // where want was when this stretch began
	want    *trajectory
	kicked  []*trajectory
	got     []*trajectory
}

// A trajectory is a run, and how far it was from the one that is wanted.
type trajectory struct {
	name  string // of what is wrong with it on purpose
	x     runtime.Executable
	state *runtime.State
	kick  *rand.Rand                                      // nil: parameters are left as they are
	spoil func(t *testing.T, place int, s *runtime.State) // nil, or called before each step
	apart [][measures][]float64                           // by the place in the stretch, of each stretch
}

// What is measured after each step: losses, relative to them and a tenth; and the sum of what elements differ by, relative to that of what
// they have moved by in this stretch. A sum of magnitudes, not of squares: where a gradient is nothing but rounding, Adam takes a step of full
// size in a direction that rounding decides, and of a million elements there are always some.
const (
	params  = iota // and running statistics
	moments        // the first ones of Adam: what gradients were
	losses
	measures
	groups = losses
)

var measured = [measures]string{"parameters", "moments", "losses"}

// factor is the small multiple.
const factor = 8

// least are the few roundings.
var least = [measures]float64{2e-6, 2e-6, 1e-6}

// newParity compares runs of m with one of gorgonia, and with others in which rounding is other.
func newParity(t *testing.T, m models.Model, stretch, kicked int) *parity {
	t.Helper()
	prog := modelstest.Define(t, m, nil)
	p := &parity{prog: prog, turns: m.Train.Turns().Steps(), stretch: stretch, want: newTrajectory(t, inGorgonia(t), prog)}
	for i := range kicked {
		x := newTrajectory(t, inGorgonia(t), prog)
		x.kick = rand.New(rand.NewPCG(3, uint64(i)))
		p.kicked = append(p.kicked, x)
	}
	return p
}

func inGorgonia(t *testing.T) runtime.Engine {
	t.Helper()
	e, err := gorgonia.New(gorgonia.Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func newTrajectory(t *testing.T, e runtime.Engine, prog *compiler.Program) *trajectory {
	t.Helper()
	state, err := runtime.NewState(prog, 3)
	if err != nil {
		t.Fatal(err)
	}
	x, err := e.Load(prog, state)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := x.Close(); err != nil {
			t.Error(err)
		}
	})
	return &trajectory{x: x, state: state}
}

// group says in which group a state is, or that it is in none.
func group(name string, x *tensor.Tensor) (int, bool) {
	optimizer := strings.HasPrefix(name, "opt.")
	switch {
	case x.DType() != tensor.F32:
	case !optimizer:
		return params, true
	case strings.Contains(name, ".m."):
		return moments, true
	}
	return 0, false
}

// floats are the state of each group, until the next step.
func (x *trajectory) floats(t *testing.T) (all [groups][][]float32) {
	t.Helper()
	for _, name := range x.state.Names() {
		v, err := x.state.Tensor(name)
		if err != nil {
			t.Fatal(err)
		}
		if g, ok := group(name, v); ok {
			all[g] = append(all[g], tensor.Data[float32](v))
		}
	}
	return all
}

// kicked takes a step from parameters that are each moved to a float beside it, and adds the step's update to the parameters as they were: so
// gradients are those of other numbers, and that is all.
func (x *trajectory) kicked(t *testing.T, step func()) {
	t.Helper()
	before, moved := map[string]*tensor.Tensor{}, map[string]*tensor.Tensor{}
	for _, name := range x.state.Names() {
		v, err := x.state.Tensor(name)
		if err != nil {
			t.Fatal(err)
		}
		if g, ok := group(name, v); ok && g == params {
			before[name], moved[name] = v.Clone(), v.Clone()
			kick(x.kick, tensor.Data[float32](moved[name]))
			if err := x.state.Set(name, moved[name]); err != nil {
				t.Fatal(err)
			}
		}
	}
	step()
	for name := range moved {
		change(t, x.state, name, func(v *tensor.Tensor) {
			d, from, was := tensor.Data[float32](v), tensor.Data[float32](moved[name]), tensor.Data[float32](before[name])
			for i := range d {
				d[i] = was[i] + (d[i] - from[i])
			}
		})
	}
}

// kick moves each number that is not 0 to the next one, up or down.
func kick(r *rand.Rand, d []float32) {
	for i := 0; i < len(d); i += 64 {
		up := r.Uint64()
		for k := range min(64, len(d)-i) {
			if d[i+k] != 0 {
				d[i+k] = math.Float32frombits(math.Float32bits(d[i+k]) + uint32(up>>k&1)*2 - 1)
			}
		}
	}
}

// begin gives x the state of want.
func (x *trajectory) begin(t *testing.T, want *trajectory) {
	t.Helper()
	for _, name := range want.state.Names() {
		v, err := want.state.Tensor(name)
		if err == nil {
			err = x.state.Set(name, v)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// steps takes n steps of all, on batches of so many, whose labels may be noisy.
func (p *parity) steps(t *testing.T, n, batch int, noisy bool) {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	others := slices.Concat(p.kicked, p.got)
	for i := range n {
		place := i % p.stretch
		if place == 0 {
			p.start = p.want.floats(t)
			for g := range p.start {
				for k, x := range p.start[g] {
					p.start[g][k] = slices.Clone(x)
				}
			}
			for _, x := range others {
				x.begin(t, p.want)
			}
		}
		for _, x := range others {
			if x.spoil != nil {
				x.spoil(t, place, x.state)
			}
		}
		for k, name := range p.turns {
			in := drawn(r, p.prog.Step(name), batch, noisy)
			wanted := p.want.run(t, name, in)
			want := p.want.floats(t)
			for _, x := range others {
				loss := x.run(t, name, in)
				x.note(place*len(p.turns)+k, math.Abs(loss-wanted)/(.1+math.Abs(wanted)), x.floats(t), want, p.start)
			}
		}
	}
}

// run runs a Step, and returns its loss.
func (x *trajectory) run(t *testing.T, name string, in map[string]*tensor.Tensor) (loss float64) {
	t.Helper()
	step := func() {
		out, err := runtime.Run(t.Context(), x.x, name, in)
		if err != nil {
			t.Fatal(err)
		}
		loss = out["loss"].At(0)
	}
	if x.kick == nil {
		step()
	} else {
		x.kicked(t, step)
	}
	return loss
}

// note adds what x is apart from want at a place in the stretch.
func (x *trajectory) note(at int, lossApart float64, got, want, start [groups][][]float32) {
	if at == len(x.apart) {
		x.apart = append(x.apart, [measures][]float64{})
	}
	for g := range groups {
		var apart, moved float64
		for i, list := range want[g] {
			for k, w := range list {
				apart += math.Abs(float64(got[g][i][k]) - float64(w))
				moved += math.Abs(float64(w) - float64(start[g][i][k]))
			}
		}
		x.apart[at][g] = append(x.apart[at][g], apart/max(moved, math.SmallestNonzeroFloat32))
	}
	x.apart[at][losses] = append(x.apart[at][losses], lossApart)
}

// An envelope is how far rounding takes a training from itself, by the place in a stretch: the farthest of the kicked runs up to there, in the
// lower quartile of the stretches and in the worst.
type envelope struct{ typical, worst [][measures]float64 }

func (p *parity) envelope() (e envelope) {
	var typical, worst [measures]float64
	for at := range p.kicked[0].apart {
		for m := range measures {
			for _, x := range p.kicked {
				typical[m] = max(typical[m], quartile(x.apart[at][m]))
				worst[m] = max(worst[m], slices.Max(x.apart[at][m]))
			}
		}
		e.typical, e.worst = append(e.typical, typical), append(e.worst, worst)
	}
	return e
}

// quartile is what a quarter of the stretches, those that meet no kink, are apart by at most. What is wrong with an engine is wrong in all.
func quartile(list []float64) float64 {
	list = slices.Sorted(slices.Values(list))
	return list[len(list)/4]
}

// judge says where x is first farther from want than the envelope allows; "" is nowhere. If states is true, neither states nor losses may be
// apart, in the lower quartile of the stretches, by more than roundings, or the factor times the envelope's quartile. If there is but one
// stretch, a free run, losses may be apart by tol, as long as the envelope is within that. From there on its parameters are held to the factor
// times the envelope, since losses of runs that have come apart leap. Which run meets a kink first is chance: so a free run may be ahead.
func (x *trajectory) judge(e envelope, tol float64, states bool) string {
	for at := range x.apart {
		for m := range measures {
			if d, of := quartile(x.apart[at][m]), e.typical[at][m]; states && !(d <= max(far(least[m]), factor*of)) {
				return fmt.Sprintf("after %d runs of a Step %s are apart by %.1e, in the envelope by %.1e", at+1, measured[m], d, of)
			}
		}
		if len(x.apart[at][losses]) > 1 {
			continue
		}
		m, bound := losses, far(tol)
		if at >= e.within(tol) {
			m, bound = params, far(least[params])+factor*e.ahead(at)[params]
		}
		if d := x.apart[at][m][0]; !(d <= bound) {
			return fmt.Sprintf("after %d runs of a Step %s are apart by %.1e, in the envelope by %.1e", at+1, measured[m], d, e.ahead(at)[m])
		}
	}
	return ""
}

// ahead is the envelope of a run of a Step twice as late, and some more.
func (e envelope) ahead(at int) [measures]float64 { return e.worst[min(2*at+16, len(e.worst)-1)] }

// within is how many runs of a Step it takes until the envelope of the losses decides, and not tol; all if it never does.
func (e envelope) within(tol float64) int {
	for at := range e.worst {
		if factor*e.ahead(at)[losses] > tol {
			return at
		}
	}
	return len(e.worst)
}

// worst is what the losses were apart by at most.
func (x *trajectory) worst() (d float64) {
	for _, of := range x.apart {
		d = max(d, slices.Max(of[losses]))
	}
	return d
}

// show is what x was apart by at some places, of each measure in the lower quartile of the stretches and at most.
func (x *trajectory) show() string {
	var b strings.Builder
	for at, of := range x.apart {
		if at&(at-1) != 0 && at != len(x.apart)-1 {
			continue
		}
		fmt.Fprintf(&b, "\n    after %d:", at+1)
		for m := range measures {
			fmt.Fprintf(&b, "  %s %.1e %.1e", measured[m], quartile(of[m]), slices.Max(of[m]))
		}
	}
	return b.String()
}

// change sets a state to what do makes of it.
func change(t *testing.T, s *runtime.State, name string, do func(x *tensor.Tensor)) {
	t.Helper()
	x, err := s.Tensor(name)
	if err == nil {
		x = x.Clone()
		do(x)
		err = s.Set(name, x)
	}
	if err != nil {
		t.Fatal(err)
	}
}
