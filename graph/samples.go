package graph

// unarySamples tries op on ranks 0 to 5, with elements in [lo, hi].
func unarySamples(op Op, lo, hi float64, distinct bool) []Sample {
	var out []Sample
	for _, s := range [][]int{{}, {1}, {7}, {2, 3}, {3, 1, 2}, {2, 2, 1, 3}, {1, 2, 2, 1, 3}} {
		out = append(out, Sample{Op: op, In: []SampleInput{{Shape: s, Lo: lo, Hi: hi, Distinct: distinct}}})
	}
	return out
}

// broadcasts are pairs of shapes that broadcast in every way: equal, scalars, rows, columns, both, inner axes.
var broadcasts = [][2][]int{
	{{}, {}},
	{{3}, {3}},
	{{2, 3}, {}},
	{{}, {4}},
	{{2, 3}, {3}},
	{{2, 3}, {2, 1}},
	{{2, 1}, {1, 3}},
	{{1}, {2, 2, 2}},
	{{2, 3, 2, 2}, {3, 1, 1}},
	{{2, 1, 3, 1, 2}, {1, 2, 1, 2, 1}},
}

// binarySamples tries op on every kind of broadcast; a and b give the ranges of the arguments.
func binarySamples(op Op, a, b SampleInput) []Sample {
	var out []Sample
	for _, p := range broadcasts {
		a.Shape, b.Shape = p[0], p[1]
		out = append(out, Sample{Op: op, In: []SampleInput{a, b}})
	}
	return out
}
