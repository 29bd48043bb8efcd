package onnxruntime_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/models/gan"
	"github.com/sardonyx-ml/sardonyx/compiler/models/modelstest"
	"github.com/sardonyx-ml/sardonyx/compiler/models/yardstick"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/racetest"
)

// TestEngineStepsFaults sees that [parity] finds each of the faults in a few steps: in gorgonia, where nothing else is wrong.
func TestEngineStepsFaults(t *testing.T) {
	if racetest.Enabled {
		t.Skip("plain arithmetic")
	}
	for _, tt := range []struct {
		model models.Model
		batch int
	}{{yardstick.Models[0], 8}, {yardstick.Models[1], 4}, {yardstick.Models[2], 2}, {yardstick.Models[3], 2}, {gan.WGANGP, 4}} {
		t.Run(tt.model.Name, func(t *testing.T) {
			p := newParity(t, tt.model, 4, 1)
			for _, b := range faults {
				if b.draws && !slices.Contains(p.want.state.Names(), graph.RandomState) {
					continue
				}
				x := newTrajectory(t, inGorgonia(t), b.make(modelstest.Define(t, tt.model, nil)))
				x.name = b.name
				if b.spoil != nil {
					x.spoil = b.spoil()
				}
				p.got = append(p.got, x)
			}
			p.steps(t, 20, tt.batch, true)
			e := p.envelope()
			for _, x := range p.got {
				if found := x.judge(e, 1e-3, true); found == "" {
					t.Errorf("%s, and nothing is found", x.name)
				} else {
					t.Logf("%s: %s", x.name, found)
				}
			}
		})
	}
}

// A fault is of the kind that the comparison is there for. It is made in a program that then runs on the engine that is right, or in the state
// between its steps.
type fault struct {
	name    string
	draws   bool // it is one of what is drawn
	rewrite func(out *graph.Func, n *graph.Node, args []*graph.Value) []*graph.Value
	spoil   func() func(t *testing.T, place int, s *runtime.State) // before the goes of a stretch
}

var faults = []fault{
	{name: "Adam's eps is ten times as large", rewrite: func(out *graph.Func, n *graph.Node, args []*graph.Value) []*graph.Value {
		if n.Op == (graph.Scale{By: 1e-8}) {
			return []*graph.Value{args[0].Scale(1e-7)}
		}
		return nil
	}},
	{name: "Adam corrects the bias of the step after", rewrite: func(out *graph.Func, n *graph.Node, args []*graph.Value) []*graph.Value {
		if _, ok := n.Op.(graph.Pow); ok {
			return []*graph.Value{args[0].Pow(args[1].Shift(1))}
		}
		return nil
	}},
	{name: "the gradient of a bias is a hundredth too large", rewrite: func(out *graph.Func, n *graph.Node, args []*graph.Value) []*graph.Value {
		if o, ok := n.Op.(graph.Lerp); ok && strings.HasSuffix(args[0].Name, ".bias") && strings.Contains(args[0].Name, ".m.") {
			return []*graph.Value{args[0].Lerp(args[1].Scale(1.01), o.T)}
		}
		return nil
	}},
	{name: "numbers are drawn of the next step", draws: true, spoil: func() func(*testing.T, int, *runtime.State) {
		return func(t *testing.T, place int, s *runtime.State) {
			if place == 1 {
				change(t, s, graph.RandomState, func(x *tensor.Tensor) { x.SetInt(1, x.Int(1)+1) })
			}
		}
	}},
	{name: "one update of a bias is left out", spoil: func() func(*testing.T, int, *runtime.State) {
		var before *tensor.Tensor
		return func(t *testing.T, place int, s *runtime.State) {
			names := slices.DeleteFunc(s.Names(), func(n string) bool { return strings.HasPrefix(n, "opt.") || !strings.HasSuffix(n, ".bias") })
			switch place {
			case 1:
				x, err := s.Tensor(names[0])
				if err != nil {
					t.Fatal(err)
				}
				before = x.Clone()
			case 2:
				change(t, s, names[0], func(x *tensor.Tensor) { x.CopyFrom(before) })
			}
		}
	}},
}

// make is prog with the fault: its Steps become others.
func (b fault) make(prog *compiler.Program) *compiler.Program {
	if b.rewrite != nil {
		for _, f := range prog.Steps() {
			*f = *graph.Rewrite(f, b.rewrite)
		}
	}
	return prog
}
