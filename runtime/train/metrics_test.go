package train

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime"
)

func TestMetricsJSON(t *testing.T) {
	in := Metrics{"loss": 1.0 / 3, "b": math.Inf(1), "a": math.Inf(-1), "big": 1e300, "tiny": 5e-324, "f32": float64(float32(.1))}
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	var out Metrics
	if err := json.Unmarshal(b, &out); err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(in, out) {
		t.Errorf("%v became %v through %s", in, out, b)
	}
	if err := json.Unmarshal([]byte(`{"x":"NaN"}`), &out); err != nil || !math.IsNaN(out["x"]) {
		t.Errorf("NaN: %v, %v", out, err)
	}
	for _, bad := range []string{`{"x":"nine"}`, `{"x":[]}`, `[1]`, `{"x":1e999}`} {
		if err := json.Unmarshal([]byte(bad), &out); err == nil {
			t.Errorf("%s was read as %v", bad, out)
		}
	}
	if got, want := in.String(), "loss 0.3333  a -Inf  b +Inf  big 1e+300  f32 0.1  tiny 4.941e-324"; got != want {
		t.Errorf("String: %q, want %q", got, want)
	}
}

// TestMean averages by hand, and goes on after being stored in the middle.
func TestMean(t *testing.T) {
	batches := []struct {
		m Metrics
		n int
	}{{Metrics{"loss": .1, "a": 4}, 3}, {Metrics{"loss": .7}, 3}, {Metrics{"loss": .3, "a": 1}, 1}}
	var whole, parted Mean
	for _, b := range batches {
		whole.Add(b.m, b.n)
		parted.Add(b.m, b.n)
		j, err := json.Marshal(parted)
		if err != nil {
			t.Fatal(err)
		}
		parted = Mean{}
		if err := json.Unmarshal(j, &parted); err != nil {
			t.Fatal(err)
		}
	}
	got := whole.Metrics()
	if !maps.Equal(got, parted.Metrics()) {
		t.Errorf("stored and read: %v, want %v", parted.Metrics(), got)
	}
	if want := (3*.1 + 3*.7 + 1*.3) / 7; math.Abs(got["loss"]-want) > 1e-15 {
		t.Errorf("loss %v, want %v", got["loss"], want)
	}
	if want := (3*4. + 1) / 4; got["a"] != want {
		t.Errorf("a %v, want %v, the average over the batches that have it", got["a"], want)
	}
	if m := (&Mean{}).Metrics(); len(m) != 0 {
		t.Errorf("an empty mean: %v", m)
	}
}

func TestScalars(t *testing.T) {
	b := compiler.New("scalars")
	b.Func("f", func(f *graph.Func) {
		x := f.Input("x", graph.F32, batch)
		f.Output("loss", x.Mean())
		f.Output("n", f.FullInt(graph.I64, 3, 1))
		f.Output("image", x)
	})
	prog, err := b.Compile()
	if err != nil {
		t.Fatal(err)
	}
	s, err := runtime.NewState(prog, 1)
	if err != nil {
		t.Fatal(err)
	}
	x, err := engine(t).Load(prog, s)
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	got, err := Run(t.Context(), x, prog.Func("f"), map[string]*tensor.Tensor{"x": tensor.Of([]float32{.5}, 1)})
	if err != nil || !maps.Equal(got, Metrics{"loss": .5, "n": 3}) {
		t.Errorf("got %v, %v", got, err)
	}
}

