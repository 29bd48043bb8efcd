package check

import (
	"fmt"
	"slices"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph/symbolic"
)

// This file has the operators whose outputs have sizes that the contents of their inputs decide.

// told is the size that what decides of input i: one symbol wherever the same is asked of a value.
func (x *nodeContext) told(what string, i int) dim {
	return of(symbolic.Named(fmt.Sprintf("%s(%s)", what, x.node.Inputs[i])))
}

func nonZero(x *nodeContext) {
	x.elem(0, wire.Int64)
	if s := x.input(0).shape; s != nil {
		x.set(0, []dim{number(int64(len(s))), x.told("nonzero", 0)})
	}
}

func compress(x *nodeContext) {
	if !x.exactRank(1, 1) {
		return
	}
	kept, mask := x.told("nonzero", 1), x.input(1).shape[0]
	s := x.input(0).shape
	if x.attribute("axis") == nil {
		x.set(0, []dim{kept})
		return
	}
	if s == nil {
		return
	}
	k, ok := x.axis(0, len(s))
	if !ok {
		return
	}
	if m, ok := mask.num(); ok {
		if n, ok := s[k].num(); ok && m > n {
			x.fail("the condition %s has %d elements; axis %d of %s has %d", x.name(1), m, k, x.name(0), n)
			return
		}
	}
	out := slices.Clone(s)
	out[k] = kept
	x.set(0, out)
}

func unique(x *nodeContext) {
	s := x.input(0).shape
	for i := 1; i < len(x.out); i++ {
		x.elem(i, wire.Int64)
	}
	n, all, out := x.told("unique", 0), unknown, []dim(nil)
	if x.attribute("axis") == nil {
		out = []dim{n}
		if s != nil {
			all = sized(s)
		}
	} else if s != nil {
		k, ok := x.axis(0, len(s))
		if !ok {
			return
		}
		n = x.told(fmt.Sprintf("unique along %d", k), 0)
		all, out = s[k], slices.Clone(s)
		out[k] = n
	}
	if out != nil {
		x.set(0, out)
	}
	x.set(1, []dim{n})
	x.set(2, []dim{all})
	x.set(3, []dim{n})
}
