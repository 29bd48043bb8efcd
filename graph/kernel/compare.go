package kernel

// The comparisons write out[i] from a[i] and b[i]; each operand has as many elements as out, or one.

// Equal is a = b.
func Equal[T Number](out []bool, a, b []T) {
	switch {
	case len(a) == len(out) && len(b) == len(out):
		a, b = a[:len(out)], b[:len(out)]
		for i := range out {
			out[i] = a[i] == b[i]
		}
	case len(a) == len(out):
		c := b[0]
		a = a[:len(out)]
		for i := range out {
			out[i] = a[i] == c
		}
	case len(b) == len(out):
		c := a[0]
		b = b[:len(out)]
		for i := range out {
			out[i] = c == b[i]
		}
	default:
		fill(out, a[0] == b[0])
	}
}

// Less is a < b.
func Less[T Number](out []bool, a, b []T) {
	switch {
	case len(a) == len(out) && len(b) == len(out):
		a, b = a[:len(out)], b[:len(out)]
		for i := range out {
			out[i] = a[i] < b[i]
		}
	case len(a) == len(out):
		c := b[0]
		a = a[:len(out)]
		for i := range out {
			out[i] = a[i] < c
		}
	case len(b) == len(out):
		c := a[0]
		b = b[:len(out)]
		for i := range out {
			out[i] = c < b[i]
		}
	default:
		fill(out, a[0] < b[0])
	}
}

// LessEqual is a ≤ b.
func LessEqual[T Number](out []bool, a, b []T) {
	switch {
	case len(a) == len(out) && len(b) == len(out):
		a, b = a[:len(out)], b[:len(out)]
		for i := range out {
			out[i] = a[i] <= b[i]
		}
	case len(a) == len(out):
		c := b[0]
		a = a[:len(out)]
		for i := range out {
			out[i] = a[i] <= c
		}
	case len(b) == len(out):
		c := a[0]
		b = b[:len(out)]
		for i := range out {
			out[i] = c <= b[i]
		}
	default:
		fill(out, a[0] <= b[0])
	}
}

// Greater is a > b.
func Greater[T Number](out []bool, a, b []T) { Less(out, b, a) }

// GreaterEqual is a ≥ b.
func GreaterEqual[T Number](out []bool, a, b []T) { LessEqual(out, b, a) }
