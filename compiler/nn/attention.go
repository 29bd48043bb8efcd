package nn

import (
	"cmp"
	"fmt"

	"github.com/sardonyx-ml/sardonyx/compiler/initializer"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// Attention is multi-head scaled dot-product attention of a sequence to itself (Vaswani et al. 2017, section 3.2). Its
// parameters are query, key, value [dim Width], out [Width dim], and the biases query_bias, key_bias, value_bias [Width] and
// out_bias [dim], where dim is the width of what it is applied to.
type Attention struct {
	Heads  int
	Width  int  // of all heads together, a multiple of Heads; 0 means dim
	Causal bool // no place sees those after it
	NoBias bool
	Weight graph.Initializer // of the four matrices; nil means GlorotUniform
	Layer
}

// Apply maps x [batch seq dim] to [batch seq dim].
func (l *Attention) Apply(x *graph.Value) *graph.Value { return l.Attend(x, x) }

// Attend is the attention of x [batch seq dim] to memory [batch others dims], such as a decoder's to what an encoder made:
// queries are of x, keys and values of memory. The parameters key and value are then [dims Width]. It is not for a causal layer,
// unless memory is x.
func (l *Attention) Attend(x, memory *graph.Value) *graph.Value {
	return l.apply(x, memory, func(q, k, v *graph.Value) *graph.Value {
		if l.Causal && memory != x {
			return mistake(x, "Attention: causal attention to another sequence", "set Causal only where the sequence attends to itself, with Apply")
		}
		return q.Attention(k, v, nil, graph.Attention{Causal: l.Causal})
	})
}

// Step is Apply, of a causal layer, to the next places of a sequence: x [batch seq dim] stands behind those places whose keys and
// values, [batch Heads places Width/Heads], the Step before returned. A first one has no places; so a generator computes each place
// once. It returns y [batch seq dim] and the keys and values with those of x.
func (l *Attention) Step(x, keys, values *graph.Value) (y, allKeys, allValues *graph.Value) {
	y = l.apply(x, x, func(q, k, v *graph.Value) *graph.Value {
		if keys == nil || values == nil {
			panic(graph.Mistakef(graph.NilHint, "Attention: the keys and values of Step are nil"))
		}
		if !l.Causal {
			return mistake(x, "Attention: Step of a layer that is not causal", "earlier places would see later ones: set Causal")
		}
		y, all, values := q.AttentionPast(k, v, nil, keys, values, graph.Attention{Causal: true})
		allKeys, allValues = all, values
		return y
	})
	if !y.OK() {
		return y, y, y
	}
	return y, allKeys, allValues
}

// apply projects x to queries and memory to keys and values, [batch Heads seq Width/Heads], and what attend makes of them to y.
func (l *Attention) apply(x, memory *graph.Value, attend func(q, k, v *graph.Value) *graph.Value) *graph.Value {
	return base(l, func(l *Attention) *Layer { return &l.Layer }).Run(l, x, func() *graph.Value {
		f := x.Func()
		if memory == nil {
			panic(graph.Mistakef(graph.NilHint, "Attention: the memory is a nil value"))
		}
		if !memory.OK() {
			return memory
		}
		for _, v := range []*graph.Value{x, memory} {
			if v.Rank() != 3 {
				return mistake(v, fmt.Sprintf("Attention: needs [batch seq dim], has %v", v.Type), "images become sequences with .Reshape(batch, channels, height*width).Transpose(0, 2, 1)")
			}
		}
		dim, ok := width("Attention", x, -1)
		dims, ok2 := width("Attention", memory, -1)
		if !ok || !ok2 || !positive("Attention", x, "Heads", l.Heads) {
			return f.Poison()
		}
		all := cmp.Or(graph.Dim(l.Width), dim)
		heads := graph.Dim(l.Heads)
		switch {
		case l.Width < 0 || all%heads != 0:
			return mistake(x, fmt.Sprintf("Attention: %d heads share a width of %v", l.Heads, all), "the width must be a multiple of Heads")
		case x.Dim(0) != memory.Dim(0):
			return mistake(x, fmt.Sprintf("Attention: of %v to %v", x.Type, memory.Type), "both have one batch")
		}
		project := func(v *graph.Value, leaf string, in, out graph.Dim) *graph.Value {
			y := v.MatMul(l.Param(x, leaf, or(l.Weight, initializer.GlorotUniform{}), in, out))
			if !l.NoBias {
				y = y.Add(l.Param(x, leaf+"_bias", initializer.Zeros{}, out))
			}
			return y
		}
		split := func(v *graph.Value) *graph.Value { // [batch heads seq all/heads]
			return v.Reshape(v.Dim(0), v.Dim(1), heads, all/heads).Transpose(0, 2, 1, 3)
		}
		q, k, v := split(project(x, "query", dim, all)), split(project(memory, "key", dims, all)), split(project(memory, "value", dims, all))
		y := attend(q, k, v).Transpose(0, 2, 1, 3).Reshape(x.Dim(0), x.Dim(1), all)
		return project(y, "out", all, dim)
	})
}
