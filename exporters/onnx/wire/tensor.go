package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"unsafe"
)

// A Tensor is a TensorProto.
//
// To write one, set Data to a slice of exactly the elements that Dims say, of the Go type that belongs to Type: []float32,
// []float64, []int8 to []int64, []uint8 to []uint64, []bool, []string; []uint16 holds the bits of Float16 and BFloat16, []uint8 those of
// floats of 8 bits, and of narrower elements the bytes that they are packed into, the first in the lowest bits. It is not copied. A decoded
// tensor has no Data: [Tensor.Values] fetches it.
//
// A tensor with External entries has its payload in another file, and none here.
type Tensor struct {
	Name     string
	Type     DataType
	Dims     []int64
	Data     any
	Doc      string
	External []Entry

	// Damage says how the payload of a tensor that [DecodeDamaged] read does not fit the shape.
	Damage error

	stored stored
}

// stored says where a decoded tensor's payload lies.
type stored struct {
	r      io.ReaderAt
	raw    bool     // one section of little-endian elements, not repeated fields
	pieces []extent // in order
	field  int      // the repeated field that the pieces belong to, if not raw
	n      int64    // bytes in all pieces
}

type extent struct{ off, n int64 }

// FromRaw is a tensor over a payload in raw form; [Tensor.Values] holds its length to the shape.
func FromRaw(name string, t DataType, dims []int64, raw []byte) *Tensor {
	n := int64(len(raw))
	return &Tensor{Name: name, Type: t, Dims: dims, stored: stored{r: bytes.NewReader(raw), raw: true, pieces: []extent{{0, n}}, n: n}}
}

var typeNames = [...]string{Undefined: "undefined", Float: "f32", Uint8: "u8", Int8: "i8", Uint16: "u16", Int16: "i16",
	Int32: "i32", Int64: "i64", String: "string", Bool: "bool", Float16: "f16", Double: "f64", Uint32: "u32", Uint64: "u64",
	Complex64: "c64", Complex128: "c128", BFloat16: "bf16", Float8E4M3: "f8e4m3fn", 18: "f8e4m3fnuz", 19: "f8e5m2",
	20: "f8e5m2fnuz", Uint4: "u4", Int4: "i4", Float4E2M1: "f4e2m1", 24: "f8e8m0",
	25: "u2", 26: "i2", 27: "f6e2m3", 28: "f6e3m2"}

// String is the type's short name, f32.
func (t DataType) String() string {
	if t < 0 || int(t) >= len(typeNames) {
		return "type " + strconv.Itoa(int(t))
	}
	return typeNames[t]
}

// bits is the size of one element in raw_data, 0 where there is no fixed one.
func (t DataType) bits() int64 {
	switch t {
	case Uint8, Int8, Bool, Float8E4M3, 18, 19, 20, 24:
		return 8
	case Uint16, Int16, Float16, BFloat16:
		return 16
	case Float, Int32, Uint32:
		return 32
	case Double, Int64, Uint64, Complex64:
		return 64
	case Complex128:
		return 128
	case Uint4, Int4, Float4E2M1:
		return 4
	case 25, 26:
		return 2
	}
	return 0
}

// Len is the number of elements, or an error if a dimension is negative or the product is beyond any file.
func (t *Tensor) Len() (int64, error) {
	n := int64(1)
	for i, d := range t.Dims {
		if d < 0 {
			return 0, fmt.Errorf("axis %d of %v is negative", i, t.Dims)
		}
		if d > 0 && n > math.MaxInt64/256/d {
			return 0, fmt.Errorf("the size of shape %v overflows", t.Dims)
		}
		n *= d
	}
	return n, nil
}

// Bytes is the size of the payload in raw form.
func (t *Tensor) Bytes() (int64, error) {
	n, err := t.Len()
	if err != nil {
		return 0, err
	}
	b := t.Type.bits()
	if b == 0 {
		return 0, fmt.Errorf("elements of type %v have no fixed size", t.Type)
	}
	return (n*b + 7) / 8, nil
}

