package gorgonia

import (
	"unsafe"

	"github.com/sardonyx-ml/sardonyx/compiler/memory"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// Memory is where the values of f, a Func or Step of a compiled program, lie in a run under the binding b. One arena serves all entry
// points of a program, and all sizes.
func Memory(f *graph.Func, b graph.Binding) (*memory.Plan, error) {
	return memory.New(memory.Order(computable(f), b), b)
}

// computable is f as plans take it: of ops that have kernels, as few as may be.
func computable(f *graph.Func) *graph.Func {
	return graph.Fuse(graph.Rectified(graph.Lower(f, graph.Computes)))
}

// bookkeeping is what gorgonia's graph and ours take for a value, in bytes, as measured.
const bookkeeping = 2 << 10

// Peak is about what a run under p takes of the heap, in bytes: values and state, and the graphs. A convolution has some memory
// besides, for each goroutine a MB or so.
func Peak(p *memory.Plan) int { return p.Peak() + bookkeeping*len(p.Class) }

// An arena is the memory that the plans of an executable share, since one runs at a time: what is in it is lost when another
// runs.
type arena struct{ mem []byte }

// need makes the arena hold n bytes, and reports whether it is other memory now.
func (a *arena) need(n int) bool {
	if a.mem != nil && len(a.mem) >= n {
		return false
	}
	a.mem = aligned(n)
	return true
}

// aligned is new memory of n bytes that begins where a value may lie.
func aligned(n int) []byte {
	mem := make([]byte, n+memory.Align)
	skip := int(-uintptr(unsafe.Pointer(&mem[0])) % memory.Align)
	return mem[skip:][:n:n]
}

// place puts the values of p that are to lie in the arena there.
func (p *plan) place(a *arena) {
	for i, class := range p.memory.Class {
		if class != memory.Arena {
			continue
		}
		lo, hi := p.memory.Offset[i], p.memory.Offset[i]+p.memory.Bytes[i]
		p.bufs[i].hold(tensor.In(a.mem[lo:hi:hi], p.f.Values[i].DType(), p.memory.Shapes[i]...))
	}
}
