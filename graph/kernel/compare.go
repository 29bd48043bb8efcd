package kernel

// The comparisons write out[i] from a[i] and b[i]; each operand has as many elements as out, or one.

func steps[T any](out []bool, a, b []T) (sa, sb int) {
	if len(a) == len(out) {
		sa = 1
	}
	if len(b) == len(out) {
		sb = 1
	}
	return sa, sb
}

// Equal is a = b.
func Equal[T Number](out []bool, a, b []T) {
	sa, sb := steps(out, a, b)
	for i := range out {
		out[i] = a[i*sa] == b[i*sb]
	}
}

// Less is a < b.
func Less[T Number](out []bool, a, b []T) {
	sa, sb := steps(out, a, b)
	for i := range out {
		out[i] = a[i*sa] < b[i*sb]
	}
}

// LessEqual is a ≤ b.
func LessEqual[T Number](out []bool, a, b []T) {
	sa, sb := steps(out, a, b)
	for i := range out {
		out[i] = a[i*sa] <= b[i*sb]
	}
}

// Greater is a > b.
func Greater[T Number](out []bool, a, b []T) { Less(out, b, a) }

// GreaterEqual is a ≥ b.
func GreaterEqual[T Number](out []bool, a, b []T) { LessEqual(out, b, a) }