// TestNoFunc sees that a Step or Func that a program does not have is an error.
func TestNoFunc(t *testing.T) {
	c := config(t, "")
	none := c.Program.Step("fly")
	_, run := Run(t.Context(), nil, none, nil)
	_, step := RunStep(none)(t.Context(), nil, 0, nil)
	_, evaluate := Evaluate(t.Context(), nil, Evaluation{Func: none, Data: c.Test, Batch: 1})
	for name, err := range map[string]error{"Run": run, "RunStep": step, "Evaluate": evaluate} {
		if err == nil || !strings.Contains(err.Error(), "is nil: does the program have one of that name?") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func records(n int) []Record {
	var out []Record
	for i := range n {
		out = append(out, Record{Kind: KindEpoch, Epoch: i + 1, Step: int64(10 * (i + 1)), Train: Metrics{"loss": 1 / float64(i+1)}, Seconds: 2, Rate: 5})
	}
	return out
}

func openHistory(t *testing.T, path string, keep int) *History {
	t.Helper()
	h, err := OpenHistory(path, keep)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.Close() })
	return h
}

func TestHistory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "metrics.jsonl")
	h := openHistory(t, path, 0)
	for _, r := range records(5) {
		if err := h.Append(r); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Sync(); err != nil {
		t.Fatal(err)
	}
	if err := h.Close(); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	// Cut after three records, and written again, it is the same file.
	h = openHistory(t, path, 3)
	if !reflect.DeepEqual(h.Records(), records(3)) || h.Len() != 3 {
		t.Errorf("kept %v", h.Records())
	}
	for _, r := range records(5)[3:] {
		if err := h.Append(r); err != nil {
			t.Fatal(err)
		}
	}
	h.Close()
	if again, _ := os.ReadFile(path); !bytes.Equal(again, whole) {
		t.Errorf("rewritten:\n%swant\n%s", again, whole)
	}

	// A crash may cut the file anywhere: the whole lines are read.
	for _, n := range append(rand.New(rand.NewPCG(1, 2)).Perm(len(whole))[:50], len(whole)-1, len(whole)) {
		if err := os.WriteFile(path, whole[:n], 0o644); err != nil {
			t.Fatal(err)
		}
		lines := bytes.Count(whole[:n], []byte("\n"))
		got, err := ReadHistory(path)
		if err != nil || len(got) != lines {
			t.Fatalf("cut at %d: %d records, %v; want %d", n, len(got), err, lines)
		}
		if h, err := OpenHistory(path, 5); (err == nil) != (lines == 5) {
			t.Errorf("cut at %d: asking for 5 records: %v", n, err)
		} else if err == nil {
			h.Close()
		}
	}
	line, _, _ := strings.Cut(string(whole), "\n")
	for _, bad := range []string{"{\n", "[]\n", strings.Replace(line, `"step"`, `"Step"`, 1) + "\n", strings.Replace(line, `"step"`, `"stop"`, 1) + "\n",
		strings.Replace(line, `"step"`, `"step":1,"step"`, 1) + "\n", strings.Replace(line, `"loss"`, `"loss":1,"loss"`, 1) + "\n", line + "x\n", strings.Repeat(" ", maxLine) + "\n"} {
		if err := os.WriteFile(path, []byte(bad), 0o644); err != nil {
			t.Fatal(err)
		}
		if got, err := ReadHistory(path); err == nil {
			t.Errorf("%.10q was read as %v", bad, got)
		}
	}
	if _, err := ReadHistory(filepath.Join(t.TempDir(), "none")); !os.IsNotExist(err) {
		t.Errorf("no file: %v", err)
	}
}

