package kernel

// LSTM runs a long short-term memory (ONNX LSTM, one direction): from the states h and c [batch hidden], which it moves to the last ones,
// over x to the states y at each place. The gates are in the order i, o, f, c.
//
//	i, o, f = σ(x·wᵀ + h·rᵀ + wb + rb), n = tanh(x·wᵀ + h·rᵀ + wb + rb)
//	c ← f·c + i·n,  h ← o·tanh(c)
func LSTM[T Float](ctx *Context, s Recurrence, y, h, c, x, w, r, wb, rb []T) {
	n, all := s.Hidden, 4*s.Hidden
	buf := Scratch[T](ctx, s.Seq*s.Batch*all+n*all)
	gates, rt := cut(&buf, s.Seq*s.Batch*all), cut(&buf, n*all)
	inputs(ctx, s, 4, gates, x, w, sums(wb, rb))
	Transpose(n, all, rt, all, r, n)
	s.each(ctx, 4, func(lo, hi int) {
		for k := range s.Seq {
			t := s.place(k)
			gemm(ctx.BLAS, false, false, hi-lo, all, n, 1, h[lo*n:], n, rt, all, 1, gates[(t*s.Batch+lo)*all:], all)
			for b := lo; b < hi; b++ {
				out := y[t*s.Stride+b*n:][:n:n]
				if !s.live(t, b) {
					clear(out)
					continue
				}
				g := row(gates, t*s.Batch+b, all)
				lstmGates(g)
				state := row(c, b, n)
				lstmState(state, state, g)
				Tanh(out, state)
				Mul(out, out, row(g, 1, n))
				copy(row(h, b, n), out)
			}
		}
	})
}

// lstmGates makes gates of what was added up for them.
func lstmGates[T Float](g []T) {
	n := len(g) / 4
	Sigmoid(g[:3*n], g[:3*n])
	Tanh(g[3*n:], g[3*n:])
}

// lstmState is f·c + i·n.
func lstmState[T Float](out, c, g []T) {
	k := len(out)
	i, f, n := g[:k], g[2*k:][:k], g[3*k:][:k]
	for j, v := range c[:k] {
		out[j] = f[j]*v + i[j]*n[j]
	}
}

// LSTMGradient is the adjoint of LSTM at x, w, r, wb and rb, the first states h and c, and its results y: from the gradients dy of those
// and dh and dc of the last states, which it makes those of the first, it gives dx, which it adds to dx where more is set, dw, dr, and db,
// that of each bias. h, c and dy may be nil, which is zeros. The gates at all places are computed again by two products.
func LSTMGradient[T Float](ctx *Context, s Recurrence, dx []T, more bool, dw, dr, db, dh, dc, dy, x, w, r, wb, rb, h, c, y []T) {
	n, all, places := s.Hidden, 4*s.Hidden, s.Seq*s.Batch
	buf := Scratch[T](ctx, places*(all+2*n))
	gates, from, states := cut(&buf, places*all), cut(&buf, places*n), cut(&buf, places*n)
	before(s, from, h, y)
	inputs(ctx, s, 4, gates, x, w, sums(wb, rb))
	Gemm(ctx, false, true, places, all, n, 1, from, n, r, n, 1, gates, all)
	s.each(ctx, 4, func(lo, hi int) {
		start := make([]T, n)
		last := func(k, b int) []T { // the state c that step k began with
			if k > 0 {
				return row(states, s.place(k-1)*s.Batch+b, n)
			}
			begin(start, c, b*n)
			return start
		}
		for k := range s.Seq {
			t := s.place(k)
			for b := lo; b < hi; b++ {
				g, state := row(gates, t*s.Batch+b, all), row(states, t*s.Batch+b, n)
				if s.live(t, b) {
					lstmGates(g)
					lstmState(state, last(k, b), g)
				} else {
					clear(g)
					copy(state, last(k, b))
				}
			}
		}
		for k := s.Seq - 1; k >= 0; k-- {
			t := s.place(k)
			for b := lo; b < hi; b++ {
				if !s.live(t, b) {
					continue
				}
				dhb := row(dh, b, n)
				if dy != nil {
					Add(dhb, dhb, dy[t*s.Stride+b*n:][:n])
				}
				state := row(states, t*s.Batch+b, n)
				Tanh(state, state) // no step needs the state itself any more
				lstmBack(row(gates, t*s.Batch+b, all), dhb, row(dc, b, n), state, last(k, b))
			}
			gemm(ctx.BLAS, false, false, hi-lo, n, all, 1, gates[(t*s.Batch+lo)*all:], all, r, n, 1, dh[lo*n:], n)
		}
	})
	inputsBack(ctx, s, 4, dx, more, dw, gates, x, w)
	Gemm(ctx, true, false, all, n, places, 1, gates, all, from, n, 0, dr, n)
	Sum(ctx, db, gates, []int{places, all}, []int{0})
}

// lstmBack makes the gates g of a step the gradients of what was added up for them, from dh and dc of the states after it, tanh of the
// state c after it and the state c before. dc becomes that of the state before, dh zero.
func lstmBack[T Float](g, dh, dc, tanh, c []T) {
	k := len(dh)
	gi, o, gf, gn, dc, tanh, c := g[:k], g[k:][:k], g[2*k:][:k], g[3*k:][:k], dc[:k], tanh[:k], c[:k]
	for j, dh := range dh {
		i, o1, f, n, t := gi[j], o[j], gf[j], gn[j], tanh[j]
		d := dc[j] + dh*o1*(1-t*t)
		gi[j] = d * n * i * (1 - i)
		o[j] = dh * t * o1 * (1 - o1)
		gf[j] = d * c[j] * f * (1 - f)
		gn[j] = d * i * (1 - n*n)
		dc[j] = d * f
	}
	clear(dh)
}
