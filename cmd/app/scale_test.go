package app

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models/gan"
	"github.com/sardonyx-ml/sardonyx/compiler/models/modelstest"
	"github.com/sardonyx-ml/sardonyx/graph"
	rt "github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/gorgonia"
)

// TestScale measures a small transformer of some depths, and reads what it prints: a block more is as many parameters and multiply-adds
// more each time, and memory is what the plan says.
func TestScale(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	args := "scale step-gpt --vary depth=2,4,6,8 --batch 3 --set width=32 --set context=32 --set vocab=20 --threads 1 --rounds 1"
	arenas := [2][]int{}
	for i, more := range []string{" --png .", " --set checkpoint=1"} {
		var list []scaleSeries
		if err := json.Unmarshal([]byte(must(t, args+more+" --json")), &list); err != nil {
			t.Fatal(err)
		}
		if len(list) != 1 || list[0].Vary != "depth" || list[0].Batch != 3 || list[0].Settings["width"] != 32 || len(list[0].Points) != 4 {
			t.Fatalf("it is of %+v", list)
		}
		s := list[0]
		for k, p := range s.Points {
			if p.Value != 2*k+2 || !(p.Turn > 0 && p.CPU > 0 && p.Compile > 0) || p.TooLarge != "" || p.Live > p.Arena || p.Arena >= p.Peak {
				t.Errorf("a point is %+v", p)
			}
			if off := math.Abs(float64(p.Heap)/float64(p.Peak) - 1); off > .25 {
				t.Errorf("%d blocks take %d bytes of the heap, %d are predicted", p.Value, p.Heap, p.Peak)
			}
			if k > 1 && p.Params-s.Points[k-1].Params != s.Points[1].Params-s.Points[0].Params {
				t.Errorf("there are %d parameters, %d before", p.Params, s.Points[k-1].Params)
			}
			arenas[i] = append(arenas[i], p.Arena)
		}
		if k := float64(s.Time.Expected); k < .9 || k > 1 {
			t.Errorf("multiply-adds grow by the power %v of the depth", k)
		}
		if s.Memory.Expected != 1 || !(s.Memory.Measured < 1) {
			t.Errorf("memory grows by %+v", s.Memory)
		}
	}
	if last := len(arenas[0]) - 1; 2*arenas[1][last] > arenas[0][last] {
		t.Errorf("with checkpoints the arenas are %v, without %v", arenas[1], arenas[0])
	}
	if info, err := os.Stat(filepath.Join(dir, "scale_depth.png")); err != nil || info.Size() < 1000 {
		t.Errorf("the picture: %v, %v", info, err)
	}
	contains(t, must(t, "scale step-gpt --vary batch=1,1000000000 --set depth=1 --rounds 1"), "PREDICTED", "too large", "CPU time ~ batch^")
}

// An unclosable engine has executables whose end is an error, and frees what it was given when one is loaded.
type unclosable struct {
	rt.Engine
	freed []byte
}

func (e *unclosable) Load(p *compiler.Program, s *rt.State) (rt.Executable, error) {
	e.freed = nil
	x, err := e.Engine.Load(p, s)
	return unclosed{x}, err
}

type unclosed struct{ rt.Executable }

func (u unclosed) Close() error {
	return errors.Join(u.Executable.Close(), errors.New("it stays open"))
}

