package graph

import (
	"fmt"
	"io"
	"strings"
)

// String is the text form of f with source positions.
func (f *Func) String() string {
	var b strings.Builder
	f.Print(&b, true)
	return b.String()
}

// Print writes the text form of f: one line a value, then outputs and updates. It is what golden tests compare;
// positions adds the layer and source line of each value.
//
//	func encode
//	  v0 = Input "image" : f32[batch 784]
//	  v1 = Param "enc.weight" : f32[784 512]
//	  v2 = MatMul v0 v1 : f32[batch 512]	; enc vae.go:20
//	  output "h" v2
func (f *Func) Print(w io.Writer, positions bool) {
	kind := "func"
	if f.Training {
		kind = "step"
	}
	fmt.Fprintf(w, "%s %s\n", kind, f.Name)
	f.lines(w, "  ", positions)
}

// lines prints what f has, each line after indent, and below a node its bodies, deeper.
func (f *Func) lines(w io.Writer, indent string, positions bool) {
	for _, v := range f.Values {
		fmt.Fprintf(w, "%s%s", indent, v.Text())
		if positions {
			fmt.Fprintf(w, "\t; ")
			if v.Scope != "" {
				fmt.Fprintf(w, "%s ", v.Scope)
			}
			fmt.Fprint(w, v.Pos)
		}
		fmt.Fprintln(w)
		if v.Index < len(v.Results)-1 {
			continue
		}
		for _, b := range v.Bodies {
			fmt.Fprintf(w, "%s  body\n", indent)
			b.lines(w, indent+"    ", positions)
		}
	}
	for _, o := range f.Outputs {
		fmt.Fprintf(w, "%soutput %q v%d\n", indent, o.Name, o.Value.ID)
	}
	for _, u := range f.Updates {
		fmt.Fprintf(w, "%supdate %q v%d\n", indent, u.Name, u.Value.ID)
	}
}

// Text is v's line in the text form, without its position; of one of several results, [1] says which.
func (v *Value) Text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "v%d = ", v.ID)
	switch o := v.Op.(type) {
	case Input:
		fmt.Fprintf(&b, "Input %q", o.Name)
	case Param:
		kind := "Buffer"
		if o.Trainable {
			kind = "Param"
		}
		fmt.Fprintf(&b, "%s %q", kind, o.Name)
	default:
		b.WriteString(OpText(v.Op))
	}
	for _, a := range v.Args {
		if a == nil { // an optional argument that is left out
			b.WriteString(" nil")
			continue
		}
		fmt.Fprintf(&b, " v%d", a.ID)
	}
	if len(v.Results) > 1 {
		fmt.Fprintf(&b, " [%d]", v.Index)
	}
	fmt.Fprintf(&b, " : %v", v.Type)
	return b.String()
}
