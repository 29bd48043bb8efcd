package kernel

import "slices"

// Stretches are how operands that broadcast to one shape are gone through together, a stretch of the result's elements at a time: of each
// operand the elements of the stretch lie side by side, or it has one for all of them.
type Stretches struct {
	size     int
	inner    int // every operand goes on by one step within so many elements
	operands [maxOperands]operand
}

// An operand is where its elements are: axes joined, with its stride along each, 0 where it is broadcast. One that has all elements or one
// has no axes.
type operand struct {
	dims    []int
	strides [][maxOperands]int // the first of each
	period  int                // after so many elements it begins anew
}

// mostRepeated is how many elements of a period are laid out once for all stretches.
const mostRepeated = 16 << 10

// Set makes s those of operands of the given shapes over the shape out, to which they broadcast.
func (s *Stretches) Set(out []int, shapes [][]int) {
	s.size = elements(out)
	s.inner = s.size
	for k, shape := range shapes {
		o := &s.operands[k]
		o.dims, o.strides, o.period = o.dims[:0], o.strides[:0], 1
		if n := elements(shape); n == s.size || n == 1 {
			continue
		}
		o.dims, o.strides = collapse(o.dims, o.strides, out, shapes[k:k+1])
		for d, n := range o.dims {
			if o.period > 1 || o.strides[d][0] != 0 {
				o.period *= n
			}
		}
		s.inner = common(s.inner, o.dims[len(o.dims)-1])
	}
}

// Size is how many elements there are.
func (s *Stretches) Size() int { return s.size }

// elements is how many a shape has.
func elements(shape []int) int {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return n
}

// common is the smaller of two lengths of runs, if that cuts the other evenly; else 1, since runs begin in many places.
func common(a, b int) int {
	if a < b {
		a, b = b, a
	}
	if b > 0 && a%b == 0 {
		return b
	}
	return 1
}

// Long reports whether stretches may be longer than a block, up to where [Stretches.End] says, without putting anything together.
func (s *Stretches) Long() bool { return s.inner >= min(shortRun, s.size) }

// End is where a stretch that begins at lo ends, at hi at most: after a block, and at the end of a run of all operands if runs are long.
func (s *Stretches) End(lo, hi, block int) int {
	if hi = min(hi, lo+block); s.Long() {
		hi = min(hi, lo-lo%s.inner+s.inner)
	}
	return hi
}

// Operands are operands of one type, to be gone through in stretches of at most so many elements as a block has.
type Operands[T any] struct {
	s        *Stretches
	first    int // number in s
	block    int
	x        [][]T
	repeated [maxOperands][]T // what has a short period, laid out so that a stretch may begin anywhere in it
	memory   []T              // for that, if it is no float
}

// Set makes o the operands x of s, from number first on. inRuns says that no stretch goes beyond the run that it begins in. The memory of
// c that o takes is another kernel's after the next one begins.
func (o *Operands[T]) Set(c *Context, s *Stretches, first int, x [][]T, block int, inRuns bool) {
	*o = Operands[T]{s: s, first: first, x: x, block: block, memory: o.memory}
	if inRuns {
		return
	}
	total := 0
	for k := range x {
		total += o.toRepeat(k)
	}
	if total == 0 {
		return
	}
	mem := o.scratch(c, total)
	for k, x := range x {
		n := o.toRepeat(k)
		if n == 0 {
			continue
		}
		l := &s.operands[first+k]
		for at := 0; at < n; at += l.period {
			end := min(n, at+l.period)
			collect(l, x, 0, mem[at:end])
		}
		o.repeated[k], mem = mem[:n:n], mem[n:]
	}
}

// toRepeat is how many elements operand k is laid out in; 0 if it is not: if it is too long, or would not be used often.
func (o *Operands[T]) toRepeat(k int) int {
	l := &o.s.operands[o.first+k]
	n := l.period + o.block
	if len(l.dims) == 0 || l.period > mostRepeated || 2*n > o.s.size {
		return 0
	}
	return n
}

