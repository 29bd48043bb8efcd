package wire

import (
	"bytes"
	"runtime"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// TestBounds decodes 17 MB files in which a few bytes stand for much memory: each is refused before it has allocated much,
// garbage included.
func TestBounds(t *testing.T) {
	const size, most = 17 << 20, 200 << 20
	wrap := func(body []byte, nums ...protowire.Number) []byte {
		for _, n := range nums {
			body = protowire.AppendBytes(protowire.AppendTag(nil, n, protowire.BytesType), body)
		}
		return body
	}
	fill := func(item string) []byte { return bytes.Repeat([]byte(item), size/len(item)) }
	for _, c := range []struct {
		name string
		data []byte
		err  string
	}{
		{"packed dimensions", wrap(wrap(fill("\x00"), 1), 5, 7), "more than 64 dimensions"},
		{"dimensions", wrap(fill("\x08\x00"), 5, 7), "more than 64 dimensions"},
		{"dimensions of a declared shape", wrap(fill("\x0a\x00"), 2, 1, 2, 11, 7), "more than 64 dimensions"},
		{"nodes", wrap(fill("\x0a\x00"), 7), "MiB"},
		{"initializers", wrap(fill("\x2a\x00"), 7), "MiB"},
		{"inputs", wrap(fill("\x5a\x00"), 7), "MiB"},
		{"value_info", wrap(fill("\x6a\x00"), 7), "MiB"},
		{"sparse initializers", wrap(fill("\x7a\x00"), 7), "MiB"},
		{"inputs of a node", wrap(fill("\x0a\x00"), 1, 7), "more than 65536 inputs"},
		{"outputs of a node", wrap(fill("\x12\x00"), 1, 7), "more than 65536 outputs"},
		{"attributes", wrap(fill("\x2a\x00"), 1, 7), "more than 1024 attributes"},
		{"integers of an attribute", wrap(wrap(fill("\x00"), 8), 5, 1, 7), "MiB"},
		{"strings of an attribute", wrap(fill("\x4a\x00"), 5, 1, 7), "MiB"},
		{"tensors of an attribute", wrap(fill("\x52\x00"), 5, 1, 7), "MiB"},
		{"graphs of an attribute", wrap(fill("\x5a\x00"), 5, 1, 7), "MiB"},
		{"elements one by one", wrap(fill("\x38\x00"), 5, 7), "MiB"},
		{"strings of a tensor", wrap(fill("\x32\x00"), 5, 7), "MiB"},
		{"external places", wrap(fill("\x6a\x00"), 5, 7), "more than 1024 entries of external_data"},
		{"opsets", fill("\x42\x00"), "more than 1024 opset imports"},
		{"metadata", fill("\x72\x00"), "MiB"},
		{"functions", fill("\xca\x01\x00"), "MiB"},
		{"training information", fill("\xa2\x01\x00"), "MiB"},
		{"unknown fields", fill("\xc0\x3e\x00"), "no graph"},
		{"one field again and again", fill("\x08\x01"), "more than 8388608 fields"},
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := DecodeDamaged(bytes.NewReader(c.data), int64(len(c.data)))
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v, want an error with %q", c.name, err, c.err)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > most {
			t.Errorf("%s: %d MB were allocated", c.name, n>>20)
		}
	}
}
