package check

import (
	"math"
	"slices"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
)

func shapeOf(x *nodeContext) {
	x.elem(0, wire.Int64)
	s := x.input(0).shape
	if s == nil {
		x.set(0, []dim{unknown})
		return
	}
	clamp := func(n int64) int {
		if n < 0 {
			n += int64(len(s))
		}
		return int(min(max(n, 0), int64(len(s))))
	}
	from, to := clamp(x.int("start", 0)), clamp(x.int("end", math.MaxInt64))
	part := s[from:max(from, to)]
	x.set(0, []dim{number(int64(len(part)))})
	x.out[0].content = slices.Clone(part)
}

func sizeOf(x *nodeContext) {
	x.elem(0, wire.Int64)
	x.set(0, nil)
	if s := x.input(0).shape; s != nil {
		x.out[0].content = []dim{sized(s)}
	}
}

// target is the content of input i as a shape, with negative numbers a fault; of a tensor of known length only, unknown
// sizes; nil if not even the rank is known.
func (x *nodeContext) target(i int) []dim {
	in := x.input(i)
	if in.shape != nil && len(in.shape) != 1 {
		x.fail("input %d %s is no list of sizes; want rank 1", i, x.name(i))
		return nil
	}
	if in.content == nil {
		if in.shape != nil {
			if n, ok := in.shape[0].num(); ok && n <= maxContent {
				return unknowns(int(n))
			}
		}
		return nil
	}
	for _, d := range in.content {
		if n, ok := d.num(); ok && n < 0 {
			x.fail("input %d %s is %v; sizes are not negative", i, x.name(i), in.content)
			return nil
		}
	}
	return slices.Clone(in.content)
}

func reshape(x *nodeContext) {
	s, in := x.input(0).shape, x.input(1)
	if in.content == nil {
		if t := x.target(1); t != nil {
			x.set(0, t)
		}
		return
	}
	zero := x.int("allowzero", 0) != 0
	out, infer := slices.Clone(in.content), -1
	for i, d := range out {
		n, ok := d.num()
		switch {
		case !ok:
		case n == 0 && !zero:
			if s != nil && i >= len(s) {
				x.fail("the shape %v copies axis %d, which %s has not", in.content, i, x.name(0))
				return
			}
			out[i] = unknown
			if s != nil {
				out[i] = s[i]
			}
		case n == -1 && infer >= 0:
			x.fail("the shape %v has two axes that are to be inferred", in.content)
			return
		case n == -1:
			infer = i
		case n < -1:
			x.fail("the shape %v has a negative size", in.content)
			return
		}
	}
	if s == nil {
		if infer >= 0 {
			out[infer] = unknown
		}
		x.set(0, out)
		return
	}
	total := sized(s)
	if infer < 0 {
		if differ(total, sized(out)) {
			x.fail("%s has %v elements, the shape %v has %v", x.name(0), total, out, sized(out))
			return
		}
		x.set(0, out)
		return
	}
	out[infer] = number(1)
	out[infer] = x.remaining(s, out)
	if n, ok := total.num(); ok {
		rest := slices.Clone(out)
		rest[infer] = number(1)
		if m, ok := sized(rest).num(); ok && (m == 0 && n != 0 || m != 0 && n%m != 0) {
			x.fail("%s has %d elements, which the other sizes of the shape %v do not divide", x.name(0), n, in.content)
			return
		}
	}
	x.set(0, out)
}

// remaining is the size that is left of from when the sizes of to are taken out of it. Equal sizes go out first, so that
// unknown ones need not be multiplied.
func (x *nodeContext) remaining(from, to []dim) dim {
	from, to = slices.Clone(from), slices.Clone(to)
	for i := 0; i < len(to); i++ {
		if k := slices.IndexFunc(from, func(d dim) bool { return same(d, to[i]) && !d.isNum(0) }); k >= 0 {
			from, to = slices.Delete(from, k, k+1), slices.Delete(to, i, i+1)
			i--
		}
	}
	if len(from) == 1 && len(to) == 0 {
		return from[0]
	}
	by := sized(to)
	if by.isNum(0) {
		return unknown
	}
	return sized(from).over(by)
}

func flatten(x *nodeContext) {
	s := x.input(0).shape
	if s == nil {
		x.set(0, unknowns(2))
		return
	}
	k := x.int("axis", 1)
	if k < 0 {
		k += int64(len(s))
	}
	if k < 0 || k > int64(len(s)) {
		x.fail("axis %d is outside of rank %d", x.int("axis", 1), len(s))
		return
	}
	x.set(0, []dim{sized(s[:k]), sized(s[k:])})
}

func transpose(x *nodeContext) {
	s := x.input(0).shape
	perm, given := x.attribute("perm").([]int64)
	if s == nil {
		if given {
			x.set(0, unknowns(len(perm)))
		}
		return
	}
	if !given {
		out := slices.Clone(s)
		slices.Reverse(out)
		x.set(0, out)
		return
	}
	out := make([]dim, 0, len(s))
	for i, p := range perm {
		if p < 0 || p >= int64(len(s)) || slices.Contains(perm[:i], p) {
			x.fail("attribute \"perm\" is %v, which is no order of the axes of %s", perm, x.name(0))
			return
		}
		out = append(out, s[p])
	}
	if len(out) != len(s) {
		x.fail("attribute \"perm\" is %v; %s has rank %d", perm, x.name(0), len(s))
		return
	}
	x.set(0, out)
}

