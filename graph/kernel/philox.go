package kernel

import "math"

// Philox is the counter-based generator Philox 4x32-10 of Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3"
// (2011): four random words as a function of a counter and a key.
func Philox(counter [4]uint32, key [2]uint32) [4]uint32 {
	a, b, c, d := philox(counter[0], counter[1], counter[2], counter[3], key[0], key[1])
	return [4]uint32{a, b, c, d}
}

// philox has its words in variables: Go keeps those in registers, but not an array.
func philox(c0, c1, c2, c3, k0, k1 uint32) (uint32, uint32, uint32, uint32) {
	const (
		m0, m1 = 0xD2511F53, 0xCD9E8D57
		w0, w1 = 0x9E3779B9, 0xBB67AE85
	)
	for range 10 {
		p0, p1 := uint64(c0)*m0, uint64(c2)*m1
		c0, c1, c2, c3 = uint32(p1>>32)^c1^k0, uint32(p1), uint32(p0>>32)^c3^k1, uint32(p0)
		k0 += w0
		k1 += w1
	}
	return c0, c1, c2, c3
}

// A Draw names a sequence of random numbers: element i depends on the draw and on i alone, so any cut of the work gives
// the same numbers.
type Draw struct {
	Seed   uint64
	Step   uint64 // of the training run; the low 48 bits count
	Stream int    // of the op within its Func; 16 bits
}

// randomGrain is the number of blocks of four elements worth a goroutine.
const randomGrain = 1 << 10

// A drawing fills out.
type drawing[T Float] struct {
	Draw
	out    []T
	normal bool // or uniform
}

// Part does blocks of four.
func (d *drawing[T]) Part(_ *Context, lo, hi int) {
	if out := d.out[4*lo : min(4*hi, len(d.out))]; d.normal {
		drawNormal(d.Draw, out, lo)
	} else {
		drawUniform(d.Draw, out, lo)
	}
}

// each runs d on all blocks.
func each[T Float](c *Context, d drawing[T]) { Cut(c, (len(d.out)+3)/4, randomGrain, d) }

// from fills out with the numbers from that of number at on, by fill.
func from[T Float](out []T, at int, fill func(out []T, block int)) {
	if skip := at % 4; skip > 0 {
		var four [4]T
		fill(four[:], at/4)
		n := copy(out, four[skip:])
		out, at = out[n:], at+n
	}
	if len(out) > 0 {
		fill(out, at/4)
	}
}

// drawn fills out, four elements from each block of random words, two by two with pair, and float32 with vector as far as that goes.
func drawn[T Float](d Draw, out []T, block int, vector draw32, pair func(a, b uint32) (T, T)) {
	step := d.Step<<16 | uint64(uint16(d.Stream))
	if single, ok := any(out).([]float32); ok && vector != nil {
		if n := len(single) &^ (drawWidth - 1); n > 0 {
			vector(&single[0], n, uint64(block), step, d.Seed)
			out, block = out[n:], block+n/4
		}
	}
	for i := block; len(out) > 0; i++ {
		w0, w1, w2, w3 := philox(uint32(i), uint32(uint64(i)>>32), uint32(step), uint32(step>>32), uint32(d.Seed), uint32(d.Seed>>32))
		x0, x1 := pair(w0, w1)
		x2, x3 := pair(w2, w3)
		if len(out) < 4 {
			copy(out, []T{x0, x1, x2, x3})
			break
		}
		out[0], out[1], out[2], out[3] = x0, x1, x2, x3
		out = out[4:]
	}
}

// unit is a uniform number in [0, 1) with 24 bits, exact in both types.
func unit[T Float](w uint32) T { return T(int32(w>>8)) * 0x1p-24 }

// Uniform fills out with uniform numbers in [0, 1), multiples of 2⁻²⁴.
func Uniform[T Float](c *Context, d Draw, out []T) {
	each(c, drawing[T]{d, out, false})
}

// UniformFrom is the part of what [Uniform] draws that begins with number at.
func UniformFrom[T Float](d Draw, at int, out []T) {
	from(out, at, func(out []T, block int) { drawUniform(d, out, block) })
}

func drawUniform[T Float](d Draw, out []T, block int) {
	drawn(d, out, block, loops.uniform, func(a, b uint32) (T, T) { return unit[T](a), unit[T](b) })
}

// Normal fills out with standard normal numbers, by the method of Box and Muller (1958). None is beyond 5.9.
func Normal[T Float](c *Context, d Draw, out []T) {
	each(c, drawing[T]{d, out, true})
}

// NormalFrom is the part of what [Normal] draws that begins with number at.
func NormalFrom[T Float](d Draw, at int, out []T) {
	from(out, at, func(out []T, block int) { drawNormal(d, out, block) })
}

func drawNormal[T Float](d Draw, out []T, block int) {
	switch out := any(out).(type) {
	case []float32:
		drawn(d, out, block, loops.normal, normal32)
	case []float64:
		drawn(d, out, block, nil, normal64)
	}
}

// normal64 makes two normal numbers of two words: a radius of the first, off zero by half a step, and an angle of the second.
func normal64(a, b uint32) (float64, float64) {
	radius := math.Sqrt(-2 * math.Log(unit[float64](a)+0x1p-25))
	sin, cos := math.Sincos(2 * math.Pi * unit[float64](b))
	return radius * cos, radius * sin
}

// normal32 is normal64 to the precision of float32. It computes in float64, so that short series are enough, and has no
// branches: they would be random ones. The conversions keep products from being fused with sums, which the vector loop does not do.
func normal32(a, b uint32) (float32, float32) {
	// ln(x·2⁻²⁵) = (k−25)·ln 2 + ln m, with m in [√½, √2) and ln m = 2·artanh((m−1)/(m+1)).
	bits := math.Float64bits(float64(int32(a>>8<<1 | 1)))
	const sqrtHalf = 0x3fe6a09e667f3bcd
	k := int64(bits-sqrtHalf) >> 52
	m := math.Float64frombits(bits - uint64(k)<<52)
	s := (m - 1) / (m + 1)
	s2 := s * s
	artanh := s * (1 + float64(s2*(1./3+float64(s2*(1./5+float64(s2*(1./7+float64(s2*(1./9)))))))))
	radius := math.Sqrt(float64(float64(25-k)*(2*math.Ln2)) - float64(4*artanh))

	// The angle is q quarter turns and an eighth of a turn t either way.
	turn := int32(b >> 8)
	q := (turn + 1<<21) >> 22
	t := float64(turn-q<<22) * (2 * math.Pi / (1 << 24))
	t2 := t * t
	sin := math.Float64bits(t * (1 - float64(t2*(1./6-float64(t2*(1./120-float64(t2*(1./5040-float64(t2*(1./362880))))))))))
	cos := math.Float64bits(1 - float64(t2*(1./2-float64(t2*(1./24-float64(t2*(1./720-float64(t2*(1./40320-float64(t2*(1./3628800)))))))))))
	odd := (sin ^ cos) & -uint64(q&1)
	x := math.Float64frombits(cos ^ odd ^ uint64((q+1)&2)<<62)
	y := math.Float64frombits(sin ^ odd ^ uint64(q&2)<<62)
	return float32(radius * x), float32(radius * y)
}
