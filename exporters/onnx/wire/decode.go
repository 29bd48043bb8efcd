package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// What a file may claim is bounded, since a few bytes of it can take a hundred of memory: an empty message, say, or a packed
// dimension.
const (
	// maxDepth bounds the nesting of graphs inside attributes.
	maxDepth = 16
	// maxStructure bounds the memory of messages, lists and numbers, in bytes; tensor payloads and text are not in it.
	maxStructure = 64 << 20
	// maxText bounds the bytes of names, docs, metadata and lists of floats, which take as much memory as file.
	maxText = 256 << 20
	// maxFields bounds the fields of all messages, known and unknown.
	maxFields = 8 << 20
	// maxRank bounds the axes of a shape; tensors elsewhere have 64 at most.
	maxRank = 64
	// maxPorts bounds the inputs, and the outputs, of a node.
	maxPorts = 64 << 10
	// maxEntries bounds the attributes of a node, the opset imports, and where one tensor's external data is.
	maxEntries = 1 << 10
	// window is how much of the file is looked at in one read.
	window = 32 << 10
)

// Decode reads the model in data. Tensors refer to data, which must not change while they are in use.
func Decode(data []byte) (*Model, error) { return DecodeFrom(bytes.NewReader(data), int64(len(data))) }

// DecodeFrom reads the model in the first size bytes of r. Payloads of tensors are not read but checked: their length
// against the shape; r must stay open while [Tensor.Values] is in use. External data is reported in [Tensor.External] and not
// followed. Functions, sparse tensors and training information are read only for [Model.External].
func DecodeFrom(r io.ReaderAt, size int64) (*Model, error) {
	return (&decoder{r: r, size: size}).decode()
}

// DecodeDamaged is DecodeFrom for those who look for faults: a tensor whose payload does not fit its shape is no error, but has its
// [Tensor.Damage] set.
func DecodeDamaged(r io.ReaderAt, size int64) (*Model, error) {
	return (&decoder{r: r, size: size, damaged: true}).decode()
}

func (d *decoder) decode() (*Model, error) {
	m, err := d.model()
	if err != nil {
		return nil, fmt.Errorf("reading ONNX model: %w", err)
	}
	return m, nil
}

type decoder struct {
	r     io.ReaderAt
	size  int64
	pos   int64
	buf   []byte // what lies at bufAt
	bufAt int64
	spent int64 // of maxStructure
	text  int64 // of maxText
	count int   // of maxFields
	depth int

	damaged bool // damaged tensors are no errors

	external []*Tensor
}

// A field is one field of a message: its number, and its value by wire type.
type field struct {
	num      protowire.Number
	typ      protowire.Type
	v        uint64 // of a varint, fixed32 or fixed64
	off, end int64  // of the value; behind the length if it has one
}

// spend counts n bytes of memory against the bound on structure.
func (d *decoder) spend(n int64) error {
	if d.spent += n; d.spent > maxStructure {
		return fmt.Errorf("at byte %d: nodes, names and attributes take more than %d MiB", d.pos, maxStructure>>20)
	}
	return nil
}

// read counts n bytes of text.
func (d *decoder) read(n int64) error {
	if d.text += n; d.text > maxText {
		return fmt.Errorf("at byte %d: names, docs and metadata take more than %d MiB", d.pos, maxText>>20)
	}
	return nil
}

// atMost refuses one more of what, of which there are n.
func atMost(n, most int, what string) error {
	if n >= most {
		return fmt.Errorf("there are more than %d %s", most, what)
	}
	return nil
}

// peek returns the bytes at the position, at most n and not beyond end.
func (d *decoder) peek(n, end int64) ([]byte, error) {
	n = min(n, end-d.pos)
	if d.pos < d.bufAt || d.pos+n > d.bufAt+int64(len(d.buf)) {
		want := min(max(n, window), d.size-d.pos)
		if int64(cap(d.buf)) < want {
			d.buf = make([]byte, want)
		}
		d.buf = d.buf[:want]
		d.bufAt = d.pos
		if k, err := d.r.ReadAt(d.buf, d.pos); int64(k) < want {
			d.buf = d.buf[:0]
			return nil, fmt.Errorf("at byte %d: %w", d.pos, noEOF(err))
		}
	}
	i := d.pos - d.bufAt
	return d.buf[i : i+n], nil
}

func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

func (d *decoder) varint(end int64) (uint64, error) {
	b, err := d.peek(binary.MaxVarintLen64, end)
	if err != nil {
		return 0, err
	}
	v, n := protowire.ConsumeVarint(b)
	if n < 0 {
		return 0, fmt.Errorf("at byte %d: %w", d.pos, noEOF(protowire.ParseError(n)))
	}
	d.pos += int64(n)
	return v, nil
}

