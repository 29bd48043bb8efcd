package tensor

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// all are the dtypes of numbers.
var all = slices.DeleteFunc(DTypes(), func(t DType) bool { return t == String })

// TestHalves converts every 16-bit pattern to a float and back, and numbers between two neighbours to the nearer one, or of
// two as near to the even one.
func TestHalves(t *testing.T) {
	for _, c := range []struct {
		name string
		to   func(uint16) float32
		from func(float32) uint16
		one  uint16 // the bits of 1
		most uint16 // the largest finite number's
	}{
		{"f16", func(h uint16) float32 { return Float16(h).Float32() }, func(f float32) uint16 { return uint16(ToFloat16(f)) }, 0x3c00, 0x7bff},
		{"bf16", func(h uint16) float32 { return BFloat16(h).Float32() }, func(f float32) uint16 { return uint16(ToBFloat16(f)) }, 0x3f80, 0x7f7f},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.to(c.one) != 1 {
				t.Errorf("%#x is %v, want 1", c.one, c.to(c.one))
			}
			for bits := range 1 << 16 {
				h := uint16(bits)
				f := c.to(h)
				if back := c.from(f); f == f && back != h || f != f && c.to(back) == c.to(back) {
					t.Fatalf("%#x is %v, which becomes %#x", h, f, back)
				}
			}
			for h := range c.most {
				lo, hi := float64(c.to(h)), float64(c.to(h+1))
				even := h + h&1
				for _, x := range []struct {
					f    float64
					want uint16
				}{{.75*lo + .25*hi, h}, {.5*lo + .5*hi, even}, {.25*lo + .75*hi, h + 1}} {
					f := float32(x.f)
					if float64(f) != x.f {
						continue // f32 has no such number
					}
					if got, negative := c.from(f), c.from(-f); got != x.want || negative != x.want|0x8000 {
						t.Fatalf("%v, between %#x and %#x, becomes %#x, and %#x when negative; want %#x", f, h, h+1, got, negative, x.want)
					}
				}
			}
			if got := c.from(math.MaxFloat32); !math.IsInf(float64(c.to(got)), 1) {
				t.Errorf("the largest float becomes %v, want infinity", c.to(got))
			}
		})
	}
}

// TestCount checks sizes that must not be allocated.
func TestCount(t *testing.T) {
	for _, c := range []struct {
		shape []int
		want  int // -1: an error
	}{
		{nil, 1}, {[]int{2, 3}, 6}, {[]int{5, 0, 3}, 0}, {[]int{-1}, -1}, {[]int{2, -3}, -1},
		{[]int{math.MaxInt}, -1}, {[]int{1 << 40, 1 << 40}, -1}, {[]int{1 << 32, 1 << 32, 1 << 32}, -1}, {[]int{1 << 40}, 1 << 40},
	} {
		if n, err := Count(c.shape); (err != nil) != (c.want < 0) || err == nil && n != c.want {
			t.Errorf("%v: %d, %v; want %d", c.shape, n, err, c.want)
		}
	}
}

// TestIntegers stores and converts integers that float64 or float32 would round, or round twice.
func TestIntegers(t *testing.T) {
	const big = 1<<53 + 1
	x := New(I64, 3)
	for i, v := range []int64{big, math.MinInt64, -1} {
		if x.SetInt(i, v); x.Int(i) != v {
			t.Errorf("%d is stored as %d", v, x.Int(i))
		}
	}
	if got := Data[uint8](x.Cast(U8)); !slices.Equal(got, []uint8{1, 0, 255}) {
		t.Errorf("%d as u8 is %d, want the low bits", Data[int64](x), got)
	}
	if got := Data[bool](x.Cast(Bool)); !slices.Equal(got, []bool{true, true, true}) {
		t.Errorf("as bool %v", got)
	}
	// Halfway between two float32 but for its last bit, which a float64 drops.
	twice := int64(1<<60 + 1<<36 + 1)
	if got := Data[float32](Of([]int64{twice}, 1).Cast(F32))[0]; got != float32(twice) || got == float32(float64(twice)) {
		t.Errorf("%d as f32 is %v, want %v", twice, got, float32(twice))
	}
	for _, dt := range all {
		y := New(dt, 1)
		y.SetInt(0, 1)
		if y.Int(0) != 1 || y.At(0) != 1 {
			t.Errorf("1 in %v is %d, %v", dt, y.Int(0), y.At(0))
		}
	}
	if y := Of([]float64{-1.9}, 1); y.Int(0) != -1 {
		t.Errorf("-1.9 is %d", y.Int(0))
	}
}

