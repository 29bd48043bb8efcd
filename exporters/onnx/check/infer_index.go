package check

import (
	"slices"
)

func concat(x *nodeContext) {
	var out, content []dim
	axis := 0
	lists := true
	for i := range x.in {
		in := x.input(i)
		if in.shape == nil {
			return
		}
		if lists = lists && in.content != nil && len(in.shape) == 1; lists {
			content = append(content, in.content...)
		}
		if i == 0 {
			var ok bool
			if axis, ok = x.axis(0, len(in.shape)); !ok {
				return
			}
			out = slices.Clone(in.shape)
			continue
		}
		if len(in.shape) != len(out) {
			x.fail("input %d %s has rank %d, those before it %d", i, x.name(i), len(in.shape), len(out))
			return
		}
		for k, d := range in.shape {
			if k == axis {
				out[k] = out[k].plus(d)
				continue
			}
			if differ(d, out[k]) {
				x.fail("axis %d of input %d %s is %v, of those before it %v", k, i, x.name(i), d, out[k])
				return
			}
			out[k] = better(out[k], d)
		}
	}
	x.set(0, out)
	if lists && len(content) <= maxContent {
		x.out[0].content = content
	}
}

func split(x *nodeContext) {
	s := x.input(0).shape
	if s == nil {
		return
	}
	k, ok := x.axis(0, len(s))
	if !ok {
		return
	}
	parts := unknowns(len(x.out))
	if x.has(1) {
		if c := x.target(1); c != nil {
			if len(c) != len(x.out) {
				x.fail("input 1 %s has %s; there are %s", x.name(1), count(len(c), "size"), count(len(x.out), "output"))
				return
			}
			sum := number(0)
			for _, d := range c {
				sum = sum.plus(d)
			}
			if differ(sum, s[k]) {
				x.fail("the parts %v have %v in all; axis %d of %s is %v", c, sum, k, x.name(0), s[k])
				return
			}
			parts = c
		}
	} else {
		n := x.int("num_outputs", int64(len(x.out)))
		if n != int64(len(x.out)) {
			x.fail("attribute \"num_outputs\" is %d; there are %s", n, count(len(x.out), "output"))
			return
		}
		if size, ok := s[k].num(); ok {
			each := (size + n - 1) / n
			for i := range parts {
				parts[i] = number(max(min(each, size-int64(i)*each), 0))
			}
		} else {
			for i := range parts {
				parts[i] = s[k].over(number(n))
			}
		}
	}
	for i := range x.out {
		out := slices.Clone(s)
		out[k] = parts[i]
		x.set(i, out)
	}
}

func slice(x *nodeContext) {
	in := x.input(0)
	s := in.shape
	if s == nil {
		return
	}
	starts, ends := x.input(1).content, x.input(2).content
	if starts == nil || ends == nil || x.has(3) && x.input(3).content == nil || x.has(4) && x.input(4).content == nil {
		x.set(0, unknowns(len(s)))
		return
	}
	steps := x.input(4).content
	axes := all(len(starts))
	if x.has(3) {
		var ok bool
		if axes, _, ok = x.axes(3, len(s)); !ok {
			return
		}
	}
	if len(ends) != len(starts) || len(axes) != len(starts) || x.has(4) && len(steps) != len(starts) || len(starts) > len(s) {
		x.fail("starts %v, ends %v, axes %v and steps %v are not of one length", starts, ends, axes, steps)
		return
	}
	out := slices.Clone(s)
	for i, a := range axes {
		step := number(1)
		if x.has(4) {
			step = steps[i]
		}
		if step.isNum(0) {
			x.fail("the step of axis %d is 0", a)
			return
		}
		out[a] = stretch(s[a], starts[i], ends[i], step)
	}
	x.set(0, out)
	if in.content != nil && len(s) == 1 && len(axes) == 1 {
		size := int64(len(in.content))
		from, ok := starts[0].num()
		step, ok2 := dim{n: 1}.num()
		if x.has(4) {
			step, ok2 = steps[0].num()
		}
		if n, ok3 := out[0].num(); ok && ok2 && ok3 && step > 0 && n <= size {
			if from < 0 {
				from += size
			}
			list := []dim{}
			for i := min(max(from, 0), size); int64(len(list)) < n && i < size; i += step {
				list = append(list, in.content[i])
			}
			x.out[0].content = list
		}
	}
}

// stretch is the number of elements that a slice takes of an axis. Positions below 0 count from the end, and what lies beyond the axis is
// left out.
func stretch(size, from, to, step dim) dim {
	s, ok := step.num()
	a, ok2 := position(size, from)
	b, ok3 := position(size, to)
	if !ok || !ok2 || !ok3 || !small(s) {
		return unknown
	}
	if s > 0 {
		a, b = within(a, number(0), size), within(b, number(0), size)
	} else {
		last := size.minus(number(1))
		a, b = within(b, number(-1), last), within(a, number(0), last) // from a to b in the other direction
		s = -s
	}
	n := b.minus(a)
	if s != 1 {
		n = n.plus(number(s - 1)).divided(number(s))
	}
	if n.positive() {
		return n
	}
	return n.max(number(0))
}