// fields calls handle with each field up to end.
func (d *decoder) fields(end int64, handle func(f field) error) error {
	for d.pos < end {
		start := d.pos
		if d.count++; d.count > maxFields {
			return fmt.Errorf("at byte %d: there are more than %d fields", start, maxFields)
		}
		tag, err := d.varint(end)
		if err != nil {
			return err
		}
		f := field{typ: protowire.Type(tag & 7)}
		if tag>>3 == 0 || tag>>3 > uint64(protowire.MaxValidNumber) {
			return fmt.Errorf("at byte %d: field number %d", start, tag>>3)
		}
		f.num, f.off = protowire.Number(tag>>3), d.pos
		switch f.typ {
		case protowire.VarintType:
			f.v, err = d.varint(end)
			f.end = d.pos
		case protowire.Fixed32Type, protowire.Fixed64Type:
			size := int64(4)
			if f.typ == protowire.Fixed64Type {
				size = 8
			}
			var b []byte
			if b, err = d.peek(size, end); err == nil && int64(len(b)) < size {
				err = fmt.Errorf("at byte %d: %w", d.pos, io.ErrUnexpectedEOF)
			}
			if err == nil {
				var v [8]byte
				copy(v[:], b)
				f.v = binary.LittleEndian.Uint64(v[:])
			}
			f.end = f.off + size
		case protowire.BytesType:
			var n uint64
			n, err = d.varint(end)
			if err == nil && n > uint64(end-d.pos) {
				err = fmt.Errorf("at byte %d: field %d claims %d bytes, %d are left", start, f.num, n, end-d.pos)
			}
			f.off = d.pos
			f.end = d.pos + int64(n)
		default:
			err = fmt.Errorf("at byte %d: field %d has wire type %d, which ONNX does not use", start, f.num, f.typ)
		}
		if err != nil {
			return err
		}
		if err := handle(f); err != nil {
			return err
		}
		d.pos = f.end
	}
	return nil
}

func (f field) want(typ protowire.Type) error {
	if f.typ != typ {
		return fmt.Errorf("at byte %d: field %d has wire type %d, want %d", f.off, f.num, f.typ, typ)
	}
	return nil
}

func (d *decoder) str(f field, to *string) error {
	if err := f.want(protowire.BytesType); err != nil {
		return err
	}
	n := f.end - f.off
	if err := errors.Join(d.read(n), d.spend(32)); err != nil { // the string's own header, and what allocation rounds up
		return err
	}
	d.pos = f.off
	b, err := d.peek(n, f.end)
	if err != nil {
		return err
	}
	*to = string(b)
	return nil
}

func (d *decoder) strs(f field, to *[]string, most int, what string) error {
	var s string
	err := atMost(len(*to), most, what)
	if err == nil {
		err = errors.Join(d.spend(32), d.str(f, &s))
	}
	*to = append(*to, s)
	return err
}

func (d *decoder) integer(f field, to *int64) error {
	*to = int64(f.v)
	return f.want(protowire.VarintType)
}

// integers reads a repeated integer, packed or not.
func (d *decoder) integers(f field, to *[]int64, most int, what string) error {
	add := func(v uint64) error {
		if err := atMost(len(*to), most, what); err != nil {
			return err
		}
		*to = append(*to, int64(v))
		return d.spend(2 * 8) // a list that grows leaves garbage
	}
	if f.typ != protowire.BytesType {
		if err := f.want(protowire.VarintType); err != nil {
			return err
		}
		return add(f.v)
	}
	for d.pos = f.off; d.pos < f.end; {
		v, err := d.varint(f.end)
		if err == nil {
			err = add(v)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// floats reads a repeated float, packed or not.
func (d *decoder) floats(f field, to *[]float32) error {
	if f.typ != protowire.BytesType {
		*to = append(*to, math.Float32frombits(uint32(f.v)))
		if err := d.read(4); err != nil {
			return err
		}
		return f.want(protowire.Fixed32Type)
	}
	if (f.end-f.off)%4 != 0 {
		return fmt.Errorf("at byte %d: %d bytes are no list of floats", f.off, f.end-f.off)
	}
	if err := d.read(f.end - f.off); err != nil {
		return err
	}
	for d.pos = f.off; d.pos < f.end; d.pos += 4 {
		b, err := d.peek(4, f.end)
		if err != nil {
			return err
		}
		*to = append(*to, math.Float32frombits(binary.LittleEndian.Uint32(b)))
	}
	return nil
}

// sub reads f as a message; handle gets its fields. what names it in errors.
func (d *decoder) sub(f field, what string, handle func(f field) error) error {
	err := f.want(protowire.BytesType)
	if err == nil {
		err = d.spend(160) // about the largest of the structs and its pointer
	}
	if err == nil {
		d.pos = f.off
		err = d.fields(f.end, handle)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