func expand(x *nodeContext) {
	to := x.target(1)
	s := x.input(0).shape
	if to == nil || s == nil {
		return
	}
	out, ok := broadcast(s, to)
	if !ok {
		x.fail("%s does not broadcast with the shape %v", x.name(0), to)
		return
	}
	x.set(0, out)
}

func tile(x *nodeContext) {
	s, times := x.input(0).shape, x.target(1)
	if s == nil || times == nil {
		return
	}
	if len(times) != len(s) {
		x.fail("input 1 %s has %s; %s has rank %d", x.name(1), count(len(times), "number"), x.name(0), len(s))
		return
	}
	out := make([]dim, len(s))
	for i := range s {
		out[i] = s[i].times(times[i])
	}
	x.set(0, out)
}

func squeeze(x *nodeContext) {
	s := x.input(0).shape
	if s == nil {
		return
	}
	axes, given, ok := x.axes(1, len(s))
	if !ok {
		return
	}
	if !given {
		for i, d := range s {
			if !d.known() || d.sum != nil {
				return
			}
			if d.isNum(1) {
				axes = append(axes, i)
			}
		}
	}
	for _, a := range axes {
		if differ(s[a], number(1)) {
			x.fail("axis %d of %s is %v; only an axis of 1 can be taken out", a, x.name(0), s[a])
			return
		}
	}
	x.set(0, reduced(s, axes, false))
	x.keep()
}

// keep passes the content of a list on, where only the shape changes.
func (x *nodeContext) keep() {
	if c := x.input(0).content; c != nil && len(x.out) > 0 && len(x.out[0].shape) <= 1 {
		x.out[0].content = c
	}
}

func unsqueeze(x *nodeContext) {
	s := x.input(0).shape
	if s == nil {
		return
	}
	n := len(s)
	if c := x.input(1).content; c != nil {
		n += len(c)
	} else if list, ok := x.attribute("axes").([]int64); ok {
		n += len(list)
	}
	axes, _, ok := x.axes(1, n)
	if !ok {
		return
	}
	out := make([]dim, 0, n)
	for i, k := 0, 0; i < n; i++ {
		if slices.Contains(axes, i) {
			out = append(out, number(1))
		} else {
			out = append(out, s[k])
			k++
		}
	}
	x.set(0, out)
	x.keep()
}

func constant(x *nodeContext) {
	if len(x.node.Attributes) != 1 {
		x.fail("it has %s; want one, its value", count(len(x.node.Attributes), "attribute"))
		return
	}
	out := typ{}
	switch v := x.node.Attributes[0].Value.(type) {
	case *wire.Tensor:
		out = typ{elem: v.Type, shape: numbers(v.Dims), content: content(v), stored: v}
	case float32:
		out = typ{elem: wire.Float, shape: []dim{}}
	case []float32:
		out = typ{elem: wire.Float, shape: []dim{number(int64(len(v)))}}
	case int64:
		out = typ{elem: wire.Int64, shape: []dim{}, content: numbers([]int64{v})}
	case []int64:
		out = typ{elem: wire.Int64, shape: []dim{number(int64(len(v)))}}
		if len(v) <= maxContent {
			out.content = numbers(v)
		}
	case string:
		out = typ{elem: wire.String, shape: []dim{}}
	case []string:
		out = typ{elem: wire.String, shape: []dim{number(int64(len(v)))}}
	}
	if slices.ContainsFunc(out.shape, func(d dim) bool { return d.n < 0 }) {
		return // found as the tensor's fault
	}
	x.out[0] = out
}

func constantOfShape(x *nodeContext) {
	x.elem(0, wire.Float)
	var fill []dim
	if t, ok := x.attribute("value").(*wire.Tensor); ok {
		x.elem(0, t.Type)
		if n, err := t.Len(); err == nil && n != 1 {
			x.fail("attribute \"value\" has %d elements; want 1", n)
			return
		}
		fill = content(t)
	}
	to := x.target(0)
	if to == nil {
		return
	}
	x.set(0, to)
	if len(fill) == 1 && len(to) == 1 {
		if n, ok := to[0].num(); ok && n <= maxContent {
			x.out[0].content = slices.Repeat(fill, int(n))
		}
	}
}

func rangeOf(x *nodeContext) {
	x.set(0, []dim{unknown})
	a, b, s := x.input(0).content, x.input(1).content, x.input(2).content
	if len(a) != 1 || len(b) != 1 || len(s) != 1 {
		return
	}
	from, ok := a[0].num()
	to, ok2 := b[0].num()
	step, ok3 := s[0].num()
	switch {
	case ok3 && step == 0:
		x.fail("the step is 0")
	case ok && ok2 && ok3 && small(from) && small(to) && small(step):
		n := int64(0)
		if (to-from)/step >= 0 && to != from {
			n = (abs(to-from) + abs(step) - 1) / abs(step)
		}
		if (to > from) != (step > 0) {
			n = 0
		}
		x.set(0, []dim{number(n)})
		if n <= maxContent {
			list := make([]dim, n)
			for i := range list {
				list[i] = number(from + int64(i)*step)
			}
			x.out[0].content = list
		}
	case s[0].isNum(1):
		x.set(0, []dim{b[0].minus(a[0])})
	}
}
