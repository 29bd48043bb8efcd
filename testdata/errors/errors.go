// Package errors holds wrong models, one function each. A line that must be reported ends in a comment
//
//	// want "regexp" "regexp" ...
//
// with one pattern for each mistake reported there; the test in package compiler compiles every case and compares. A
// pattern is matched against the whole diagnostic: message, source line, arguments and hint.
package errors

import (
	"slices"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
)

var (
	batch = graph.Sym("batch")
	seq   = graph.Sym("seq")
)

// A Case is one wrong model.
type Case struct {
	Name   string
	Define func(b *compiler.Builder)
}

// Cases lists the wrong models.
func Cases() []Case {
	return slices.Concat(shapeCases, layerCases, sequenceCases, programCases)
}

// fn wraps the body of a single inference function.
func fn(body func(f *graph.Func)) func(b *compiler.Builder) {
	return func(b *compiler.Builder) { b.Func("f", body) }
}

var adam = optim.Adam{LR: 1e-3}

// linear is a model of one layer that is right in itself.
type linear struct{ FC nn.Dense }

func (m *linear) mean(x *graph.Value) *graph.Value { return m.FC.Apply(x).Mean() }

func (m *linear) loss(f *graph.Func) *graph.Value { return m.mean(input(f, 4)) }

// named is a linear model that b names.
func named(b *compiler.Builder) *linear {
	m := &linear{nn.Dense{Units: 3}}
	b.Model("", m)
	return m
}

// training wraps the body of a training step's loss, over the result y [batch 3] of a linear model.
func training(body func(f *graph.Func, y *graph.Value) *graph.Value) func(b *compiler.Builder) {
	return func(b *compiler.Builder) {
		m := named(b)
		b.Step("train", adam, m, func(f *graph.Func) *graph.Value { return body(f, m.FC.Apply(input(f, 4))) })
	}
}
