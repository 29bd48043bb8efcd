package graph

import (
	"slices"
	"sync"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// kernels are how a Fused is computed, found out once, and memory for it.
type kernels struct {
	floats DType // the type of the steps' floats
	once   sync.Once
	f32    []stepKernel[float32]
	f64    []stepKernel[float64]
	cost   int
	args   []fusedArg
	steps  []fusedStep
	blocks [2]int    // of floats and of bools
	runs   sync.Pool // of *fusedRun
}

// A fusedArg is what an argument is, and its place among those of its kind.
type fusedArg struct{ kind, place int }

// The kinds of arguments; steps are of the first two.
const (
	floatKind = iota
	boolKind
	stateKind
)

// A fusedStep is where a step's result goes and what becomes of it.
type fusedStep struct {
	kind       int
	to         int // the result that it is, or −1−i of block i
	stream     int // of a draw
	reductions []int
	finite     bool
}

// prepare finds the steps' kernels, and gives each step that is no result a block, which it has until its last use.
func (k *kernels) prepare(o Fused, in []*tensor.Tensor) {
	var count [3]int
	for _, x := range in {
		kind := floatKind
		switch x.DType() {
		case Bool:
			kind = boolKind
		case I64:
			kind = stateKind
		}
		k.args = append(k.args, fusedArg{kind, count[kind]})
		count[kind]++
	}
	if k.floats == F64 {
		k.f64, k.cost = stepKernels[float64](o)
	} else {
		k.f32, k.cost = stepKernels[float32](o)
	}
	last := make([]int, len(o.Steps)) // the last step that uses each
	for i, s := range o.Steps {
		for _, a := range s.Args {
			if a < 0 {
				last[-1-a] = i
			}
		}
	}
	var free [2][]int
	for i, s := range o.Steps {
		step := fusedStep{finite: slices.Contains(o.Finite, -1-i)}
		if makesBools(s.Op) {
			step.kind = boolKind
		}
		_, step.stream = drawing(s.Op)
		for q, r := range o.Reductions {
			if r.Step == -1-i {
				step.reductions = append(step.reductions, q)
			}
		}
		for _, a := range slices.Compact(slices.Sorted(slices.Values(s.Args))) {
			if a < 0 && last[-1-a] == i && k.steps[-1-a].to < 0 {
				from := k.steps[-1-a]
				free[from.kind] = append(free[from.kind], from.to) // also for this step: kernels may write over an operand
			}
		}
		switch result, list := slices.Index(o.Results, -1-i), free[step.kind]; {
		case result >= 0:
			step.to = result
		case o.last(0) && i == len(o.Steps)-1:
			step.to = 0
		case len(list) > 0:
			step.to, free[step.kind] = list[len(list)-1], list[:len(list)-1]
		default:
			k.blocks[step.kind]++
			step.to = -k.blocks[step.kind]
		}
		k.steps = append(k.steps, step)
	}
}

// stepKernels are those of o's steps, and what an element costs.
func stepKernels[T kernel.Float](o Fused) (list []stepKernel[T], cost int) {
	for _, s := range o.Steps {
		k, n := stepKernelOf[T](s.Op)
		list, cost = append(list, k), cost+n
	}
	return list, cost
}

// makesBools reports whether the result of an op that [fusable] has let in is bools.
func makesBools(op Op) bool {
	switch o := op.(type) {
	case Equal, Less, LessEqual, Greater, GreaterEqual, Not, And, Or:
		return true
	case Cast:
		return o.To == Bool
	}
	return false
}

// A stretch is what a step of a [Fused] computes at a time. Floats and bools of the arguments stand apart, each in order, and have as many
// elements as the result or one; the result is one of out and mask.
type stretch[T kernel.Float] struct {
	at    int // of the first element
	out   []T
	mask  []bool
	in    [][]T
	masks [][]bool
	draw  kernel.Draw // of an op that draws
	noise []T         // memory for it
}

// A stepKernel computes a stretch; the result may lie over an argument.
type stepKernel[T kernel.Float] func(s *stretch[T])

// stepKernelOf is op's, and how many additions an element is worth. [fusable] has let op in.
func stepKernelOf[T kernel.Float](op Op) (k stepKernel[T], cost int) {
	switch o := op.(type) {
	case elementwise:
		all := o.flats()
		f, ok := any(all.f32).(flat[T])
		if !ok {
			f = any(all.f64).(flat[T])
		}
		return func(s *stretch[T]) { f.run(s.out, s.in) }, max(all.cost, 1)
	case Equal:
		return compares(kernel.Equal[T]), 1
	case Less:
		return compares(kernel.Less[T]), 1
	case LessEqual:
		return compares(kernel.LessEqual[T]), 1
	case Greater:
		return compares(kernel.Greater[T]), 1
	case GreaterEqual:
		return compares(kernel.GreaterEqual[T]), 1
	case Not:
		return func(s *stretch[T]) { kernel.Not(s.mask, s.masks[0]) }, 1
	case And:
		return func(s *stretch[T]) { kernel.And(s.mask, s.masks[0], s.masks[1]) }, 1
	case Or:
		return func(s *stretch[T]) { kernel.Or(s.mask, s.masks[0], s.masks[1]) }, 1
	case Where:
		return func(s *stretch[T]) { kernel.Where(s.out, s.masks[0], s.in[0], s.in[1]) }, 1
	case Cast:
		if o.To == Bool {
			zero := []T{0}
			return func(s *stretch[T]) { kernel.NotEqual(s.mask, s.in[0], zero) }, 1
		}
		return func(s *stretch[T]) { kernel.Flags(s.out, s.masks[0]) }, 1
	case RandomUniform:
		return func(s *stretch[T]) { kernel.UniformFrom(s.draw, s.at, s.out) }, drawCost
	case RandomNormal:
		return func(s *stretch[T]) { kernel.NormalFrom(s.draw, s.at, s.out) }, 2 * drawCost
	case Dropout:
		return func(s *stretch[T]) {
			u := s.noise[:len(s.out)]
			kernel.UniformFrom(s.draw, s.at, u)
			drop(o.P, s.out, s.in[0], u)
		}, drawCost
	}
	return nil, 0
}

// drawCost is how many additions a uniform number is worth.
const drawCost = 8

// compares is the kernel of a comparison.
func compares[T kernel.Float](f func(out []bool, a, b []T)) stepKernel[T] {
	return func(s *stretch[T]) { f(s.mask, s.in[0], s.in[1]) }
}

// drawing is whether op draws, and its stream.
func drawing(op Op) (draws bool, stream int) {
	switch o := op.(type) {
	case RandomUniform:
		return true, o.Stream
	case RandomNormal:
		return true, o.Stream
	case Dropout:
		return true, o.Stream
	}
	return false, 0
}
