package onnxgo

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/blas/gonum"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/racetest"
)

// agree holds got to want: dtype, shape, and each element within tol·max(1, |want|); NaN only where want has it.
func agree(got, want *tensor.Tensor, tol float64) error {
	if got == nil || got.DType() != want.DType() || !slices.Equal(got.Shape(), want.Shape()) {
		return fmt.Errorf("onnx-go gives %v, we %v", got, want)
	}
	for i := range got.Len() {
		g, w := got.At(i), want.At(i)
		if g == w || math.IsNaN(g) && math.IsNaN(w) {
			continue
		}
		if !(math.Abs(g-w) <= tol*max(1, math.Abs(w))) || math.IsInf(w, 0) {
			return fmt.Errorf("element %d is %v in onnx-go, %v in ours", i, g, w)
		}
	}
	return nil
}

// TestOps exports each sample of each op, plain and for onnx-go, its first axis fixed and symbolic. What comes is either what
// our kernels give, or a refusal, by the exporter or by the check: never another number, and never the end of a process.
func TestOps(t *testing.T) {
	if racetest.Enabled {
		t.Skip("compares numbers: run without the race detector")
	}
	c := kernel.NewContext(gonum.Implementation{}, 1)
	var rows []string
	row := map[string]*[2][2]int{} // an op to its samples that are right and all, plain and for onnx-go
	for p, profile := range []onnx.Profile{onnx.Plain, onnx.OnnxGo} {
		counts := map[string]int{}
		t.Run(fmt.Sprintf("profile %q", profile), func(t *testing.T) {
			for _, op := range graph.All() {
				switch op.(type) {
				case graph.Input, graph.Param, graph.RandomNormal, graph.RandomUniform, graph.Dropout:
					continue
				}
				for i, s := range op.Samples() {
					for _, symbolic := range []bool{false, true} {
						if symbolic && profile == onnx.Plain {
							continue
						}
						verdict, err := runSample(t, c, s, profile, symbolic)
						if err != nil {
							t.Errorf("%s, sample %d, first axis symbolic %v: %v", graph.OpText(s.Op), i, symbolic, err)
						}
						counts[verdict]++
						name := graph.OpName(op)
						if row[name] == nil {
							row[name] = new([2][2]int)
							rows = append(rows, name)
						}
						if symbolic == (profile == onnx.OnnxGo) && verdict != "not symbolic" { // the profile is for batches
							row[name][p][1]++
							if verdict == "right" {
								row[name][p][0]++
							}
						}
					}
				}
			}
			t.Log(counts)
		})
		if counts["right"] < 150 {
			t.Errorf("profile %q: only %d samples are right", profile, counts["right"])
		}
	}
	var b strings.Builder
	b.WriteString(docHead)
	for _, o := range operators {
		limits := o.limits
		if limits == "" {
			limits = "f32 of one axis or more"
		}
		fmt.Fprintf(&b, "| %s | %s |\n", strings.Join(strings.Fields(o.names), ", "), limits)
	}
	b.WriteString(docOps)
	for _, name := range rows {
		r := row[name]
		fmt.Fprintf(&b, "| %s | %d of %d | %d of %d |\n", name, r[0][0], r[0][1], r[1][0], r[1][1])
	}
	if *update {
		if err := os.WriteFile(opsDoc, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(opsDoc); err != nil || string(have) != b.String() {
		t.Errorf("%s is out of date: run go test ./runtime/onnxgo -run TestOps -update (%v)", opsDoc, err)
	}
}

var update = flag.Bool("update", false, "rewrite docs/onnx-go.md")

const opsDoc = "../../docs/onnx-go.md"

const docHead = `# What onnx-go runs

Made by ` + "`go test ./runtime/onnxgo -run TestOps -update`" + `, for github.com/owulveryck/onnx-go v0.5.0 and its gorgonnx backend.

` + "`verify`, `run`" + ` and ` + "`runtime/onnxgo`" + ` refuse a model, with the node and the reason, unless each node is of one of these operators,
within its limits, on f32 of fixed sizes:

| operator | right for |
|---|---|
`

const docOps = `
Besides, a model is refused if

- an output also feeds a node, or is an input or a weight (onnx-go gives zeros for it);
- a node has one input twice (it is taken for one input);
- two nodes compute the same (gorgonia takes them for one, and uses its memory again while it is wanted);
- a node that works in its input's memory (LeakyRelu, BatchNormalization, the addend of Gemm), or shows it in another shape (Reshape,
  Flatten, Transpose, Identity, Dropout), shares that input with another reader;
- Neg follows Neg, or Log follows Sigmoid (gorgonia puts something else in their place);
- an input has a default, weights lie in another file, or its tensors do not fit into the memory allowed.

What depends on the numbers cannot be refused: Relu, Max and Min of an infinity, and Sin and Cos beyond about 1e9, are NaN; Log of a number
below 1e-38 is off.

` + "`export --profile onnx-go`" + ` writes files that keep to all this. How many of each op's test samples run right, the others being refused, as
plain files and as written for onnx-go with the first axis as a batch:

| op | plain | for onnx-go |
|---|---|---|
`

func runSample(t *testing.T, c *kernel.Context, s graph.Sample, profile onnx.Profile, symbolic bool) (verdict string, err error) {
	t.Helper()
	f := graph.NewFunc("op", false)
	in := map[string]*tensor.Tensor{}
	var args []*graph.Value
	batch := 1
	for k, x := range s.Inputs(graph.F32) {
		if x == nil {
			args = append(args, nil)
			continue
		}
		name := fmt.Sprint("in", k)
		in[name] = x
		if symbolic && k > 0 { // weights
			args = append(args, f.Const(x))
			continue
		}
		dims := make([]graph.Dim, x.Rank())
		for i, d := range x.Shape() {
			dims[i] = graph.Dim(d)
		}
		if symbolic {
			if len(dims) == 0 {
				return "not symbolic", nil
			}
			batch = max(1, x.Dim(0))
			dims[0] = graph.Sym("batch")
		}
		args = append(args, f.Input(name, x.DType(), dims...))
	}
	ys := s.Apply(f, args).Results
	if len(f.Diags) > 0 {
		return "not symbolic", nil
	}
	for i, y := range ys {
		f.Output(fmt.Sprint("y", i), y)
	}
	want, err := graph.Evaluate(c, f, in)
	if err != nil {
		return "", err
	}
	var file bytes.Buffer
	if _, err := onnx.Export(&file, f, onnx.Tensors{}, onnx.Options{Profile: profile, Batch: batch}); err != nil {
		return "refused by the exporter", nil
	}
	session, err := OpenBytes(file.Bytes(), roomy)
	if err != nil {
		if profile == onnx.OnnxGo {
			return "", fmt.Errorf("the exporter wrote a file for onnx-go that the check refuses: %w", err)
		}
		return "refused by the check", nil
	}
	for name := range in {
		if !slices.ContainsFunc(f.Inputs, func(v *graph.Value) bool { return v.Name == name }) {
			delete(in, name)
		}
	}
	got, err := session.Run(t.Context(), in)
	if err != nil {
		return "", err
	}
	for i, y := range ys {
		if err := agree(got[fmt.Sprint("y", i)], want[y.ID], 1e-5); err != nil {
			return "", err
		}
	}
	return "right", nil
}
