package app

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	rt "github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/gorgonia"
)

// steps times a turn of m: one go through its rhythm of Steps, on inputs that are drawn once.
func (b *bench) steps(m models.Model, prog *compiler.Program, s models.Settings, batch int) error {
	rhythm := m.Train.Turns()
	of := benchOf{Model: m.Name, Batch: batch, Rhythm: rhythm.String()}
	var entries []*graph.Func
	for _, name := range rhythm.Steps() {
		entries = append(entries, prog.Step(name))
	}
	sizes, err := b.sizes(m, prog, entries, batch)
	if err != nil {
		return err
	}
	t, err := newTurn(prog, rhythm, sizes, classesOf(s))
	if err != nil {
		return err
	}
	for _, name := range t.steps {
		if err := of.count(prog.Step(name), sizes); err != nil {
			return err
		}
	}
	return b.heats(of, of.replaced(sizes), func(e benchEngine) ([]racer, error) {
		r, err := t.on(e.name, e.Engine)
		if e.session == nil {
			r.bytes = of.Memory
		}
		return []racer{r}, err
	})
}

// count adds to of what a run of f takes.
func (of *benchOf) count(f *graph.Func, sizes graph.Binding) error {
	p, err := gorgonia.Memory(f, sizes)
	if err != nil {
		return err
	}
	of.Memory, of.State = max(of.Memory, p.Peak()-p.State), max(of.State, p.State)
	of.Moved += float64(p.Moved)
	state := 0
	for _, v := range f.Updates {
		shape, err := v.Value.Sizes(sizes)
		if err != nil {
			return err
		}
		n, _ := tensor.Count(shape)
		state += n * v.Value.DType().Size()
	}
	of.NewState = max(of.NewState, state)
	n, err := graph.MultiplyAdds(f, sizes)
	of.MultiplyAdds += n
	return err
}

// replaced are the words in commands that stand for what of is of.
func (of benchOf) replaced(sizes graph.Binding) map[string]string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(sizes)) {
		list = append(list, fmt.Sprintf("%s=%d", name, sizes[name]))
	}
	return map[string]string{
		"{model}": of.Model, "{func}": of.Func, "{batch}": strconv.Itoa(of.Batch), "{sizes}": strings.Join(list, " "),
	}
}

// classesOf is how many classes or tokens a model of the settings s tells apart, 2 if they do not say it.
func classesOf(s models.Settings) int {
	kinds := 2
	for _, name := range []string{"classes", "vocab"} {
		if v, ok := s[name]; ok {
			kinds = max(kinds, int(v))
		}
	}
	return kinds
}

// drawInputs draws inputs: floats in [0, 1), and whole numbers below kinds.
func drawInputs(inputs []*graph.Value, sizes graph.Binding, kinds int) (map[string]*tensor.Tensor, error) {
	draw, in := rand.New(rand.NewPCG(1, 1)), map[string]*tensor.Tensor{}
	for _, v := range inputs {
		shape, err := v.Sizes(sizes)
		if err != nil {
			return nil, err
		}
		if v.IsSize() {
			in[v.Name] = tensor.Scalar(int64(sizes[v.Name]))
			continue
		}
		n, err := tensor.Count(shape)
		if err == nil {
			err = rt.Fits(float64(n) * float64(v.DType().Size()))
		}
		if err != nil {
			return nil, fmt.Errorf("the input %q: %w", v.Name, err)
		}
		x := tensor.New(v.DType(), shape...)
		for i := range n {
			if v.DType().Float() {
				x.Set(i, draw.Float64())
			} else {
				x.Set(i, float64(draw.IntN(kinds)))
			}
		}
		in[v.Name] = x
	}
	return in, nil
}

// A turn is a program with the Steps that are run one after another, and their inputs.
type turn struct {
	prog  *compiler.Program
	steps []string // as often as they run
	in    map[string]map[string]*tensor.Tensor
}

// newTurn is one go through a rhythm of prog's Steps, on inputs of the given sizes, and of so many kinds, that are drawn once.
func newTurn(prog *compiler.Program, rhythm models.Rhythm, sizes graph.Binding, kinds int) (*turn, error) {
	t := &turn{prog: prog, steps: slices.Concat(rhythm.Batches()...), in: map[string]map[string]*tensor.Tensor{}}
	for _, name := range rhythm.Steps() {
		in, err := drawInputs(prog.Step(name).Inputs, sizes, kinds)
		if err != nil {
			return nil, err
		}
		t.in[name] = in
	}
	return t, nil
}

// on is t run by an engine, from a state of its own, which it ends with.
func (t *turn) on(name string, e rt.Engine) (racer, error) {
	state, err := rt.NewState(t.prog, 1)
	if err != nil {
		return racer{}, err
	}
	x, err := e.Load(t.prog, state)
	if err != nil {
		return racer{}, err
	}
	return timed(name, x.Close, func(ctx context.Context) error {
		for _, name := range t.steps {
			if _, err := rt.Run(ctx, x, name, t.in[name]); err != nil {
				return err
			}
		}
		return nil
	}), nil
}

// timed is a racer whose turn is once.
func timed(name string, stop func() error, once func(ctx context.Context) error) racer {
	var turns []float64 // of the last block, in milliseconds
	r := racer{name: name, stop: stop, turns: func(ctx context.Context, n int) (float64, error) {
		turns = turns[:0]
		start := time.Now()
		last := start
		for range n {
			if err := once(ctx); err != nil {
				return 0, err
			}
			now := time.Now()
			turns = append(turns, now.Sub(last).Seconds()*1e3)
			last = now
		}
		return last.Sub(start).Seconds() * 1e3 / float64(n), nil
	}}
	r.took = func(share float64) float64 { return quantile(turns, share) }
	return r
}
