package kernel

// GRU runs a gated recurrent unit (ONNX GRU, one direction): from the state h [batch hidden], which it moves to the last one, over x to
// the states y at each place. The gates are in the order z, r, n. The reset gate r stands before the product with the state or, if linear
// is set, after it.
//
//	z, r = σ(x·wᵀ + h·rᵀ + wb + rb)
//	n = tanh(x·wᵀ + wb + (r·h)·rᵀ + rb), or linear: tanh(x·wᵀ + wb + r·(h·rᵀ + rb))
//	h ← (1−z)·n + z·h
func GRU[T Float](ctx *Context, s Recurrence, linear bool, y, h, x, w, r, wb, rb []T) {
	n, all := s.Hidden, 3*s.Hidden
	buf := Scratch[T](ctx, s.Seq*s.Batch*all+n*all+s.Batch*all)
	gates, rt, past := cut(&buf, s.Seq*s.Batch*all), cut(&buf, n*all), cut(&buf, s.Batch*all)
	wb, rn := gruBiases(s, linear, wb, rb)
	inputs(ctx, s, 3, gates, x, w, wb)
	Transpose(n, all, rt, all, r, n)
	s.each(ctx, 3, func(lo, hi int) {
		rows := hi - lo
		for k := range s.Seq {
			t := s.place(k)
			at := (t*s.Batch + lo) * all
			if linear {
				gemm(ctx.BLAS, false, false, rows, all, n, 1, h[lo*n:], n, rt, all, 0, past[lo*all:], all)
				for b := lo; b < hi; b++ {
					g, p := row(gates, t*s.Batch+b, all), row(past, b, all)
					Add(g[:2*n], g[:2*n], p[:2*n])
					Sigmoid(g[:2*n], g[:2*n])
					gruLinear(g, p[2*n:], rn)
				}
			} else {
				gemm(ctx.BLAS, false, false, rows, 2*n, n, 1, h[lo*n:], n, rt, all, 1, gates[at:], all)
				for b := lo; b < hi; b++ {
					g := row(gates, t*s.Batch+b, all)
					Sigmoid(g[:2*n], g[:2*n])
					Mul(row(past, b, n), g[n:2*n], row(h, b, n))
				}
				gemm(ctx.BLAS, false, false, rows, n, n, 1, past[lo*n:], n, rt[2*n:], all, 1, gates[at+2*n:], all)
			}
			for b := lo; b < hi; b++ {
				out := y[t*s.Stride+b*n:][:n:n]
				if !s.live(t, b) {
					clear(out)
					continue
				}
				g, state := row(gates, t*s.Batch+b, all), row(h, b, n)
				Tanh(g[2*n:], g[2*n:])
				for j, z := range g[:n] {
					out[j] = g[2*n+j] + z*(state[j]-g[2*n+j])
				}
				copy(state, out)
			}
		}
	})
}

// gruBiases are what is added up with the inputs and, where it stands behind the reset gate, that of the candidate's product; nil is zeros.
func gruBiases[T Float](s Recurrence, linear bool, wb, rb []T) (all, candidate []T) {
	if !linear || rb == nil {
		return sums(wb, rb), nil
	}
	n := 2 * s.Hidden
	both := append(make([]T, 0, len(rb)), rb[:n]...)
	return sums(wb, append(both, make([]T, s.Hidden)...)), rb[n:]
}

// gruLinear makes past the candidate's h·rᵀ + rb, and adds it, times the reset gate, to what its gate has.
func gruLinear[T Float](g, past, rb []T) {
	n := len(past)
	if rb != nil {
		Add(past, past, rb)
	}
	reset, sum := g[n:][:n], g[2*n:][:n]
	for j, p := range past {
		sum[j] += reset[j] * p
	}
}

