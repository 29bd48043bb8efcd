package app

import (
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/exporters/numpy"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/data"
)

// needSets makes, once, files to compare in {}/sets: pictures of 4×4 pixels in which one quadrant is bright, which is their label.
//
// real.npz has 40, four of them with a wrong label; fake.npz 30, all right. fake.npy, bytes.npy and wide.npy are fake.npz's pictures,
// in bytes, and with three channels; two.npz has pictures of two quadrants, with labels of f32; stacked.npy has 30 of three channels that
// are pictures of real.npz, and few.npy has 5. parts is a folder with the parts train and test of 14 and 13 pictures as PNG, small one with
// 3.
func needSets(t testing.TB) {
	t.Helper()
	if err := makeSets(); err != nil {
		t.Fatal(err)
	}
}

var makeSets = sync.OnceValue(func() error {
	dir := filepath.Join(shared, "sets")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	real, labels := quadrants(1, 40)
	fake, fakeLabels := quadrants(2, 30)
	for i := range 4 {
		labels.Set(i, float64((int(labels.At(i))+1)%4))
	}
	bytes, wide := tensor.New(tensor.U8, fake.Shape()...), tensor.New(tensor.F32, 30, 3, 4, 4)
	for i := range fake.Len() {
		bytes.Set(i, fake.At(i)*255)
		wide.Set(i, fake.At(i))
	}
	stacked := tensor.New(tensor.F32, 30, 3, 4, 4)
	for i := range stacked.Len() {
		stacked.Set(i, real.At(i%real.Len()))
	}
	few, _ := quadrants(3, 5)
	var two []float32 // pictures of two quadrants
	many, manyLabels := quadrants(4, 60)
	for i := range many.Dim(0) {
		if manyLabels.At(i) < 2 {
			two = append(two, tensor.Data[float32](many)[i*16:(i+1)*16]...)
		}
	}
	err := errors.Join(
		numpy.WriteNPZ(filepath.Join(dir, "real.npz"), map[string]*tensor.Tensor{"image": real, "label": labels}),
		numpy.WriteNPZ(filepath.Join(dir, "fake.npz"), map[string]*tensor.Tensor{"image": fake, "label": fakeLabels}),
		numpy.WriteNPZ(filepath.Join(dir, "unnamed.npz"), map[string]*tensor.Tensor{"a": fake, "b": fakeLabels}),
		numpy.WriteNPZ(filepath.Join(dir, "two.npz"), map[string]*tensor.Tensor{"image": tensor.Of(two, len(two)/16, 1, 4, 4), "label": tensor.New(tensor.F32, len(two)/16)}),
		numpy.WriteNPY(filepath.Join(dir, "fake.npy"), fake), numpy.WriteNPY(filepath.Join(dir, "bytes.npy"), bytes), numpy.WriteNPY(filepath.Join(dir, "wide.npy"), wide),
		numpy.WriteNPY(filepath.Join(dir, "stacked.npy"), stacked), numpy.WriteNPY(filepath.Join(dir, "few.npy"), few),
	)
	for name, n := range map[string]int{"parts/train": 14, "parts/test": 13, "small": 3} {
		err = errors.Join(err, writePictures(filepath.Join(dir, name), fake, n))
	}
	return errors.Join(err, writeNetworks(dir))
})

// quadrants are n pictures [n 1 4 4] with the bright quadrant as label.
func quadrants(seed uint64, n int) (images, labels *tensor.Tensor) {
	r := rand.New(rand.NewPCG(seed, 0))
	images, labels = tensor.New(tensor.F32, n, 1, 4, 4), tensor.New(tensor.I64, n)
	for i := range n {
		label := r.IntN(4)
		labels.Set(i, float64(label))
		for p := range 16 {
			v := r.Float64() / 4
			if p/8*2+p%4/2 == label {
				v += .5
			}
			images.Set(i*16+p, v)
		}
	}
	return images, labels
}

// writePictures writes the first n images as PNG files.
func writePictures(dir string, images *tensor.Tensor, n int) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for i := range n {
		m := image.NewGray(image.Rect(0, 0, 4, 4))
		for p := range 16 {
			m.SetGray(p%4, p/4, color.Gray{Y: uint8(images.At(i*16+p) * 255)})
		}
		f, err := os.Create(filepath.Join(dir, fmt.Sprintf("%02d.png", i)))
		if err != nil {
			return err
		}
		if err := errors.Join(png.Encode(f, m), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

// writeNetworks writes networks: net.onnx takes any batch of pictures, fixed.onnx sixteen, pair.onnx two, flat.onnx their pixels in a row.
// Features are twice the pixels, logits ten times the means of quadrants. The others cannot be used.
func writeNetworks(dir string) error {
	quadrant := tensor.New(tensor.F32, 16, 4)
	for p := range 16 {
		quadrant.Set(p*4+p/8*2+p%4/2, 2.5)
	}
	batch := graph.Sym("batch")
	b := compiler.New("networks")
	network := func(name string, shape ...graph.Dim) {
		b.Func(name, func(f *graph.Func) {
			x := f.Input("x", graph.F32, shape...)
			if len(shape) > 2 {
				x = x.Flatten()
			}
			logits := x.MatMul(f.Const(quadrant))
			f.Output("features", x.Scale(2))
			f.Output("logits", logits)
			f.Output("probabilities", logits.Softmax(-1))
		})
	}
	network("net", batch, 1, 4, 4)
	network("fixed", 16, 1, 4, 4)
	network("pair", 2, 1, 4, 4)
	network("flat", batch, 16)
	b.Func("double", func(f *graph.Func) { f.Output("y", f.Input("x", graph.F32, batch, 1, 4, 4).Flatten().Scale(2)) })
	b.Func("two", func(f *graph.Func) {
		f.Output("y", f.Input("x", graph.F32, batch, 1, 4, 4).Flatten().Add(f.Input("z", graph.F32, batch, 16)))
	})
	b.Func("map", func(f *graph.Func) { f.Output("y", f.Input("x", graph.F32, batch, 1, 4, 4).Scale(2)) })
	b.Func("tokens", func(f *graph.Func) { f.Output("y", f.Input("x", graph.I64, batch, 16).Cast(graph.F32)) })
	b.Func("nan", func(f *graph.Func) { f.Output("y", f.Input("x", graph.F32, batch, 1, 4, 4).Flatten().Shift(-2).Log()) })
	prog, err := b.Compile()
	if err != nil {
		return err
	}
	state, err := runtime.NewState(prog, 1)
	if err != nil {
		return err
	}
	for _, f := range prog.Funcs() {
		file, err := os.Create(filepath.Join(dir, f.Name+".onnx"))
		if err != nil {
			return err
		}
		_, err = onnx.Export(file, f, state, onnx.Options{})
		if err := errors.Join(err, file.Close()); err != nil {
			return err
		}
	}
	return nil
}

// dataSetOf is a data set of images.
func dataSetOf(t *testing.T, images *tensor.Tensor) *data.Dataset {
	t.Helper()
	src, err := data.FromTensor(images)
	if err != nil {
		t.Fatal(err)
	}
	set, err := data.New(data.Field{Name: "image", Source: src})
	if err != nil {
		t.Fatal(err)
	}
	return set
}
