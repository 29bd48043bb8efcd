package graph_test

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/graph"
)

var update = flag.Bool("update", false, "rewrite docs/ops.md")

const opsDoc = "../docs/ops.md"

// TestOpTable keeps docs/ops.md, which is made from the ops themselves: their docs, gradients and ONNX forms.
func TestOpTable(t *testing.T) {
	docs := typeDocs(t)
	var b strings.Builder
	b.WriteString("# Ops\n\nMade by `go test ./graph -run TestOpTable -update` from the ops themselves.\n\n")
	b.WriteString("A gradient is itself made of ops, so those marked yes can be differentiated any number of times. The ONNX nodes are\nthose that the op's samples export to at opset 17, constants aside.\n\n")
	b.WriteString("| op | what it is | gradient | ONNX nodes |\n|---|---|---|---|\n")
	for _, op := range graph.All() {
		name := graph.OpName(op)
		doc := docs[name]
		if doc == "" {
			t.Errorf("%s has no doc comment", name)
		}
		doc, _, _ = strings.Cut(doc, " ONNX: ")
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", name, strings.ReplaceAll(doc, "|", "\\|"), gradient(t, op), nodes(t, op))
	}
	if *update {
		if err := os.WriteFile(opsDoc, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	have, err := os.ReadFile(opsDoc)
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != b.String() {
		t.Errorf("%s is out of date: run go test ./graph -run TestOpTable -update", opsDoc)
	}
}

// typeDocs are the doc comments of the package's types, on one line each.
func typeDocs(t *testing.T) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "op_") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), e.Name(), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok || g.Tok != token.TYPE {
				continue
			}
			out[g.Specs[0].(*ast.TypeSpec).Name.Name] = strings.Join(strings.Fields(g.Doc.Text()), " ")
		}
	}
	return out
}

// apply traces a sample of op in a new Func.
func apply(s graph.Sample) (*graph.Func, []*graph.Value, *graph.Value) {
	f := graph.NewFunc("op", false)
	var args []*graph.Value
	for k, in := range s.In {
		dims := make([]graph.Dim, len(in.Shape))
		for i, d := range in.Shape {
			dims[i] = graph.Dim(d)
		}
		args = append(args, f.Input(fmt.Sprint("in", k), in.DType, dims...))
	}
	return f, args, f.Apply(s.Op, args...)
}

// gradient says whether one flows through op in some sample, and to which arguments if not to all floats.
func gradient(t *testing.T, op graph.Op) string {
	t.Helper()
	for _, s := range op.Samples() {
		_, args, y := apply(s)
		if !y.DType().Float() || len(args) == 0 {
			continue
		}
		var to []string
		floats, flows := 0, 0
		for i, r := range graph.Reaches(y, args...) {
			if args[i].DType().Float() {
				floats++
			}
			if r {
				flows++
				to = append(to, fmt.Sprint(i))
			}
		}
		switch {
		case flows == 0:
			continue
		case flows == floats:
			return "yes"
		}
		return "to argument " + strings.Join(to, ", ")
	}
	return "none"
}

// nodes are the operators that op's samples export to.
func nodes(t *testing.T, op graph.Op) string {
	t.Helper()
	var list []string
	for _, s := range op.Samples() {
		f, _, y := apply(s)
		f.Output("y", y)
		state := onnx.Tensors{}
		var w bytes.Buffer
		r, err := onnx.Export(&w, f, state, onnx.Options{Random: onnx.RandomNative})
		if err != nil {
			return "none: " + err.Error()
		}
		for _, n := range r.Nodes {
			if !strings.Contains(" "+strings.Join(list, ", ")+",", " "+n.Op+",") && (n.Op != "Identity" || len(r.Nodes) == 1 && graph.OpName(op) == "Detach") {
				list = append(list, n.Op)
			}
		}
	}
	if list == nil {
		return "(bound by the caller or stored)"
	}
	return strings.Join(list, ", ")
}
