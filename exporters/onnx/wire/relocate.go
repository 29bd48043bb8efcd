package wire

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"
)

// A way is a message that leads to external data: the fields that lead on, and where to. An entry leads nowhere further.
type way map[protowire.Number]way

var (
	entryMessage  = way{}
	tensorMessage = way{13: entryMessage}
	sparseMessage = way{1: tensorMessage, 2: tensorMessage}
	graphMessage  = way{5: tensorMessage, 15: sparseMessage}
	modelMessage  = way{7: graphMessage}
)

func init() { // graphs stand in attributes of nodes
	graphMessage[1] = way{5: {5: tensorMessage, 6: graphMessage, 10: tensorMessage, 11: graphMessage, 22: sparseMessage, 23: sparseMessage}}
}

// Relocate returns an encoded model in which the external data at each location is at place(location). All else is kept byte for
// byte, what [Decode] does not read too. The model must be one that Decode accepts.
func Relocate(model []byte, place func(location string) string) ([]byte, error) {
	out, err := relocate(make([]byte, 0, len(model)+1024), model, modelMessage, place)
	if err != nil {
		return nil, fmt.Errorf("moving external data of an ONNX model: %w", err)
	}
	return out, nil
}

// relocate appends the fields of b, which is an m, to out.
func relocate(out, b []byte, m way, place func(string) string) ([]byte, error) {
	isLocation := false // of an entry whose key was seen
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return nil, protowire.ParseError(n)
		}
		size := protowire.ConsumeFieldValue(num, typ, b[n:])
		if size < 0 {
			return nil, protowire.ParseError(size)
		}
		field := b[:n+size]
		inner, leads := m[num]
		entry := len(m) == 0
		b = b[n+size:]
		if typ != protowire.BytesType || !leads && !entry {
			out = append(out, field...)
			continue
		}
		value, _ := protowire.ConsumeBytes(field[n:])
		switch {
		case entry && num == 1:
			isLocation = string(value) == "location"
			out = append(out, field...)
		case entry && num == 2 && isLocation:
			out = protowire.AppendString(protowire.AppendTag(out, num, typ), place(string(value)))
		case entry:
			out = append(out, field...)
		default:
			moved, err := relocate(nil, value, inner, place)
			if err != nil {
				return nil, err
			}
			out = protowire.AppendBytes(protowire.AppendTag(out, num, typ), moved)
		}
	}
	return out, nil
}