// TestScalePoint: a step that ends with an error is not measured, and one beside which memory is freed does not take less than nothing.
func TestScalePoint(t *testing.T) {
	m, err := (&app{}).withYardsticks().model("step-vae")
	if err != nil {
		t.Fatal(err)
	}
	engine, err := gorgonia.New(gorgonia.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	e := &unclosable{engine, make([]byte, 1<<28)}
	p, err := (&scaleSeries{Vary: "batch"}).point(t.Context(), m, e, 1, 1)
	if err == nil || !strings.Contains(err.Error(), "it stays open") {
		t.Errorf("the error is %v", err)
	}
	if p.Heap != 0 {
		t.Errorf("it takes %d bytes of the heap", p.Heap)
	}
}

// TestScaleRhythm: a Step that runs several times in a turn counts as often.
func TestScaleRhythm(t *testing.T) {
	engine, err := gorgonia.New(gorgonia.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	p, err := (&scaleSeries{Vary: "batch"}).point(t.Context(), gan.WGANGP, engine, 2, 1)
	if err != nil {
		t.Fatal(err)
	}
	m, err := gan.WGANGP.With(gan.WGANGP.Settings)
	if err != nil {
		t.Fatal(err)
	}
	prog := modelstest.Define(t, m, nil)
	want, runs := 0., 0
	for _, names := range m.Train.Turns().Batches() {
		for _, name := range names {
			f := prog.Step(name)
			n, err := graph.MultiplyAdds(f, f.BindAll(2))
			if err != nil {
				t.Fatal(err)
			}
			want, runs = want+n, runs+1
		}
	}
	if runs < 3 || p.MultiplyAdds != want {
		t.Errorf("%d runs of Steps have %g multiply-adds, want %g", runs, p.MultiplyAdds, want)
	}
}

// TestScaled sees that what is measured by default is within the models' limits, and has the sizes that one wants to know.
func TestScaled(t *testing.T) {
	app := &app{}
	for _, s := range scaled() {
		m, err := app.withYardsticks().model(s.Model)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range []int{s.Values[0], s.Values[len(s.Values)-1]} {
			changes := map[string]float64{}
			for k, v := range s.Settings {
				changes[k] = v
			}
			if s.Vary != "batch" {
				changes[s.Vary] = float64(v)
			}
			all, err := m.Settings.With(changes)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := define(m, all); err != nil {
				t.Error(err)
			}
		}
		if !slices.IsSorted(s.Values) || len(s.Values) < 5 {
			t.Errorf("%s: sizes %v", s.Model, s.Values)
		}
	}
}

// TestPower fits powers that are known.
func TestPower(t *testing.T) {
	for _, k := range []float64{-1, 0, .5, 1, 2} {
		var x, y []float64
		for _, v := range []float64{1, 3, 10, 1000} {
			x, y = append(x, v), append(y, 7*math.Pow(v, k))
		}
		if got := power(x, y); math.Abs(got-k) > 1e-12 {
			t.Errorf("of x^%v the power is %v", k, got)
		}
	}
	// ln y is 0, ln 2 and 0 at 0, 1 and 2 times ln 2: a line of least squares of slope 0.
	if got := power([]float64{1, 2, 4}, []float64{1, 2, 1}); math.Abs(got) > 1e-12 {
		t.Errorf("of a hill the power is %v", got)
	}
	if got := power([]float64{2}, []float64{3}); !math.IsNaN(got) {
		t.Errorf("of one point the power is %v", got)
	}
}

// TestBadScale gives what cannot be measured.
func TestBadScale(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"scale --vary batch=1", exitUsage, "--vary is of one model"},
		{"scale step-gpt", exitUsage, "want NAME=N,N,..."},
		{"scale step-gpt --vary colour=1", exitUsage, "want NAME=N,N,..."},
		{"scale step-gpt --vary depth", exitUsage, "want NAME=N,N,..."},
		{"scale step-gpt --vary depth=1,x", exitUsage, "whole numbers"},
		{"scale step-gpt --vary depth=0", exitUsage, "whole numbers"},
		{"scale step-gpt step-vae --vary batch=1", exitUsage, "want one model"},
		{"scale step-gpt --vary depth=2000", exitError, "depth"},
		{"scale frob --vary batch=1", exitError, "frob"},
		{"scale step-gpt --vary batch=1 --rounds 0", exitUsage, "--rounds 0"},
		{"scale step-gpt --vary batch=1 --threads -1", exitUsage, "--threads: -1 threads"},
		{"scale step-gpt --vary batch=1 --png there/is/no/folder", exitError, "cannot be written"},
	} {
		r := command(c.args)
		if r.code != c.code {
			t.Errorf("%s: exit code %d, want %d", c.args, r.code, c.code)
		}
		contains(t, r.err, c.want)
	}
}
