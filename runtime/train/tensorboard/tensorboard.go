// Package tensorboard writes the event files that TensorBoard reads.
//
// A file is records of TFRecord, each an Event of TensorFlow's event.proto as protocol buffers encode it. The first is that of
// [Begin]; those after it may be appended as they come.
package tensorboard

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image/png"
	"math"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
)

// An Event is what is reported of one step.
type Event struct {
	Time   time.Time
	Step   int64
	Values []Value
}

// A Value is a summary under a tag. TensorBoard shows tags with the same beginning, up to a slash, side by side.
type Value struct {
	tag  string
	body []byte // the other fields of a Summary.Value
}

// The field numbers of TensorFlow's event.proto, summary.proto, tensor.proto.
const (
	eventWallTime    = 1
	eventStep        = 2
	eventFileVersion = 3
	eventSummary     = 5
	eventSession     = 7

	sessionStatus = 1

	summaryValue = 1

	valueTag      = 1
	valueSimple   = 2
	valueImage    = 4
	valueTensor   = 8
	valueMetadata = 9

	imageHeight     = 1
	imageWidth      = 2
	imageColorspace = 3
	imageEncoded    = 4

	metadataPlugin = 1
	pluginName     = 1

	tensorDType   = 1
	tensorShape   = 2
	tensorStrings = 8
)

const (
	fileVersion  = "brain.Event:2"
	sessionStart = 1 // SessionLog.START: what was read before of this step and later ones is void
	stringDType  = 7 // DT_STRING
	rgb          = 3 // the colorspace of an image
)

// Scalar is a number. The format has single precision.
func Scalar(tag string, v float64) Value {
	return Value{tag, protowire.AppendFixed32(protowire.AppendTag(nil, valueSimple, protowire.Fixed32Type), math.Float32bits(float32(v)))}
}

// Image is a picture, the content of a PNG file.
func Image(tag string, file []byte) (Value, error) {
	c, err := png.DecodeConfig(bytes.NewReader(file))
	if err != nil {
		return Value{}, fmt.Errorf("the image %q: %w", tag, err)
	}
	var m []byte
	m = appendInt(m, imageHeight, int64(c.Height))
	m = appendInt(m, imageWidth, int64(c.Width))
	m = appendInt(m, imageColorspace, rgb)
	m = appendBytes(m, imageEncoded, file)
	return Value{tag, appendBytes(nil, valueImage, m)}, nil
}

// Text is text in Markdown.
func Text(tag, markdown string) Value {
	var m []byte
	m = appendInt(m, tensorDType, stringDType)
	m = appendBytes(m, tensorShape, nil) // a scalar
	m = appendString(m, tensorStrings, markdown)
	plugin := appendString(nil, pluginName, "text")
	return Value{tag, appendBytes(appendBytes(nil, valueTensor, m), valueMetadata, appendBytes(nil, metadataPlugin, plugin))}
}

// Begin is the beginning of a file, at a time. A TensorBoard that shows an older file of the same folder forgets what it read there.
func Begin(at time.Time) []byte {
	version := appendString(appendTime(nil, at), eventFileVersion, fileVersion)
	session := appendBytes(appendTime(nil, at), eventSession, appendInt(nil, sessionStatus, sessionStart))
	return appendRecord(appendRecord(nil, version), session)
}

// Append appends the event to the content b of a file.
func (e Event) Append(b []byte) []byte {
	var summary []byte
	for _, v := range e.Values {
		summary = appendBytes(summary, summaryValue, append(appendString(nil, valueTag, v.tag), v.body...))
	}
	return appendRecord(b, appendBytes(appendInt(appendTime(nil, e.Time), eventStep, e.Step), eventSummary, summary))
}

func appendTime(b []byte, at time.Time) []byte {
	seconds := float64(at.UnixMicro()) / 1e6
	return protowire.AppendFixed64(protowire.AppendTag(b, eventWallTime, protowire.Fixed64Type), math.Float64bits(seconds))
}

func appendInt(b []byte, field protowire.Number, v int64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), uint64(v))
}

func appendBytes(b []byte, field protowire.Number, v []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), v)
}

// appendString appends text, of which readers refuse what is not UTF-8.
func appendString(b []byte, field protowire.Number, s string) []byte {
	return appendBytes(b, field, []byte(strings.ToValidUTF8(s, "\uFFFD")))
}

// appendRecord appends a record of TFRecord: the length, its checksum, the data, theirs.
func appendRecord(b, data []byte) []byte {
	at := len(b)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(data)))
	b = binary.LittleEndian.AppendUint32(b, masked(b[at:]))
	b = append(b, data...)
	return binary.LittleEndian.AppendUint32(b, masked(data))
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// masked is the CRC-32C of b, rotated and shifted as TFRecord has it, since a checksum of data that hold checksums is a weak one.
func masked(b []byte) uint32 {
	c := crc32.Checksum(b, castagnoli)
	return (c>>15 | c<<17) + 0xa282ead8
}
