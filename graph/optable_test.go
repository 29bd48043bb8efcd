package graph_test

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/read"
	"github.com/sardonyx-ml/sardonyx/graph"
)

var update = flag.Bool("update", false, "rewrite docs/ops.md")

const opsDoc = "../docs/ops.md"

// TestOpTable keeps docs/ops.md, which is made from the ops themselves: their docs, gradients and ONNX forms.
func TestOpTable(t *testing.T) {
	docs, forms, made := opSources(t)
	var b strings.Builder
	b.WriteString("# Ops\n\nMade by `go test ./graph -run TestOpTable -update` from the ops themselves.\n\n")
	b.WriteString("A gradient is itself made of ops, so those marked yes can be differentiated any number of times. The ONNX nodes are\nthose that the op's samples export to at opset 17, or the first that has them, constants aside.\n\n")
	b.WriteString("| op | what it is | in a model, on a value v or a Func f | gradient | ONNX nodes |\n|---|---|---|---|---|\n")
	for _, op := range graph.All() {
		name := graph.OpName(op)
		doc := docs[name]
		if doc == "" {
			t.Errorf("%s has no doc comment", name)
		}
		doc, _, _ = strings.Cut(doc, " ONNX: ")
		form := "in gradients"
		if list := forms[name]; len(list) > 0 {
			slices.Sort(list)
			form = strings.Join(list, "<br>")
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", name, strings.ReplaceAll(doc, "|", "\\|"), form, gradient(t, op), nodes(t, op))
	}
	b.WriteString("\nMade of these ops:\n\n| in a model | what it is |\n|---|---|\n")
	for _, row := range made {
		fmt.Fprintf(&b, "| %s |\n", row)
	}
	writeForms(&b)
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

// writeForms writes the rows by which ops are nodes of files and nodes are ops, and the operators that rules read besides.
func writeForms(b *strings.Builder) {
	b.WriteString("\n## As ONNX nodes, both ways\n\nA row is one way in which an op is written as a node, and in which a node is read as an op: `alpha = Alpha` is an attribute that is a\nfield, and `input 1 = Axes` an input that is one, known when the file is read. Behind `or` is what the operator takes where the file leaves it out.\n\n")
	b.WriteString("| op | operator | opsets | attributes and inputs that are fields |\n|---|---|---|---|\n")
	rows := map[string]bool{}
	for _, op := range graph.All() {
		o, ok := op.(graph.Mapped)
		if !ok {
			continue
		}
		for _, f := range o.Forms() {
			rows[f.Operator] = true
			opsets := "all"
			switch {
			case f.Since > 0 && f.Until > 0:
				opsets = fmt.Sprintf("%d to %d", f.Since, f.Until)
			case f.Since > 0:
				opsets = fmt.Sprintf("from %d", f.Since)
			case f.Until > 0:
				opsets = fmt.Sprintf("to %d", f.Until)
			}
			var fields []string
			for _, d := range f.Fields {
				fields = append(fields, fieldText(d))
			}
			for _, name := range f.Bodies {
				fields = append(fields, name+" = a body")
			}
			if f.DTypes != 0 {
				fields = append(fields, fmt.Sprintf("written for %v", f.DTypes))
			}
			if f.Rank > 0 {
				fields = append(fields, fmt.Sprintf("written from rank %d on", f.Rank))
			}
			if f.Args > 0 {
				fields = append(fields, fmt.Sprintf("written with %d arguments", f.Args))
			}
			fmt.Fprintf(b, "| %s | %s | %s | %s |\n", graph.OpName(op), f.Operator, opsets, strings.Join(fields, "; "))
		}
	}
	var more []string
	for _, name := range read.Rules() {
		if !rows[name] {
			more = append(more, name)
		}
	}
	fmt.Fprintf(b, "\nThese are read too, as the ops above: %s.\n", strings.Join(more, ", "))
}

// fieldText is a field of a row: alpha = Alpha, or 0.01.
func fieldText(d graph.Field) string {
	text := d.Attribute
	if text == "" {
		text = fmt.Sprintf("input %d", d.Input)
	}
	if d.Name != "" {
		text += " = " + d.Name
	} else {
		text += fmt.Sprintf(" = %v", d.Value)
	}
	if d.Default != nil && d.Name != "" {
		text += fmt.Sprintf(" or %v", d.Default)
	}
	return text
}

// opSources reads the sources: the doc comments of types, on one line each; by op the calls that make one, such as
// v.Softmax(axis int); and the calls in op files that make several, with their docs.
func opSources(t *testing.T) (docs map[string]string, forms map[string][]string, made []string) {
	t.Helper()
	files, err := filepath.Glob("op_*.go")
	files = slices.DeleteFunc(files, func(name string) bool { return strings.HasSuffix(name, "_test.go") })
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	ops := map[string]bool{}
	for _, op := range graph.All() {
		ops[graph.OpName(op)] = true
	}
	docs, forms = map[string]string{}, map[string][]string{}
	for _, name := range append(files, "func.go") {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.GenDecl:
				if d.Tok == token.TYPE {
					docs[d.Specs[0].(*ast.TypeSpec).Name.Name] = strings.Join(strings.Fields(d.Doc.Text()), " ")
				}
			case *ast.FuncDecl:
				form := callForm(d)
				if form == "" {
					continue
				}
				one := false
				for _, op := range opsMade(d) {
					if ops[op] {
						forms[op] = append(forms[op], form)
						one = true
					}
				}
				if !one && name != "func.go" {
					made = append(made, form+" | "+strings.Join(strings.Fields(d.Doc.Text()), " "))
				}
			}
		}
	}
	return docs, forms, made
}

