package safetensors

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// sample has every dtype, awkward ranks, and values whose bits must survive.
func sample() []Named {
	big := tensor.New(tensor.F32, 3, 64<<10) // more than is read at a time
	for i := range big.Len() {
		big.Set(i, float64(i)/7)
	}
	return []Named{
		{"w", big},
		{"f64", tensor.Of([]float64{math.Pi, math.Inf(-1), math.NaN(), math.Copysign(0, -1)}, 2, 2)},
		{"f16", tensor.Of([]tensor.Float16{0x3c00, 0x7e01, 1}, 3)},
		{"bf16", tensor.Of([]tensor.BFloat16{0x3f80, 0xffff}, 2, 1)},
		{"i64", tensor.Of([]int64{math.MinInt64, math.MaxInt64}, 2)},
		{"i32", tensor.Scalar(int32(-5))},
		{"i16", tensor.Of([]int16{math.MinInt16, 7}, 2)},
		{"i8", tensor.Of([]int8{-128, 127, 1}, 3)},
		{"u64", tensor.Scalar(uint64(math.MaxUint64))},
		{"u32", tensor.Of([]uint32{1 << 31}, 1)},
		{"u16", tensor.Of([]uint16{1 << 15}, 1)},
		{"e4m3", tensor.Of([]tensor.Float8E4M3FN{0x7e, 0xff}, 2)},
		{"e5m2", tensor.Of([]tensor.Float8E5M2{0x7b}, 1)},
		{"u8", tensor.Of([]uint8{0, 255, 7}, 3)},
		{"bool", tensor.Of([]bool{true, false, true}, 3, 1, 1)},
		{"empty", tensor.New(tensor.F32, 4, 0)},
		{"näme \"quoted\" <&>", tensor.Scalar(float32(1))},
	}
}

// bits is x's bytes, which tell NaNs and zeros apart.
func bits(t *testing.T, x *tensor.Tensor) []byte {
	t.Helper()
	b, err := binary.Append(nil, binary.LittleEndian, x.Raw())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.safetensors")
	meta := map[string]string{"step": "12", "a": "b\n", "": "x"}
	if err := WriteFile(path, sample(), meta); err != nil {
		t.Fatal(err)
	}
	got, gotMeta, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if !maps.Equal(meta, gotMeta) {
		t.Errorf("metadata %v, want %v", gotMeta, meta)
	}
	if len(got) != len(sample()) {
		t.Errorf("%d tensors, want %d", len(got), len(sample()))
	}
	for _, want := range sample() {
		g := got[want.Name]
		if g == nil || g.DType() != want.Tensor.DType() || !slices.Equal(g.Shape(), want.Tensor.Shape()) || !bytes.Equal(bits(t, g), bits(t, want.Tensor)) {
			t.Errorf("%s: %v does not equal %v", want.Name, g, want.Tensor)
		}
	}

	var a, b bytes.Buffer
	reversed := sample()
	slices.Reverse(reversed)
	if err := Write(&a, sample(), meta); err != nil {
		t.Fatal(err)
	}
	if err := Write(&b, reversed, maps.Clone(meta)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("the bytes depend on the order of the tensors")
	}
	f, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, i := range f.Tensors {
		if i.begin%int64(i.DType.Size()) != 0 {
			t.Errorf("%v begins at byte %d: not aligned", i, i.begin)
		}
	}
	if _, err := f.Tensor("none"); err == nil || !strings.Contains(err.Error(), `no tensor called "none"`) {
		t.Errorf("a missing tensor: %v", err)
	}
}

// TestBytes holds the format to the letter of its description.
func TestBytes(t *testing.T) {
	var b bytes.Buffer
	err := Write(&b, []Named{{"b", tensor.Of([]uint8{9}, 1)}, {"a", tensor.Of([]float32{1, -2}, 2, 1)}}, map[string]string{"k": "v"})
	if err != nil {
		t.Fatal(err)
	}
	h := `{"__metadata__":{"k":"v"},"a":{"dtype":"F32","shape":[2,1],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[1],"data_offsets":[8,9]}}`
	h += strings.Repeat(" ", (8-len(h)%8)%8)
	want := append([]byte{byte(len(h)), 0, 0, 0, 0, 0, 0, 0}, h...)
	want = append(want, 0, 0, 0x80, 0x3f, 0, 0, 0, 0xc0, 9)
	if !bytes.Equal(b.Bytes(), want) {
		t.Errorf("got\n%q\nwant\n%q", b.Bytes(), want)
	}
	if err := Write(&b, nil, nil); err != nil {
		t.Errorf("no tensors: %v", err)
	}
}

