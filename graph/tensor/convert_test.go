package tensor

import (
	"math"
	"math/big"
	"slices"
	"testing"
)

// TestFormats holds the numbers of the small floats to their formats' published tables, and every number to be read as itself.
func TestFormats(t *testing.T) {
	inf := math.Inf(1)
	for _, c := range []struct {
		dtype DType
		v     float64
		want  float64
	}{
		{F8E4M3FN, 448, 448}, {F8E4M3FN, 449, 448}, {F8E4M3FN, 1e9, 448}, {F8E4M3FN, -inf, -448}, {F8E4M3FN, 464.1, 448},
		{F8E4M3FN, 1.0625, 1}, {F8E4M3FN, 1.1875, 1.25}, {F8E4M3FN, 0x1p-9, 0x1p-9}, {F8E4M3FN, 0x1p-10, 0}, {F8E4M3FN, 0x1.8p-10, 0x1p-9},
		{F8E5M2, 57344, 57344}, {F8E5M2, 70000, 57344}, {F8E5M2, inf, 57344}, {F8E5M2, 1.125, 1}, {F8E5M2, 1.375, 1.5}, {F8E5M2, 0x1p-16, 0x1p-16},
		{F8E5M2, 0x1p-17, 0}, {F8E5M2, 0x1.8p-17, 0x1p-16}, {F8E5M2, -0x1.cp-15, -0x1p-14},
		{F4E2M1, .25, 0}, {F4E2M1, .26, .5}, {F4E2M1, .75, 1}, {F4E2M1, 1.25, 1}, {F4E2M1, 1.75, 2}, {F4E2M1, 2.5, 2}, {F4E2M1, 3.5, 4}, {F4E2M1, -5, -4},
		{F4E2M1, 5.1, 6}, {F4E2M1, 100, 6},
		{F16, 65504, 65504}, {F16, 65519, 65504}, {F16, 65520, inf}, {F16, 0x1p-24, 0x1p-24}, {F16, 0x1p-25, 0},
		// Through a float32, these two would be halfway, and go to the even.
		{F16, 1 + 0x1p-11 + 0x1p-40, 1 + 0x1p-10}, {BF16, 1 + 0x1p-8 + 0x1p-50, 1 + 0x1p-7}, {BF16, 3.395e38, 3.3895313892515355e38}, {BF16, 3.4e39, inf},
	} {
		if got := Of([]float64{c.v}, 1).Cast(c.dtype).At(0); got != c.want {
			t.Errorf("%v as %v is %v, want %v", c.v, c.dtype, got, c.want)
		}
		if f := float32(c.v); float64(f) == c.v {
			if got := Of([]float32{f}, 1).Cast(c.dtype).At(0); got != c.want {
				t.Errorf("%v in f32 as %v is %v, want %v", c.v, c.dtype, got, c.want)
			}
		}
	}
	for _, dt := range []DType{F8E4M3FN, F8E5M2, F4E2M1, F16, BF16} {
		x := New(dt, 1)
		for bits := range 1 << dt.Bits() {
			copy(x.Bytes(), []byte{byte(bits), byte(bits >> 8)})
			v, f := x.At(0), x.Cast(F32)
			if float64(Data[float32](f)[0]) != v && v == v {
				t.Fatalf("%v %#x is %v, and %v in f32", dt, bits, v, f.At(0))
			}
			want := v
			if dt == F8E5M2 && math.IsInf(v, 0) {
				want = math.Copysign(57344, v)
			}
			if got := Of([]float64{v}, 1).Cast(dt).At(0); math.Float64bits(got) != math.Float64bits(want) && (got == got || v == v) {
				t.Fatalf("%v %#x is %v, which becomes %v", dt, bits, v, got)
			}
		}
	}
	if nan := Of([]float32{float32(math.NaN())}, 1); !math.IsNaN(nan.Cast(F8E4M3FN).At(0)) || !math.IsNaN(nan.Cast(F8E5M2).At(0)) {
		t.Error("a NaN in 8 bits is a number")
	}
}

