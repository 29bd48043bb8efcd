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
	byChannel(c, len(mean), inner, [][]T{x}, y, func(k int, in [][]T, out []T, s channelParts) {
		x, n := in[0], float64(s.count*s.n)
		total := 0.0
		s.each(func(at, n int) { total += float64(sum(x[at : at+n])) })
		m := T(total / n)
		var buf [channelRun]T
		total = 0
		s.each(func(at, n int) {
			d := buf[:n]
			Shift(d, x[at:at+n], -m)
			total += float64(dot(d, d))
		})
		mean[k], variance[k] = m, T(total/n)
		a := scale[k] / T(math.Sqrt(float64(variance[k]+eps)))
		s.each(func(at, n int) {
			y := out[at : at+n]
			Shift(y, x[at:at+n], -m)
			Scale(y, y, a)
			Shift(y, y, bias[k])
		})
	})
}

// BatchNormTrainGrad is the gradient of BatchNormTrain, from x, its statistics, the scale and the gradient g of y: it makes those of x,
// scale and bias.
func BatchNormTrainGrad[T Float](c *Context, dx, dscale, dbias, x, scale, mean, variance, g []T, inner int, eps T) {
	byChannel(c, len(mean), inner, [][]T{x, g}, dx, func(k int, in [][]T, out []T, s channelParts) {
		x, g := in[0], in[1]
		var buf [channelRun]T
		total, along := 0.0, 0.0
		s.each(func(at, n int) {
			d, g := buf[:n], g[at:at+n]
			Shift(d, x[at:at+n], -mean[k])
			total += float64(sum(g))
			along += float64(dot(d, g))
		})
		n, r := float64(s.count*s.n), 1/math.Sqrt(float64(variance[k]+eps))
		dscale[k], dbias[k] = T(along*r), T(total)
		slope, shift, a := T(-along*r*r/n), T(-total/n), T(float64(scale[k])*r)
		s.each(func(at, n int) {
			d, dx := buf[:n], out[at:at+n]
			Shift(d, x[at:at+n], -mean[k])
			Scale(d, d, slope)
			Add(d, d, g[at:at+n])
			Shift(d, d, shift)
			Scale(dx, d, a)
		})
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

// byChannel calls do for each channel of [outer channels inner] operands, for it to make out's elements of the channel. Where a channel's
// elements lie apart, a cache line's worth of channels is gathered first.
func byChannel[T Float](c *Context, channels, inner int, in [][]T, out []T, do func(k int, in [][]T, out []T, s channelParts)) {
	const line = 16
	if channels == 0 {
		return
	}
	outer := 0
	if inner > 0 {
		outer = len(out) / (channels * inner)
	}
	if inner >= line || outer <= 1 || inner == 0 {
		c.Parallel(channels, max(1, reduceGrain/max(1, 2*outer*inner)), func(lo, hi int) {
			for k := lo; k < hi; k++ {
				do(k, in, out, channelParts{k * inner, channels * inner, outer, inner})
			}
		})
		return
	}
	width, n := min(channels, ceilDiv(line, inner)), outer*inner // channels at a time, elements of each
	blocks := ceilDiv(channels, width)
	share(c, blocks, Scratch[T](c, workers(c, blocks)*(len(in)+1)*width*n), func(block int, buf []T) {
		k0 := block * width
		count := min(width, channels-k0)
		lines := make([][]T, len(in))
		for i, x := range in {
			lines[i] = buf[i*width*n : (i+1)*width*n]
			for o := range outer {
				for k := range count {
					copy(lines[i][k*n+o*inner:][:inner], x[(o*channels+k0+k)*inner:])
				}
			}
		}
		y := buf[len(in)*width*n:]
		for k := range count {
			do(k0+k, lines, y, channelParts{k * n, 0, 1, n})
		}
		for o := range outer {
			for k := range count {
				copy(out[(o*channels+k0+k)*inner:][:inner], y[k*n+o*inner:])
			}
		}
	})
}