// TestElements stores and reads numbers in every dtype.
func TestElements(t *testing.T) {
	for _, dt := range all {
		x := New(dt, 2, 3)
		if x.Len() != 6 || x.Rank() != 2 || x.Dim(-1) != 3 || x.DType() != dt || x.String() != dt.String()+"[2 3]" {
			t.Errorf("%v: %d elements, rank %d, last axis %d", x, x.Len(), x.Rank(), x.Dim(-1))
		}
		if slices.ContainsFunc(x.Float64s(), func(v float64) bool { return v != 0 }) {
			t.Errorf("%v does not start as zeros", x)
		}
		for i, v := range []float64{1, 0, 1, 1, 0, 1} { // what even a bool holds
			x.Set(i, v)
		}
		y := x.Clone()
		x.Set(0, 0)
		if want := []float64{1, 0, 1, 1, 0, 1}; !slices.Equal(y.Float64s(), want) {
			t.Errorf("the clone of %v is %v after its origin changed, want %v", x, y.Float64s(), want)
		}
		z := x.Reshape(3, 2)
		z.Set(5, 0)
		if x.At(5) != 0 || z.Dim(0) != 3 {
			t.Errorf("%v does not share its elements with its reshaped form", x)
		}
		for _, to := range all {
			if c := y.Cast(to); c.DType() != to || !slices.Equal(c.Shape(), y.Shape()) || !slices.Equal(c.Float64s(), y.Float64s()) {
				t.Errorf("%v cast to %v: %v, %v", y, to, c, c.Float64s())
			}
		}
	}
	fractions := Of([]float64{-1.9, 1.9, 300.5}, 3)
	for _, dt := range []DType{I64, I32} {
		if got := fractions.Cast(dt).Float64s(); !slices.Equal(got, []float64{-1, 1, 300}) {
			t.Errorf("%v in %v is %v, want the whole parts", fractions.Float64s(), dt, got)
		}
	}
	if got := Data[int32](Of([]int64{1<<53 + 1, -1}, 2).Cast(I32)); got[0] != 1 || got[1] != -1 {
		t.Errorf("large i64 become %v: the low 32 bits are kept", got)
	}
}

// TestOf wraps slices without a copy, and knows their dtypes.
func TestOf(t *testing.T) {
	data := []float32{1, 2}
	x := Of(data, 2)
	if data[1] = 5; x.At(1) != 5 || &Data[float32](x)[0] != &data[0] {
		t.Error("Of copies")
	}
	for want, x := range map[DType]*Tensor{
		F32: Scalar(float32(1)), F64: Scalar(1.), F16: Scalar(Float16(0x3c00)), BF16: Scalar(BFloat16(0x3f80)),
		I64: Scalar(int64(1)), I32: Scalar(int32(1)), I16: Scalar(int16(1)), I8: Scalar(int8(1)),
		U64: Scalar(uint64(1)), U32: Scalar(uint32(1)), U16: Scalar(uint16(1)), U8: Scalar(uint8(1)), Bool: Scalar(true),
		F8E4M3FN: Scalar(Float8E4M3FN(0x38)), F8E5M2: Scalar(Float8E5M2(0x3c)), F4E2M1: Scalar(Float4E2M1(2)),
		I4: Scalar(Int4(1)), U4: Scalar(Uint4(1)), I2: Scalar(Int2(1)), U2: Scalar(Uint2(1)),
	} {
		if x.DType() != want || x.Rank() != 0 || x.At(0) != 1 || x.Int(0) != 1 || want.Size() != len(x.Bytes()) {
			t.Errorf("%v: %v = %v, %d bytes", want, x, x.At(0), want.Size())
		}
		y, ok := OfRaw(want, x.Raw())
		if !ok || y.DType() != want || y.Rank() != 0 {
			t.Fatalf("OfRaw of %v: %v, %v", x, y, ok)
		}
		if y.Set(0, 0); x.At(0) != 0 {
			t.Errorf("OfRaw copies %v", x)
		}
		if _, ok := OfRaw(want, []uint32{1}); ok != (want.Size() == 4) {
			t.Errorf("OfRaw takes []uint32 for %v: %v", want, ok)
		}
		if named, ok := ByName(want.String()); !ok || named != want {
			t.Errorf("%v is the name of %v", want, named)
		}
		if numbered, ok := OfONNX(want.ONNX()); !ok || numbered != want {
			t.Errorf("%v has the number of %v", want, numbered)
		}
	}
	half := []uint16{0x3c00}
	if x, ok := OfRaw(F16, half, 1); !ok || x.At(0) != 1 {
		t.Error("OfRaw does not take the bits of f16")
	}
	if x := Of([]string{"a", "b c", ""}, 3); x.DType() != String || x.Part(1, 2, 1).Text(0) != "b c" || x.Clone().Text(0) != "a" || x.Bytes() != nil {
		t.Errorf("%v: %v", x, x.Raw())
	}
}

// TestParts shares the elements of a part.
func TestParts(t *testing.T) {
	for _, dt := range all {
		x := New(dt, 3, 2)
		x.Set(3, 1)
		p := x.Part(2, 6, 2, 2)
		if p.At(1) != 1 || p.Len() != 4 {
			t.Errorf("%v: elements 2 to 6 are %v", x, p.Float64s())
		}
		if p.Set(0, 1); x.At(2) != 1 || x.At(1) != 0 {
			t.Errorf("%v: a part is a copy", x)
		}
	}
}

