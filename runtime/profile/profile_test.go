package profile

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"gonum.org/v1/gonum/blas/gonum"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// op is an event in these tests.
func op(name string, start, took int) Event {
	return Event{Op: name, Origins: []Origin{{name, "layer." + name, name + ".go:1"}}, Start: time.Duration(start) * time.Millisecond, Took: time.Duration(took) * time.Millisecond, Bytes: 10}
}

func run(entry string, start, took int) Event {
	e := op("", start, took)
	e.Entry, e.Origins, e.Bytes = entry, nil, 0
	return e
}

// TestNest puts events in the order in which they began, and gives each its own time.
func TestNest(t *testing.T) {
	events := []Event{
		op("late", 100, 5), // in no run
		op("A", 10, 5), op("inner", 21, 4), op("deep", 22, 2), op("Loop", 20, 9), op("B", 29, 1),
		run("f", 9, 22), // as onnxruntime writes them, what ended first stands first
		op("A", 41, 5), run("g", 40, 10), op("A", 61, 3), run("f", 60, 5),
		op("same", 70, 4), run("f", 70, 4), // clocks may be no finer
	}
	type short struct {
		name       string
		run, depth int
		self       int
	}
	summarise := func(list []Event) (out []short) {
		for _, e := range list {
			out = append(out, short{e.Entry + " " + e.Op, e.Run, e.Depth, int(e.Self / time.Millisecond)})
		}
		return out
	}
	got := summarise(nest(events, 0))
	want := []short{
		{"f ", 1, 0, 22 - 5 - 9 - 1}, {"f A", 1, 1, 5}, {"f Loop", 1, 1, 5}, {"f inner", 1, 2, 2}, {"f deep", 1, 3, 2}, {"f B", 1, 1, 1},
		{"g ", 1, 0, 5}, {"g A", 1, 1, 5}, {"f ", 2, 0, 2}, {"f A", 2, 1, 3}, {"f ", 3, 0, 0}, {"f same", 3, 1, 4},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	want = []short{{"f ", 1, 0, 2}, {"f A", 1, 1, 3}, {"f ", 2, 0, 0}, {"f same", 2, 1, 4}}
	if got := summarise(nest(events, 1)); !reflect.DeepEqual(got, want) {
		t.Errorf("without the first runs: %v\nwant %v", got, want)
	}
}

// TestSummaries adds up events by op and by layer.
func TestSummaries(t *testing.T) {
	r := New("an engine")
	r.Only = []string{"f", "g"}
	conv, fused, adam := op("Conv", 1, 4), op("Fused(Add, ReLU)", 5, 2), op("Mul", 7, 1)
	conv.MultiplyAdds = 8e6
	fused.Origins = []Origin{{"Add", "layer.Conv", "Conv.go:2"}, {"ReLU", "", "model.go:7"}}
	adam.Origins[0].Layer = "opt.f.layer.Conv"
	again := conv
	again.Start = 21 * time.Millisecond
	r.Add([]Event{run("f", 0, 10), conv, fused, adam, run("f", 20, 6), again})
	r.Add([]Event{run("h", 0, 1), run("g", 30, 1)})
	list := r.Profile().Summaries()
	if len(list) != 2 || list[1].Entry != "g" || list[1].Runs != 1 || len(list[1].Ops) != 0 {
		t.Fatalf("the summaries are %+v", list)
	}
	s := list[0]
	if s.Entry != "f" || s.Runs != 2 || s.MS != 8 || s.Between != (3+2)/2. || s.MultiplyAdds != 8e6 {
		t.Errorf("it is %+v", s)
	}
	type short struct {
		name, place           string
		calls, ms, share, ops float64
	}
	shorten := func(rows []Row) (out []short) {
		for _, r := range rows {
			out = append(out, short{r.Name, r.Place(), r.Calls, r.MS, r.Share, r.MultiplyAdds})
		}
		return out
	}
	if got, want := shorten(s.Ops), []short{{"Conv", "Conv.go:1", 1, 4, .5, 8e6}, {"Fused(Add, ReLU)", "Conv.go:2 +1", .5, 1, .125, 0}, {"Mul", "Mul.go:1", .5, .5, .0625, 0}}; !reflect.DeepEqual(got, want) {
		t.Errorf("by op:\n%v, want\n%v", got, want)
	}
	want := []short{{"layer.Conv", "Conv.go:1 +1", 1.25, 4.5, .5625, 8e6}, {"model.go:7", "model.go:7", .25, .5, .0625, 0}, {"opt.f", "Mul.go:1", .5, .5, .0625, 0}}
	if got := shorten(s.Layers); !reflect.DeepEqual(got, want) {
		t.Errorf("by layer:\n%v, want\n%v", got, want)
	}
	if c := s.Ops[0]; c.Rate() != 4 || c.Bandwidth() != 10/4e6 {
		t.Errorf("%v GFLOP/s and %v GB/s", c.Rate(), c.Bandwidth())
	}
}

// A trace is what viewers read, as far as they say.
type trace struct {
	TraceEvents []struct {
		Name, Cat, Ph string
		TS, Dur       *float64
		PID, TID      *int
		Args          map[string]any
	}
	Sardonyx []Summary
}

func readTrace(t *testing.T, p *Profile) trace {
	t.Helper()
	path := filepath.Join(t.TempDir(), "trace.json")
	if err := p.WriteTrace(path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got trace
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return got
}

// TestTrace evaluates a graph with a body, and holds the trace of it to what viewers ask for: complete events that nest, from the run down,
// with layers and lines.
func TestTrace(t *testing.T) {
	f := graph.NewFunc("f", false)
	x := f.Input("x", graph.F32, graph.Sym("batch"), 64)
	w := f.Input("w", graph.F32, 64, 64)
	y := f.In("enc.0", func() *graph.Value { return x.MatMul(w).Tanh() })
	final, _ := f.Repeat(3, []*graph.Value{y}, func(_ *graph.Value, v []*graph.Value) (next, _ []*graph.Value) {
		return []*graph.Value{v[0].MatMul(w).Sigmoid()}, nil
	})
	f.Output("y", final[0])
	if len(f.Diags) > 0 {
		t.Fatal(f.Diags)
	}
	rec := New("kernels")
	c := kernel.NewContext(gonum.Implementation{}, 1)
	c.Observe = rec.Observe
	in := map[string]*tensor.Tensor{"x": tensor.New(tensor.F32, 8, 64), "w": tensor.New(tensor.F32, 64, 64)}
	for range 2 {
		done := rec.Observe(f, nil, nil)
		if _, err := graph.Evaluate(c, f, in); err != nil {
			t.Fatal(err)
		}
		done()
	}
	got := readTrace(t, rec.Profile())
	if first := got.TraceEvents[0]; first.Ph != "M" || first.Args["name"] != "kernels" {
		t.Errorf("the first event is %+v", first)
	}
	names := map[string]int{}
	var ends []float64 // of what is under way
	within := 0.
	for _, e := range got.TraceEvents[1:] {
		if e.Ph != "X" || e.TS == nil || e.Dur == nil || *e.Dur < 0 || e.PID == nil || e.TID == nil {
			t.Fatalf("an event is %+v", e)
		}
		names[e.Cat+" "+e.Name]++
		for len(ends) > 0 && *e.TS >= ends[len(ends)-1] {
			ends = ends[:len(ends)-1]
		}
		if end := *e.TS + *e.Dur; len(ends) > 0 && end > ends[len(ends)-1]+1e-6 {
			t.Errorf("%s ends after what it is in", e.Name)
		}
		switch {
		case e.Cat == "run" && len(ends) != 0, e.Cat == "op" && len(ends) == 0:
			t.Errorf("%s %s lies within %d events", e.Cat, e.Name, len(ends))
		case len(ends) == 1:
			within += *e.Dur
		}
		ends = append(ends, *e.TS+*e.Dur)
		if line, _ := e.Args["line"].(string); e.Cat == "op" && !strings.Contains(line, "profile_test.go:") {
			t.Errorf("%s is of %q", e.Name, line)
		}
		if e.Name == "Tanh" && (e.Args["layer"] != "enc.0" || e.Args["result"] != "f32[8 64]" || e.Args["bytes"] != 8.*64*4*2 || e.Args["run"] == 0.) {
			t.Errorf("%+v", e)
		}
		if n, _ := e.Args["multiply_adds"].(float64); e.Name == "MatMul" && n != 8*64*64 {
			t.Errorf("%s is of %v multiply-adds", e.Name, n)
		}
	}
	if want := map[string]int{"run f": 2, "op Arange": 2, "op MatMul": 8, "op Tanh": 2, "op Scan": 2, "op Sigmoid": 6}; !reflect.DeepEqual(names, want) {
		t.Errorf("the events are %v, want %v", names, want)
	}
	s := got.Sardonyx[0]
	sum := s.Between
	for _, r := range s.Ops {
		sum += r.MS
	}
	if math.Abs(sum/s.MS-1) > 1e-6 {
		t.Errorf("the ops and what is between them take %v ms, a run %v", sum, s.MS)
	}
	if ops := within / 2e3; ops > s.MS || math.Abs(ops+s.Between-s.MS) > 1e-6 {
		t.Errorf("the ops take %v ms of %v, and %v are between them", ops, s.MS, s.Between)
	}
	layers := 0.
	for _, r := range s.Layers {
		layers += r.MS
	}
	if math.Abs(layers+s.Between-s.MS) > 1e-6 {
		t.Errorf("the layers take %v ms of %v", layers, s.MS)
	}
}

// TestNoTrace is a trace that cannot be written.
func TestNoTrace(t *testing.T) {
	var p Profile
	if err := p.WriteTrace(filepath.Join(t.TempDir(), "none", "trace.json")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
