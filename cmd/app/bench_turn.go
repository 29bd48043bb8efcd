package app

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	rt "github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/blas"
	"github.com/sardonyx-ml/sardonyx/runtime/gorgonia"
)

// A turn is one go through a model's rhythm of Steps, on inputs that are drawn once.
type turn struct {
	prog         *compiler.Program
	steps        []string // as often as they run
	in           map[string]map[string]*tensor.Tensor
	multiplyAdds float64
	memory       int
}

// newTurn draws the inputs of a batch: floats in [0, 1), and whole numbers below the number of classes or tokens of the settings, or
// 0 and 1.
func newTurn(prog *compiler.Program, r models.Rhythm, s models.Settings, batch int) (*turn, error) {
	t := &turn{prog: prog, in: map[string]map[string]*tensor.Tensor{}}
	for _, steps := range r.Batches() {
		t.steps = append(t.steps, steps...)
	}
	kinds := 2
	for _, name := range []string{"classes", "vocab"} {
		if v, ok := s[name]; ok {
			kinds = max(kinds, int(v))
		}
	}
	draw := rand.New(rand.NewPCG(1, 1))
	for _, name := range r.Steps() {
		f := prog.Step(name)
		b := f.BindAll(batch)
		in := map[string]*tensor.Tensor{}
		for _, v := range f.Inputs {
			shape, err := v.Sizes(b)
			if err != nil {
				return nil, err
			}
			if v.IsSize() {
				in[v.Name] = tensor.Scalar(int64(batch))
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
		t.in[name] = in
		p, err := gorgonia.Memory(f, b)
		if err != nil {
			return nil, err
		}
		t.memory = max(t.memory, p.Peak())
	}
	for _, name := range t.steps {
		f := prog.Step(name)
		n, err := graph.MultiplyAdds(f, f.BindAll(batch))
		if err != nil {
			return nil, err
		}
		t.multiplyAdds += n
	}
	return t, nil
}

// A racer runs turns, n in a row, and says how many milliseconds one took.
type racer struct {
	name  string
	turns func(ctx context.Context, n int) (ms float64, err error)
	stop  func() error
}

func (r racer) close() {
	if r.stop != nil {
		r.stop()
	}
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
	run := func(ctx context.Context, n int) (float64, error) {
		start := time.Now()
		for range n {
			for _, name := range t.steps {
				if _, err := rt.Run(ctx, x, name, t.in[name]); err != nil {
					return 0, err
				}
			}
		}
		return time.Since(start).Seconds() * 1e3 / float64(n), nil
	}
	return racer{name, run, x.Close}, nil
}

// newPeak returns a function that measures the rate of a large matrix product, in GFLOP/s, by the fastest of the libraries.
func newPeak(libraries []blas.Impl, threads int) func() float64 {
	const n = 1024
	a, b, out := make([]float32, n*n), make([]float32, n*n), make([]float32, n*n)
	for i := range a {
		a[i], b[i] = float32(i%7), float32(i%5)
	}
	var contexts []*kernel.Context
	for _, l := range libraries {
		contexts = append(contexts, kernel.NewContext(l, threads))
	}
	return func() float64 {
		best := 0.
		for _, c := range contexts {
			for range 3 {
				start := time.Now()
				kernel.Gemm(c, false, false, n, n, n, 1, a, n, b, n, 0, out, n)
				best = max(best, 2*n*n*n/time.Since(start).Seconds()/1e9)
			}
		}
		return best
	}
}
