package onnx

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/loss"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

var sizeLine = regexp.MustCompile(`(?m)^([a-z]+) = ([0-9]+)$`)

// TestDescribedSizes: the program of a description, and the test vectors, have sizes that the model can have, which our own kernels run.
func TestDescribedSizes(t *testing.T) {
	for _, c := range []struct {
		places string
		len    int
		seq    int // in the program
	}{{"all that the program asks for", 40, 32}, {"half as many", 16, 16}, {"an odd number", 11, 8}, {"fewer than the vectors ask for", 1, 1}} {
		t.Run(c.places, func(t *testing.T) {
			m := &struct {
				Tok  nn.Embedding
				Pos  nn.Positions
				Head nn.Dense
			}{nn.Embedding{Vocab: 4, Dim: 3}, nn.Positions{Len: c.len}, nn.Dense{Units: 4}}
			b := compiler.New("m")
			b.Model("", m)
			b.Step("train", optim.SGD{LR: .1}, m, func(f *graph.Func) *graph.Value {
				x := m.Pos.Apply(m.Tok.Apply(f.Input("ids", graph.I64, batch, seq)))
				return loss.CrossEntropy(m.Head.Apply(x), f.Input("next", graph.I64, batch, seq)).Mean()
			})
			prog, err := b.Compile()
			if err != nil {
				t.Fatal(err)
			}
			f, w := prog.Step("train"), zeros(t, prog)
			path := filepath.Join(t.TempDir(), "step.onnx")
			r, err := ExportFile(path, f, w, Options{Training: true})
			if err != nil {
				t.Fatal(err)
			}
			if r.Vectors != len(stepSizes) {
				t.Errorf("%d test vectors, want %d", r.Vectors, len(stepSizes))
			}
			text, err := os.ReadFile(filepath.Join(filepath.Dir(path), "step.md"))
			if err != nil {
				t.Fatal(err)
			}
			sizes := graph.Binding{}
			for _, m := range sizeLine.FindAllStringSubmatch(string(text), -1) {
				sizes[m[1]], _ = strconv.Atoi(m[2])
			}
			if sizes["batch"] != 32 || sizes["seq"] != c.seq || len(sizes) != 2 {
				t.Errorf("the program has %v, want batch=32 seq=%d", sizes, c.seq)
			}
			in := map[string]*tensor.Tensor{}
			for _, v := range f.Inputs {
				shape, err := v.Sizes(sizes)
				if err != nil {
					t.Fatal(err)
				}
				in[v.Name] = tensor.New(v.DType(), shape...)
			}
			if _, err := Evaluate(f, w, in); err != nil {
				t.Errorf("the program's sizes: %v", err)
			}
		})
	}
}
