package models

import (
	"fmt"
	"slices"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// Editing says how images are changed in the model's latent space: encoded, moved there, and decoded. Names are of the program's Funcs.
type Editing struct {
	Encode string // the Func that has images as its only input, [batch, 1 or 3, height, width]
	Latent string // its output that says where they are, [batch, size]
	Decode string // the Func that makes images in [0, 1] of such, its only input, as its only output
}

// checkEditing says what in m's Editing contradicts prog.
func (m Model) checkEditing(prog *compiler.Program) error {
	e := m.Edit
	if e == (Editing{}) {
		return nil
	}
	enc, dec := prog.Func(e.Encode), prog.Func(e.Decode)
	for _, x := range []struct {
		name string
		f    *graph.Func
	}{{e.Encode, enc}, {e.Decode, dec}} {
		if x.f == nil {
			return fmt.Errorf("model %s: its Editing uses the function %q, which it does not define: it has %s", m.Name, x.name, entries(prog.Funcs()))
		}
		if len(x.f.Inputs) != 1 {
			return fmt.Errorf("model %s: its Editing uses the function %q, which is to have one input and has %s", m.Name, x.name, inputs(x.f))
		}
	}
	i := slices.IndexFunc(enc.Outputs, func(o graph.Output) bool { return o.Name == e.Latent })
	if i < 0 {
		return fmt.Errorf("model %s: the Latent of its Editing is %q, and the function %q has no such output: it has %s", m.Name, e.Latent, e.Encode, outputs(enc))
	}
	if len(dec.Outputs) != 1 {
		return fmt.Errorf("model %s: its Editing uses the function %q, which is to have one output and has %s", m.Name, e.Decode, outputs(dec))
	}
	image, latent, z, picture := enc.Inputs[0], enc.Outputs[i].Value, dec.Inputs[0], dec.Outputs[0].Value
	for _, x := range []*graph.Value{image, picture} {
		s := x.Shape()
		if x.DType() != graph.F32 || len(s) != 4 || s[1] != 1 && s[1] != 3 || !graph.Shape(s[1:]).Static() {
			return fmt.Errorf("model %s: the images of its Editing are %v, want f32[batch, 1 or 3, height, width]", m.Name, x.Type)
		}
	}
	if !slices.Equal(image.Shape()[1:], picture.Shape()[1:]) {
		return fmt.Errorf("model %s: its Editing encodes %v and decodes %v: they are to have one shape", m.Name, image.Type, picture.Type)
	}
	if latent.Rank() != 2 || z.Rank() != 2 || latent.DType() != graph.F32 || z.DType() != graph.F32 || latent.Shape()[1] != z.Shape()[1] || !graph.Shape(z.Shape()[1:]).Static() {
		return fmt.Errorf("model %s: its Editing has the latent %v and decodes %v: both are to be f32[batch, size], of one size", m.Name, latent.Type, z.Type)
	}
	return nil
}

// Editable says that m has no Editing, if so.
func (m Model) Editable() error {
	if m.Edit == (Editing{}) {
		return fmt.Errorf("model %s cannot edit images: its Editing, which names the functions that encode and decode, is empty", m.Name)
	}
	return nil
}