// TestSingleRounding converts integers of 64 bits to small floats, and compares with what big arithmetic rounds them to.
func TestSingleRounding(t *testing.T) {
	round := func(v *big.Int, digits uint) float64 {
		f, _ := new(big.Float).SetMode(big.ToNearestEven).SetPrec(digits).SetInt(v).Float64()
		return f
	}
	for _, v := range []int64{1<<62 + 1<<54 + 1, 1<<62 + 1<<54, 1<<62 + 3<<54, -(1<<62 + 1<<54 + 1), math.MaxInt64, math.MinInt64, 1<<53 + 1<<45 + 1, 257, 259} {
		if got, want := Of([]int64{v}, 1).Cast(BF16).At(0), round(big.NewInt(v), 8); got != want {
			t.Errorf("%d as bf16 is %v, want %v", v, got, want)
		}
		x := New(BF16, 1)
		if x.SetInt(0, v); x.At(0) != round(big.NewInt(v), 8) {
			t.Errorf("%d set in bf16 is %v", v, x.At(0))
		}
		u := uint64(v)
		if got, want := Of([]uint64{u}, 1).Cast(BF16).At(0), round(new(big.Int).SetUint64(u), 8); got != want {
			t.Errorf("%d as bf16 is %v, want %v", u, got, want)
		}
	}
}

// TestNarrow keeps the low bits of integers.
func TestNarrow(t *testing.T) {
	x := Of([]int64{-9, 7, 8, 200, 1<<40 + 3}, 5)
	for dt, want := range map[DType][]int64{
		I4: {7, 7, -8, -8, 3}, U4: {7, 7, 8, 8, 3}, I2: {-1, -1, 0, 0, -1}, U2: {3, 3, 0, 0, 3},
		I8: {-9, 7, 8, -56, 3}, U16: {65527, 7, 8, 200, 3}, U64: {-9, 7, 8, 200, 1<<40 + 3},
	} {
		y, z := x.Cast(dt), New(dt, 5)
		for i, w := range want {
			if z.SetInt(i, x.Int(i)); y.Int(i) != w || z.Int(i) != w {
				t.Errorf("%d as %v is %d, set as such %d, want %d", x.Int(i), dt, y.Int(i), z.Int(i), w)
			}
		}
	}
}

// TestConvert converts slices.
func TestConvert(t *testing.T) {
	ints := make([]int64, 5)
	Convert(ints, []float32{1.9, -1.9, 0, -.5, 1 << 40})
	if want := []int64{1, -1, 0, 0, 1 << 40}; !slices.Equal(ints, want) {
		t.Errorf("floats become %v, want %v", ints, want)
	}
	bytes := make([]uint8, 4)
	Convert(bytes, []int64{255, 256, -1, 1<<62 + 7}) // through float64, the last would lose its 7
	if want := []uint8{255, 0, 255, 7}; !slices.Equal(bytes, want) {
		t.Errorf("integers become %v, want %v", bytes, want)
	}
	floats := make([]float32, 1)
	Convert(floats, []int64{1<<60 + 1<<36 + 1}) // rounded once it is the upper neighbour, through float64 the lower
	if want := float32(1<<60 + 1<<37); floats[0] != want {
		t.Errorf("the integer becomes %v, want %v", floats[0], want)
	}
	truth, back := make([]bool, 3), make([]int32, 3)
	Convert(truth, []float64{0, -1e-300, 3})
	Convert(back, truth)
	if want := []int32{0, 1, 1}; !slices.Equal(back, want) {
		t.Errorf("truths are %v, want %v", back, want)
	}
	halves, wide := make([]BFloat16, 1500), make([]float32, 1500) // more than are converted at a time
	for i := range halves {
		halves[i] = ToBFloat16(float32(i % 200))
	}
	doubles := make([]float64, len(halves))
	Convert(wide, halves)
	Convert(doubles, halves)
	for i := range halves {
		if wide[i] != float32(i%200) || doubles[i] != float64(i%200) {
			t.Fatalf("element %d is %v and %v", i, wide[i], doubles[i])
		}
	}
}
