package onnx

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/exporters/numpy"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// noisyWeights are weights for [noisy], with a random state.
func noisyWeights() Tensors {
	return Tensors{"w": tensor.Of([]float32{1, -1, 2, .5, 3}, 5), graph.RandomState: tensor.Of([]int64{7, 12}, 2)}
}

// TestStateBeside: a training step's first state and description stand beside it, and tell all that running it takes.
func TestStateBeside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "step.onnx")
	r, err := ExportFile(path, noisy(), noisyWeights(), Options{Training: true})
	if err != nil {
		t.Fatal(err)
	}
	var files []string
	for _, f := range r.Files {
		info, err := os.Stat(f.Path)
		if err != nil || info.Size() != f.Bytes {
			t.Errorf("%s: %v, %v", f.Path, info, err)
		}
		files = append(files, filepath.Base(f.Path))
	}
	if want := []string{"step.onnx", "step.md", "step.state.npz"}; !slices.Equal(files, want) {
		t.Errorf("files %q, want %q", files, want)
	}
	if r.Tensors != 1 || r.Params != 5 {
		t.Errorf("%d tensors of %d numbers", r.Tensors, r.Params)
	}
	s, err := Inspect(path)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(s.State, []State{{"w", "w.next"}}) || s.Counter == nil || *s.Counter != (Counter{7, 12}) || slices.ContainsFunc(s.Initializers, func(i Initializer) bool { return i.Name == "w" }) {
		t.Errorf("state %v, counter %v, initializers %v", s.State, s.Counter, s.Initializers)
	}
	for _, in := range s.Inputs {
		if in.Default {
			t.Errorf("the input %q has a default", in.Name)
		}
	}
	state, err := ReadState(path)
	if err != nil || len(state) != 1 || !slices.Equal(state["w"].Float64s(), []float64{1, -1, 2, .5, 3}) {
		t.Errorf("state %v, %v", state, err)
	}
	if err := CheckWeights(path); err != nil {
		t.Error(err)
	}
	state["w"].Set(3, .25)
	for _, tt := range []struct {
		state map[string]*tensor.Tensor
		want  string
	}{
		{state, "the state is not what was exported"},
		{map[string]*tensor.Tensor{"w": state["w"], "v": state["w"]}, `an array "v", which is no state`},
		{map[string]*tensor.Tensor{}, `no array "w"`},
	} {
		if err := numpy.WriteNPZ(StateFile(path), tt.state); err != nil {
			t.Fatal(err)
		}
		if err := CheckWeights(path); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("a changed state: %v, want %q", err, tt.want)
		}
	}
	if err := os.Remove(StateFile(path)); err != nil {
		t.Fatal(err)
	}
	if err := CheckWeights(path); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "not beside it") {
		t.Errorf("no state: %v", err)
	}
}

