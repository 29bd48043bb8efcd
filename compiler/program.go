package compiler

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"

	"github.com/sardonyx-ml/sardonyx/graph"
)

// A Program is a compiled definition: entry points over one set of named state. Its Funcs are verified and must not be
// changed.
type Program struct {
	name   string
	funcs  []*graph.Func
	steps  []*graph.Func
	traced []*graph.Func // of both, before the passes
	params []ParamInfo

	definition *Builder // that it was compiled from
}

// ParamInfo describes one piece of state: a trainable parameter, or a buffer such as an optimizer moment.
type ParamInfo struct {
	Name      string
	Type      graph.Type
	Trainable bool
	Init      graph.Initializer // nil means zeros; the random state starts from the seed
	Pos       graph.Pos         // where it was first used
}

// Name is the program's name.
func (p *Program) Name() string { return p.name }

// Funcs are the inference entry points, in the order of definition.
func (p *Program) Funcs() []*graph.Func { return slices.Clone(p.funcs) }

// Steps are the training steps, in the order of definition.
func (p *Program) Steps() []*graph.Func { return slices.Clone(p.steps) }

// Func is the inference entry point called name, or nil.
func (p *Program) Func(name string) *graph.Func { return find(p.funcs, name) }

// Step is the training step called name, or nil.
func (p *Program) Step(name string) *graph.Func { return find(p.steps, name) }

// Traced is the entry point called name as it was traced, before the passes, or nil: what they are checked against.
func (p *Program) Traced(name string) *graph.Func { return find(p.traced, name) }

// Entry is the Func or Step called name, or an error that lists what there is.
func (p *Program) Entry(name string) (*graph.Func, error) {
	if f := find(p.funcs, name); f != nil {
		return f, nil
	}
	if f := find(p.steps, name); f != nil {
		return f, nil
	}
	var have []string
	for _, f := range slices.Concat(p.funcs, p.steps) {
		have = append(have, f.Name)
	}
	return nil, fmt.Errorf("%s has no entry point %q: it has %s", p.name, name, strings.Join(have, ", "))
}

func find(fs []*graph.Func, name string) *graph.Func {
	for _, f := range fs {
		if f.Name == name {
			return f
		}
	}
	return nil
}

// Params lists all state, in the order of first use.
func (p *Program) Params() []ParamInfo { return slices.Clone(p.params) }

// ParamCount is the number of trainable scalars.
func (p *Program) ParamCount() int {
	n := 0
	for _, q := range p.params {
		if q.Trainable {
			size, _ := q.Type.Shape.Size().Eval(nil)
			n += size
		}
	}
	return n
}

// Fingerprint identifies the program as it was traced: equal for equal graphs, whatever the file and line, and the passes.
func (p *Program) Fingerprint() string {
	h := sha256.New()
	for _, f := range p.traced {
		f.WriteIdentity(h) // a hash takes every write
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:16])
}

// String is the text form of every entry point.
func (p *Program) String() string {
	var b strings.Builder
	for _, f := range slices.Concat(p.funcs, p.steps) {
		b.WriteString(f.String())
	}
	return b.String()
}
