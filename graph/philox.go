package graph

import (
	"math"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// The generator of package kernel in ops: what RandomNormal and RandomUniform are made of where an engine is to draw our numbers and
// has no kernel of ours. All words are i64 below 2³², and no product overflows.

const (
	word = 1<<32 - 1 // the low 32 bits
	half = 1<<16 - 1 // the low 16 bits
)

// The multipliers and the key's increments, as in package kernel.
var (
	philoxFactors = [2]int64{0xD2511F53, 0xCD9E8D57}
	philoxKeys    = [2]int64{0x9E3779B9, 0xBB67AE85}
)

const philoxRounds = 10

// philox draws n blocks of four random words, those of a stream of the random state, as two values i64[2 n]: the words 0 and 2 of the
// blocks, and the words 1 and 3. It goes through both products of a round at once: what it multiplies is kept as the words 2 and 0.
func (f *Func) philox(state *Value, stream int, n Dim) (even, odd *Value) {
	number := func(c int64) *Value { return f.FullInt(I64, c) }
	column := func(a, b *Value) *Value { return Join(0, a, b).Reshape(2, 1) } // of two i64[1]
	pair := func(p [2]int64) *Value { return f.Const(tensor.Of(p[:], 2, 1)) }

	seed, step := state.Slice(0, 0, 1), state.Slice(0, 1, 2).BitwiseAnd(number(1<<48-1))
	low := seed.BitwiseAnd(number(word))
	steps := make([]int64, 0, 2*philoxRounds) // of the key
	for r := range int64(philoxRounds) {
		steps = append(steps, r*philoxKeys[0], r*philoxKeys[1])
	}
	keys := column(low, seed.Sub(low).shiftRight(32)).Add(f.Const(tensor.Of(steps, philoxRounds, 2, 1))).BitwiseAnd(number(word))

	block, zero := f.Arange(n), f.Const(tensor.Of([]int64{0}, 1))
	words := column(step.BitwiseAnd(number(half)).Mul(number(1<<16)).Add(number(int64(uint16(stream)))), zero)
	words = words.Add(block.BitwiseAnd(number(word)).Mul(pair([2]int64{0, 1})))
	odd = column(zero, step.shiftRight(16)).Add(block.shiftRight(32).Mul(pair([2]int64{1, 0})))

	factors := [2]int64{philoxFactors[1], philoxFactors[0]}
	top, bottom := pair([2]int64{factors[0] >> 16, factors[1] >> 16}), pair([2]int64{factors[0] & half, factors[1] & half})
	swap := f.Const(tensor.Of([]int64{1, 0}, 2))
	for r := range int64(philoxRounds) {
		if r > 0 {
			words = even.Gather(swap, 0)
		}
		a, b := words.Mul(top), words.Mul(bottom) // the product is a·2¹⁶ + b
		a = a.Add(b.shiftRight(16))
		even = a.shiftRight(16).BitwiseXor(odd).BitwiseXor(keys.Gather(number(r), 0))
		odd = a.BitwiseAnd(number(half)).Mul(number(1 << 16)).Add(b.BitwiseAnd(number(half)))
	}
	return even, odd
}

// shiftRight is v, i64 that is a multiple of 2ⁿ or from 0 to 2⁵³, without its n low bits. ONNX has no shift of i64, and float64
// divides these exactly, in less time than integers are divided.
func (v *Value) shiftRight(n int) *Value { return v.Cast(F64).Scale(math.Ldexp(1, -n)).Cast(I64) }

// drawn are the numbers of type t of a stream, made two by two from the words of the blocks.
func (f *Func) drawn(t Type, state *Value, stream int, make func(even, odd *Value) (first, second *Value)) *Value {
	size := t.Shape.Size()
	n, whole := size.exactly(4)
	if !whole {
		n = size.Plus(3).Div(4)
	}
	first, second := make(f.philox(state, stream, n))
	out := Join(0, first.Unsqueeze(0), second.Unsqueeze(0)).Transpose(2, 1, 0).Reshape(n.Times(4)).Cast(t.DType)
	switch {
	case whole:
	case size.Symbolic():
		out = out.Gather(f.Arange(size), 0)
	default:
		out = out.Slice(0, 0, int(size))
	}
	return out.Reshape(t.Shape...)
}

// unit is a word as a uniform number in [0, 1) with 24 bits, f64.
func (v *Value) unit() *Value { return v.Cast(F64).Scale(0x1p-8).Floor().Scale(0x1p-24) }

// Lower draws in integers.
func (o RandomUniform) Lower(n *Node) []*Value {
	return []*Value{n.fn.drawn(o.Type, n.Args[0], o.Stream, func(even, odd *Value) (first, second *Value) { return even.unit(), odd.unit() })}
}

// Lower draws in integers, and makes normal numbers of them in f64, by the method of Box and Muller (1958).
func (o RandomNormal) Lower(n *Node) []*Value {
	return []*Value{n.fn.drawn(o.Type, n.Args[0], o.Stream, func(even, odd *Value) (first, second *Value) {
		radius := even.unit().Shift(0x1p-25).Log().Scale(-2).Sqrt()
		angle := odd.unit().Scale(2 * math.Pi)
		return radius.Mul(angle.Cos()), radius.Mul(angle.Sin())
	})}
}
