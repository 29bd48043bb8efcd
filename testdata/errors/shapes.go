package errors

import (
	"math"

	"github.com/sardonyx-ml/sardonyx/graph"
)

var shapeCases = []Case{
	{"inner dimensions differ", fn(func(f *graph.Func) {
		q := f.Input("q", graph.F32, batch, 12, seq, 64)
		k := f.Input("k", graph.F32, batch, 12, seq, 64)
		att := q.MatMul(k) // want "(?s)MatMul: inner dimensions differ: 64 and seq.*argument 0: f32.batch 12 seq 64. made by Input \"q\" at .*shapes.go:11.*hint: .*T\\(\\)"
		f.Output("att", att.Softmax(-1))
	})},
	{"broadcast clash", fn(func(f *graph.Func) {
		a := f.Input("a", graph.F32, batch, 10)
		b := f.Input("b", graph.F32, batch, 11)
		f.Output("y", a.Add(b)) // want "(?s)Add: .*\\[batch 10\\].*\\[batch 11\\].*10 against 11"
	})},
	{"broadcast of a symbol with a number", fn(func(f *graph.Func) {
		a := f.Input("a", graph.F32, batch, 10)
		b := f.Input("b", graph.F32, 32, 10)
		f.Output("y", a.Mul(b)) // want "(?s)Mul: .*batch against 32.*hint: .*may differ at run time"
	})},
	{"reshape of the wrong size", fn(func(f *graph.Func) {
		x := f.Input("x", graph.F32, batch, 28, 28)
		f.Output("y", x.Reshape(batch, 700)) // want "Reshape: .*784.*700"
	})},
	{"arithmetic on a symbolic dim", fn(func(f *graph.Func) {
		x := f.Input("x", graph.F32, batch, 12, 64)
		f.Output("y", x.Reshape(batch*12, 64)) // want "(?s)Reshape: axis 0 of the shape is not a dimension.*hint: .*Times"
	})},
	{"arithmetic on a symbolic dim of an input", fn(func(f *graph.Func) {
		f.Output("y", f.Input("x", graph.F32, batch+1, 64)) // want "(?s)Input: axis 0 of the shape is not a dimension.*hint: .*Plus"
	})},
	{"wrong dtype", fn(func(f *graph.Func) {
		x := f.Input("x", graph.F32, batch, 10)
		ids := f.Input("ids", graph.I64, batch, 10)
		f.Output("y", x.Add(ids)) // want "(?s)Add: .*f32.*i64.*hint: .*Cast"
	})},
	{"float op on integers", fn(func(f *graph.Func) {
		f.Output("y", f.Input("ids", graph.I64, batch).Exp()) // want "Exp: .*i64"
	})},
	{"where on floats", fn(func(f *graph.Func) {
		x := f.Input("x", graph.F32, batch)
		f.Output("y", x.Where(x, x)) // want "Where: .*f32.*bool"
	})},
	{"gather with float indices", fn(func(f *graph.Func) {
		table := f.Input("table", graph.F32, 100, 16)
		f.Output("y", table.Gather(f.Input("ids", graph.F32, batch), 0)) // want "Gather: the indices are f32.batch."
	})},
	{"permutation of the wrong length", fn(func(f *graph.Func) {
		f.Output("y", f.Input("x", graph.F32, batch, 3, 4).Transpose(1, 0)) // want "Transpose: .*\\[1 0\\]"
	})},
	{"permutation that repeats", fn(func(f *graph.Func) {
		f.Output("y", f.Input("x", graph.F32, batch, 3, 4).Transpose(0, 1, 1)) // want "Transpose: .*\\[0 1 1\\]"
	})},
	{"concat of different widths", fn(func(f *graph.Func) {
		a := f.Input("a", graph.F32, batch, 3, 8)
		b := f.Input("b", graph.F32, batch, 4, 9)
		f.Output("y", graph.Join(1, a, b)) // want "Concat: .*8.*9"
	})},
	{"slice past the end", fn(func(f *graph.Func) {
		f.Output("y", f.Input("x", graph.F32, batch, 10).Slice(1, 4, 12)) // want "Slice: elements 4 to 12 .*of size 10"
	})},
	{"slice of a symbolic axis from behind its end", fn(func(f *graph.Func) {
		f.Output("y", f.Input("x", graph.F32, batch, 10).Slice(0, -1, -2)) // want "Slice: elements batch-1 to batch-2 .*of size batch"
	})},
	{"slice down a symbolic axis to far below it", fn(func(f *graph.Func) {
		f.Output("y", f.Input("x", graph.F32, batch, 10).SliceStep(0, -1, -1<<62, -1)) // want "Slice: elements batch-1 down to .*of size batch"
	})},
	{"split that does not divide", fn(func(f *graph.Func) {
		f.Output("y", f.Input("x", graph.F32, batch, 10).Split(1, 3)[0]) // want "Split: .*10.*3"
	})},
	{"axis out of range", fn(func(f *graph.Func) {
		f.Output("y", f.Input("x", graph.F32, batch, 10).Softmax(2)) // want "Softmax: axis 2"
	})},
	{"axis named twice", fn(func(f *graph.Func) {
		f.Output("y", f.Input("x", graph.F32, batch, 10).Sum(1, -1)) // want "Sum: axes .* twice"
	})},
	{"expand to a smaller shape", fn(func(f *graph.Func) {
		f.Output("y", f.Input("x", graph.F32, batch, 10).Expand(batch, 5)) // want "Expand: .*10.*5"
	})},
	{"pad with too few amounts", fn(func(f *graph.Func) {
		f.Output("y", f.Input("x", graph.F32, batch, 10).Pad([]int{1}, []int{1}, 0)) // want "Pad: 1 and 1 amounts for the 2 axes"
	})},
	{"channels differ", fn(func(f *graph.Func) {
		x := f.Input("x", graph.F32, batch, 3, 32, 32)
		w := f.Input("w", graph.F32, 64, 4, 3, 3)
		f.Output("y", x.Conv2D(w, graph.Conv2D{})) // want "Conv: .*3.*4"
	})},
	{"filter larger than the image", fn(func(f *graph.Func) {
		x := f.Input("x", graph.F32, batch, 3, 4, 4)
		w := f.Input("w", graph.F32, 8, 3, 5, 5)
		f.Output("y", x.Conv2D(w, graph.Conv2D{})) // want "Conv: a filter of 5×5.* does not fit"
	})},
	{"pooling without spatial axes", fn(func(f *graph.Func) {
		x := f.Input("x", graph.F32, batch, 3)
		f.Output("y", x.MaxPool(graph.MaxPool{Kernel: [2]int{2, 2}})) // want "MaxPoolND: needs .batch channels height width., or one or three axes of pixels, has f32.batch 3."
	})},
	{"certain dropout", fn(func(f *graph.Func) {
		f.Output("y", f.Input("x", graph.F32, batch, 3).Dropout(1)) // want "Dropout: the probability 1 is outside"
	})},
	{"Dim of an axis that is not there", fn(func(f *graph.Func) {
		x := f.Input("x", graph.F32, batch, 3)
		n := x.Dim(2) // want "Dim: axis 2 of f32.batch 3."
		f.Output("y", x.Reshape(n))
	})},
	{"every independent mistake, and no echo of one", fn(func(f *graph.Func) {
		x := f.Input("x", graph.F32, batch, 10)
		y := x.MatMul(f.Input("w", graph.F32, 11, 5)) // want "MatMul: inner dimensions differ"
		y = y.Add(x).Tanh().Reshape(3)                // silent: y is already wrong
		f.Output("y", y)
		f.Output("z", x.Reshape(batch, 9)) // want "Reshape: .batch 10. has 10.batch elements"
		f.Output("s", x.Softmax(5))        // want "Softmax: axis 5"
	})},
	{"a size of -1 for an input", fn(func(f *graph.Func) {
		f.Output("y", f.Input("x", graph.F32, -1, 64)) // want "(?s)Input: axis 0 of the shape is not a dimension .-1.*hint: .*graph.Sym"
	})},
	{"a name that is none", fn(func(f *graph.Func) {
		f.Output("y", f.Input("x", graph.F32, graph.Sym("my batch"), 64)) // want "(?s)axis 0 of the shape is not a dimension: the name.*hint: .*letters"
	})},
	{"half of a symbolic axis", fn(func(f *graph.Func) {
		x := f.Input("x", graph.F32, batch, seq)
		f.Output("y", x.Reshape(batch, 2, x.Dim(1)/2)) // want "Reshape: axis 2 of the shape is not a dimension"
	})},
	{"more elements than can be counted", fn(func(f *graph.Func) {
		x := f.Input("x", graph.F32, batch, 1<<40, 1<<40) // want "Input: the shape .* has absurdly many elements"
		f.Output("y", x.Reshape(0))
		f.Output("z", f.Input("z", graph.F32, batch.Times(1<<40).Times(1<<40))) // want "Input: axis 0 of the shape is not a dimension: .*product"
	})},
	{"a reshape with two rests", fn(func(f *graph.Func) {
		f.Output("y", f.Input("x", graph.F32, batch, 10).Reshape(-1, -1)) // want "(?s)Reshape: .*hint: -1 may stand for one axis"
	})},
	{"more parts than there can be", fn(func(f *graph.Func) {
		f.Output("y", f.Input("x", graph.F32, batch, 10).Split(1, 1_000_000_000)[0]) // want "Split: into 1000000000 parts"
	})},
	{"one-hot rows of floats", fn(func(f *graph.Func) {
		f.Output("y", f.Input("x", graph.F32, batch, 10).OneHot(3, graph.F32)) // want "OneHot: the indices are f32"
	})},
	{"branches of a Where that differ", fn(func(f *graph.Func) {
		x := f.Input("x", graph.F32, batch, 10)
		z := f.Input("z", graph.F32, batch, 9)
		f.Output("y", x.Greater(z).Where(x, z)) // want "Greater: .*10 against 9"
		f.Output("w", x.Greater(x).Where(x, z)) // want "(?s)Where: .*10 against 9.*argument 2: f32.batch 9. made by Input \"z\""
	})},
	{"a negative stride", fn(func(f *graph.Func) {
		x := f.Input("x", graph.F32, batch, 3, 8, 8)
		f.Output("y", x.MaxPool(graph.MaxPool{Kernel: [2]int{2, 2}, Strides: [2]int{-1, 1}})) // want "MaxPoolND: .*stride.* is -1"
	})},
	{"a number that its dtype cannot hold", fn(func(f *graph.Func) {
		f.Output("y", f.Full(graph.I64, 1.5, 3)) // want "Full: 1.5 is no i64"
	})},
	{"a factor that is no number", fn(func(f *graph.Func) {
		x := f.Input("x", graph.F32, batch, 10)
		f.Output("a", x.Scale(math.NaN()))           // want "(?s)Scale: By: it is NaN.*hint: "
		f.Output("b", x.Shift(math.Inf(-1)))         // want "Shift: By: it is -Inf"
		f.Output("c", x.LeakyReLU(math.Inf(1)))      // want "LeakyReLU: Alpha: it is .Inf"
		f.Output("d", x.Clip(math.NaN(), 1))         // want "Clip: the limits NaN and 1"
		f.Output("e", x.Scale(1e39))                 // want "Scale: By: 1e.39 is beyond what f32 holds"
		f.Output("f", f.Full(graph.F32, math.NaN())) // want "Full: it is NaN"
	})},
	{"an integer that a float cannot tell from the next", fn(func(f *graph.Func) {
		f.Output("y", f.Full(graph.I64, 1<<53)) // want "(?s)Full: 9.007199254740992e.15 is no i64 that is known exactly.*hint: .*FullInt"
	})},
	{"an assertion without a condition", fn(func(f *graph.Func) {
		x := f.Input("x", graph.F32, batch, 10)
		f.Output("y", x.Assert(x, "x must be good")) // want "(?s)Assert: the condition is f32.batch 10., want bool.*hint: compare first"
	})},
	{"a constant of nothing", fn(func(f *graph.Func) {
		f.Output("y", f.Const(nil)) // want "Const: the tensor is nil"
	})},
	{"a concatenation of nothing", fn(func(f *graph.Func) {
		f.Output("y", graph.Join(0)) // want "Concat: there is no argument"
	})},
}
