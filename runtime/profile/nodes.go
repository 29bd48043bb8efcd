package profile

import (
	"strings"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
)

// Nodes is where the nodes of a file, and of the graphs in them, are from, by name: the exporter names a node by its layer,
// LAYER.Operator_12, and writes file and line beside it.
func Nodes(g *wire.Graph) map[string]Origin {
	all := map[string]Origin{}
	Walk(g, func(_ *wire.Graph, n *wire.Node) {
		o := Origin{Op: n.OpType, At: n.Doc}
		if i := strings.LastIndexByte(n.Name, '.'); i >= 0 {
			o.Layer = n.Name[:i]
		}
		all[n.Name] = o
	})
	return all
}

// Walk calls do with each node of g and of the graphs in them.
func Walk(g *wire.Graph, do func(g *wire.Graph, n *wire.Node)) {
	for _, n := range g.Nodes {
		do(g, n)
		for _, a := range n.Attributes {
			switch v := a.Value.(type) {
			case *wire.Graph:
				Walk(v, do)
			case []*wire.Graph:
				for _, g := range v {
					Walk(g, do)
				}
			}
		}
	}
}
