package tensor

import "math"

// A format is a binary floating-point format of at most 16 bits: a sign, then an exponent, then a fraction.
type format struct {
	exp, frac int    // bits
	most      uint16 // the bits of the largest finite number
	infinite  bool   // the number after it is an infinity, those beyond are NaN; else all beyond are NaN
	nan       uint16
	saturate  bool // what is too large becomes the largest finite number, as in ONNX's Cast
	table     []float32
}

var (
	f16      = newFormat(format{exp: 5, frac: 10, most: 0x7bff, infinite: true, nan: 0x7e00})
	bf16     = newFormat(format{exp: 8, frac: 7, most: 0x7f7f, infinite: true, nan: 0x7fc0})
	f8e4m3fn = newFormat(format{exp: 4, frac: 3, most: 0x7e, nan: 0x7f, saturate: true})
	f8e5m2   = newFormat(format{exp: 5, frac: 2, most: 0x7b, infinite: true, nan: 0x7f, saturate: true})
	f4e2m1   = newFormat(format{exp: 2, frac: 1, most: 7, nan: 7, saturate: true})
)

// newFormat adds the table of all numbers of up to 8 bits.
func newFormat(f format) *format {
	if bits := 1 + f.exp + f.frac; bits <= 8 {
		f.table = make([]float32, 256)
		for h := range f.table {
			f.table[h] = f.decode(uint16(h) & (1<<bits - 1))
		}
	}
	return &f
}

// bias is what is added to exponents.
func (f *format) bias() int { return 1<<(f.exp-1) - 1 }

// decode is the number with bits h, which a float32 holds.
func (f *format) decode(h uint16) float32 {
	sign := 1.
	if h>>(f.exp+f.frac)&1 != 0 {
		sign = -1
	}
	h &= 1<<(f.exp+f.frac) - 1
	switch {
	case h == f.most+1 && f.infinite:
		return float32(math.Inf(int(sign)))
	case h > f.most:
		return float32(math.NaN())
	}
	e, q := int(h>>f.frac), int(h)&(1<<f.frac-1)
	if e == 0 {
		e = 1 // subnormal
	} else {
		q |= 1 << f.frac
	}
	return float32(math.Copysign(math.Ldexp(float64(q), e-f.bias()-f.frac), sign))
}

// encode is the bits of the number nearest to v, of two as near those that are even.
func (f *format) encode(v float64) uint16 {
	sign := uint16(math.Float64bits(v)>>63) << (f.exp + f.frac)
	a := math.Abs(v)
	switch {
	case v != v && f.nan <= f.most: // the format has none
		return f.nan
	case v != v:
		return sign | f.nan
	case math.IsInf(a, 0):
		return sign | f.beyond()
	case a == 0:
		return sign
	}
	e := max(math.Ilogb(a), 1-f.bias())
	if e > f.bias()+1 {
		return sign | f.beyond()
	}
	q := uint32(math.RoundToEven(math.Ldexp(a, f.frac-e))) // up to twice 1<<frac: then the exponent is one more
	h := uint32(e+f.bias()-1)<<f.frac + q
	if h > uint32(f.most) {
		return sign | f.beyond()
	}
	return sign | uint16(h)
}

// beyond is the bits of what is larger than all finite numbers.
func (f *format) beyond() uint16 {
	switch {
	case f.saturate:
		return f.most
	case f.infinite:
		return f.most + 1
	}
	return f.nan
}

// Float32 is h as a float32.
func (h Float16) Float32() float32 {
	sign := uint32(h>>15) << 31
	exp, frac := uint32(h>>10)&0x1f, uint32(h)&0x3ff
	switch {
	case exp == 0x1f: // infinity or NaN
		return math.Float32frombits(sign | 0x7f800000 | frac<<13)
	case exp == 0: // zero or subnormal: frac · 2⁻²⁴
		v := float32(frac) * (1.0 / (1 << 24))
		return math.Float32frombits(math.Float32bits(v) | sign)
	}
	return math.Float32frombits(sign | (exp+112)<<23 | frac<<13)
}

// ToFloat16 rounds f to nearest, of two as near to even.
func ToFloat16(f float32) Float16 {
	b := math.Float32bits(f)
	sign := Float16(b>>16) & 0x8000
	b &= 0x7fffffff
	switch {
	case b > 0x7f800000:
		return sign | 0x7e00
	case b >= 0x477ff000: // rounds to 65536 or more
		return sign | 0x7c00
	case b < 0x38800000: // below the smallest normal: a multiple of 2⁻²⁴
		return sign | Float16(math.RoundToEven(float64(math.Float32frombits(b))*(1<<24)))
	}
	b += 0xfff + b>>13&1
	return sign | Float16((b-0x38000000)>>13)
}

// Float32 is h as a float32.
func (h BFloat16) Float32() float32 { return math.Float32frombits(uint32(h) << 16) }

// ToBFloat16 rounds f to nearest, of two as near to even.
func ToBFloat16(f float32) BFloat16 {
	b := math.Float32bits(f)
	if b&0x7fffffff > 0x7f800000 {
		return BFloat16(b>>16) | 0x40
	}
	return BFloat16((b + 0x7fff + b>>16&1) >> 16)
}
