package gorgonia_test

import (
	"math/rand/v2"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/models/classifier"
	"github.com/sardonyx-ml/sardonyx/compiler/models/gan"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/blas"
	"github.com/sardonyx-ml/sardonyx/runtime/gorgonia"
)

// BenchmarkSteps runs the Steps of a GPT, 16 × 128 tokens, and of convolutional models of the zoo, at batch 64, on one thread and the BLAS
// that SARDONYX_BLAS asks for, or the fastest. With GODEBUG=cpu.avx512f=off, pure Go does without AVX-512.
func BenchmarkSteps(b *testing.B) {
	impl, err := blas.Default()
	if err != nil {
		b.Fatal(err)
	}
	e, err := gorgonia.New(gorgonia.Options{BLAS: impl, Threads: 1})
	if err != nil {
		b.Fatal(err)
	}
	wanted := map[string]bool{"dcgan": true, "wgangp": true, "cnn": true, "twoconv": true}
	programs := []*compiler.Program{gorgonia.GPT(b, 96, 128, 4, 4)}
	for _, m := range append(append([]models.Model{}, gan.Models...), classifier.Models...) {
		if !wanted[m.Name] {
			continue
		}
		prog, err := m.Define(m.Settings)
		if err != nil {
			b.Fatal(err)
		}
		programs = append(programs, prog)
	}
	for _, prog := range programs {
		_, x := loadIn(b, e, prog, 1)
		batch := graph.Dim(64)
		if prog.Name() == "gpt" {
			batch = 16
		}
		for _, step := range prog.Steps() {
			in := map[string]*tensor.Tensor{}
			r := rand.New(rand.NewPCG(1, 1))
			for _, v := range step.Inputs {
				var shape []int
				for _, d := range v.Shape() {
					switch name, _ := d.Symbol(); {
					case name == "seq":
						d = 128
					case d.Symbolic():
						d = batch
					}
					shape = append(shape, int(d))
				}
				t := tensor.New(v.DType(), shape...)
				for i := range t.Len() {
					if v.DType() == graph.F32 {
						t.Set(i, r.Float64())
					} else {
						t.Set(i, float64(r.IntN(10)))
					}
				}
				in[v.Name] = t
			}
			b.Run(prog.Name()+"/"+step.Name, func(b *testing.B) {
				for b.Loop() {
					run(b, x, step.Name, in)
				}
			})
		}
	}
}