// position is place p of an axis, from its start; ok is false where it is not known from which side p counts.
func position(size, p dim) (dim, bool) {
	n, ok := p.num()
	switch {
	case ok && n <= -maxDim: // before any axis
		return number(-maxDim + 1), true
	case ok && n >= maxDim:
		return number(maxDim - 1), true
	case ok && n < 0:
		return size.plus(p), size.known()
	}
	return p, p.positive() && size.known()
}

// within is p, no less than lo and no more than hi.
func within(p, lo, hi dim) dim {
	switch {
	case p.minus(hi).positive():
		return hi
	case !p.minus(lo).positive():
		p = p.max(lo)
	}
	if hi.minus(p).positive() {
		return p
	}
	return p.min(hi)
}

func pad(x *nodeContext) {
	s, pads := x.input(0).shape, x.input(1).content
	if s == nil {
		return
	}
	axes := all(len(s))
	if x.has(3) {
		var ok bool
		if axes, _, ok = x.axes(3, len(s)); !ok {
			x.set(0, unknowns(len(s)))
			return
		}
	}
	if pads == nil {
		x.set(0, unknowns(len(s)))
		return
	}
	if len(pads) != 2*len(axes) {
		x.fail("input 1 %s has %s; want %d, two for each axis", x.name(1), count(len(pads), "number"), 2*len(axes))
		return
	}
	out := slices.Clone(s)
	for i, a := range axes {
		out[a] = s[a].plus(pads[i]).plus(pads[len(axes)+i])
		if n, ok := out[a].num(); ok && n < 0 {
			x.fail("the padding %v leaves %d of axis %d of %s", pads, n, a, x.name(0))
			return
		}
	}
	x.set(0, out)
}

func gather(x *nodeContext) {
	s, index := x.input(0).shape, x.input(1)
	if s == nil {
		return
	}
	if len(s) == 0 {
		x.fail("input 0 %s is a scalar; want rank 1 or more", x.name(0))
		return
	}
	k, ok := x.axis(0, len(s))
	if !ok {
		return
	}
	if n, ok := s[k].num(); ok {
		for _, d := range index.content {
			if i, ok := d.num(); ok && (i < -n || i >= n) {
				x.fail("the index %d is outside of axis %d of %s", i, k, x.name(0))
				return
			}
		}
	}
	if index.shape == nil {
		return
	}
	x.set(0, slices.Concat(s[:k], index.shape, s[k+1:]))
	if from := x.input(0).content; from != nil && index.content != nil && len(index.shape) <= 1 {
		out := []dim{}
		for _, d := range index.content {
			i, ok := d.num()
			if !ok {
				return
			}
			if i < 0 {
				i += int64(len(from))
			}
			if i < 0 || i >= int64(len(from)) {
				return
			}
			out = append(out, from[i])
		}
		x.out[0].content = out
	}
}

func gatherElements(x *nodeContext) {
	s, index := x.input(0).shape, x.input(1).shape
	if index != nil {
		x.set(0, index)
	}
	if s == nil || index == nil {
		return
	}
	if _, ok := x.axis(0, len(s)); ok && len(s) != len(index) {
		x.fail("the indices %s have rank %d; %s has %d", x.name(1), len(index), x.name(0), len(s))
	}
}

func scatterElements(x *nodeContext) {
	first(x)
	s, index, updates := x.input(0).shape, x.input(1).shape, x.input(2).shape
	if s != nil {
		if _, ok := x.axis(0, len(s)); ok && index != nil && len(s) != len(index) {
			x.fail("the indices %s have rank %d; %s has %d", x.name(1), len(index), x.name(0), len(s))
			return
		}
	}
	if index == nil || updates == nil {
		return
	}
	if !slices.EqualFunc(index, updates, func(a, b dim) bool { return !differ(a, b) }) {
		x.fail("the updates %s are not of the shape of the indices %s", x.name(2), x.name(1))
	}
}

func gatherND(x *nodeContext) {
	s, index := x.input(0).shape, x.input(1).shape
	if len(s) == 0 || len(index) == 0 {
		return
	}
	batch := x.int("batch_dims", 0)
	n, ok := index[len(index)-1].num()
	if !ok || batch < 0 || n < 0 || n > int64(len(s))-batch || batch > int64(min(len(s), len(index)-1)) {
		if ok {
			x.fail("indices %s of %d numbers do not point into %s", x.name(1), n, x.name(0))
		}
		return
	}
	x.set(0, slices.Concat(index[:len(index)-1], s[batch+n:]))
}

func oneHot(x *nodeContext) {
	x.elem(0, x.input(2).elem)
	s := x.input(0).shape
	if s == nil {
		return
	}
	k, ok := x.axis(-1, len(s)+1)
	if !ok {
		return
	}
	depth := unknown
	if c := x.input(1).content; len(c) == 1 {
		depth = c[0]
	}
	x.set(0, slices.Insert(slices.Clone(s), k, depth))
}