// TestText holds that no digit of a number is lost, and none is made up.
func TestText(t *testing.T) {
	for _, tt := range []struct {
		x    *Tensor
		want string
	}{
		{Of([]int64{1<<53 + 1}, 1), "9007199254740993"},
		{Of([]int32{16777217}, 1), "16777217"},
		{Of([]uint8{200}, 1), "200"},
		{Of([]bool{true}, 1), "1"},
		{Of([]float32{.1}, 1), "0.1"},
		{Of([]float64{.1}, 1), "0.1"},
		{Of([]float64{1. / 3}, 1), "0.3333333333333333"},
	} {
		if got := tt.x.Text(0); got != tt.want {
			t.Errorf("%v: %s, want %s", tt.x, got, tt.want)
		}
	}
}

// TestEncode writes every dtype, little-endian, and more elements than are written at a time.
func TestEncode(t *testing.T) {
	for _, c := range []struct {
		x    *Tensor
		want string
	}{
		{Of([]float32{1, -2}, 2), "0000803f000000c0"},
		{Of([]float64{1}, 1), "000000000000f03f"},
		{Of([]Float16{0x3c00, 1}, 2), "003c0100"},
		{Of([]uint16{0x3c00, 1}, 2), "003c0100"},
		{Of([]Int4{-8, 7, -1}, 3), "780f"},
		{Of([]Uint4{8, 15}, 2), "f8"},
		{Of([]Int2{-2, 1, -1, 0, 1}, 5), "3601"},
		{Of([]Uint2{3, 0, 2}, 3), "23"},
		{Of([]Float4E2M1{1, 15}, 2), "f1"},
		{Of([]uint64{1<<64 - 1}, 1), "ffffffffffffffff"},
		{Of([]BFloat16{0x3f80}, 1), "803f"},
		{Of([]int64{-2}, 1), "feffffffffffffff"},
		{Of([]int32{258}, 1), "02010000"},
		{Of([]uint8{7, 255}, 2), "07ff"},
		{Of([]bool{true, false}, 2), "0100"},
		{New(F32, 0), ""},
	} {
		var b bytes.Buffer
		if err := c.x.Encode(&b); err != nil || fmt.Sprintf("%x", b.Bytes()) != c.want {
			t.Errorf("%v is %x, %v; want %s", c.x, b.Bytes(), err, c.want)
		}
		if c.x.Stored() != b.Len() {
			t.Errorf("%v takes %d bytes, Stored says %d", c.x, b.Len(), c.x.Stored())
		}
		back := New(c.x.DType(), c.x.Shape()...)
		if err := back.Decode(&b); err != nil || !bytes.Equal(back.Bytes(), c.x.Bytes()) {
			t.Errorf("%v is read as %v, %v", c.x.Float64s(), back.Float64s(), err)
		}
	}
	if err := New(Bool, 2).Decode(bytes.NewReader([]byte{1, 2})); err == nil {
		t.Error("a bool of 2 is read")
	}
	var text bytes.Buffer
	if err := Of([]string{"ab", ""}, 2).Encode(&text); err != nil || text.String() != "\x02\x00\x00\x00\x00\x00\x00\x00ab\x00\x00\x00\x00\x00\x00\x00\x00" {
		t.Errorf("strings are %q, %v", text.String(), err)
	}
	x := New(I32, 1<<15+3)
	for i := range x.Len() {
		x.SetInt(i, int64(i))
	}
	var b bytes.Buffer
	if err := x.Encode(&b); err != nil || b.Len() != 4*x.Len() {
		t.Fatalf("%d bytes, %v", b.Len(), err)
	}
	for i := range x.Len() {
		if got := binary.LittleEndian.Uint32(b.Bytes()[4*i:]); int(got) != i {
			t.Fatalf("element %d is %d", i, got)
		}
	}
	if err := x.Encode(full{}); err != errFull {
		t.Errorf("a writer that fails gives %v", err)
	}
}

var errFull = errors.New("full")

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

// TestPanics checks that programming mistakes are named.
func TestPanics(t *testing.T) {
	x := New(F32, 2, 3)
	for want, do := range map[string]func(){
		"axis 0 is negative":                   func() { New(F32, -1) },
		"tensor.New: dtype(99)":                func() { New(DType(99), 1) },
		"is too large":                         func() { New(F32, math.MaxInt, 2) },
		"3 elements do not fill shape [2]":     func() { Of([]int64{1, 2, 3}, 2) },
		"6 elements do not fill shape [4]":     func() { x.Reshape(4) },
		"the tensor is f32, not float64":       func() { Data[float64](x) },
		"tensor.CopyFrom: i64[2 3] into f32[2": func() { x.CopyFrom(New(I64, 2, 3)) },
		"a string is no number":                func() { New(String, 1).At(0) },
	} {
		func() {
			defer func() {
				if r := fmt.Sprint(recover()); !strings.Contains(r, want) {
					t.Errorf("panic %q, want %q", r, want)
				}
			}()
			do()
		}()
	}
}
