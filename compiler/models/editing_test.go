package models_test

import (
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// TestEditing has Editings that contradict their programs, and one that does not.
func TestEditing(t *testing.T) {
	b := compiler.New("editor")
	batch := graph.Sym("batch")
	images := func(f *graph.Func, name string, channels, side graph.Dim) *graph.Value {
		return f.Input(name, graph.F32, batch, channels, side, side)
	}
	b.Func("encode", func(f *graph.Func) {
		x := images(f, "image", 1, 2).Flatten()
		f.Output("mu", x)
		f.Output("half", x.Slice(1, 0, 2))
	})
	b.Func("decode", func(f *graph.Func) {
		f.Output("image", f.Input("z", graph.F32, batch, 4).Reshape(batch, 1, 2, 2))
	})
	b.Func("wide", func(f *graph.Func) { f.Output("image", f.Input("z", graph.F32, batch, 4).Reshape(batch, 1, 1, 4)) })
	b.Func("two", func(f *graph.Func) {
		x := images(f, "a", 1, 2).Add(images(f, "b", 1, 2))
		f.Output("x", x)
	})
	b.Func("double", func(f *graph.Func) {
		x := images(f, "image", 1, 2)
		f.Output("x", x)
		f.Output("y", x.Flatten())
	})
	prog, err := b.Compile()
	if err != nil {
		t.Fatal(err)
	}
	for want, e := range map[string]models.Editing{
		"": {Encode: "encode", Latent: "mu", Decode: "decode"},
		`uses the function "frob", which it does not define: it has encode, decode`:                       {Encode: "frob", Latent: "mu", Decode: "decode"},
		`uses the function "", which it does not define`:                                                  {Encode: "encode", Latent: "mu"},
		`the Latent of its Editing is "z", and the function "encode" has no such output: it has mu, half`: {Encode: "encode", Latent: "z", Decode: "decode"},
		`"two", which is to have one input and has a, b`:                                                  {Encode: "two", Latent: "x", Decode: "decode"},
		`"double", which is to have one output and has x, y`:                                              {Encode: "encode", Latent: "mu", Decode: "double"},
		"the images of its Editing are f32[batch 4], want f32[batch, 1 or 3, height, width]":              {Encode: "decode", Latent: "image", Decode: "decode"},
		"encodes f32[batch 1 2 2] and decodes f32[batch 1 1 4]: they are to have one shape":               {Encode: "encode", Latent: "mu", Decode: "wide"},
		"has the latent f32[batch 2] and decodes f32[batch 4]":                                            {Encode: "encode", Latent: "half", Decode: "decode"},
	} {
		err := models.Model{Name: "m", Edit: e}.Check(prog)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%+v: %v, want %q", e, err, want)
		}
	}
	if err := (models.Model{Name: "m"}).Editable(); err == nil || !strings.Contains(err.Error(), "model m cannot edit images") {
		t.Errorf("a model without an Editing: %v", err)
	}
}
