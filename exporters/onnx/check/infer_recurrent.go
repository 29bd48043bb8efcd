package check

// recurrent is an LSTM, a GRU or an RNN, which have so many gates.
func recurrent(gates int64) rule {
	return func(x *nodeContext) {
		if !x.exactRank(0, 3) || !x.exactRank(1, 3) || !x.exactRank(2, 3) {
			return
		}
		dirs, ok := map[string]int64{"forward": 1, "reverse": 1, "bidirectional": 2}[x.str("direction", "forward")]
		if !ok {
			x.fail("attribute \"direction\" is %q; want \"forward\", \"reverse\" or \"bidirectional\"", x.str("direction", ""))
			return
		}
		s, hidden := x.input(0).shape, x.input(2).shape[2]
		if n := x.int("hidden_size", 0); n != 0 {
			if differ(hidden, number(n)) {
				x.fail("attribute \"hidden_size\" is %d; %s is for %v", n, x.name(2), hidden)
				return
			}
			hidden = number(n)
		}
		batched := x.int("layout", 0) != 0
		seq, batch := s[0], s[1]
		if batched {
			seq, batch = s[1], s[0]
		}
		state := []dim{number(dirs), batch, hidden}
		along := []dim{seq, number(dirs), batch, hidden}
		if batched {
			state, along = []dim{batch, number(dirs), hidden}, []dim{batch, seq, number(dirs), hidden}
		}
		all := hidden.times(number(gates))
		for i, want := range [][]dim{nil, {number(dirs), all, s[2]}, {number(dirs), all, hidden}, {number(dirs), all.times(number(2))}, {batch}, state, state, {number(dirs), hidden.times(number(3))}} {
			if want == nil || !x.has(i) || !x.exactRank(i, len(want)) {
				continue
			}
			for k, d := range x.input(i).shape {
				if differ(d, want[k]) {
					x.fail("input %d %s is not of the shape %v, for %s in direction %q", i, x.name(i), want, x.name(0), x.str("direction", "forward"))
					return
				}
			}
		}
		x.set(0, along)
		x.set(1, state)
		x.set(2, state)
	}
}
