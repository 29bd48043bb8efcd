package kernel

// Elements calls do, for each index, with the place in a value of the given shape that it points at along an axis, and with its own number:
// along the other axes the place is the index's own. Indices below 0 count from the end.
func Elements(shape, indexShape []int, axis int, index []int64, do func(at, i int)) error {
	rank := len(shape)
	if axis < 0 {
		axis += rank
	}
	stride, at := make([]int, rank), make([]int, rank)
	for k, n := rank-1, 1; k >= 0; k-- {
		stride[k], n = n, n*shape[k]
	}
	for i, p := range index {
		k, err := position(p, shape[axis], i)
		if err != nil {
			return err
		}
		place := k * stride[axis]
		for j := range at {
			if j != axis {
				place += at[j] * stride[j]
			}
		}
		do(place, i)
		for j := rank - 1; j >= 0; j-- {
			if at[j]++; at[j] < indexShape[j] {
				break
			}
			at[j] = 0
		}
	}
	return nil
}