// scratch is memory of c, or o's own of what is no float.
func (o *Operands[T]) scratch(c *Context, n int) []T {
	var list []T
	switch p := any(&list).(type) {
	case *[]float32:
		*p = scratch[float32](c, 1, n)
	case *[]float64:
		*p = scratch[float64](c, 1, n)
	default:
		o.memory = slices.Grow(o.memory[:0], n)[:n]
		list = o.memory
	}
	return list
}

// A Cursor is a goroutine's own view of operands.
type Cursor[T any] struct {
	Args [][]T // what At found
	bufs [maxOperands][]T
}

// Drop forgets what At found, so that it may be collected.
func (c *Cursor[T]) Drop() {
	clear(c.Args)
	c.Args = c.Args[:0]
}

// At finds the elements of o for those from lo to hi, at most a block of them.
func (c *Cursor[T]) At(o *Operands[T], lo, hi int) {
	c.Args = c.Args[:0]
	for k, x := range o.x {
		l := &o.s.operands[o.first+k]
		switch {
		case len(l.dims) == 0 && len(x) == o.s.size:
			x = x[lo:hi]
		case len(l.dims) == 0: // one element
		case o.repeated[k] != nil:
			x = o.repeated[k][lo%l.period:][:hi-lo]
		default:
			if at, n, step := l.run(lo); n >= hi-lo {
				x = x[at : at+1+(hi-lo-1)*step]
				break
			}
			if len(c.bufs[k]) < hi-lo {
				c.bufs[k] = make([]T, o.block)
			}
			to := c.bufs[k][:hi-lo]
			collect(l, x, lo, to)
			x = to
		}
		c.Args = append(c.Args, x)
	}
}

// run is where the operand's element for number i is, for how many the run goes on, and by which step, 0 or 1.
func (l *operand) run(i int) (at, n, step int) {
	last := len(l.dims) - 1
	n = l.dims[last] - i%l.dims[last]
	for d := last; d >= 0; d-- {
		at += i % l.dims[d] * l.strides[d][0]
		i /= l.dims[d]
	}
	return at, n, l.strides[last][0]
}

// collect puts the operand's elements from number lo on into out.
func collect[T any](l *operand, x []T, lo int, out []T) {
	last := len(l.dims) - 1
	at, n, step := l.run(lo)
	outer := lo / l.dims[last] // the number of the run
	for len(out) > 0 {
		to := out[:min(len(out), n)]
		switch {
		case step == 1:
			copy(to, x[at:])
		case len(to) < vectorWidth:
			for i := range to {
				to[i] = x[at]
			}
		default:
			fill(to, x[at])
		}
		out, n = out[len(to):], l.dims[last]
		outer++
		at = 0
		for d, i := last-1, outer; d >= 0; d-- {
			if d == 0 {
				at += i % l.dims[0] * l.strides[0][0]
				break
			}
			at += i % l.dims[d] * l.strides[d][0]
			i /= l.dims[d]
		}
	}
}

// mapBlock is the number of elements that [Map] puts together where runs are shorter than shortRun.
const (
	mapBlock = 1024
	shortRun = mapBlock / 4
)

// Map computes out[i] from the elements of in that broadcast to i. f gets stretches: each input has as many elements as
// the output, or one. Short runs are gathered into longer ones first, so that a call of f is always worth its price.
func Map[T, U any](c *Context, f func(out []U, in [][]T), out []U, shape []int, in [][]T, shapes [][]int, grain int) {
	mapWith(c, mapping[T, U]{f: f, out: out}, shape, in, shapes, grain)
}

// Map2 is Map of two operands.
func Map2[T, U any](c *Context, f func(out []U, a, b []T), out []U, shape []int, in [][]T, shapes [][]int, grain int) {
	mapWith(c, mapping[T, U]{f2: f, out: out}, shape, in, shapes, grain)
}

