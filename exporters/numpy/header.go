package numpy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/sardonyx-ml/sardonyx/exporters/elements"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// maxHeader is the longest header read, in bytes; NumPy's own are 128. maxRank is NumPy's limit on dimensions.
const (
	maxHeader = 1 << 16
	maxRank   = 64
)

var magic = []byte("\x93NUMPY")

// A header says how an array is stored.
type header struct {
	stored  elements.Storage
	shape   []int
	fortran bool // the first axis runs fastest
}

// readHeader reads the header of an array and says how many bytes it took.
func readHeader(r io.Reader) (h header, used int64, err error) {
	prefix := make([]byte, 10)
	if _, err := io.ReadFull(r, prefix); err != nil {
		return h, 0, fmt.Errorf("too short for a npy header: %w", err)
	}
	if !bytes.Equal(prefix[:6], magic) {
		return h, 0, fmt.Errorf("it begins with % x, which is no npy header", prefix[:6])
	}
	n := int64(binary.LittleEndian.Uint16(prefix[8:]))
	switch prefix[6] {
	case 1:
	case 2, 3: // 3 differs in that the text is UTF-8
		prefix = append(prefix, 0, 0)
		if _, err := io.ReadFull(r, prefix[10:]); err != nil {
			return h, 0, fmt.Errorf("too short for a npy header: %w", err)
		}
		n = int64(binary.LittleEndian.Uint32(prefix[8:]))
	default:
		return h, 0, fmt.Errorf("npy format version %d.%d is not known (1 to 3 are)", prefix[6], prefix[7])
	}
	if n > maxHeader {
		return h, 0, fmt.Errorf("its header claims to be %d bytes long", n)
	}
	text := make([]byte, n)
	if _, err := io.ReadFull(r, text); err != nil {
		return h, 0, fmt.Errorf("the header of %d bytes is cut short: %w", n, err)
	}
	h, err = parseHeader(string(text))
	return h, int64(len(prefix)) + n, err
}

// parseHeader reads the text of a header, the literal of a Python dict with the keys descr, fortran_order and shape.
func parseHeader(text string) (h header, err error) {
	v, err := parseLiteral(text)
	d, ok := v.(dict)
	if err == nil && !ok {
		err = errors.New("it is not a dict")
	}
	for _, key := range []string{"descr", "fortran_order", "shape"} {
		if _, ok := d[key]; err == nil && !ok {
			err = fmt.Errorf("it has no %q", key)
		}
	}
	if err == nil && len(d) > 3 {
		err = errors.New("it has other keys than descr, fortran_order and shape")
	}
	if err == nil {
		if h.fortran, ok = d["fortran_order"].(bool); !ok {
			err = errors.New("fortran_order is not True or False")
		}
	}
	if err == nil {
		h.shape, err = shapeOf(d["shape"])
	}
	if err != nil {
		return h, fmt.Errorf("its npy header is damaged: %w", err)
	}
	if len(h.shape) > maxRank {
		return h, fmt.Errorf("its header claims %d dimensions", len(h.shape))
	}
	h.stored, err = storage(d["descr"])
	return h, err
}

// shapeOf is the shape in a header: a tuple of whole numbers.
func shapeOf(v any) ([]int, error) {
	t, ok := v.(tuple)
	if !ok {
		return nil, errors.New("the shape is not a tuple of numbers, such as (2, 3) or (2,)")
	}
	shape := make([]int, len(t))
	for i, d := range t {
		n, ok := d.(int64)
		if !ok || n < 0 {
			return nil, fmt.Errorf("dimension %d of the shape is not a number from 0 on: a negative one, or something else", i)
		}
		shape[i] = int(n)
	}
	return shape, nil
}

// storage is the element type that a header's descr names, such as "<f4".
func storage(descr any) (elements.Storage, error) {
	const save = "save it with .astype(...) as one of float16 to float64, int8 to int64, uint8 to uint64, or bool"
	if fields, ok := descr.(list); ok {
		var names []string
		for _, f := range fields {
			if t, ok := f.(tuple); ok && len(t) > 0 {
				names = append(names, fmt.Sprintf("%.40q", fmt.Sprint(t[0])))
			}
			if len(names) == 5 && len(fields) > 5 {
				names = append(names, fmt.Sprintf("and so on, %d in all", len(fields)))
				break
			}
		}
		return elements.Storage{}, fmt.Errorf("its elements are structures (fields %s): save each field as an array of its own", strings.Join(names, ", "))
	}
	text, ok := descr.(string)
	if !ok {
		return elements.Storage{}, errors.New("its elements are of no simple NumPy type (its descr is no string): " + save)
	}
	kind, order := text, binary.ByteOrder(binary.LittleEndian)
	if kind != "" && strings.ContainsRune("<>|=", rune(kind[0])) {
		if kind[0] == '>' {
			order = binary.BigEndian
		}
		kind = kind[1:]
	}
	if kind == "b1" {
		return elements.Of(tensor.U8, order).As(tensor.Bool), nil // a byte that is not 0 is true
	}
	for t, descr := range descrs {
		if descr[1:] == kind {
			return elements.Of(t, order), nil
		}
	}
	return elements.Storage{}, fmt.Errorf("its elements are of NumPy type %.40q: %s", text, save)
}

var descrs = map[tensor.DType]string{
	tensor.F16: "<f2", tensor.F32: "<f4", tensor.F64: "<f8", tensor.Bool: "|b1",
	tensor.I64: "<i8", tensor.I32: "<i4", tensor.I16: "<i2", tensor.I8: "|i1",
	tensor.U64: "<u8", tensor.U32: "<u4", tensor.U16: "<u2", tensor.U8: "|u1",
}