// callForm is how a model calls d, or "" if d is not for models.
func callForm(d *ast.FuncDecl) string {
	on := "graph."
	if d.Recv != nil {
		pointer, ok := d.Recv.List[0].Type.(*ast.StarExpr)
		if !ok {
			return ""
		}
		if on = map[string]string{"Value": "v.", "Func": "f."}[types.ExprString(pointer.X)]; on == "" {
			return ""
		}
	}
	if !d.Name.IsExported() {
		return ""
	}
	return "`" + on + d.Name.Name + strings.TrimPrefix(types.ExprString(&ast.FuncType{Params: d.Type.Params}), "func") + "`"
}

// opsMade are the ops that d makes: those whose name it has, takes as an argument, or builds.
func opsMade(d *ast.FuncDecl) []string {
	out := []string{d.Name.Name}
	ast.Inspect(d, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.CompositeLit:
			out = append(out, types.ExprString(n.Type))
		case *ast.Field:
			out = append(out, types.ExprString(n.Type))
		}
		return true
	})
	slices.Sort(out)
	return slices.Compact(out)
}

// gradient says whether one flows through op in some sample, and to which arguments if not to all floats.
func gradient(t *testing.T, op graph.Sampled) string {
	t.Helper()
	for _, s := range op.Samples() {
		f, n, _ := s.Trace(graph.F32)
		args, ys := arguments(f, s), n.Results
		var to []string
		floats, flows := 0, 0
		for i, a := range args {
			if a != nil && a.DType().Float() {
				floats++
			}
			if slices.ContainsFunc(ys, func(y *graph.Value) bool { return a != nil && y.DType().Float() && graph.Reaches(y, a)[0] }) {
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
func nodes(t *testing.T, op graph.Sampled) string {
	t.Helper()
	var list []string
	for _, s := range op.Samples() {
		f, _, _ := s.Trace(graph.F32)
		state := onnx.Tensors{}
		var w bytes.Buffer
		r, err := onnx.Export(&w, f, state, onnx.Options{Random: onnx.RandomNative, Opset: max(onnx.MinOpset, graph.Since(op))})
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
