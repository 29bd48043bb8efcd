package onnx

import (
	"io"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler/pass"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// noisy is a training step with two layers of noise and the gradient of both.
func noisy() *graph.Func {
	f := graph.NewFunc("step", true)
	x := f.Input("x", graph.F32, batch, 5)
	w := f.Param("w", nil, 5)
	h := x.Mul(w).Dropout(.4)
	h = h.Add(h.NormalLike()).Mul(h.UniformLike())
	loss := h.Square().Sum()
	f.Output("loss", loss)
	f.Update(w, w.Sub(graph.Grad(loss, w)[0]))
	return f
}

func TestHoistRandom(t *testing.T) {
	f := noisy()
	g, noise := pass.HoistRandom(f)
	want := []pass.Noise{{Input: "noise.0", Distribution: pass.Uniform, Stream: 0}, {Input: "noise.1", Distribution: pass.Normal, Stream: 1}, {Input: "noise.2", Distribution: pass.Uniform, Stream: 2}}
	if !slices.Equal(noise, want) {
		t.Fatalf("noise %v, want %v", noise, want)
	}
	if len(g.Inputs) != 4 || g.Lookup(graph.RandomState) != nil || len(g.Updates) != 1 {
		t.Errorf("the hoisted step:\n%v", g)
	}
	if err := g.Verify(); err != nil {
		t.Error(err)
	}
	c := kernel.NewContext(nil, 1)
	in := map[string]*tensor.Tensor{
		"x": tensor.Of([]float32{1, 2, 3, 4, 5, -1, -2, -3, -4, -5, .5, .25, 0, 1, 2}, 3, 5), "w": tensor.Of([]float32{1, -1, 2, .5, 3}, 5),
		graph.RandomState: tensor.Of([]int64{7, 3}, 2),
	}
	direct, err := graph.Evaluate(c, f, in)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range noise {
		x := tensor.New(tensor.F32, 3, 5)
		draw := kernel.Draw{Seed: 7, Step: 3, Stream: n.Stream}
		if n.Distribution == pass.Normal {
			kernel.Normal(c, draw, tensor.Data[float32](x))
		} else {
			kernel.Uniform(c, draw, tensor.Data[float32](x))
		}
		in[n.Input] = x
	}
	hoisted, err := graph.Evaluate(c, g, in)
	if err != nil {
		t.Fatal(err)
	}
	a, b := direct[f.Updates[len(f.Updates)-1].Value.ID], hoisted[g.Updates[0].Value.ID]
	for i := range a.Len() {
		if d := math.Abs(a.At(i) - b.At(i)); !(d <= 1e-5*(1+math.Abs(a.At(i)))) {
			t.Errorf("w.next[%d] is %v from the state, %v from the noise", i, a.At(i), b.At(i))
		}
	}
}

func TestExportRandom(t *testing.T) {
	weights := Tensors{"w": tensor.New(tensor.F32, 5), graph.RandomState: tensor.New(tensor.I64, 2)}
	dir := t.TempDir()
	inputs, native := filepath.Join(dir, "inputs.onnx"), filepath.Join(dir, "native.onnx")
	r, err := ExportFile(inputs, noisy(), weights, Options{Training: true})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Inspect(inputs)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(s.Noise, r.Noise) || len(r.Noise) != 3 || s.Inputs[1].Type != "f32[batch 5]" || !strings.Contains(s.Inputs[2].Doc, "normal") {
		t.Errorf("report %v, file %v, inputs %+v", r.Noise, s.Noise, s.Inputs)
	}
	r, err = ExportFile(native, noisy(), weights, Options{Training: true, Random: RandomNative})
	if err != nil {
		t.Fatal(err)
	}
	// The draws of Dropout are shared with its gradient.
	if len(r.Noise) != 0 || !slices.Contains(r.Nodes, OpCount{"RandomUniformLike", 2}) || !slices.Contains(r.Nodes, OpCount{"RandomNormalLike", 1}) {
		t.Errorf("native: %+v", r)
	}
	if last := r.Outputs[len(r.Outputs)-2].Name; last != graph.RandomState+Next {
		t.Errorf("native: outputs %v", r.Outputs)
	}
	acceptONNX(t, inputs, native)
}

// TestNoiseOnly: a generator without inputs takes its batch size from the noise.
func TestNoiseOnly(t *testing.T) {
	f := graph.NewFunc("generate", false)
	z := f.RandomNormal(graph.F32, batch, 2)
	f.Output("image", z.Add(f.Full(graph.F32, 1, batch, 2)))
	m, r, _ := export(t, f, nil, Options{})
	if len(m.Graph.Inputs) != 1 || typeText(m.Graph.Inputs[0].Type) != "f32[batch 2]" || len(r.Noise) != 1 {
		t.Errorf("inputs %+v, noise %v", m.Graph.Inputs, r.Noise)
	}
	f = graph.NewFunc("generate", false)
	f.Output("image", f.RandomNormal(graph.F32, 3))
	f.Input("noise.0", graph.F32, 3)
	if _, err := Export(io.Discard, f, nil, Options{}); err == nil || !strings.Contains(err.Error(), `"noise.0"`) {
		t.Errorf("an input of the model's that is called noise.0: %v", err)
	}
}
