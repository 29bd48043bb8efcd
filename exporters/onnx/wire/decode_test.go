package wire

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// walk fetches every payload.
func walk(m *Model) {
	for _, x := range m.Graph.Initializers {
		x.Values()
	}
	for _, n := range m.Graph.Nodes {
		for _, a := range n.Attributes {
			if x, ok := a.Value.(*Tensor); ok {
				x.Values()
			}
		}
	}
}

func TestTruncated(t *testing.T) {
	data := encode(t, fullModel())
	whole := 0
	for n := range len(data) {
		if m, err := Decode(data[:n]); err == nil {
			walk(m)
			whole++
		} else if !strings.HasPrefix(err.Error(), "reading ONNX model: ") {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	if whole > 8 { // only cuts between the last fields of the model leave a readable one
		t.Errorf("%d truncations were accepted", whole)
	}
}

func TestCorrupted(t *testing.T) {
	data := encode(t, fullModel())
	r := rand.New(rand.NewPCG(1, 2))
	for range 20000 {
		bad := bytes.Clone(data)
		for range 1 + r.IntN(3) {
			bad[r.IntN(len(bad))] = byte(r.Uint32())
		}
		if m, err := Decode(bad); err == nil {
			walk(m)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(encode(f, addModel()))
	f.Add(encode(f, fullModel()))
	f.Fuzz(func(t *testing.T, data []byte) {
		if m, err := Decode(data); err == nil {
			walk(m)
		}
	})
}

// message is hex for a length-delimited field of less than 128 bytes.
func message(tag string, body ...string) string {
	s := strings.Join(body, "")
	return tag + size(s) + s
}

func TestDecodeTensors(t *testing.T) {
	tests := []struct {
		name, body string // the body of the initializer
		want       any
		err        string
	}{
		{"float_data packed", "0802" + "1001" + "2208" + "0000803f" + "00000040", []float32{1, 2}, ""},
		{"float_data", "0802" + "1001" + "250000803f" + "2500000040", []float32{1, 2}, ""},
		{"int64_data packed", "0802" + "1007" + "3a03" + "05" + "ac02", []int64{5, 300}, ""},
		{"int64_data", "0801" + "1007" + "38" + "ffffffffffffffffff01", []int64{-1}, ""},
		{"int32_data", "0801" + "1006" + "28" + "ffffffffffffffffff01", []int32{-1}, ""},
		{"half in int32_data", "0801" + "100a" + "2a02" + "8078", []uint16{0x3c00}, ""},
		{"bool in int32_data", "0802" + "1009" + "2a02" + "0100", []bool{true, false}, ""},
		{"double_data", "0801" + "100b" + "5208" + "000000000000f03f", []float64{1}, ""},
		{"uint64_data", "0801" + "100c" + "5a01" + "07", []uint32{7}, ""},
		{"dims packed", "0a020102" + "1001" + "4a08" + "0000803f" + "00000040", []float32{1, 2}, ""},
		{"no data, no elements", "0800" + "1001", []float32{}, ""},

		{"raw too short", "0802" + "1001" + "4a04" + "0000803f", nil, "takes 8 bytes, raw_data has 4"},
		{"raw too long", "1001" + "4a08" + "0000803f" + "00000040", nil, "takes 4 bytes, raw_data has 8"},
		{"dims 2^36 in few bytes", "08808080808002" + "1001" + "4a04" + "0000803f", nil, "raw_data has 4"},
		{"dims overflow", "08808080808080808040" + "08808080808080808040" + "1001", nil, "overflows"},
		{"negative dim", "08ffffffffffffffffff01" + "1001", nil, "negative"},
		{"no data", "0802" + "1001", nil, "has no data"},
		{"float_data length", "0802" + "1001" + "2204" + "0000803f", nil, "takes 8 bytes, the file has 4"},
		{"too few varints", "0803" + "1007" + "3a02" + "0101", nil, "the file has 2 bytes"},
		{"wrong field", "0801" + "1001" + "3a01" + "01", nil, "cannot hold"},
		{"two fields", "0801" + "1001" + "3a01" + "01" + "2204" + "0000803f", nil, "two fields"},
		{"field and raw", "0801" + "1001" + "2204" + "0000803f" + "4a04" + "0000803f", nil, "two fields"},
		{"external without place", "0801" + "1001" + "7001", nil, "no place"},
		{"segment", "0801" + "1001" + "1a00", nil, "segment"},
		{"length beyond", "0801" + "1001" + "4aff01", nil, "claims 255 bytes"},
		{"group", "0b", nil, "wire type 3"},
		{"field 0", "0000", nil, "field number 0"},
		{"name as number", "4001", nil, "wire type 0, want 2"},
		{"type too large", "10ffffffffffffffff7f", nil, "data_type"},
	}
	for _, tt := range tests {
		data, err := hex.DecodeString(message("3a", message("2a", tt.body)))
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		m, err := Decode(data)
		var got any
		if err == nil {
			got, err = m.Graph.Initializers[0].Values()
		}
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%s: got %v, %v, want an error with %q", tt.name, got, err, tt.err)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: got %v, %v, want %v", tt.name, got, err, tt.want)
		}
	}
}

// TestVarintCount: the count of varints is only known when they are read.
func TestVarintCount(t *testing.T) {
	for _, body := range []string{"0801" + "1007" + "3a02" + "0101", "0802" + "1007" + "3a02" + "8101"} {
		data, _ := hex.DecodeString(message("3a", message("2a", body)))
		m, err := Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		if v, err := m.Graph.Initializers[0].Values(); err == nil {
			t.Errorf("%s: got %v, want an error", body, v)
		}
	}
}

func TestStructureBound(t *testing.T) {
	data := append([]byte{0x3a}, appendLen(nil, 8<<20)...)
	for range 4 << 20 { // 4 million empty nodes in 8 MB
		data = append(data, 0x0a, 0)
	}
	if _, err := Decode(data); err == nil || !strings.Contains(err.Error(), "MiB") {
		t.Errorf("got %v, want the bound on structure", err)
	}
}

func appendLen(b []byte, n int) []byte {
	for ; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return append(b, byte(n))
}

func TestDecodeShapes(t *testing.T) {
	m := addModel()
	m.Graph.Inputs[0].Type.Shape = []Dim{{Value: -1}, {Value: 0}, {Unknown: true}, {Param: "n"}}
	got, err := Decode(encode(t, m))
	if err != nil {
		t.Fatal(err)
	}
	want := []Dim{{Value: -1, Unknown: true}, {Value: 0}, {Unknown: true}, {Param: "n"}}
	if s := got.Graph.Inputs[0].Type.Shape; !reflect.DeepEqual(s, want) {
		t.Errorf("got %v, want %v", s, want)
	}
	if _, err := Decode([]byte("PK\x03\x04 not a model")); err == nil {
		t.Error("a zip file was accepted")
	}
	if _, err := Decode(nil); err == nil || !strings.Contains(err.Error(), "not an ONNX model") {
		t.Errorf("an empty file: %v", err)
	}
}