// check holds a tensor about to be written to its contract.
func (t *Tensor) check() error {
	n, err := t.Len()
	if err != nil {
		return err
	}
	var have int
	var ok bool
	switch d := t.Data.(type) {
	case []float32:
		have, ok = len(d), t.Type == Float
	case []float64:
		have, ok = len(d), t.Type == Double
	case []int64:
		have, ok = len(d), t.Type == Int64
	case []uint64:
		have, ok = len(d), t.Type == Uint64
	case []int32:
		have, ok = len(d), t.Type == Int32
	case []uint32:
		have, ok = len(d), t.Type == Uint32
	case []int16:
		have, ok = len(d), t.Type == Int16
	case []uint16:
		have, ok = len(d), t.Type == Uint16 || t.Type == Float16 || t.Type == BFloat16
	case []int8:
		have, ok = len(d), t.Type == Int8
	case []uint8:
		switch bits := t.Type.bits(); {
		case bits == 8:
			have, ok = len(d), t.Type != Int8 && t.Type != Bool
		case bits > 0 && bits < 8:
			if n, err = t.Bytes(); err != nil {
				return err
			}
			have, ok = len(d), true
		}
	case []string:
		have, ok = len(d), t.Type == String
	case []bool:
		have, ok = len(d), t.Type == Bool
	}
	if !ok {
		return fmt.Errorf("elements of type %v cannot be written from a %T", t.Type, t.Data)
	}
	if int64(have) != n {
		return fmt.Errorf("shape %v has %d elements, the data %d", t.Dims, n, have)
	}
	return nil
}

// WriteRaw writes the payload as raw_data holds it: row-major, little-endian, a bool as one byte. It is also the form of
// an external data file.
func (t *Tensor) WriteRaw(w io.Writer) error {
	if t.Data == nil && t.stored.r != nil && t.stored.raw {
		for _, p := range t.stored.pieces {
			if _, err := io.Copy(w, io.NewSectionReader(t.stored.r, p.off, p.n)); err != nil {
				return fmt.Errorf("tensor %q: %w", t.Name, err)
			}
		}
		return nil
	}
	data, err := t.Values()
	if err != nil {
		return err
	}
	switch d := data.(type) {
	case []uint8:
		err = writeElements(w, d)
	case []int8:
		err = writeElements(w, d)
	case []bool:
		err = writeElements(w, d)
	case []int16:
		err = writeElements(w, d)
	case []uint16:
		err = writeElements(w, d)
	case []float32:
		err = writeElements(w, d)
	case []int32:
		err = writeElements(w, d)
	case []uint32:
		err = writeElements(w, d)
	case []float64:
		err = writeElements(w, d)
	case []int64:
		err = writeElements(w, d)
	case []uint64:
		err = writeElements(w, d)
	case []string:
		err = fmt.Errorf("tensor %q: strings have no raw form", t.Name)
	}
	return err
}

// littleEndian says that this machine holds numbers as the file does.
var littleEndian = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// writeElements writes the memory of d, or on a big-endian machine its elements turned round, in pieces, so that the
// payload is never held twice.
func writeElements[T any](w io.Writer, d []T) error {
	var zero T
	size := int(unsafe.Sizeof(zero))
	b := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(d))), len(d)*size)
	if littleEndian || size == 1 {
		_, err := w.Write(b)
		return err
	}
	buf := make([]byte, min(32<<10, len(b)))
	for len(b) > 0 {
		n := copy(buf, b) // whole elements: the sizes are powers of two
		for i := 0; i < n; i += size {
			slices.Reverse(buf[i : i+size])
		}
		if _, err := w.Write(buf[:n]); err != nil {
			return err
		}
		b = b[n:]
	}
	return nil
}

// ErrExternal says that a tensor's payload is in another file, which this package does not follow.
var ErrExternal = errors.New("the payload is external data")

