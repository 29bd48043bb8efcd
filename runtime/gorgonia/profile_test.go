package gorgonia_test

import (
	"context"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/gorgonia"
	"github.com/sardonyx-ml/sardonyx/runtime/profile"
)

// profiled is the regression program on an engine that rec observes, if it is not nil, and inputs for its Step.
func profiled(t testing.TB, rec *profile.Recorder) (*runtime.State, runtime.Executable, map[string]*tensor.Tensor) {
	o := gorgonia.Options{Threads: 1}
	if rec != nil {
		o.Observe = rec.Observe
	}
	e, err := gorgonia.New(o)
	if err != nil {
		t.Fatal(err)
	}
	s, x := loadIn(t, e, regression(t, optim.Adam{LR: .01}), 1)
	r := rand.New(rand.NewPCG(1, 1))
	return s, x, map[string]*tensor.Tensor{"x": normal(r, 300, 3), "y": normal(r, 300, 2)}
}

// TestProfile records what the engine runs: each op of a Step once a run, within the time that the run takes, each with its line, layers
// with their gradients, and the optimizer; and the state is what it is unobserved.
func TestProfile(t *testing.T) {
	rec := profile.New("gorgonia")
	rec.Skip, rec.Only = 1, []string{"train"}
	s, x, in := profiled(t, rec)
	var took []time.Duration
	for range 4 {
		start := time.Now()
		if _, err := runtime.Run(context.Background(), x, "train", in); err != nil {
			t.Fatal(err)
		}
		took = append(took, time.Since(start))
		if _, err := runtime.Run(context.Background(), x, "predict", map[string]*tensor.Tensor{"x": in["x"]}); err != nil {
			t.Fatal(err)
		}
	}
	p := rec.Profile()
	var ops [4][]string // of each run
	var within [4]time.Duration
	for _, e := range p.Events {
		if e.Entry != "train" || e.Run < 1 || e.Run > 3 {
			t.Fatalf("an event is %+v", e)
		}
		if e.Op == "" {
			if e.Took > took[e.Run] {
				t.Errorf("run %d took %v, and it is said that it took %v", e.Run, took[e.Run], e.Took)
			}
			continue
		}
		ops[e.Run] = append(ops[e.Run], e.Op)
		if e.Depth == 1 {
			within[e.Run] += e.Took
		}
		for _, o := range e.Origins {
			if !strings.Contains(o.At, "_test.go:") {
				t.Errorf("%s is from %q", e.Op, o.At)
			}
		}
	}
	if len(ops[1]) < 20 || !slices.Equal(ops[1], ops[2]) || !slices.Equal(ops[1], ops[3]) {
		t.Errorf("the runs are of %v, %v and %v", ops[1], ops[2], ops[3])
	}
	for i, d := range within {
		if i > 0 && (d <= 0 || d > took[i]) {
			t.Errorf("the ops of run %d took %v, and the run %v", i, d, took[i])
		}
	}
	sum := p.Summaries()[0]
	rows := map[string]profile.Row{}
	for _, r := range sum.Layers {
		rows[r.Name] = r
	}
	// one product forward, two backward
	if h := rows["hidden"]; h.MultiplyAdds != 2*300*3*8 || h.Place() == "" {
		t.Errorf("the hidden layer: %+v", h)
	}
	if o := rows["out"]; o.MultiplyAdds != 3*300*8*2 {
		t.Errorf("the other layer: %+v", o)
	}
	if o := rows["opt.train"]; !(o.Calls >= 4) {
		t.Errorf("the optimizer: %+v, of %v", o, sum.Layers)
	}
	unseen, x, in := profiled(t, nil)
	for range 4 {
		if _, err := runtime.Run(context.Background(), x, "train", in); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range s.Names() {
		a, _ := s.Tensor(name)
		if b, _ := unseen.Tensor(name); !reflect.DeepEqual(a.Raw(), b.Raw()) {
			t.Errorf("%s is %v, unobserved %v", name, a, b)
		}
	}
}

// BenchmarkObserve is a small Step, where observing costs most, with and without a recorder.
func BenchmarkObserve(b *testing.B) {
	for _, rec := range []*profile.Recorder{nil, profile.New("")} {
		name := "unobserved"
		if rec != nil {
			name = "observed"
		}
		b.Run(name, func(b *testing.B) {
			_, x, in := profiled(b, rec)
			c, err := runtime.Do(context.Background(), x, "train", in)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if err := c.Run(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
