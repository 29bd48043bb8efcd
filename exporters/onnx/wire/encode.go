package wire

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
)

// MaxSize is the largest file that protobuf readers accept, in bytes.
const MaxSize = math.MaxInt32

// ErrTooLarge says that a model does not fit into one file: some of its tensors must become external data.
var ErrTooLarge = errors.New("the file would be over 2 GiB, more than protobuf readers accept; store the weights as external data")

// Size is the length of m's encoding in bytes. It holds m to the rules of the messages: an error says what cannot be
// written.
func (m *Model) Size() (int64, error) {
	var c encoder
	c.model(m)
	return c.n, c.err
}

// Encode writes m to w. A model that is larger than [MaxSize] is an [ErrTooLarge], before anything is written.
func (m *Model) Encode(w io.Writer) error {
	n, err := m.Size()
	if err != nil {
		return fmt.Errorf("encoding ONNX model: %w", err)
	}
	if n > MaxSize {
		return fmt.Errorf("encoding ONNX model of %d bytes: %w", n, ErrTooLarge)
	}
	e := encoder{w: bufio.NewWriterSize(w, 64<<10)}
	e.model(m)
	if e.err == nil {
		e.err = e.w.Flush()
	}
	if e.err != nil {
		return fmt.Errorf("writing ONNX model: %w", e.err)
	}
	return nil
}

// An encoder writes fields, or, without a writer, counts their bytes: one piece of code gives sizes and contents.
type encoder struct {
	w   *bufio.Writer
	n   int64
	err error
	buf [2 * binaryMaxVarint]byte
}

const binaryMaxVarint = 10

func (e *encoder) fail(format string, args ...any) {
	if e.err == nil {
		e.err = fmt.Errorf(format, args...)
	}
}

func (e *encoder) write(b []byte) {
	e.n += int64(len(b))
	if e.w != nil && e.err == nil {
		_, e.err = e.w.Write(b)
	}
}

func (e *encoder) varint(field protowire.Number, v uint64) {
	b := protowire.AppendTag(e.buf[:0], field, protowire.VarintType)
	e.write(protowire.AppendVarint(b, v))
}

func (e *encoder) float(field protowire.Number, v float32) {
	b := protowire.AppendTag(e.buf[:0], field, protowire.Fixed32Type)
	e.write(protowire.AppendFixed32(b, math.Float32bits(v)))
}

func (e *encoder) header(field protowire.Number, n int64) {
	b := protowire.AppendTag(e.buf[:0], field, protowire.BytesType)
	e.write(protowire.AppendVarint(b, uint64(n)))
}

// bytes writes s whatever it holds, and even if it is empty.
func (e *encoder) bytes(field protowire.Number, s string) {
	e.header(field, int64(len(s)))
	e.n += int64(len(s))
	if e.w != nil && e.err == nil {
		_, e.err = e.w.WriteString(s)
	}
}

// str writes text. Readers reject a string that is not UTF-8.
func (e *encoder) str(field protowire.Number, s string) {
	if !utf8.ValidString(s) {
		e.fail("the string %q is not UTF-8", s)
	}
	e.bytes(field, s)
}

// opt writes text unless it is empty.
func (e *encoder) opt(field protowire.Number, s string) {
	if s != "" {
		e.str(field, s)
	}
}

// message writes what body writes, behind its length.
func (e *encoder) message(field protowire.Number, body func(*encoder)) {
	var c encoder
	body(&c)
	if e.err == nil {
		e.err = c.err
	}
	e.header(field, c.n)
	if e.w == nil {
		e.n += c.n
		return
	}
	before := e.n
	body(e)
	if e.n-before != c.n {
		e.fail("a message of %d bytes was announced with %d: the model changed while it was written", e.n-before, c.n)
	}
}

func (e *encoder) model(m *Model) {
	e.varint(1, uint64(m.IRVersion))
	e.opt(2, m.ProducerName)
	e.opt(3, m.ProducerVersion)
	e.opt(4, m.Domain)
	if m.Version != 0 {
		e.varint(5, uint64(m.Version))
	}
	e.opt(6, m.Doc)
	if m.Graph == nil {
		e.fail("the model has no graph")
		return
	}
	e.message(7, func(e *encoder) { e.graph(m.Graph) })
	for _, o := range m.Opsets {
		e.message(8, func(e *encoder) {
			e.opt(1, o.Domain)
			e.varint(2, uint64(o.Version))
		})
	}
	e.entries(14, m.Metadata)
}

func (e *encoder) entries(field protowire.Number, list []Entry) {
	for _, p := range list {
		e.message(field, func(e *encoder) {
			e.str(1, p.Key)
			e.str(2, p.Value)
		})
	}
}

