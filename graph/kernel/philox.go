package kernel

import (
	"math"
	"math/bits"
)

// Philox is the counter-based generator Philox 4x32-10 of Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3"
// (2011): four random words as a function of a counter and a key.
func Philox(counter [4]uint32, key [2]uint32) [4]uint32 {
	const (
		m0, m1 = 0xD2511F53, 0xCD9E8D57
		w0, w1 = 0x9E3779B9, 0xBB67AE85
	)
	for range 10 {
		h0, l0 := bits.Mul32(m0, counter[0])
		h1, l1 := bits.Mul32(m1, counter[2])
		counter = [4]uint32{h1 ^ counter[1] ^ key[0], l1, h0 ^ counter[3] ^ key[1], l0}
		key[0] += w0
		key[1] += w1
	}
	return counter
}

// A Draw names a sequence of random numbers: element i depends on the draw and on i alone, so any cut of the work gives
// the same numbers.
type Draw struct {
	Seed   uint64
	Step   uint64 // of the training run; the low 48 bits count
	Stream int    // of the op within its Func; 16 bits
}

// block is the four words that elements 4i to 4i+3 are made of.
func (d Draw) block(i int) [4]uint32 {
	step := d.Step<<16 | uint64(uint16(d.Stream))
	return Philox([4]uint32{uint32(i), uint32(uint64(i) >> 32), uint32(step), uint32(step >> 32)}, [2]uint32{uint32(d.Seed), uint32(d.Seed >> 32)})
}

// randomGrain is the number of blocks worth a goroutine.
const randomGrain = 1 << 10

// each calls f for each block of up to four elements of out.
func each[T Float](c *Context, d Draw, out []T, f func(words [4]uint32) [4]T) {
	c.Parallel((len(out)+3)/4, randomGrain, func(lo, hi int) {
		for i := lo; i < hi; i++ {
			v := f(d.block(i))
			copy(out[4*i:], v[:])
		}
	})
}

// unit is a uniform number in [0, 1) with 24 bits, exact in both types.
func unit(w uint32) float64 { return float64(w>>8) * 0x1p-24 }

// Uniform fills out with uniform numbers in [0, 1), multiples of 2⁻²⁴.
func Uniform[T Float](c *Context, d Draw, out []T) {
	each(c, d, out, func(w [4]uint32) (v [4]T) {
		for k := range v {
			v[k] = T(unit(w[k]))
		}
		return v
	})
}

// Normal fills out with standard normal numbers, by the method of Box and Muller (1958).
func Normal[T Float](c *Context, d Draw, out []T) {
	each(c, d, out, func(w [4]uint32) (v [4]T) {
		for k := 0; k < 4; k += 2 {
			radius := math.Sqrt(-2 * math.Log(unit(w[k])+0x1p-25)) // off zero, by half a step
			sin, cos := math.Sincos(2 * math.Pi * unit(w[k+1]))
			v[k], v[k+1] = T(radius*cos), T(radius*sin)
		}
		return v
	})
}