// Values returns the elements: Data, or for a decoded tensor a new slice read from the file it came from, of the Go type
// that the description of [Tensor] gives. Complex numbers are errors.
func (t *Tensor) Values() (any, error) {
	v, err := t.values()
	if err != nil {
		return nil, fmt.Errorf("tensor %q: %w", t.Name, err)
	}
	return v, nil
}

func (t *Tensor) values() (any, error) {
	switch {
	case t.Damage != nil:
		return nil, t.Damage
	case t.Data != nil:
		return t.Data, t.check()
	case len(t.External) > 0:
		return nil, ErrExternal
	}
	n, err := t.checkStored()
	if err != nil {
		return nil, err
	}
	buf := make([]byte, 0, t.stored.n)
	for _, p := range t.stored.pieces {
		k := len(buf)
		buf = buf[:k+int(p.n)]
		if _, err := t.stored.r.ReadAt(buf[k:], p.off); err != nil && err != io.EOF {
			return nil, fmt.Errorf("reading %d bytes at %d: %w", p.n, p.off, err)
		}
	}
	switch {
	case t.Type == String:
		texts := make([]string, n)
		for i, p := range t.stored.pieces {
			texts[i], buf = string(buf[:p.n]), buf[p.n:]
		}
		return texts, nil
	case t.stored.raw:
		return t.fromRaw(buf, int(n))
	}
	return t.fromFields(buf, int(n))
}

func (t *Tensor) fromRaw(b []byte, n int) (any, error) {
	le := binary.LittleEndian
	switch t.Type {
	case Uint8, Float8E4M3, 18, 19, 20, 24, Uint4, Int4, Float4E2M1, 25, 26:
		return b, nil
	case Int8:
		return parse(b, n, 1, func(b []byte) int8 { return int8(b[0]) }), nil
	case Bool:
		return parse(b, n, 1, func(b []byte) bool { return b[0] != 0 }), nil
	case Uint16, Float16, BFloat16:
		return parse(b, n, 2, le.Uint16), nil
	case Int16:
		return parse(b, n, 2, func(b []byte) int16 { return int16(le.Uint16(b)) }), nil
	case Float:
		return parse(b, n, 4, func(b []byte) float32 { return math.Float32frombits(le.Uint32(b)) }), nil
	case Int32:
		return parse(b, n, 4, func(b []byte) int32 { return int32(le.Uint32(b)) }), nil
	case Uint32:
		return parse(b, n, 4, le.Uint32), nil
	case Double:
		return parse(b, n, 8, func(b []byte) float64 { return math.Float64frombits(le.Uint64(b)) }), nil
	case Int64:
		return parse(b, n, 8, func(b []byte) int64 { return int64(le.Uint64(b)) }), nil
	case Uint64:
		return parse(b, n, 8, le.Uint64), nil
	}
	return nil, fmt.Errorf("elements of type %v cannot be read", t.Type)
}

// fromFields reads float_data, double_data (fixed size) or int32_data, int64_data, uint64_data (varints).
func (t *Tensor) fromFields(b []byte, n int) (any, error) {
	switch t.Type {
	case Float, Double:
		return t.fromRaw(b, n)
	}
	if bits := t.Type.bits(); bits < 8 { // as many to a varint as to a byte
		n = (n*int(bits) + 7) / 8
	}
	v, err := varints(b, n)
	if err != nil {
		return nil, err
	}
	switch t.Type {
	case Uint8, Float8E4M3, 18, 19, 20, 24, Uint4, Int4, Float4E2M1, 25, 26:
		return convert(v, func(x uint64) uint8 { return uint8(x) }), nil
	case Int8:
		return convert(v, func(x uint64) int8 { return int8(x) }), nil
	case Bool:
		return convert(v, func(x uint64) bool { return x != 0 }), nil
	case Uint16, Float16, BFloat16:
		return convert(v, func(x uint64) uint16 { return uint16(x) }), nil
	case Int16:
		return convert(v, func(x uint64) int16 { return int16(x) }), nil
	case Int32:
		return convert(v, func(x uint64) int32 { return int32(x) }), nil
	case Uint32:
		return convert(v, func(x uint64) uint32 { return uint32(x) }), nil
	case Int64:
		return convert(v, func(x uint64) int64 { return int64(x) }), nil
	case Uint64:
		return v, nil
	}
	return nil, fmt.Errorf("elements of type %v cannot be read", t.Type)
}

