package graph

import (
	"slices"
	"sync/atomic"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// fusedBlock is the number of elements that the ops of a Fused pass on to one another: few enough that they stay in the
// first-level cache. Where rows are summed up, they pass on as many whole ones as go into that, or one, which is no longer than longestRow.
const (
	fusedBlock = kernel.SumBlock
	longestRow = 4 * fusedBlock
)

// Run runs the steps over blocks.
func (o Fused) Run(c *kernel.Context, out, in []*tensor.Tensor) error {
	k := o.kernels
	k.once.Do(func() { k.prepare(o, in) })
	if k.f64 != nil {
		runFused(c, o, k.f64, out, in)
	} else {
		runFused(c, o, k.f32, out, in)
	}
	return nil
}

func runFused[T kernel.Float](c *kernel.Context, o Fused, steps []stepKernel[T], out, in []*tensor.Tensor) {
	r, _ := o.kernels.runs.Get().(*fusedRun[T])
	if r == nil {
		r = &fusedRun[T]{o: o, kernels: steps}
	}
	r.set(c, out, in)
	r.run(c)
	o.kernels.runs.Put(r)
}

// A fusedRun is a run of a Fused, which another may follow.
type fusedRun[T kernel.Float] struct {
	o         Fused
	kernels   []stepKernel[T]
	out       []*tensor.Tensor
	shape     []int
	shapes    [][]int // of the floats, then of the bools among the arguments
	block     int
	reduction kernel.Reduction
	stretches kernel.Stretches
	args      [][]T
	flags     [][]bool
	floats    kernel.Operands[T]
	bools     kernel.Operands[bool]
	draws     []kernel.Draw // of the states, as they stand among the arguments
	results   [][]T         // in the order of Results; nil where they are bools
	masks     [][]bool
	partial   [][]T // of each reduction, what its rows, blocks or parts of columns are
	notFinite atomic.Bool
}

// set makes r the run that makes out of in.
func (r *fusedRun[T]) set(c *kernel.Context, out, in []*tensor.Tensor) {
	o := r.o
	r.out, r.args, r.flags, r.draws = out, r.args[:0], r.flags[:0], r.draws[:0]
	r.results, r.masks, r.partial = r.results[:0], r.masks[:0], r.partial[:0]
	r.notFinite.Store(false)
	for _, x := range in {
		switch d := x.Raw().(type) {
		case []T:
			r.args = append(r.args, d)
		case []bool:
			r.flags = append(r.flags, d)
		case []int64:
			r.draws = append(r.draws, drawFrom(x, 0))
		}
	}
	for i := range out {
		if i < len(o.Results) || o.last(i) {
			y, _ := out[i].Raw().([]T)
			mask, _ := out[i].Raw().([]bool)
			r.results, r.masks = append(r.results, y), append(r.masks, mask)
		}
	}
	if !r.fits(out, in) {
		r.lay(out, in)
	}
	inRuns := o.Reductions == nil && o.Finite == nil && r.stretches.Long()
	r.floats.Set(c, &r.stretches, 0, r.args, r.block, inRuns)
	r.bools.Set(c, &r.stretches, len(r.args), r.flags, r.block, inRuns)
}

// fits reports whether the shapes are those of the run before.
func (r *fusedRun[T]) fits(out, in []*tensor.Tensor) bool {
	if r.shapes == nil || len(r.results) > 0 && !slices.Equal(r.shape, out[0].Shape()) {
		return false
	}
	for k, x := range in {
		arg, place := r.o.kernels.args[k], 0
		switch arg.kind {
		case floatKind:
			place = arg.place
		case boolKind:
			place = len(r.args) + arg.place
		default:
			continue
		}
		if !slices.Equal(r.shapes[place], x.Shape()) {
			return false
		}
	}
	return true
}

// lay finds out how the elements are gone through.
func (r *fusedRun[T]) lay(out, in []*tensor.Tensor) {
	r.shapes = make([][]int, len(r.args)+len(r.flags))
	for k, x := range in {
		switch arg := r.o.kernels.args[k]; arg.kind {
		case floatKind:
			r.shapes[arg.place] = x.Shape()
		case boolKind:
			r.shapes[len(r.args)+arg.place] = x.Shape()
		}
	}
	if r.shape = broadcastSizes(r.shapes); len(r.results) > 0 {
		r.shape = out[0].Shape()
	}
	r.stretches.Set(r.shape, r.shapes)
	r.block, r.reduction = fusedBlock, kernel.Reduction{}
	if axes := r.o.axes(); axes != nil {
		r.reduction = kernel.ReductionOf(r.shape, axes)
		if row := r.reduction.Row; r.reduction.Kind == kernel.ByRow && row > 0 {
			r.block = max(row, fusedBlock)
		}
	}
}

// broadcastSizes is the shape that shapes broadcast to.
func broadcastSizes(shapes [][]int) (all []int) {
	for _, s := range shapes {
		for len(all) < len(s) {
			all = slices.Insert(all, 0, 1)
		}
		for i, d := range s {
			if d != 1 {
				all[len(all)-len(s)+i] = d
			}
		}
	}
	return all
}

// axes are those of the reductions; nil are all of them.
func (o Fused) axes() []int {
	if len(o.Reductions) > 0 {
		if sum, ok := o.Reductions[0].Op.(Sum); ok {
			return sum.Axes
		}
	}
	return nil
}

// run cuts the elements into stretches, as the reductions want them.
func (r *fusedRun[T]) run(c *kernel.Context) {
	each := max(1, grain/r.o.kernels.cost)
	switch {
	case r.stretches.Size() == 0:
		r.nothing()
	case r.o.Reductions == nil && r.o.Finite == nil:
		kernel.Cut(c, r.stretches.Size(), each, fusedStretches[T]{r})
	case r.reduction.Kind == kernel.ByRow:
		r.rows(c, each)
	case r.reduction.Kind == kernel.ByColumn:
		r.columns(c, each)
	default:
		r.everything(c, each)
	}
	if r.o.Finite != nil {
		tensor.Data[bool](r.out[len(r.out)-1])[0] = !r.notFinite.Load()
	}
}

// nothing reduces no elements: a row of none still has a sum.
func (r *fusedRun[T]) nothing() {
	for i := range r.o.Reductions {
		y := r.reduced(i)
		for k := range y {
			y[k] = r.fold(i, nil)
		}
	}
}

// fusedStretches does elements of which nothing is reduced.
type fusedStretches[T kernel.Float] struct{ *fusedRun[T] }

// Part does the elements from lo to hi.
func (r *fusedStretches[T]) Part(own *kernel.Context, lo, hi int) {
	m := r.memory(own)
	for lo < hi {
		end := r.stretches.End(lo, hi, fusedBlock)
		r.stretch(m, lo, end)
		lo = end
	}
	m.free(own)
}

// table is memory for n numbers of each reduction.
func (r *fusedRun[T]) table(c *kernel.Context, n int) {
	q := len(r.o.Reductions)
	all := kernel.Scratch[T](c, q*n)
	for i := range q {
		r.partial = append(r.partial, all[i*n:(i+1)*n])
	}
}

// reduced is the result of reduction i.
func (r *fusedRun[T]) reduced(i int) []T { return tensor.Data[T](r.out[len(r.results)+i]) }

// everything reduces blocks of SumBlock elements, and what comes of these.
func (r *fusedRun[T]) everything(c *kernel.Context, each int) {
	blocks := (r.stretches.Size() + fusedBlock - 1) / fusedBlock
	r.table(c, blocks)
	kernel.Cut(c, blocks, max(1, each/fusedBlock), fusedBlocks[T]{r})
	for i, list := range r.partial {
		r.reduced(i)[0] = r.fold(i, list)
	}
}

// fusedBlocks does blocks of everything.
type fusedBlocks[T kernel.Float] struct{ *fusedRun[T] }

// Part does the blocks from lo to hi.
func (r *fusedBlocks[T]) Part(own *kernel.Context, lo, hi int) {
	m := r.memory(own)
	for b := lo; b < hi; b++ {
		r.stretch(m, b*fusedBlock, min((b+1)*fusedBlock, r.stretches.Size()))
	}
	m.free(own)
}

// fold is reduction i of x.
func (r *fusedRun[T]) fold(i int, x []T) T {
	if _, ok := r.o.Reductions[i].Op.(ReduceMax); ok {
		return kernel.Most(x)
	}
	return kernel.Total(x)
}

// rows sums up each row, and then the rows of each result in order.
func (r *fusedRun[T]) rows(c *kernel.Context, each int) {
	row := max(r.reduction.Row, 1)
	r.table(c, r.reduction.Rows)
	kernel.Cut(c, r.reduction.Rows, max(1, each/row), fusedRows[T]{r, row})
	r.join(r.reduction.Of)
}

// fusedRows does rows, of row elements or of none.
type fusedRows[T kernel.Float] struct {
	*fusedRun[T]
	row int
}

// Part does the rows from lo to hi.
func (r *fusedRows[T]) Part(own *kernel.Context, lo, hi int) {
	m := r.memory(own)
	for ; lo < hi; lo += r.block / r.row {
		r.stretch(m, lo*r.reduction.Row, min(lo+r.block/r.row, hi)*r.reduction.Row)
	}
	m.free(own)
}

// columns adds up the rows of each RowBlock of them, a part of a row at a time if it is long, and then these.
func (r *fusedRun[T]) columns(c *kernel.Context, each int) {
	rows, row := r.reduction.Rows, r.reduction.Row
	blocks, width := (rows+kernel.RowBlock-1)/kernel.RowBlock, min(row, fusedBlock)
	if blocks < c.Threads && row >= 2*narrowest { // parts for all
		width = max(narrowest, min(width, row/c.Threads))
	}
	width = max(width, 1)
	parts, together := (row+width-1)/width, 1
	if width == row {
		together = fusedBlock / row
	}
	r.table(c, blocks*row)
	kernel.Cut(c, blocks*parts, max(1, each/(kernel.RowBlock*width)), fusedColumns[T]{r, width, parts, together})
	r.join(row)
}

// fusedColumns does RowBlock rows, or one of parts of them, which are width columns; whole rows so many together.
type fusedColumns[T kernel.Float] struct {
	*fusedRun[T]
	width, parts, together int
}

// Part does the parts from lo to hi.
func (r *fusedColumns[T]) Part(own *kernel.Context, lo, hi int) {
	m, rows, row := r.memory(own), r.reduction.Rows, r.reduction.Row
	for ; lo < hi; lo++ {
		left := lo % r.parts * r.width
		right := min(left+r.width, row)
		first := lo / r.parts * kernel.RowBlock
		for end := min(first+kernel.RowBlock, rows); first < end; first += r.together {
			r.stretch(m, first*row+left, (min(first+r.together, end)-1)*row+right)
		}
	}
	m.free(own)
}

// join adds up, for each of n results, every n-th of what its reduction has gathered, in order.
func (r *fusedRun[T]) join(n int) {
	for i, list := range r.partial {
		y := r.reduced(i)
		for clear(y); n > 0 && len(list) > 0; list = list[n:] {
			kernel.Add(y, y, list[:n])
		}
	}
}

// narrowest is how many elements a part of a row has at least.
const narrowest = 256

// take puts what reduction i makes of x, the elements from number lo on, where it is joined from.
func (r *fusedRun[T]) take(i int, x []T, lo int) {
	list, row := r.partial[i], r.reduction.Row
	switch r.reduction.Kind {
	case kernel.Everything:
		list[lo/fusedBlock] = r.fold(i, x)
	case kernel.ByRow:
		for k := lo / row; len(x) > 0; k++ {
			list[k], x = kernel.Total(x[:row]), x[row:]
		}
	case kernel.ByColumn:
		left, width := lo%row, min(len(x), row)
		total := list[lo/row/kernel.RowBlock*row+left:][:width]
		if lo/row%kernel.RowBlock == 0 {
			copy(total, x)
			x = x[width:]
		}
		for ; len(x) > 0; x = x[width:] {
			kernel.Add(total, total, x[:width])
		}
	}
}

// fusedMemory is one goroutine's: blocks for what is no result, and the arguments of the step at hand.
type fusedMemory[T kernel.Float] struct {
	floats []T
	bools  []bool
	noise  []T
	in     kernel.Cursor[T]
	masks  kernel.Cursor[bool]
	step   stretch[T]
}

// free gives m back to c, without what it was used on.
func (m *fusedMemory[T]) free(c *kernel.Context) {
	m.in.Drop()
	m.masks.Drop()
	clear(m.step.in)
	clear(m.step.masks)
	m.step = stretch[T]{in: m.step.in[:0], masks: m.step.masks[:0]}
	kernel.GiveBack(c, m)
}

// memory is a goroutine's memory for a run.
func (r *fusedRun[T]) memory(c *kernel.Context) *fusedMemory[T] {
	m := kernel.Borrow[fusedMemory[T]](c)
	k := r.o.kernels
	m.floats = slices.Grow(m.floats[:0], k.blocks[floatKind]*r.block)[:k.blocks[floatKind]*r.block]
	m.bools = slices.Grow(m.bools[:0], k.blocks[boolKind]*r.block)[:k.blocks[boolKind]*r.block]
	if len(r.draws) > 0 {
		m.noise = slices.Grow(m.noise[:0], r.block)[:r.block]
	}
	return m
}

// stretch computes the elements from lo to hi, at most a block.
func (r *fusedRun[T]) stretch(m *fusedMemory[T], lo, hi int) {
	k, s := r.o.kernels, &m.step
	m.in.At(&r.floats, lo, hi)
	m.masks.At(&r.bools, lo, hi)
	s.at, s.noise = lo, m.noise
	for i, step := range r.o.Steps {
		own := &k.steps[i]
		s.in, s.masks = s.in[:0], s.masks[:0]
		for _, a := range step.Args {
			if a < 0 {
				if k.steps[-1-a].kind == boolKind {
					s.masks = append(s.masks, place(r.masks, m.bools, r.block, k.steps[-1-a].to, lo, hi))
				} else {
					s.in = append(s.in, place(r.results, m.floats, r.block, k.steps[-1-a].to, lo, hi))
				}
				continue
			}
			switch arg := k.args[a]; arg.kind {
			case floatKind:
				s.in = append(s.in, m.in.Args[arg.place])
			case boolKind:
				s.masks = append(s.masks, m.masks.Args[arg.place])
			default:
				s.draw = r.draws[arg.place]
				s.draw.Stream = own.stream
			}
		}
		if own.kind == boolKind {
			s.mask = place(r.masks, m.bools, r.block, own.to, lo, hi)
		} else {
			s.out = place(r.results, m.floats, r.block, own.to, lo, hi)
		}
		r.kernels[i](s)
		for _, q := range own.reductions {
			r.take(q, s.out, lo)
		}
		if own.finite && !kernel.Finite(s.out) {
			r.notFinite.Store(true)
		}
	}
}

// place is where the elements from lo to hi of a step go, to a result or a block.
func place[E any](results [][]E, blocks []E, block, to, lo, hi int) []E {
	if to >= 0 {
		return results[to][lo:hi]
	}
	return blocks[(-1-to)*block:][:hi-lo]
}
