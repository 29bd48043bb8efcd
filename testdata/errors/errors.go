// Package errors holds wrong models, one function each. A line that must be reported ends in a comment
//
//	// want "regexp" "regexp" ...
//
// with one pattern for each mistake reported there; the test in package compiler compiles every case and compares. A
// pattern is matched against the whole diagnostic: message, source line, arguments and hint.
package errors

import (
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
	return append(append(append([]Case(nil), shapeCases...), layerCases...), programCases...)
}

// fn wraps the body of a single inference function.
func fn(body func(f *graph.Func)) func(b *compiler.Builder) {
	return func(b *compiler.Builder) { b.Func("f", body) }
}

var adam = optim.Adam{LR: 1e-3}

// linear is a model of one layer that is right in itself.
type linear struct{ FC nn.Dense }