// TestStateAllOrNothing: where one of the files cannot be written, none is.
func TestStateAllOrNothing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "step.onnx")
	if err := os.Mkdir(StateFile(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if _, err := ExportFile(path, noisy(), noisyWeights(), Options{Training: true}); err == nil {
		t.Error("a folder was replaced by the state")
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
	f := noisy()
	w := noisyWeights()
	delete(w, "w")
	if _, err := ExportFile(path, f, w, Options{Training: true}); err == nil || !strings.Contains(err.Error(), `parameter "w"`) {
		t.Errorf("a missing weight: %v", err)
	}
	delete(w, graph.RandomState)
	w["w"] = tensor.New(tensor.F32, 5)
	if _, err := ExportFile(path, f, w, Options{Training: true}); err == nil || !strings.Contains(err.Error(), graph.RandomState) {
		t.Errorf("a missing random state: %v", err)
	}
}

// TestStateMetadata: what the metadata says of state must be so.
func TestStateMetadata(t *testing.T) {
	m, _, _ := export(t, noisy(), nil, Options{Training: true})
	for _, tt := range []struct{ key, value, want string }{
		{metaState + "q", "w.next", `no input "q"`},
		{metaState + "x", "w.next", `no output "w.next" of type f32[batch 5]`},
		{metaState + "x", "q", `no output "q"`},
		{metaState + "w", "", `"w" is there twice`},
		{metaCounter, "seven", "not a seed and a step"},
	} {
		old := m.Metadata
		m.Metadata = append(slices.Clone(old), m.Metadata[0])
		m.Metadata[len(old)].Key, m.Metadata[len(old)].Value = tt.key, tt.value
		var b bytes.Buffer
		if err := m.Encode(&b); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(bytes.NewReader(b.Bytes()), int64(b.Len())); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s = %s: %v, want %q", tt.key, tt.value, err, tt.want)
		}
		m.Metadata = old
	}
}

// TestMadeVectors: the exporter makes test vectors itself, at two sizes of the batch, from a seed.
func TestMadeVectors(t *testing.T) {
	double := func(f *graph.Func) { f.Output("y", f.Input("x", graph.F32, batch, 2).Scale(2)) }
	tests := []struct {
		name    string
		build   func(f *graph.Func)
		o       Options
		batches []int
		why     string
	}{
		{"plain", double, Options{}, []int{1, 3}, ""},
		{"refused", double, Options{NoVectors: true}, nil, "refused"},
		{"fixed", func(f *graph.Func) { f.Output("y", f.Input("x", graph.F32, 4, 2).Scale(2)) }, Options{}, []int{4}, ""},
		{"noise", func(f *graph.Func) { f.Output("y", f.Input("x", graph.F32, batch, 2).NormalLike()) }, Options{}, []int{1, 3}, ""},
		{"native", func(f *graph.Func) { f.Output("y", f.Input("x", graph.F32, batch, 2).NormalLike()) }, Options{Random: RandomNative}, nil, "its own random numbers"},
		{"native, nothing drawn", double, Options{Random: RandomNative}, []int{1, 3}, ""},
		{"large", func(f *graph.Func) { f.Output("y", f.Input("x", graph.F32, batch, 1<<18).Scale(2)) }, Options{}, []int{1}, "none of size 3: its inputs and outputs are 6291456 bytes"},
		{"huge", func(f *graph.Func) { f.Output("y", f.Input("x", graph.F32, batch, 1<<32).Sum()) }, Options{}, nil, "17.2 GB"},
		{"windows", func(f *graph.Func) { // that do not fit images of the first sizes
			x := f.Input("x", graph.F32, batch, 1, graph.Sym("width"))
			f.Output("y", x.Scale(2).Add(x.MaxPoolND(graph.MaxPoolND{Kernel: []int{5}}).Sum().Scale(0)))
		}, Options{}, []int{1, 3}, ""},
		{"no kernel", func(f *graph.Func) {
			f.Output("y", f.Apply(node("Tanh", graph.F32, batch, 2), f.Input("x", graph.F32, batch, 2)))
		}, Options{}, nil, "none of size 1: f: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := graph.NewFunc("f", false)
			tt.build(f)
			w := Tensors{graph.RandomState: tensor.New(tensor.I64, 2)}
			path := filepath.Join(t.TempDir(), "f.onnx")
			r, err := ExportFile(path, f, w, tt.o)
			if err != nil {
				t.Fatal(err)
			}
			s, err := Inspect(path)
			if err != nil {
				t.Fatal(err)
			}
			var batches []int
			for _, v := range s.Vectors {
				batches = append(batches, v.Inputs["x"].Dim(0))
				for i := range v.Inputs["x"].Len() {
					want := 2 * v.Inputs["x"].At(i)
					if n := v.Inputs["noise.0"]; n != nil {
						want = n.At(i)
					}
					if got := v.Outputs["y"].At(i); got != want {
						t.Fatalf("y[%d] = %v, want %v", i, got, want)
					}
				}
			}
			if !slices.Equal(batches, tt.batches) || r.Vectors != len(batches) || !strings.Contains(r.NoVectors, tt.why) || (tt.why == "") != (r.NoVectors == "") {
				t.Errorf("vectors of %v, want %v; report %d, %q", batches, tt.batches, r.Vectors, r.NoVectors)
			}
		})
	}
}

// TestStepVectors: a step's vectors start from the first state, and do not hold what rounding decides.
func TestStepVectors(t *testing.T) {
	f := graph.NewFunc("step", true)
	x := f.Input("x", graph.F32, batch, 2)
	w, b, big := f.Param("w", nil, 2), f.Param("b", nil, 2), f.Param("big", nil, maxUpdates/4+1)
	loss := x.Mul(w).Square().Sum()
	f.Output("loss", loss)
	f.Update(w, w.Sub(graph.Grad(loss, w)[0].Scale(.125)))
	f.Update(b, x.Scale(3.1).Sub(x.Scale(2.7)).Sub(x.Scale(.4)).Sum(0).Scale(1e6)) // nothing but rounding
	f.Update(big, big.Scale(2))
	weights := Tensors{"w": tensor.Of([]float32{3, -2}, 2), "b": tensor.New(tensor.F32, 2), "big": tensor.New(tensor.F32, maxUpdates/4+1)}
	path := filepath.Join(t.TempDir(), "step.onnx")
	if _, err := ExportFile(path, f, weights, Options{Training: true}); err != nil {
		t.Fatal(err)
	}
	s, err := Inspect(path)
	if err != nil {
		t.Fatal(err)
	}
	var batches []int
	for _, v := range s.Vectors {
		x := v.Inputs["x"]
		batches = append(batches, x.Dim(0))
		if got := slices.Sorted(maps.Keys(v.Inputs)); !slices.Equal(got, []string{"x"}) {
			t.Errorf("inputs %q", got)
		}
		if got := slices.Sorted(maps.Keys(v.Outputs)); !slices.Contains(got, "loss") || !slices.Contains(got, "w.next") || slices.Contains(got, "big.next") || slices.Contains(got, "b.next") {
			t.Errorf("outputs %q", got)
		}
		for j, w := range []float64{3, -2} {
			squares := 0.
			for i := range x.Dim(0) {
				squares += x.At(2*i+j) * x.At(2*i+j)
			}
			want := w - .125*2*w*squares
			if got := v.Outputs["w.next"].At(j); !(got-want < 1e-5 && want-got < 1e-5) {
				t.Errorf("w.next[%d] = %v, want %v", j, got, want)
			}
		}
	}
	if !slices.Equal(batches, []int{2, 3}) {
		t.Errorf("batches %v", batches)
	}
}
