package kernel

// Convertible is the type parameter of a conversion: the elements of every dtype but bool and the 16-bit floats.
type Convertible interface {
	float32 | float64 | int64 | int32 | uint8
}

// Convert copies in to out as another type. Floats lose their fraction toward zero in an integer, integers their high
// bits in a shorter one; what a NaN or a float beyond the integer's range becomes depends on the machine, as in ONNX.
func Convert[A, B Convertible](out []B, in []A) {
	in = in[:len(out)]
	for i := range out {
		out[i] = B(in[i])
	}
}

// Truth writes whether each element differs from 0.
func Truth[A Convertible](out []bool, in []A) {
	in = in[:len(out)]
	for i := range out {
		out[i] = in[i] != 0
	}
}

// FromTruth writes 1 for true and 0 for false.
func FromTruth[B Convertible](out []B, in []bool) {
	in = in[:len(out)]
	for i := range out {
		out[i] = 0
		if in[i] {
			out[i] = 1
		}
	}
}
