package graph_test

import (
	"math"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// TestImageMistakes checks that wrong arguments of convolutions, pooling and normalisation are reported with what to do.
func TestImageMistakes(t *testing.T) {
	type value = *graph.Value
	type conv = graph.Conv2D
	for _, c := range []struct {
		name  string
		build func(f *graph.Func, x, w, s value) // x f32[batch 4 8 6], w f32[6 4 3 3], s f32[batch 4 seq 6]
		want  string
		hint  string
	}{
		{"rank", func(f *graph.Func, x, w, s value) { x.Flatten().Conv2D(w, conv{}) }, "Conv: needs [batch channels height width], or one or three axes of pixels, has f32[batch 192]", "Reshape"},
		{"symbolic channels", func(f *graph.Func, x, w, s value) { s.Transpose(0, 2, 1, 3).Conv2D(w, conv{}) }, "channels must be a number: f32[batch seq 4 6] has seq", "batch"},
		{"other axes", func(f *graph.Func, x, w, s value) {
			x.Reshape(batch, 4, 48).Conv2D(f.Full(graph.F32, 0, 6, 4, 3), conv{})
		}, "the strides [0 0] are for 2 axes, the images have 1", "each axis"},
		{"filters of other axes", func(f *graph.Func, x, w, s value) { x.Reshape(batch, 4, 48).Conv(w, graph.Conv{}) }, "the weights are f32[6 4 3 3] for images f32[batch 4 48]", "as many axes"},
		{"dtype", func(f *graph.Func, x, w, s value) { x.Conv2D(w.Cast(graph.F64), conv{}) }, "the arguments are f32 and f64", "Cast"},
		{"integers", func(f *graph.Func, x, w, s value) { x.Cast(graph.I64).Conv2D(w.Cast(graph.I64), conv{}) }, "needs a float", "Cast"},
		{"filters", func(f *graph.Func, x, w, s value) { x.Conv2D(w.Flatten(), conv{}) }, "the weights are f32[6 36]", "[out in height width]"},
		{"empty filters", func(f *graph.Func, x, w, s value) { x.Conv2D(f.Full(graph.F32, 0, 6, 4, 0, 3), conv{}) }, "the weights are f32[6 4 0 3]", "at least 1"},
		{"channels", func(f *graph.Func, x, w, s value) { x.Conv2D(w, conv{Groups: 2}) }, "4 channels into filters [6 4 3 3] for 8, in 2 groups", "in/groups"},
		{"groups", func(f *graph.Func, x, w, s value) { x.Conv2D(f.Full(graph.F32, 0, 6, 1, 3, 3), conv{Groups: 4}) }, "in 4 groups", ""},
		{"too small", func(f *graph.Func, x, w, s value) { x.Conv2D(w, conv{Dilations: [2]int{1, 3}}) }, "does not fit the image f32[batch 4 8 6]", "pad"},
		{"negative", func(f *graph.Func, x, w, s value) { x.Conv2D(w, conv{Pads: [4]int{0, -1, 0, 0}}) }, "is -1", ""},
		{"enormous", func(f *graph.Func, x, w, s value) { x.Conv2D(w, conv{Pads: [4]int{math.MaxInt, 0, 0, 0}}) }, "is 9223372036854775807", ""},
		{"transposed channels", func(f *graph.Func, x, w, s value) { x.ConvTranspose2D(w, graph.ConvTranspose2D{}) }, "4 channels into filters [6 4 3 3] for 6", "out/groups"},
		{"output padding", func(f *graph.Func, x, w, s value) {
			x.ConvTranspose2D(f.Full(graph.F32, 0, 4, 6, 3, 3), graph.ConvTranspose2D{Dilations: [2]int{2, 2}, OutputPadding: [2]int{1, 0}})
		}, "output padding 1 with stride 1", "smaller"},
		{"other sizes", func(f *graph.Func, x, w, s value) {
			s.ConvTranspose(f.Full(graph.F32, 0, 4, 6, 3, 3), graph.ConvTranspose{Sizes: graph.Shape{seq.Plus(1), 8}})
		}, "the result cannot have the sizes [seq+1 8]: x is f32[batch 4 seq 6]", "a convolution makes x of"},
		{"output padding of other axes", func(f *graph.Func, x, w, s value) {
			x.ConvTranspose(f.Full(graph.F32, 0, 4, 6, 3, 3), graph.ConvTranspose{OutputPadding: []int{0}})
		}, "the output padding [0] is for 1 axes, the images have 2", "each axis"},
		{"cut away", func(f *graph.Func, x, w, s value) {
			x.ConvTranspose2D(f.Full(graph.F32, 0, 4, 6, 1, 1), graph.ConvTranspose2D{Pads: [4]int{4, 0, 4, 0}})
		}, "axis 2 would have 0 pixels", "fewer"},
		{"no window", func(f *graph.Func, x, w, s value) { x.MaxPool(graph.MaxPool{}) }, "the window is [0 0]", "Kernel"},
		{"pool padding", func(f *graph.Func, x, w, s value) {
			x.MaxPool(graph.MaxPool{Kernel: [2]int{2, 2}, Pads: [4]int{0, 0, 2, 0}})
		}, "would leave windows empty", "smaller"},
		{"large window", func(f *graph.Func, x, w, s value) { x.AveragePool(graph.AveragePool{Kernel: [2]int{3, 7}}) }, "does not fit", "pad"},
		{"global rank", func(f *graph.Func, x, w, s value) { x.Flatten().GlobalAveragePool() }, "GlobalAveragePool: needs [batch channels height width]", "Reshape"},
		{"pool of other axes", func(f *graph.Func, x, w, s value) { x.MaxPoolND(graph.MaxPoolND{Kernel: []int{2}}) }, "the window is [2]", "each axis"},
		{"divisor", func(f *graph.Func, x, w, s value) { x.Resize(graph.Resize{Scale: 2, Divisor: 3}) }, "the divisor is 3, want a power of two", "Sizes"},
		{"no pixels", func(f *graph.Func, x, w, s value) { x.Resize(graph.Resize{Scale: 1, Divisor: 8}) }, "axis 3 of f32[batch 4 8 6] would have none", ""},
		{"factor and sizes", func(f *graph.Func, x, w, s value) { x.Resize(graph.Resize{Scale: 2, Sizes: graph.Shape{4, 4}}) }, "the sizes are [4 4], the factor is 2/0", "no factor"},
		{"mode", func(f *graph.Func, x, w, s value) { x.Resize(graph.Resize{Scale: 2, Mode: "cubic"}) }, `the mode is "cubic"`, "graph.Linear"},
		{"coordinates", func(f *graph.Func, x, w, s value) { x.Resize(graph.Resize{Scale: 2, Coordinates: graph.HalfPixel}) }, `the coordinates are "half_pixel", the mode is "nearest"`, "graph.Asymmetric"},
		{"scale", func(f *graph.Func, x, w, s value) { x.Upsample(0) }, "the scale is 0", "pooling"},
		{"layer norm scale", func(f *graph.Func, x, w, s value) {
			x.LayerNorm(f.Full(graph.F32, 1, 4), f.Full(graph.F32, 0, 4), 1e-5)
		}, "must be f32[6]", ""},
		{"layer norm bias", func(f *graph.Func, x, w, s value) { x.LayerNorm(nil, f.Full(graph.F32, 1, 5), 1e-5) }, "must be f32[6]", ""},
		{"layer norm scalar", func(f *graph.Func, x, w, s value) { x.Sum().LayerNorm(nil, nil, 1e-5) }, "a scalar has no axis", ""},
		{"eps", func(f *graph.Func, x, w, s value) { x.LayerNorm(nil, nil, math.NaN()) }, "eps is NaN", "1e-5"},
		{"batch norm vectors", func(f *graph.Func, x, w, s value) {
			v := f.Full(graph.F32, 1, 6)
			x.BatchNorm(v, v, v, v, 1e-5)
		}, "must be f32[4]", ""},
		{"training batch norm nil", func(f *graph.Func, x, w, s value) { x.BatchNormTrain(nil, nil, 1e-5) }, "BatchNormTrain: argument 1 is nil", "declared"},
		{"training batch norm rank", func(f *graph.Func, x, w, s value) {
			v := f.Full(graph.F32, 1, 6)
			x.Sum(0, 1, 2).BatchNormTrain(v, v, 1e-5)
		}, "needs [batch channels ...]", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := graph.NewFunc("model", false)
			c.build(f, f.Input("x", graph.F32, batch, 4, 8, 6), f.Input("w", graph.F32, 6, 4, 3, 3), f.Input("s", graph.F32, batch, 4, seq, 6))
			if len(f.Diags) != 1 {
				t.Fatalf("%d mistakes reported, want 1: %v", len(f.Diags), f.Diags)
			}
			if d := f.Diags[0]; !strings.Contains(d.Msg, c.want) || !strings.Contains(d.Hint, c.hint) {
				t.Errorf("reported %q, hint %q; want %q, hint %q", d.Msg, d.Hint, c.want, c.hint)
			}
		})
	}
}

