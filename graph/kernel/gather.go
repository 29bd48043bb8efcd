package kernel

import "fmt"

// position is index i of n, counted from the end when negative.
func position(i int64, n, at int) (int, error) {
	k := int(i)
	if k < 0 {
		k += n
	}
	if k < 0 || k >= n {
		return 0, fmt.Errorf("index %d at position %d is outside an axis of size %d", i, at, n)
	}
	return k, nil
}

// Gather copies slices of in, seen as [outer n inner], along the middle axis: out is [outer len(index) inner].
func Gather[E any](out, in []E, index []int64, outer, n, inner int) error {
	for o := range outer {
		for at, i := range index {
			k, err := position(i, n, at)
			if err != nil {
				return err
			}
			copy(out[(o*len(index)+at)*inner:][:inner], in[(o*n+k)*inner:][:inner])
		}
	}
	return nil
}

// ScatterAdd is the adjoint of Gather: it adds the slices of in, [outer len(index) inner], to zeros at their places in
// out, [outer n inner], in the order of index.
func ScatterAdd[T Float](out, in []T, index []int64, outer, n, inner int) error {
	clear(out)
	for o := range outer {
		for at, i := range index {
			k, err := position(i, n, at)
			if err != nil {
				return err
			}
			dst := out[(o*n+k)*inner:][:inner]
			Add(dst, dst, in[(o*len(index)+at)*inner:][:inner])
		}
	}
	return nil
}

// OneHot writes, for each index, a row of depth elements: one at the index, zeros elsewhere. An index outside
// [-depth, depth) gives a row of zeros, as in ONNX.
func OneHot[E any](out []E, index []int64, depth int, zero, one E) {
	for at, i := range index {
		row := out[at*depth : (at+1)*depth]
		for j := range row {
			row[j] = zero
		}
		if k, err := position(i, depth, at); err == nil {
			row[k] = one
		}
	}
}

// ArgMax writes where the largest element of x [outer n inner] along its middle axis is: the first of equals.
// Where there is NaN it is some index of the axis.
func ArgMax[T Number](out []int64, x []T, outer, n, inner int) error {
	if n == 0 {
		return fmt.Errorf("an axis of size 0 has no largest element")
	}
	for i := range outer * inner {
		at := i/inner*n*inner + i%inner
		best := 0
		for k := 1; k < n; k++ {
			if x[at+k*inner] > x[at+best*inner] {
				best = k
			}
		}
		out[i] = int64(best)
	}
	return nil
}