func TestCurve(t *testing.T) {
	epochs := []Record{
		{Kind: KindEpoch, Epoch: 1, Step: 10, Train: Metrics{"loss": 100, "kl": 1}, Validate: Metrics{"loss": 90}},
		{Kind: KindEpoch, Epoch: 2, Step: 20, Train: Metrics{"loss": .5, "kl": 1}, Validate: Metrics{"loss": .6}},
	}
	c := Curve("vae", epochs)
	if len(c.Series) != 2 || c.X != "epoch" || !c.LogY || c.Series[0].X[1] != 2 || c.Series[1].Y[1] != .6 {
		t.Errorf("epochs: %+v", c)
	}
	c = Curve("vae", append([]Record{{Kind: KindSteps, Epoch: 1, Step: 5, Train: Metrics{"loss": 120}}}, epochs...))
	if len(c.Series) != 2 || c.X != "step" || c.Series[0].X[0] != 5 || c.Series[1].X[0] != 10 {
		t.Errorf("steps: %+v", c)
	}
	c = Curve("gan", []Record{{Kind: KindEpoch, Epoch: 1, Train: Metrics{"gen": 1, "critic": -3}}})
	if len(c.Series) != 2 || c.Series[0].Name != "critic" || c.LogY {
		t.Errorf("without a loss: %+v", c)
	}
	c = Curve("gan", []Record{
		{Kind: KindSteps, Epoch: 1, Step: 5, Train: Metrics{"gen": 2, "critic": -2}},
		{Kind: KindEpoch, Epoch: 1, Step: 8, Train: Metrics{"gen": 1, "critic": -3, "a_measure": 7}},
	})
	if got := fmt.Sprint(c.X, " ", c.Series); got != "step [{critic [5] [-2]} {gen [5] [2]}]" {
		t.Errorf("steps without a loss: %s", got)
	}
}

// TestComparison: the side that more runs have, the validation if as many; a run without records is none of them.
func TestComparison(t *testing.T) {
	both := Status{Records: []Record{{Kind: KindEpoch, Epoch: 1, Train: Metrics{"loss": 1}, Validate: Metrics{"loss": 2, "accuracy": .5}}}}
	plain := Status{Records: []Record{{Kind: KindEpoch, Epoch: 1, Train: Metrics{"loss": 3}}}}
	for _, c := range []struct {
		metric string
		runs   []Status
		want   string
	}{
		{"loss", []Status{both, both}, "loss in validation [{a [1] [2]} {b [1] [2]}]"},
		{"loss", []Status{both, {}}, "loss in validation [{a [1] [2]}]"},
		{"loss", []Status{both, plain}, "loss in training [{a [1] [1]} {b [1] [3]}]"},
		{"accuracy", []Status{plain, both}, "accuracy in validation [{b [1] [0.5]}]"},
	} {
		chart, err := Comparison(c.metric, []string{"a", "b"}, c.runs)
		if got := fmt.Sprint(chart.Title, " ", chart.Series); err != nil || got != c.want {
			t.Errorf("%s: %s, %v, want %s", c.metric, got, err, c.want)
		}
	}
	if _, err := Comparison("kl", []string{"a"}, []Status{both}); err == nil || !strings.Contains(err.Error(), "loss, accuracy") {
		t.Errorf("a metric that no run has: %v", err)
	}
}

// TestCurveOf: each metric's line in training goes over steps if they were recorded, and over epochs if not; never over both.
func TestCurveOf(t *testing.T) {
	records := []Record{
		{Kind: KindSteps, Epoch: 1, Step: 5, Train: Metrics{"loss": 4}}, {Kind: KindSteps, Epoch: 1, Step: 10, Train: Metrics{"loss": 3}},
		{Kind: KindEpoch, Epoch: 1, Step: 12, Train: Metrics{"loss": 3.5, "late": 1}, Validate: Metrics{"loss": 3.1}},
		{Kind: KindEpoch, Epoch: 2, Step: 24, Train: Metrics{"late": 2}, Validate: Metrics{"loss": 2}},
	}
	for metric, want := range map[string]string{
		"loss": "step [{training [5 10] [4 3]} {validation [12 24] [3.1 2]}]",
		"late": "epoch [{training [1 2] [1 2]}]",
		"none": "epoch []",
	} {
		if c := curve(metric, metric, records); fmt.Sprint(c.X, " ", c.Series) != want {
			t.Errorf("%s: %v %v, want %s", metric, c.X, c.Series, want)
		}
	}
	if names := MetricNames(records, trained, validated); !slices.Equal(names, []string{"loss", "late"}) {
		t.Errorf("the metrics are %v", names)
	}
}
