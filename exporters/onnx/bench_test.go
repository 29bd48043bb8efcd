package onnx

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler/models/vae"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// deep has 100 layers, and so 200 parameter tensors, of width×width and width.
func deep(width int) (*graph.Func, Tensors) {
	f := graph.NewFunc("f", false)
	n := graph.Dim(width)
	x := f.Input("x", graph.F32, batch, n)
	w := Tensors{}
	for i := range 100 {
		scope := fmt.Sprintf("blocks.%d", i)
		x = f.In(scope, func() *graph.Value {
			w[scope+".weight"], w[scope+".bias"] = tensor.New(graph.F32, width, width), tensor.New(graph.F32, width)
			h := f.Apply(node("MatMul", graph.F32, batch, n), x, f.Param(scope+".weight", nil, n, n))
			h = f.Apply(node("Add", graph.F32, batch, n), h, f.Param(scope+".bias", nil, n))
			h = f.Apply(reshape(batch, n), f.Apply(reshape(batch, 8, n/8), h))
			return f.Apply(node("Tanh", graph.F32, batch, n), h)
		})
	}
	f.Output("y", x)
	return f, w
}

// BenchmarkExport exports 200 parameter tensors, of 1.6 MB and of 105 MB in all, into memory that is there already and to
// a file. The floors are what any exporter takes: to copy as many bytes, and to write them to a file in one go.
func BenchmarkExport(b *testing.B) {
	for _, width := range []int{64, 512} {
		f, w := deep(width)
		var buf bytes.Buffer
		if _, err := Export(&buf, f, w, Options{}); err != nil {
			b.Fatal(err)
		}
		data, to := buf.Bytes(), make([]byte, buf.Len())
		path := filepath.Join(b.TempDir(), "m.onnx")
		run := func(name string, do func() error) {
			b.Run(fmt.Sprintf("%d/%s", width, name), func(b *testing.B) {
				b.SetBytes(int64(len(data)))
				b.ReportAllocs()
				for b.Loop() {
					if err := do(); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
		run("memory", func() error {
			buf.Reset()
			_, err := Export(&buf, f, w, Options{})
			return err
		})
		run("memory floor", func() error { copy(to, data); return nil })
		run("discard", func() error { _, err := Export(io.Discard, f, w, Options{}); return err })
		run("file", func() error { _, err := ExportFile(path, f, w, Options{}); return err })
		run("file floor", func() error { return os.WriteFile(path, data, 0o644) })
	}
}

// BenchmarkVectors exports a Func and the training step of the VAE, 400,000 and 2.5 million numbers, with test vectors and
// without.
func BenchmarkVectors(b *testing.B) {
	prog, err := vae.Define(vae.Model.Settings)
	if err != nil {
		b.Fatal(err)
	}
	weights := zeros(b, prog)
	for _, name := range []string{"decode", "train"} {
		f, err := prog.Entry(name)
		if err != nil {
			b.Fatal(err)
		}
		for _, without := range []bool{false, true} {
			b.Run(fmt.Sprintf("%s/without=%v", name, without), func(b *testing.B) {
				path := filepath.Join(b.TempDir(), "m.onnx")
				for b.Loop() {
					if _, err := ExportFile(path, f, weights, Options{Training: f.Training, NoVectors: without}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
