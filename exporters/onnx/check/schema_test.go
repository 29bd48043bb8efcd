package check

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/onnxtest"
)

// TestSchemasAreTheReference makes the table anew from the operators' definitions in the onnx package, where the release that
// it was made from is installed.
func TestSchemasAreTheReference(t *testing.T) {
	python := onnxtest.Python(t, "onnx")
	if out, err := exec.Command(python, "-c", "import onnx; print(onnx.__version__)").Output(); err != nil || !strings.HasPrefix(string(out), "1.23.") {
		t.Skipf("%s has release %q of the onnx package (%v), and the table was made from 1.23", python, bytes.TrimSpace(out), err)
	}
	var stderr bytes.Buffer
	cmd := exec.Command(python, "testdata/schemas.py")
	cmd.Stderr = &stderr
	if out, err := cmd.Output(); err != nil {
		t.Fatalf("%v\n%s", err, &stderr)
	} else if string(out) != schemasText {
		t.Error("testdata/schemas.py prints another table than schemas.txt")
	}
}

// TestSchemaTable parses each line, and holds the lists of allowed values and flags to attributes that exist.
func TestSchemaTable(t *testing.T) {
	lines, lists := schemaTable()
	rows, used := 0, map[string]bool{}
	for name, list := range lines {
		for _, l := range list {
			_, rest, _ := strings.Cut(l, " ")
			s := parseSchema(name, 1, rest, lists)
			rows++
			for _, p := range append(s.inputs, s.outputs...) {
				if p.name == "" || len(p.types) == 0 {
					t.Errorf("%s: port %+v", l, p)
				}
				for _, typ := range p.types {
					if !strings.Contains(typ, "(") && elems[typ] == 0 {
						t.Errorf("%s: %q is no element type", l, typ)
					}
				}
			}
			for _, a := range s.attributes {
				if kindNames[a.kind] == "" {
					t.Errorf("%s: attribute %+v", l, a)
				}
				used[a.name], used[name+"."+a.name] = a.kind == "s" || a.kind == "i", a.kind == "s" || a.kind == "i"
			}
		}
	}
	if rows < 400 {
		t.Errorf("only %d operators", rows)
	}
	for a := range values {
		if !used[a] {
			t.Errorf("no operator has the attribute %s", a)
		}
	}
	for _, a := range flags {
		if !used[a] {
			t.Errorf("no operator has the attribute %s", a)
		}
	}
	for name := range rules {
		if lines[name] == nil {
			t.Errorf("there is no operator %s to infer the shapes of", name)
		}
	}
}

// TestDims holds the arithmetic of symbolic sizes to what it must give.
func TestDims(t *testing.T) {
	a, b, n := symbol("a"), symbol("b"), number(12)
	for _, c := range []struct {
		got  dim
		want string
	}{
		{a.plus(b), "a+b"}, {b.plus(a), "a+b"}, {a.minus(a), "0"}, {a.times(b).times(a), "a*a*b"}, {a.plus(n).times(number(2)), "2*a+24"},
		{a.times(n).over(number(4)), "3*a"}, {a.times(n).over(number(5)), "?"}, {a.times(b).over(a), "b"}, {a.times(b).plus(a).over(a), "b+1"},
		{n.over(number(0)), "?"}, {n.over(a), "?"}, {a.over(a), "1"}, {number(0).times(unknown), "0"}, {a.plus(unknown), "?"},
		{symbol("2*b*a+3"), "2*a*b+3"}, {symbol("a + 1"), "a+1"}, {symbol("batch size"), "batch size"}, {symbol("a*"), "a*"}, {symbol("a-1"), "a-1"},
		{number(1 << 62).plus(number(1 << 62)), "?"}, {number(-1 << 63).times(number(-1)), "?"}, {number(1 << 40).times(number(1 << 40)), "?"},
		{symbol("9999999999999*9999999999999"), "?"},
	} {
		if c.got.String() != c.want {
			t.Errorf("got %v, want %s", c.got, c.want)
		}
	}
	for _, c := range []struct {
		a, b         dim
		same, differ bool
	}{
		{a, a, true, false}, {a, b, false, false}, {a, a.plus(number(1)), false, true}, {number(2), number(3), false, true}, {a, number(3), false, false},
		{unknown, unknown, false, false}, {unknown, number(3), false, false}, {a.times(b), b.times(a), true, false},
	} {
		if same(c.a, c.b) != c.same || differ(c.a, c.b) != c.differ {
			t.Errorf("%v and %v: same is %v, differ is %v", c.a, c.b, same(c.a, c.b), differ(c.a, c.b))
		}
	}
}