func TestWriteErrors(t *testing.T) {
	one := tensor.Scalar(float32(1))
	for name, tt := range map[string]struct {
		tensors []Named
		meta    map[string]string
		want    string
	}{
		"twice":    {[]Named{{"a", one}, {"a", one}}, nil, "two tensors"},
		"reserved": {[]Named{{"__metadata__", one}}, nil, "reserved"},
		"utf8":     {[]Named{{"a\xff", one}}, nil, "UTF-8"},
		"meta":     {nil, map[string]string{"a": "\xff"}, "UTF-8"},
		"dtype":    {[]Named{{"a", tensor.New(tensor.I4, 2)}}, nil, "do not have"},
	} {
		path := filepath.Join(t.TempDir(), "x")
		if err := WriteFile(path, tt.tensors, tt.meta); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := os.Stat(path); err == nil {
			t.Errorf("%s: a file was left", name)
		}
	}
}

// file is a safetensors file with this header and n bytes of data.
func file(header string, n int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, n)...)
}

func TestDamaged(t *testing.T) {
	const a = `"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}`
	for name, tt := range map[string]struct {
		data []byte
		want string
	}{
		"empty":          {nil, "fewer than the 8"},
		"short length":   {[]byte{1, 2, 3}, "fewer than the 8"},
		"huge header":    {append(bytes.Repeat([]byte{0xff}, 8), '{'), "header claims"},
		"long header":    {append([]byte{200, 0, 0, 0, 0, 0, 0, 0}, "{}"...), "header claims"},
		"no header":      {file("", 0), "not a JSON object"},
		"array":          {file("[]", 0), "not a JSON object"},
		"cut JSON":       {file(`{"a":{"dtype"`, 0), "tensor \"a\""},
		"not JSON":       {file(`{a}`, 0), "header"},
		"unclosed":       {file(`{`+a, 8), "header"},
		"trailing":       {file(`{`+a+`}x`, 8), "after the JSON"},
		"twice":          {file(`{`+a+`,`+a+`}`, 8), "twice"},
		"twice inside":   {file(`{"a":{"dtype":"F64","dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, 8), `the key "dtype" is there twice`},
		"twice, escaped": {file(`{"a":{"dtype":"F32","shape":[2],"sh\u0061pe":[1],"data_offsets":[0,8]}}`, 8), `the key "shape" is there twice`},
		"metadata twice": {file(`{"__metadata__":{"a":"1","a":"2"}}`, 0), `the key "a" is there twice`},
		"another case":   {file(`{"a":{"DType":"F32","shape":[2],"data_offsets":[0,8]}}`, 8), `the key "DType" is unknown`},
		"one key more":   {file(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"strides":[1]}}`, 8), `the key "strides" is unknown`},
		"null":           {file(`{"a":{"dtype":"F32","shape":null,"data_offsets":[0,4]}}`, 4), "shape is null"},
		"metadata":       {file(`{"__metadata__":{"a":1}}`, 0), "metadata"},
		"no shape":       {file(`{"a":{"dtype":"F32","data_offsets":[0,4]}}`, 4), "must give"},
		"three offsets":  {file(`{"a":{"dtype":"F32","shape":[],"data_offsets":[0,4,4]}}`, 4), "must give"},
		"dtype":          {file(`{"a":{"dtype":"F8_E8M0","shape":[2],"data_offsets":[0,2]}}`, 2), `"F8_E8M0" is not one of`},
		"fraction":       {file(`{"a":{"dtype":"F32","shape":[0.5],"data_offsets":[0,4]}}`, 4), "tensor \"a\""},
		"negative":       {file(`{"a":{"dtype":"F32","shape":[-1,-1],"data_offsets":[0,4]}}`, 4), "negative"},
		"overflow":       {file(`{"a":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]}}`, 4), "too large"},
		"too big":        {file(`{"a":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104]}}`, 4), "lie outside"},
		"wrong size":     {file(`{"a":{"dtype":"F64","shape":[2],"data_offsets":[0,8]}}`, 8), "takes 16 bytes"},
		"before":         {file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}`, 4), "lie outside"},
		"backwards":      {file(`{"a":{"dtype":"F32","shape":[0],"data_offsets":[4,0]}}`, 4), "lie outside"},
		"overlap":        {file(`{`+a+`,"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8), "overlap"},
		"hole":           {file(`{`+a+`,"b":{"dtype":"F32","shape":[1],"data_offsets":[12,16]}}`, 16), "holes"},
		"hole at start":  {file(`{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}`, 8), "holes"},
		"trailing bytes": {file(`{`+a+`}`, 9), "1 bytes after"},
		"cut data":       {file(`{`+a+`}`, 7), "cut short"},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x")
			if err := os.WriteFile(path, tt.data, 0o644); err != nil {
				t.Fatal(err)
			}
			_, _, err := Read(path)
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
	bad := file(`{"a":{"dtype":"BOOL","shape":[2],"data_offsets":[0,2]}}`, 2)
	bad[len(bad)-1] = 3
	path := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(path, bad, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, _, err := Read(path); err == nil || !strings.Contains(err.Error(), "a bool is stored as 3") {
		t.Errorf("a bool of 3: %v", err)
	}
	if _, err := Open(filepath.Dir(path)); err == nil {
		t.Error("a folder was opened")
	}
}

// TestManyTensors refuses what would take seconds and gigabytes to read, before it does: headers of more tensors than a model has.
func TestManyTensors(t *testing.T) {
	for n, want := range map[int]string{1_000_000: "its header claims", maxTensors + 1: "more than 65536 tensors"} {
		h := []byte(`{`)
		for i := range n {
			if i > 0 {
				h = append(h, ',')
			}
			h = fmt.Appendf(h, `"%d":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}`, i)
		}
		path := filepath.Join(t.TempDir(), "x")
		if err := os.WriteFile(path, file(string(append(h, '}')), 0), 0o644); err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := Open(path)
		runtime.ReadMemStats(&after)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%d tensors: %v, want %q", n, err, want)
		}
		if took := after.TotalAlloc - before.TotalAlloc; n == 1_000_000 && took > 1<<20 {
			t.Errorf("%d tensors: %d bytes were allocated", n, took)
		}
	}
	var many []Named
	empty := tensor.New(tensor.F32, 0)
	for i := range maxTensors + 1 {
		many = append(many, Named{fmt.Sprint(i), empty})
	}
	if err := Write(io.Discard, many, nil); err == nil || !strings.Contains(err.Error(), "at most 65536 tensors") {
		t.Errorf("written: %v", err)
	}
	var b bytes.Buffer
	if err := Write(&b, many[1:], nil); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "x")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	if f, err := Open(path); err != nil || len(f.Tensors) != maxTensors {
		t.Errorf("as many as can be written: %v", err)
	} else {
		f.Close()
	}
}

// TestTruncated cuts a good file at every length: none may be read, nor panic.
func TestTruncated(t *testing.T) {
	var b bytes.Buffer
	small := []Named{{"a", tensor.Of([]float32{1, 2}, 2)}, {"b", tensor.Of([]bool{true}, 1)}}
	if err := Write(&b, small, map[string]string{"k": "v"}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "x")
	for n := range b.Len() {
		if err := os.WriteFile(path, b.Bytes()[:n], 0o644); err != nil {
			t.Fatal(err)
		}
		if _, _, err := Read(path); err == nil {
			t.Errorf("%d of %d bytes were read", n, b.Len())
		}
	}
}

// FuzzParse must never panic, and what it accepts must fill the file exactly.
func FuzzParse(f *testing.F) {
	f.Add([]byte(`{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`), int64(8))
	f.Add([]byte(`{"__metadata__":{"a":"b"},"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]}}  `), int64(1))
	f.Fuzz(func(t *testing.T, h []byte, n int64) {
		if n < 0 || n > 1<<20 {
			return
		}
		var x File
		if x.parse(h, int64(len(h))+8+n) != nil {
			return
		}
		if !json.Valid(h) {
			t.Errorf("accepted %q", h)
		}
		total := int64(0)
		for _, i := range x.Tensors {
			c, err := tensor.Count(i.Shape)
			if err != nil {
				t.Fatal(err)
			}
			total += int64(c * i.DType.Size())
		}
		if total != n {
			t.Errorf("%q: %d bytes of tensors in %d", h, total, n)
		}
	})
}