func mapWith[T, U any](c *Context, f mapping[T, U], shape []int, in [][]T, shapes [][]int, grain int) {
	m := Borrow[mapping[T, U]](c)
	*m = f
	Broadcast(c, m, shape, in, shapes, grain)
	*m = mapping[T, U]{}
	GiveBack(c, m)
}

// A mapping is the function of Map, or of Map2, with its output.
type mapping[T, U any] struct {
	f   func(out []U, in [][]T)
	f2  func(out []U, a, b []T)
	out []U
}

func (m *mapping[T, U]) Stretch(lo, hi int, in [][]T) {
	if m.f2 != nil {
		m.f2(m.out[lo:hi], in[0], in[1])
	} else {
		m.f(m.out[lo:hi], in)
	}
}

// A Stretcher does stretches of a broadcast, from element lo to hi. Each of in, the operands, has as many elements, or one.
type Stretcher[T any] interface {
	Stretch(lo, hi int, in [][]T)
}

// Broadcast is Map without an output.
func Broadcast[T any](c *Context, do Stretcher[T], shape []int, in [][]T, shapes [][]int, grain int) {
	b := Borrow[broadcast[T]](c)
	b.do = do
	b.stretches.Set(shape, shapes)
	x := b.x[:copy(b.x[:], in)]
	b.block = b.stretches.block()
	b.in.Set(c, &b.stretches, 0, x, b.block, b.stretches.Long())
	c.cut(b.stretches.size, grain, b)
	clear(x)
	clear(b.in.repeated[:])
	b.do = nil
	GiveBack(c, b)
}

// broadcast is the task of Broadcast.
type broadcast[T any] struct {
	do        Stretcher[T]
	stretches Stretches
	block     int
	x         [maxOperands][]T
	in        Operands[T]
}

func (b *broadcast[T]) Part(c *Context, lo, hi int) {
	own := Borrow[Cursor[T]](c)
	for lo < hi {
		end := b.stretches.End(lo, hi, b.block)
		own.At(&b.in, lo, end)
		b.do.Stretch(lo, end, own.Args)
		lo = end
	}
	own.Drop()
	GiveBack(c, own)
}

// block is how many elements a stretch has at most, for one kernel.
func (s *Stretches) block() int {
	if s.Long() {
		return s.size
	}
	return mapBlock
}

// MapWhere computes [Where] of a condition and the values a and b that broadcast to out; shapes are those of the values, then the condition's.
func MapWhere[T any](c *Context, out []T, shape []int, condition []bool, a, b []T, shapes [][]int, grain int) {
	m := Borrow[choosing[T]](c)
	m.stretches.Set(shape, shapes)
	m.out, m.block = out, m.stretches.block()
	m.x, m.flags = [2][]T{a, b}, [1][]bool{condition}
	m.values.Set(c, &m.stretches, 0, m.x[:], m.block, m.stretches.Long())
	m.condition.Set(c, &m.stretches, 2, m.flags[:], m.block, m.stretches.Long())
	c.cut(m.stretches.size, grain, m)
	m.out, m.x, m.flags = nil, [2][]T{}, [1][]bool{}
	clear(m.values.repeated[:])
	GiveBack(c, m)
}

// choosing is the task of MapWhere.
type choosing[T any] struct {
	out       []T
	stretches Stretches
	block     int
	x         [2][]T
	flags     [1][]bool
	values    Operands[T]
	condition Operands[bool]
}

func (m *choosing[T]) Part(c *Context, lo, hi int) {
	values, flags := Borrow[Cursor[T]](c), Borrow[Cursor[bool]](c)
	for lo < hi {
		end := m.stretches.End(lo, hi, m.block)
		values.At(&m.values, lo, end)
		flags.At(&m.condition, lo, end)
		Where(m.out[lo:end], flags.Args[0], values.Args[0], values.Args[1])
		lo = end
	}
	values.Drop()
	flags.Drop()
	GiveBack(c, values)
	GiveBack(c, flags)
}