func parse[T any](b []byte, n, size int, get func([]byte) T) []T {
	out := make([]T, n)
	for i := range out {
		out[i] = get(b[i*size:])
	}
	return out
}

func convert[T any](v []uint64, f func(uint64) T) []T {
	out := make([]T, len(v))
	for i, x := range v {
		out[i] = f(x)
	}
	return out
}

func varints(b []byte, n int) ([]uint64, error) {
	out := make([]uint64, 0, n) // n ≤ len(b): checkStored saw to that
	for len(b) > 0 {
		v, k := binary.Uvarint(b)
		if k <= 0 {
			return nil, fmt.Errorf("element %d is not a varint", len(out))
		}
		if len(out) == n {
			return nil, fmt.Errorf("more elements than the %d of the shape", n)
		}
		out, b = append(out, v), b[k:]
	}
	if len(out) != n {
		return nil, fmt.Errorf("%d elements, the shape has %d", len(out), n)
	}
	return out, nil
}

// The repeated fields of TensorProto that can hold elements.
const (
	floatData  = 4
	int32Data  = 5
	stringData = 6
	int64Data  = 7
	doubleData = 10
	uint64Data = 11
)

// dataFields lists, for each repeated field, the types that it may hold.
var dataFields = map[int][]DataType{
	floatData:  {Float, Complex64},
	int32Data:  {Int32, Int16, Int8, Uint16, Uint8, Bool, Float16, BFloat16, Float8E4M3, 18, 19, 20, Uint4, Int4, Float4E2M1, 24, 25, 26},
	int64Data:  {Int64},
	doubleData: {Double, Complex128},
	uint64Data: {Uint32, Uint64},
}

// checkStored compares the shape of a decoded tensor with its payload and returns the number of elements.
func (t *Tensor) checkStored() (int64, error) {
	n, err := t.Len()
	if err != nil {
		return 0, err
	}
	s := t.stored
	if t.Type == String {
		if s.field != stringData && n != 0 || int64(len(s.pieces)) != n {
			return 0, fmt.Errorf("shape %v has %d strings, the file has %d", t.Dims, n, len(s.pieces))
		}
		return n, nil
	}
	want, err := t.Bytes()
	if err != nil {
		return 0, err
	}
	switch {
	case s.raw:
		if s.n != want {
			return 0, fmt.Errorf("%v%v takes %d bytes, raw_data has %d", t.Type, t.Dims, want, s.n)
		}
	case s.field == 0:
		if n != 0 {
			return 0, fmt.Errorf("%v%v has no data", t.Type, t.Dims)
		}
	case !slices.Contains(dataFields[s.field], t.Type):
		return 0, fmt.Errorf("field %d cannot hold elements of type %v", s.field, t.Type)
	case s.field == floatData || s.field == doubleData:
		if s.n != want {
			return 0, fmt.Errorf("%v%v takes %d bytes, the file has %d", t.Type, t.Dims, want, s.n)
		}
	default: // a varint has 1 to 10 bytes; elements of 4 bits come two to a varint, of 2 bits four
		least := n
		if b := t.Type.bits(); b < 8 {
			least = (n*b + 7) / 8
		}
		if s.n < least || s.n/10 > n {
			return 0, fmt.Errorf("%v%v has %d elements, the file has %d bytes of them", t.Type, t.Dims, n, s.n)
		}
	}
	return n, nil
}
