package kernel

//go:generate go run -C _asm . -out ../vector_amd64.s -stubs ../vector_stubs_amd64.go -pkg kernel

// A loop32 computes out[i] from a[i] and b[i], or from a[i] and c, for i < n, a multiple of [vectorWidth]. out may be an
// operand.
type loop32 func(out, a, b *float32, n int, c float32)

// A sum32 adds up what it makes of a[i] and b[i] for i < n, a multiple of [vectorWidth].
type sum32 func(a, b *float32, n int) float32

// A partial32 computes out[i] from a[i], for i < n, a multiple of [vectorWidth], up to the first vector with an element that
// it cannot do, and returns how many elements are done.
type partial32 func(out, a *float32, n int) int

// A draw32 draws out[0] to out[n-1], for n a multiple of [drawWidth] above 0, from a block of four elements on. The step is the second half
// of the counter.
type draw32 func(out *float32, n int, block, step, seed uint64)

// A compare32 compares a[i] with b[i] for i < n, a multiple of [vectorWidth]. The steps are the operands', in bytes a vector.
type compare32 func(out *bool, a, b *float32, n, stepA, stepB int)

// vectorWidth is how many elements a vector loop computes at a time, drawWidth how many it draws.
const (
	vectorWidth = 8
	drawWidth   = 16
)

// vectorLoops are the vector loops of a machine; nil ones where it has none. Each gives the very bits of the Go loop at its
// call, so that a model's numbers do not depend on where the operands begin and end.
type vectorLoops struct {
	add, sub, mul, div, lerp            loop32 // of a and b
	shift, scale, over, from, into      loop32 // a+c, a·c, a/c, c−a, c/a
	square, sqrt, relu, leakyReLU, step loop32 // of a; of a and c
	tanh, erf, gelu                     loop32 // of a
	fill                                func(out *float32, n int, c float32)
	sum, dot                            sum32
	finite                              func(a *float32, n int) bool
	exp, sigmoid, silu, softplus        partial32
	transpose                           func(dst *float32, ldd int, src *float32, lds, n int) // of vectorWidth lines; n a multiple of 4
	maxFours                            func(out, r0, r1 *float32, n int)                     // of windows of 2×2; any n above 0
	scatterFours                        func(d0, d1, r0, r1, slopes *float32, n int)
	uniform, normal                     draw32
	equal, notEqual, less, lessEqual    compare32
	and, or, differ                     func(out, a, b *bool, n, stepB int)
	where                               func(out *float32, condition *bool, a, b *float32, n, stepA, stepB int)
	flags                               func(out *float32, a *bool, n int)
	keep                                func(out, a, u *float32, n int, limit, c float32)
	max                                 func(a *float32, n int) (most float32, ok bool)
}

// A level has the loops of a level of vector instructions.
type level struct {
	name string
	vectorLoops
}

// levels are those that the CPU has, the fastest last.
var levels []level

// loops are those that run: of the last of levels.
var loops vectorLoops

// pause passes a moment without taking from what else runs on the core, where the machine has an instruction for it.
var pause = func() {}

// vectors runs f on as many elements as fill whole vectors, and returns the operands that are left to do.
func vectors[T Number](f loop32, out, a, b []T, c T) (restOut, restA, restB []T) {
	o, ok := any(out).([]float32)
	n := len(o) &^ (vectorWidth - 1)
	a, b = a[:len(out)], b[:len(out)]
	if !ok || n == 0 || f == nil {
		return out, a, b
	}
	f(&o[0], &any(a).([]float32)[0], &any(b).([]float32)[0], n, float32(c))
	return out[n:], a[n:], b[n:]
}

// vectorsOf is vectors with one operand.
func vectorsOf[T Number](f loop32, out, a []T, c T) (restOut, restA []T) {
	out, a, _ = vectors(f, out, a, a, c)
	return out, a
}

// vectorSum is the sum that f makes of as many elements as fill whole vectors, and the operands that are left.
func vectorSum[T Number](f sum32, a, b []T) (total T, restA, restB []T) {
	x, ok := any(a).([]float32)
	n := len(x) &^ (vectorWidth - 1)
	b = b[:len(a)]
	if !ok || n == 0 || f == nil {
		return 0, a, b
	}
	return T(f(&x[0], &any(b).([]float32)[0], n)), a[n:], b[n:]
}

// advance runs f as far as it gets. It returns the operands that are left, and how many elements of them the caller must
// do before f can go on.
func advance(f partial32, out, a []float32) (restOut, restA []float32, now int) {
	n := len(out) &^ (vectorWidth - 1)
	if f == nil || n == 0 {
		return out, a, len(out)
	}
	done := f(&out[0], &a[0], n)
	out, a = out[done:], a[done:]
	return out, a, min(vectorWidth, len(out))
}
