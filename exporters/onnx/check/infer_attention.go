package check

// attention is for queries, keys and values in four axes, [batch heads seq size], or in three, [batch seq heads·size], whose numbers
// of heads are attributes.
func attention(x *nodeContext) {
	q, k, v := x.input(0).shape, x.input(1).shape, x.input(2).shape
	if q == nil || k == nil || v == nil {
		return
	}
	if len(q) != 3 && len(q) != 4 {
		x.fail("input 0 %s has rank %d; want 3 or 4", x.name(0), len(q))
		return
	}
	if !x.exactRank(1, len(q)) || !x.exactRank(2, len(q)) {
		return
	}
	seq := len(q) - 2
	heads, groups := q[1], k[1]
	size, sizeK, values := q[len(q)-1], k[len(q)-1], v[len(q)-1]
	if len(q) == 3 {
		h, g := x.int("q_num_heads", 0), x.int("kv_num_heads", 0)
		if h < 1 || g < 1 {
			x.fail("attributes \"q_num_heads\" and \"kv_num_heads\" are %d and %d; three axes want 1 or more", h, g)
			return
		}
		heads, groups = number(h), number(g)
		size, sizeK, values = size.over(heads), sizeK.over(groups), values.over(groups)
	}
	switch {
	case differ(q[0], k[0]) || differ(q[0], v[0]):
		x.fail("%s, %s and %s are of different batches", x.name(0), x.name(1), x.name(2))
		return
	case differ(size, sizeK):
		x.fail("heads of %s have size %v, of %s %v", x.name(0), size, x.name(1), sizeK)
		return
	case differ(k[seq], v[seq]):
		x.fail("%s has %v keys, %s %v values", x.name(1), k[seq], x.name(2), v[seq])
		return
	}
	if h, ok := heads.num(); ok {
		if g, ok := groups.num(); ok && (g < 1 || h%g != 0) {
			x.fail("%d heads of %s are no multiple of %d of %s", h, x.name(0), g, x.name(1))
			return
		}
	}
	if len(q) == 4 {
		x.set(0, []dim{q[0], heads, q[seq], values})
	} else {
		x.set(0, []dim{q[0], q[seq], heads.times(values)})
	}
	all := k[seq]
	if x.has(4) && x.has(5) {
		if !x.exactRank(4, 4) || !x.exactRank(5, 4) {
			return
		}
		past := x.input(4).shape[2]
		if differ(past, x.input(5).shape[2]) {
			x.fail("%s has %v keys, %s %v values", x.name(4), past, x.name(5), x.input(5).shape[2])
			return
		}
		all = past.plus(all)
	}
	x.set(1, []dim{q[0], groups, all, size})
	x.set(2, []dim{q[0], groups, all, values})
	x.set(3, []dim{q[0], heads, q[seq], all})
	if mask := x.input(3).shape; mask != nil && len(mask) >= 2 {
		if _, ok := broadcast([]dim{q[0], heads, q[seq], unknown}, mask); !ok || len(mask) > 4 {
			x.fail("the mask %s does not broadcast to %v", x.name(3), []dim{q[0], heads, q[seq], all})
		}
	}
}

// rmsNorm is over the axes from one on, whose scale broadcasts to them.
func rmsNorm(x *nodeContext) {
	first(x)
	s, scale := x.input(0).shape, x.input(1).shape
	if s == nil {
		return
	}
	if _, ok := x.axis(-1, len(s)); !ok || scale == nil {
		return
	}
	if all, ok := broadcast(s, scale); !ok || len(all) != len(s) {
		x.fail("input 1 %s does not broadcast to %s", x.name(1), x.name(0))
	}
}
