package onnx

import (
	"fmt"
	"slices"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/check"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// young says which dtypes of f, bodies included, are not in the opset yet.
func young(f *graph.Func, opset int) (diags graph.Diags) {
	said := map[graph.DType]bool{}
	for _, n := range f.Nodes {
		for _, v := range n.Results {
			if t := v.DType(); t.Opset() > opset && !said[t] {
				said[t] = true
				hint := fmt.Sprintf("export at opset %d, or cast to another dtype", t.Opset())
				if t.Opset() > MaxOpset {
					hint = fmt.Sprintf("cast to another dtype: files are written up to opset %d", MaxOpset)
				}
				diags = append(diags, &graph.Diag{Pos: v.Pos, Msg: fmt.Sprintf("%v is in ONNX from opset %d on, and this is opset %d", t, t.Opset(), opset), Hint: hint})
			}
		}
		for _, b := range n.Bodies {
			diags = append(diags, young(b, opset)...)
		}
	}
	return diags
}

// carried makes f of nodes whose operators take their dtypes at the opset: where one does not, its arguments are cast to a dtype that
// holds all their numbers, and its results back, so that the numbers are those of our kernels, which compute in such a dtype too. So are
// those of the dtypes lacking, whatever the operator.
func carried(f *graph.Func, opset int, lacking graph.DTypes) *graph.Func {
	f = graph.InBodies(f, func(body *graph.Func) *graph.Func { return carried(body, opset, lacking) })
	cast := map[*graph.Value]*graph.Value{} // arguments that have been cast
	return graph.Rewrite(f, func(out *graph.Func, n *graph.Node, args []*graph.Value) []*graph.Value {
		refused := refuses(n, opset) | lacking&computed(n)
		if refused == 0 {
			return nil
		}
		if o, ok := n.Op.(graph.Full); ok {
			return []*graph.Value{out.Full(carrier(o.Type.DType), o.Value, o.Type.Shape...).Cast(o.Type.DType)}
		}
		wide := make([]*graph.Value, len(args))
		for i, a := range args {
			if wide[i] = a; a != nil && refused.Has(a.DType()) && carrier(a.DType()) != a.DType() {
				if cast[a] == nil {
					cast[a] = a.Cast(carrier(a.DType()))
				}
				wide[i] = cast[a]
			}
		}
		m := out.ApplyNode(n.Op, n.Bodies, wide...)
		if refuses(m, opset)|lacking&computed(m) != 0 {
			return nil // the emitter says so
		}
		results := make([]*graph.Value, len(m.Results))
		for i, y := range m.Results {
			if results[i] = y; y.DType() != n.Results[i].DType() {
				results[i] = y.Cast(n.Results[i].DType())
			}
		}
		return results
	})
}

// computed are the dtypes of n's arguments and results, if it is an operator that is neither a Cast nor has bodies.
func computed(n *graph.Node) (all graph.DTypes) {
	switch n.Op.(type) {
	case graph.Input, graph.Param, graph.Const, graph.Cast:
		return 0
	}
	if len(n.Bodies) > 0 {
		return 0
	}
	for _, v := range slices.Concat(n.Args, n.Results) {
		if v != nil {
			all |= 1 << v.DType()
		}
	}
	return all
}

// carrier is a dtype that holds all of t and that operators take which do not take t: t itself if there is none.
func carrier(t graph.DType) graph.DType {
	switch t {
	case graph.F16, graph.BF16, graph.F8E4M3FN, graph.F8E5M2, graph.F4E2M1:
		return graph.F32
	case graph.I32, graph.I16, graph.I8, graph.I4, graph.I2, graph.U32, graph.U16, graph.U8, graph.U4, graph.U2:
		return graph.I64
	}
	return t
}

// refuses are the dtypes of n's arguments and results that its operator does not take at the opset.
func refuses(n *graph.Node, opset int) (refused graph.DTypes) {
	form := n.Form(opset)
	switch {
	case len(n.Bodies) > 0: // these take all
		return 0
	case form == nil:
		return refusedByNodes(n)
	}
	for i, a := range n.Args {
		if a != nil && !check.Takes(form.Operator, opset, form.First+i, wire.DataType(a.DType().ONNX())) {
			refused |= 1 << a.DType()
		}
	}
	for i, y := range n.Results {
		if !check.Gives(form.Operator, opset, i, wire.DataType(y.DType().ONNX())) {
			refused |= 1 << y.DType()
		}
	}
	return refused
}

// refusedByNodes are the dtypes that n, which writes its nodes itself, is not given: operators that move take none of less than a byte or
// floats of 8 bits, and those that compute no bf16, before some opset or other.
func refusedByNodes(n *graph.Node) (refused graph.DTypes) {
	switch n.Op.(type) {
	case graph.Input, graph.Param, graph.Const:
		return 0
	}
	takes, moves := n.Op.Takes(), true
	for i, a := range n.Args {
		moves = moves && a != nil && takes[min(i, len(takes)-1)].DTypes.Has(graph.Bool)
	}
	for _, a := range n.Args {
		if a == nil {
			continue
		}
		switch t := a.DType(); {
		case t == graph.BF16 && !moves, t.Bits() > 0 && t.Bits() <= 8 && !t.Integer() && t != graph.Bool:
			refused |= 1 << t
		}
	}
	return refused
}
