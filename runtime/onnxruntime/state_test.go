package onnxruntime

import (
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// e4m3fnuz is ONNX's FLOAT8E4M3FNUZ, which no tensor here can hold.
const e4m3fnuz wire.DataType = 18

// TestState has inputs with defaults: one that can be given, and one whose elements tensors here cannot hold.
func TestState(t *testing.T) {
	g := linear()
	g.in = append(g.in, vi("b", wire.Float, 3), vi("q", e4m3fnuz, 1))
	g.weights = append(g.weights, &wire.Tensor{Name: "q", Type: e4m3fnuz, Dims: []int64{1}, Data: []uint8{1}})
	s := openTest(t, g)
	if got := fmt.Sprint(s.Inputs(), s.State()); got != "[x f32[batch 2]] [b f32[3]]" {
		t.Errorf("Inputs() and State() = %s", got)
	}
	x := tensor.Of([]float32{1, 0}, 1, 2)
	for _, c := range []struct {
		b    *tensor.Tensor
		want []float32
	}{{nil, []float32{1.5, 2, 2}}, {tensor.Of([]float32{10, 20, 30}, 3), []float32{11, 22, 33}}, {nil, []float32{1.5, 2, 2}}} {
		in := map[string]*tensor.Tensor{"x": x}
		if c.b != nil {
			in["b"] = c.b
		}
		out, err := s.Run(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		same(t, "y", out["y"], tensor.Of(c.want, 1, 3))
	}
	_, err := s.Run(t.Context(), map[string]*tensor.Tensor{"x": x, "b": tensor.New(tensor.F32, 4)})
	wantError(t, err, `"b" is f32[4]`, "b f32[3]")
	_, err = s.Run(t.Context(), map[string]*tensor.Tensor{"b": tensor.New(tensor.F32, 3)})
	wantError(t, err, `"x" is missing`)
}

// TestPartOfState gives some of the inputs that have defaults: y = x·a + b with the defaults 2 and 10. The file was made with
// onnx's own helpers.
func TestPartOfState(t *testing.T) {
	needLibrary(t)
	const path = "testdata/override.onnx"
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for name, open := range map[string]func() (*Session, error){
		"file":  func() (*Session, error) { return Open(path, Options{Threads: 1}) },
		"bytes": func() (*Session, error) { return OpenBytes(data, Options{Threads: 1}) },
	} {
		t.Run(name, func(t *testing.T) {
			s, err := open()
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			var wg sync.WaitGroup
			for range 2 { // at the same time
				wg.Go(func() {
					for given, want := range map[string]float32{"": 16, "a": 25, "b": 7, "ab": 16} {
						in := map[string]*tensor.Tensor{"x": tensor.Of([]float32{3}, 1)}
						for _, name := range given {
							in[string(name)] = tensor.Of([]float32{map[rune]float32{'a': 5, 'b': 1}[name]}, 1)
						}
						out, err := s.Run(t.Context(), in)
						if err != nil {
							t.Errorf("%q given: %v", given, err)
							continue
						}
						same(t, given+" given: y", out["y"], tensor.Of([]float32{want}, 1))
					}
				})
			}
			wg.Wait()
		})
	}
}

// TestExternalState has defaults in another file.
func TestExternalState(t *testing.T) {
	needLibrary(t)
	g, weights := external("w.bin")
	for _, w := range g.weights {
		dims := make([]any, len(w.Dims))
		for i, d := range w.Dims {
			dims[i] = int(d)
		}
		g.in = append(g.in, vi(w.Name, w.Type, dims...))
	}
	dir := t.TempDir()
	path := dir + "/m.onnx"
	for name, data := range map[string][]byte{path: g.encode(t), dir + "/w.bin": weights} {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(path, Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	in := map[string]*tensor.Tensor{}
	for _, i := range s.Inputs() {
		in[i.Name] = tensor.Of([]float32{1, 2}, 1, 2)
	}
	want, err := s.Run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	in["b"] = tensor.Of([]float32{1.5, 1, 0}, 3) // the default, and one more
	got, err := s.Run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	for i := range got["y"].Len() {
		got["y"].Set(i, got["y"].At(i)-1)
	}
	same(t, "y", got["y"], want["y"])
}
