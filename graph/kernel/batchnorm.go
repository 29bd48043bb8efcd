package kernel

import "math"

// BatchNorm maps each channel of x, [outer channels inner], by its own mean, variance, scale and bias.
func BatchNorm[T Float](c *Context, y, x, scale, bias, mean, variance []T, inner int, eps T) {
	channels := len(mean)
	if channels == 0 || inner == 0 {
		return
	}
	c.Parallel(len(x)/inner, max(1, reduceGrain/inner), func(lo, hi int) {
		for i := lo; i < hi; i++ {
			k := i % channels
			a := scale[k] / T(math.Sqrt(float64(variance[k]+eps)))
			m, b := mean[k], bias[k]
			out := y[i*inner : (i+1)*inner]
			for j, v := range x[i*inner : (i+1)*inner] {
				out[j] = a*(v-m) + b
			}
		}
	})
}

// BatchNormTrain maps each channel of x, [outer channels inner], to mean 0 and variance 1, with eps added to the variance, then scales
// and shifts it. mean and variance get the channels' own.
func BatchNormTrain[T Float](c *Context, y, mean, variance, x, scale, bias []T, inner int, eps T) {
	byChannel(c, channelOperands[T]{x, nil, y, len(mean), inner}, normalizing[T]{mean, variance, scale, bias, eps})
}

// normalizing is the work of BatchNormTrain.
type normalizing[T Float] struct {
	mean, variance, scale, bias []T
	eps                         T
}

func (w *normalizing[T]) channel(k int, x, _, out, buf []T, s channelParts) {
	n := float64(s.count * s.n)
	total := 0.0
	s.each(func(at, n int) { total += float64(sum(x[at : at+n])) })
	m := T(total / n)
	total = 0
	s.each(func(at, n int) {
		d := buf[:n]
		Shift(d, x[at:at+n], -m)
		total += float64(dot(d, d))
	})
	w.mean[k], w.variance[k] = m, T(total/n)
	a := w.scale[k] / T(math.Sqrt(float64(w.variance[k]+w.eps)))
	s.each(func(at, n int) {
		y := out[at : at+n]
		Shift(y, x[at:at+n], -m)
		Scale(y, y, a)
		Shift(y, y, w.bias[k])
	})
}

// BatchNormTrainGrad is the gradient of BatchNormTrain, from x, its statistics, the scale and the gradient g of y: it makes those of x,
// scale and bias.
func BatchNormTrainGrad[T Float](c *Context, dx, dscale, dbias, x, scale, mean, variance, g []T, inner int, eps T) {
	byChannel(c, channelOperands[T]{x, g, dx, len(mean), inner}, normalizingBack[T]{dscale, dbias, scale, mean, variance, eps})
}

// normalizingBack is the work of BatchNormTrainGrad.
type normalizingBack[T Float] struct {
	dscale, dbias, scale, mean, variance []T
	eps                                  T
}

func (w *normalizingBack[T]) channel(k int, x, g, out, buf []T, s channelParts) {
	total, along, mean := 0.0, 0.0, w.mean[k]
	s.each(func(at, n int) {
		d, g := buf[:n], g[at:at+n]
		Shift(d, x[at:at+n], -mean)
		total += float64(sum(g))
		along += float64(dot(d, g))
	})
	n, r := float64(s.count*s.n), 1/math.Sqrt(float64(w.variance[k]+w.eps))
	w.dscale[k], w.dbias[k] = T(along*r), T(total)
	slope, shift, a := T(-along*r*r/n), T(-total/n), T(float64(w.scale[k])*r)
	s.each(func(at, n int) {
		d, dx := buf[:n], out[at:at+n]
		Shift(d, x[at:at+n], -mean)
		Scale(d, d, slope)
		Add(d, d, g[at:at+n])
		Shift(d, d, shift)
		Scale(dx, d, a)
	})
}

// channelRun is the most elements that a channel's kernel goes through at a time, so that they stay in the first-level cache.
const channelRun = 512

// channelParts are where the elements of a channel lie: count times n, step apart.
type channelParts struct{ at, step, count, n int }

// each calls do for stretches of at most [channelRun] elements.
func (s channelParts) each(do func(at, n int)) {
	for i := range s.count {
		for j := 0; j < s.n; j += channelRun {
			do(s.at+i*s.step+j, min(channelRun, s.n-j))
		}
	}
}

// channelOperands are [outer channels inner]: x, u or nil, and out, which is computed.
type channelOperands[T Float] struct {
	x, u, out       []T
	channels, inner int
}

// A channelWork makes the elements of a channel of out. It may write [channelRun] elements of buf.
type channelWork[T Float] interface {
	channel(k int, x, u, out, buf []T, s channelParts)
}

// byChannel does w for each channel. Where a channel's elements lie apart, a cache line's worth of channels is gathered first.
func byChannel[T Float, W any, P interface {
	*W
	channelWork[T]
}](c *Context, o channelOperands[T], w W) {
	const line = 16
	if o.channels == 0 {
		return
	}
	work := Borrow[W](c)
	*work = w
	outer := 0
	if o.inner > 0 {
		outer = len(o.out) / (o.channels * o.inner)
	}
	if o.inner >= line || outer <= 1 || o.inner == 0 {
		Cut(c, o.channels, max(1, reduceGrain/max(1, 2*outer*o.inner)), wholeChannels[T]{o, outer, P(work)})
	} else {
		g := Borrow[gatheredChannels[T]](c)
		*g = gatheredChannels[T]{o, outer, min(o.channels, ceilDiv(line, o.inner)), 2, P(work)}
		if o.u != nil {
			g.lines = 3
		}
		blocks := ceilDiv(o.channels, g.width)
		shareItems(c, blocks, Scratch[T](c, workers(c, blocks)*g.lines*g.width*outer*o.inner), g)
		*g = gatheredChannels[T]{}
		GiveBack(c, g)
	}
	var none W
	*work = none
	GiveBack(c, work)
}

// wholeChannels is the task of channels where they lie.
type wholeChannels[T Float] struct {
	channelOperands[T]
	outer int
	work  channelWork[T]
}

func (w *wholeChannels[T]) Part(own *Context, lo, hi int) {
	buf := Scratch[T](own, channelRun)
	for k := lo; k < hi; k++ {
		w.work.channel(k, w.x, w.u, w.out, buf, channelParts{k * w.inner, w.channels * w.inner, w.outer, w.inner})
	}
}

// gatheredChannels are blocks of channels that are gathered, each in a number of lines of the scratch memory.
type gatheredChannels[T Float] struct {
	channelOperands[T]
	outer, width, lines int // width channels at a time
	work                channelWork[T]
}

func (g *gatheredChannels[T]) item(own *Context, block int, scratch []T) {
	n, size := g.outer*g.inner, g.width*g.outer*g.inner
	k0 := block * g.width
	count := min(g.width, g.channels-k0)
	x, u, y := scratch[:size], scratch[size:(g.lines-1)*size], scratch[(g.lines-1)*size:]
	gather := func(to, from []T) {
		for o := range g.outer {
			for k := range count {
				copy(to[k*n+o*g.inner:][:g.inner], from[(o*g.channels+k0+k)*g.inner:])
			}
		}
	}
	gather(x, g.x)
	if g.u != nil {
		gather(u, g.u)
	}
	buf := Scratch[T](own, channelRun)
	for k := range count {
		g.work.channel(k0+k, x, u, y, buf, channelParts{k * n, 0, 1, n})
	}
	for o := range g.outer {
		for k := range count {
			copy(g.out[(o*g.channels+k0+k)*g.inner:][:g.inner], y[k*n+o*g.inner:])
		}
	}
}
