package onnx

import (
	"fmt"
	"maps"
	"slices"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// Body writes body as a graph inside the one that is written, which sees the names of those around it. Constants stand in the outermost.
func (e *emitter) Body(body *graph.Func, captured []string) any {
	outer := *e
	defer func() {
		e.f, e.late, e.nodes, e.names, e.dims, e.cur = outer.f, outer.late, outer.nodes, outer.names, outer.dims, outer.cur
	}()
	e.f, e.late, e.nodes, e.names, e.dims = body, body.Late(), nil, make([]string, len(body.Values)), maps.Clone(outer.dims)
	g := &wire.Graph{Name: e.unique(fmt.Sprintf("%s.body", body.Name))}
	own := len(body.Inputs) - len(captured)
	for i, in := range body.Inputs {
		if i >= own {
			e.names[in.ID] = captured[i-own]
			continue
		}
		name := e.unique(fmt.Sprintf("%s.in%d", g.Name, i))
		e.names[in.ID], e.shapes[name] = name, in.Shape()
		g.Inputs = append(g.Inputs, &wire.ValueInfo{Name: name, Type: tensorType(in.Type)})
	}
	for _, n := range body.Nodes {
		if _, ok := n.Op.(graph.Input); !ok {
			e.node(n)
		}
	}
	var free []string // results of nodes of the body itself that are no output yet
	for _, n := range e.nodes {
		free = append(free, n.Outputs...)
	}
	for _, o := range body.Outputs {
		name := e.names[o.Value.ID]
		if i := slices.Index(free, name); i >= 0 {
			free[i] = ""
		} else { // a graph's outputs are results of its nodes, each once
			e.cur = o.Value
			name = e.Node("Identity", []string{name})
		}
		g.Outputs = append(g.Outputs, &wire.ValueInfo{Name: name, Type: tensorType(o.Value.Type)})
	}
	g.Nodes = e.nodes
	return g
}