// GRUGradient is the adjoint of GRU at x, w, r, wb, rb, the first state h and its results y: from the gradients dy of those and dh of the
// last state, which it makes that of the first, it gives dx, which it adds to dx where more is set, dw, dr, dwb and drb. h and dy may be
// nil, which is zeros. The gates at all places are computed again by a product or two.
func GRUGradient[T Float](ctx *Context, s Recurrence, linear bool, dx []T, more bool, dw, dr, dwb, drb, dh, dy, x, w, r, wb, rb, h, y []T) {
	n, all, places := s.Hidden, 3*s.Hidden, s.Seq*s.Batch
	if places == 0 {
		for _, g := range [][]T{dw, dr, dwb, drb} {
			clear(g)
		}
		return
	}
	buf := Scratch[T](ctx, places*(2*all+n)+s.Batch*n)
	gates, past, from, reset := cut(&buf, places*all), cut(&buf, places*all), cut(&buf, places*n), cut(&buf, s.Batch*n)
	before(s, from, h, y)
	wb, rn := gruBiases(s, linear, wb, rb)
	inputs(ctx, s, 3, gates, x, w, wb)
	// the gates again; past is h·rᵀ + rb, of which linear needs the candidate's part, or else r·h
	if linear {
		Gemm(ctx, false, true, places, all, n, 1, from, n, r, n, 0, past, all)
	} else {
		Gemm(ctx, false, true, places, 2*n, n, 1, from, n, r, n, 1, gates, all)
	}
	ctx.Parallel(places, 1+4096/all, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			g := row(gates, i, all)
			if linear {
				p := row(past, i, all)
				Add(g[:2*n], g[:2*n], p[:2*n])
				Sigmoid(g[:2*n], g[:2*n])
				gruLinear(g, p[2*n:], rn)
			} else {
				Sigmoid(g[:2*n], g[:2*n])
				Mul(row(past, i, n), g[n:2*n], row(from, i, n))
			}
		}
	})
	if !linear {
		Gemm(ctx, false, true, places, n, n, 1, past, n, r[2*n*n:], n, 1, gates[2*n:], all)
	}
	s.each(ctx, 3, func(lo, hi int) {
		rows := hi - lo
		for k := s.Seq - 1; k >= 0; k-- {
			t := s.place(k)
			at := t*s.Batch + lo
			for b := lo; b < hi; b++ {
				g, dhb := row(gates, t*s.Batch+b, all), row(dh, b, n)
				if !s.live(t, b) {
					clear(g)
					if linear {
						clear(row(past, t*s.Batch+b, all))
					}
					continue
				}
				if dy != nil {
					Add(dhb, dhb, dy[t*s.Stride+b*n:][:n])
				}
				Tanh(g[2*n:], g[2*n:])
				gruBack(g, dhb, row(from, t*s.Batch+b, n))
				if linear {
					gruLinearBack(g, row(past, t*s.Batch+b, all))
				}
			}
			if linear {
				gemm(ctx.BLAS, false, false, rows, n, all, 1, past[at*all:], all, r, n, 1, dh[lo*n:], n)
				continue
			}
			gemm(ctx.BLAS, false, false, rows, n, n, 1, gates[at*all+2*n:], all, r[2*n*n:], n, 0, reset[lo*n:], n)
			for b := lo; b < hi; b++ {
				gruResetBack(row(gates, t*s.Batch+b, all), row(dh, b, n), row(reset, b, n), row(from, t*s.Batch+b, n))
			}
			gemm(ctx.BLAS, false, false, rows, n, 2*n, 1, gates[at*all:], all, r, n, 1, dh[lo*n:], n)
		}
	})
	inputsBack(ctx, s, 3, dx, more, dw, gates, x, w)
	Sum(ctx, dwb, gates, []int{places, all}, []int{0})
	if linear {
		Gemm(ctx, true, false, all, n, places, 1, past, all, from, n, 0, dr, n)
		Sum(ctx, drb, past, []int{places, all}, []int{0})
		return
	}
	Gemm(ctx, true, false, 2*n, n, places, 1, gates, all, from, n, 0, dr, n)
	Gemm(ctx, true, false, n, n, places, 1, gates[2*n:], all, past, n, 0, dr[2*n*n:], n)
	copy(drb, dwb)
}

// gruBack makes the gates z and n of a step, in g, the gradients of what was added up for them, from dh of the state after it and the
// state h before. dh becomes the part of the gradient of the state before that flows past the gates.
func gruBack[T Float](g, dh, h []T) {
	k := len(dh)
	gz, gn, h := g[:k], g[2*k:][:k], h[:k]
	for j, d := range dh {
		z, n := gz[j], gn[j]
		gz[j] = d * (h[j] - n) * z * (1 - z)
		gn[j] = d * (1 - z) * (1 - n*n)
		dh[j] = d * z
	}
}

// gruLinearBack makes the reset gate in g the gradient of what was added up for it, and past, whose last part is the candidate's product,
// the gradients of what the state brings to all gates.
func gruLinearBack[T Float](g, past []T) {
	k := len(g) / 3
	gr, gn, q := g[k:][:k], g[2*k:][:k], past[2*k:][:k]
	for j, r := range gr {
		gr[j] = gn[j] * q[j] * r * (1 - r)
		q[j] = gn[j] * r
	}
	copy(past, g[:2*k])
}

// gruResetBack does so where the reset gate stands before the product: d is the gradient of r·h.
func gruResetBack[T Float](g, dh, d, h []T) {
	k := len(dh)
	gr, d, h := g[k:][:k], d[:k], h[:k]
	for j, r := range gr {
		dh[j] += d[j] * r
		gr[j] = d[j] * h[j] * r * (1 - r)
	}
}