func (e *encoder) graph(g *Graph) {
	for _, n := range g.Nodes {
		e.message(1, func(e *encoder) { e.node(n) })
	}
	e.opt(2, g.Name)
	for _, t := range g.Initializers {
		e.message(5, func(e *encoder) { e.tensor(t) })
	}
	e.opt(10, g.Doc)
	e.values(11, g.Inputs)
	e.values(12, g.Outputs)
	e.values(13, g.Values)
}

func (e *encoder) node(n *Node) {
	for _, s := range n.Inputs {
		e.str(1, s)
	}
	for _, s := range n.Outputs {
		e.str(2, s)
	}
	e.opt(3, n.Name)
	e.str(4, n.OpType)
	for _, a := range n.Attributes {
		e.message(5, func(e *encoder) { e.attribute(a) })
	}
	e.opt(6, n.Doc)
	e.opt(7, n.Domain)
}

// The numbers of AttributeProto.AttributeType.
const (
	attrFloat = iota + 1
	attrInt
	attrString
	attrTensor
	attrGraph
	attrFloats
	attrInts
	attrStrings
	attrTensors
	attrGraphs
)

func (e *encoder) attribute(a *Attribute) {
	e.str(1, a.Name)
	var kind uint64
	switch v := a.Value.(type) {
	case float32:
		kind = attrFloat
		e.float(2, v)
	case int64:
		kind = attrInt
		e.varint(3, uint64(v))
	case string:
		kind = attrString
		e.bytes(4, v)
	case *Tensor:
		kind = attrTensor
		e.message(5, func(e *encoder) { e.tensor(v) })
	case *Graph:
		kind = attrGraph
		e.message(6, func(e *encoder) { e.graph(v) })
	case []float32:
		kind = attrFloats
		for _, x := range v {
			e.float(7, x)
		}
	case []int64:
		kind = attrInts
		for _, x := range v {
			e.varint(8, uint64(x))
		}
	case []string:
		kind = attrStrings
		for _, x := range v {
			e.bytes(9, x)
		}
	case []*Tensor:
		kind = attrTensors
		for _, x := range v {
			e.message(10, func(e *encoder) { e.tensor(x) })
		}
	case []*Graph:
		kind = attrGraphs
		for _, x := range v {
			e.message(11, func(e *encoder) { e.graph(x) })
		}
	default:
		e.fail("attribute %q cannot be a %T", a.Name, a.Value)
	}
	e.opt(13, a.Doc)
	e.varint(20, kind)
}

func (e *encoder) tensor(t *Tensor) {
	for _, d := range t.Dims {
		e.varint(1, uint64(d))
	}
	e.varint(2, uint64(t.Type))
	e.opt(8, t.Name)
	if len(t.External) == 0 {
		e.raw(t)
	}
	e.opt(12, t.Doc)
	if len(t.External) > 0 {
		e.entries(13, t.External)
		e.varint(14, 1) // data_location: EXTERNAL
	}
}

func (e *encoder) raw(t *Tensor) {
	var err error
	if t.Data != nil || t.stored.r == nil {
		err = t.check()
	}
	if t.Type == String {
		e.strings(t, err)
		return
	}
	n, err2 := t.Bytes()
	if err = errors.Join(err, err2); err != nil {
		e.fail("tensor %q: %w", t.Name, err)
		return
	}
	e.header(9, n)
	e.n += n
	if e.w != nil && e.err == nil {
		e.err = t.WriteRaw(e.w)
	}
}

// strings writes string_data. err is what is wrong with t.
func (e *encoder) strings(t *Tensor, err error) {
	var data any
	if err == nil {
		data, err = t.values()
	}
	if err != nil {
		e.fail("tensor %q: %w", t.Name, err)
		return
	}
	for _, s := range data.([]string) {
		e.str(stringData, s)
	}
}

func (e *encoder) values(field protowire.Number, list []*ValueInfo) {
	for _, v := range list {
		e.message(field, func(e *encoder) {
			e.str(1, v.Name)
			if v.Type != nil {
				e.message(2, func(e *encoder) {
					e.message(1, func(e *encoder) { e.tensorType(v.Type) })
					e.opt(6, v.Denotation)
				})
			}
			e.opt(3, v.Doc)
		})
	}
}

func (e *encoder) tensorType(t *TensorType) {
	e.varint(1, uint64(t.Elem))
	if t.Shape == nil {
		return
	}
	e.message(2, func(e *encoder) {
		for _, d := range t.Shape {
			e.message(1, func(e *encoder) {
				switch {
				case d.Unknown:
				case d.Param != "":
					e.str(2, d.Param)
				default:
					e.varint(1, uint64(d.Value))
				}
			})
		}
	})
}
