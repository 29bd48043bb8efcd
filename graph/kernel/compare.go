package kernel

import (
	"slices"
	"sync"
)

// The comparisons write out[i] from a[i] and b[i]; each operand has as many elements as out, or one.

// Equal is a = b.
func Equal[T Number](out []bool, a, b []T) {
	out, a, b = compared(loops.equal, out, a, b)
	sa, sb := operands(out, a, b)
	for i := range out {
		out[i] = a[i*sa] == b[i*sb]
	}
}

// NotEqual is a ≠ b, which NaN is to anything.
func NotEqual[T Number](out []bool, a, b []T) {
	out, a, b = compared(loops.notEqual, out, a, b)
	sa, sb := operands(out, a, b)
	for i := range out {
		out[i] = a[i*sa] != b[i*sb]
	}
}

// Less is a < b.
func Less[T Number](out []bool, a, b []T) {
	out, a, b = compared(loops.less, out, a, b)
	sa, sb := operands(out, a, b)
	for i := range out {
		out[i] = a[i*sa] < b[i*sb]
	}
}

// LessEqual is a ≤ b.
func LessEqual[T Number](out []bool, a, b []T) {
	out, a, b = compared(loops.lessEqual, out, a, b)
	sa, sb := operands(out, a, b)
	for i := range out {
		out[i] = a[i*sa] <= b[i*sb]
	}
}

// Greater is a > b.
func Greater[T Number](out []bool, a, b []T) { Less(out, b, a) }

// GreaterEqual is a ≥ b.
func GreaterEqual[T Number](out []bool, a, b []T) { LessEqual(out, b, a) }

// compared runs f on as many elements as fill whole vectors, and returns the operands that are left to do.
func compared[T Number](f compare32, out []bool, a, b []T) (restOut []bool, restA, restB []T) {
	x, ok := any(a).([]float32)
	n := len(out) &^ (vectorWidth - 1)
	if !ok || n == 0 || f == nil {
		return out, a, b
	}
	few := repeats.Get().(*[2][vectorWidth]float32)
	p, stepA := steps(&few[0], x)
	q, stepB := steps(&few[1], any(b).([]float32))
	f(&out[0], p, q, n, stepA, stepB)
	repeats.Put(few)
	return out[n:], rest(a, n), rest(b, n)
}

// repeats is memory for two operands of one element. What a vector loop is given cannot be on the stack.
var repeats = sync.Pool{New: func() any { return new([2][vectorWidth]float32) }}

// steps is where a vector loop finds an operand, and how many bytes it goes on for each vector. One of one element is repeated in few.
func steps(few *[vectorWidth]float32, a []float32) (*float32, int) {
	if len(a) > 1 {
		return &a[0], 4 * vectorWidth
	}
	for i := range few {
		few[i] = a[0]
	}
	return &few[0], 0
}

// rest is an operand without its first n elements; one of one element stays.
func rest[T any](a []T, n int) []T {
	if len(a) > 1 {
		return a[n:]
	}
	return a
}

// Where is a where the condition holds, else b; each operand has as many elements as out, or one. out may be a or b.
func Where[T any](out []T, condition []bool, a, b []T) {
	if len(condition) < len(out) { // of one element
		if !condition[0] {
			a = b
		}
		if len(a) < len(out) {
			fill(out, a[0])
		} else {
			copy(out, a)
		}
		return
	}
	if y, ok := any(out).([]float32); ok && loops.where != nil && len(y) >= vectorWidth {
		n := len(y) &^ (vectorWidth - 1)
		few := repeats.Get().(*[2][vectorWidth]float32)
		p, stepA := steps(&few[0], any(a).([]float32))
		q, stepB := steps(&few[1], any(b).([]float32))
		loops.where(&y[0], &condition[0], p, q, n, stepA, stepB)
		repeats.Put(few)
		out, condition, a, b = out[n:], condition[n:], rest(a, n), rest(b, n)
	}
	sa, sb := operands(out, a, b)
	for i := range out {
		if condition[i] {
			out[i] = a[i*sa]
		} else {
			out[i] = b[i*sb]
		}
	}
}

// Flags is 1 where a holds, else 0; a has as many elements as out, or one.
func Flags[T Float](out []T, a []bool) {
	if y, ok := any(out).([]float32); ok && loops.flags != nil && len(a) >= vectorWidth {
		n := len(y) &^ (vectorWidth - 1)
		loops.flags(&y[0], &a[0], n)
		out, a = out[n:], a[n:]
	}
	sa, _ := operands(out, a, a)
	for i := range out {
		var y T
		if a[i*sa] {
			y = 1
		}
		out[i] = y
	}
}

// And is a and b.
func And(out, a, b []bool) { logic(loops.and, out, a, b, func(a, b bool) bool { return a && b }) }

// Or is a or b.
func Or(out, a, b []bool) { logic(loops.or, out, a, b, func(a, b bool) bool { return a || b }) }

// Not is true where a is not.
func Not(out, a []bool) {
	logic(loops.differ, out, a, always[:1], func(a, b bool) bool { return a != b })
}

// never and always are operands of one element, repeated.
var never, always = [vectorWidth]bool{}, [vectorWidth]bool(slices.Repeat([]bool{true}, vectorWidth))

// logic computes f, which is symmetric, of a and b, by loop as far as whole vectors go.
func logic(loop func(out, a, b *bool, n, stepB int), out, a, b []bool, f func(a, b bool) bool) {
	if len(a) < len(b) {
		a, b = b, a
	}
	if n := len(out) &^ (vectorWidth - 1); n > 0 && loop != nil && len(a) == len(out) {
		p, step := &b[0], vectorWidth
		if len(b) == 1 {
			if p, step = &never[0], 0; b[0] {
				p = &always[0]
			}
		}
		loop(&out[0], &a[0], p, n, step)
		out, a, b = out[n:], a[n:], rest(b, n)
	}
	sa, sb := operands(out, a, b)
	for i := range out {
		out[i] = f(a[i*sa], b[i*sb])
	}
}