// TestBatchNormTrain compares the composed op and its first two derivatives with plain loops and finite differences.
func TestBatchNormTrain(t *testing.T) {
	const eps = 1e-2
	for _, shape := range [][]int{{5, 2}, {3, 2, 2, 2}, {2, 3, 2}} {
		v := graph.SampleInput{Shape: shape[1:2]}
		s := graph.Sample{In: []graph.SampleInput{{Shape: shape}, v, v}}
		in := s.Inputs(graph.F64)
		f := graph.NewFunc("train", true)
		dims := graph.Shape{batch}
		for _, d := range shape[1:] {
			dims = append(dims, graph.Dim(d))
		}
		args := []*graph.Value{f.Input("in0", graph.F64, dims...), f.Input("in1", graph.F64, dims[1]), f.Input("in2", graph.F64, dims[1])}
		y, mean, variance := args[0].BatchNormTrain(args[1], args[2], eps)
		weights := tensor.New(graph.F64, shape...)
		for i := range weights.Len() {
			weights.Set(i, math.Sin(float64(3*i)))
		}
		first := y.Mul(f.Input("weights", graph.F64, dims...)).Sum().Add(mean.Mul(variance).Sum())
		grads := graph.Grad(first, args...)
		second := grads[0].Square().Sum().Add(grads[1].Square().Sum())
		grads2 := graph.Grad(second, args...)
		if len(f.Diags) > 0 {
			t.Fatal(f.Diags)
		}
		c, inputs := newContext(1), byName(in)
		inputs["weights"] = weights
		out := evaluate(t, c, f, inputs)
		wantMean, wantVar, n := make([]float64, shape[1]), make([]float64, shape[1]), float64(in[0].Len()/shape[1])
		odometer(shape, func(i []int) { wantMean[i[1]] += in[0].At(offset(shape, i)) / n })
		odometer(shape, func(i []int) {
			wantVar[i[1]] += math.Pow(in[0].At(offset(shape, i))-wantMean[i[1]], 2) / n
		})
		odometer(shape, func(i []int) {
			at, k := offset(shape, i), i[1]
			want := in[1].At(k)*(in[0].At(at)-wantMean[k])/math.Sqrt(wantVar[k]+eps) + in[2].At(k)
			if got := out[y.ID].At(at); !near(got, want, 1e-12) {
				t.Fatalf("%v: element %v is %v, want %v", shape, i, got, want)
			}
			if !near(out[mean.ID].At(k), wantMean[k], 1e-12) || !near(out[variance.ID].At(k), wantVar[k], 1e-12) {
				t.Fatalf("%v: mean %v and variance %v, want %v and %v", shape, out[mean.ID].Float64s(), out[variance.ID].Float64s(), wantMean, wantVar)
			}
		})
		for k := range args {
			differences(t, "gradient", c, f, inputs, in[k], out[grads[k].ID], first, k)
			differences(t, "second gradient", c, f, inputs, in[k], out[grads2[k].ID], second, k)
		}
	}
}
