package data

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// idxBytes is an idx file with a given type, dimensions and elements.
func idxBytes(typ byte, dims []uint32, elems []byte) []byte {
	b := []byte{0, 0, typ, byte(len(dims))}
	for _, d := range dims {
		b = binary.BigEndian.AppendUint32(b, d)
	}
	return append(b, elems...)
}

func gzipped(b []byte) []byte {
	var buf bytes.Buffer
	z := gzip.NewWriter(&buf)
	z.Write(b)
	z.Close()
	return buf.Bytes()
}

func writeFile(t testing.TB, path string, b []byte) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadIDX(t *testing.T) {
	tests := []struct {
		name  string
		file  []byte
		dtype tensor.DType
		shape []int
		want  []float64
	}{
		{"u8", idxBytes(8, []uint32{2, 3}, []byte{1, 2, 3, 4, 5, 255}), tensor.U8, []int{2, 3}, []float64{1, 2, 3, 4, 5, 255}},
		{"i8", idxBytes(9, []uint32{2}, []byte{1, 255}), tensor.I32, []int{2}, []float64{1, -1}},
		{"i16", idxBytes(11, []uint32{2}, []byte{1, 0, 255, 254}), tensor.I32, []int{2}, []float64{256, -2}},
		{"i32", idxBytes(12, []uint32{1}, []byte{0, 1, 0, 0}), tensor.I32, []int{1}, []float64{65536}},
		{"f32", idxBytes(13, []uint32{1, 1}, []byte{0x3f, 0xc0, 0, 0}), tensor.F32, []int{1, 1}, []float64{1.5}},
		{"f64", idxBytes(14, []uint32{1}, []byte{0xc0, 0, 0, 0, 0, 0, 0, 0}), tensor.F64, []int{1}, []float64{-2}},
		{"empty", idxBytes(8, []uint32{0, 28, 28}, nil), tensor.U8, []int{0, 28, 28}, nil},
	}
	for _, tt := range tests {
		for _, file := range [][]byte{tt.file, gzipped(tt.file)} {
			x, err := ReadIDX(writeFile(t, filepath.Join(t.TempDir(), "x"), file))
			if err != nil {
				t.Errorf("%s: %v", tt.name, err)
				continue
			}
			if x.DType() != tt.dtype || !slices.Equal(x.Shape(), tt.shape) || !slices.Equal(x.Float64s(), tt.want) {
				t.Errorf("%s: %v %v, want %v%v %v", tt.name, x, x.Float64s(), tt.dtype, tt.shape, tt.want)
			}
		}
	}
}

// Larger than one chunk, so that a compressed file's tensor grows.
func TestReadIDXLarge(t *testing.T) {
	elems := make([]byte, 4*300_000)
	for i := range 300_000 {
		binary.BigEndian.PutUint32(elems[4*i:], uint32(i))
	}
	x := must(ReadIDX(writeFile(t, filepath.Join(t.TempDir(), "x.gz"), gzipped(idxBytes(12, []uint32{300_000}, elems)))))(t)
	for i, v := range tensor.Data[int32](x) {
		if v != int32(i) {
			t.Fatalf("element %d is %d", i, v)
		}
	}
}

func TestReadIDXDamaged(t *testing.T) {
	good := idxBytes(8, []uint32{2, 3}, []byte{1, 2, 3, 4, 5, 6})
	packed := gzipped(good)
	huge := idxBytes(8, []uint32{1<<31 - 1, 28, 28}, make([]byte, 784))
	flipped := slices.Clone(packed)
	flipped[len(flipped)-6] ^= 1 // in the checksum
	tests := []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "too short"},
		{"text", []byte("hello, world"), "no idx header"},
		{"no such type", idxBytes(7, []uint32{1}, []byte{0}), "no idx header"},
		{"header cut", good[:9], "cut short"},
		{"cut", good[:15], "only 3 are there"},
		{"longer", append(slices.Clone(good), 0), "1 bytes follow"},
		{"huge", huge, "claims shape [2147483647 28 28]"},
		{"huge, gzipped", gzipped(huge), "more than so small a compressed file can hold"},
		{"2^32-1", idxBytes(8, []uint32{1<<32 - 1}, nil), "claims 4294967295"},
		{"overflow", idxBytes(8, []uint32{1 << 30, 1 << 30, 1 << 30, 1 << 30}, nil), "too large"},
		{"large, gzipped", gzipped(idxBytes(8, []uint32{30000}, make([]byte, 10000))), "cut short"},
		{"gzip cut", packed[:len(packed)-9], "EOF"},
		{"gzip checksum", flipped, "checksum"},
		{"gzip longer", gzipped(append(slices.Clone(good), 0)), "more data follow"},
		{"gzip header only", packed[:4], "EOF"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := writeFile(t, filepath.Join(t.TempDir(), "bad.idx"), tt.file)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := ReadIDX(path)
			runtime.ReadMemStats(&after)
			wantErr(t, err, "bad.idx")
			if !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(tt.want)) || strings.Contains(err.Error(), "\n") {
				t.Errorf("error %q, want one line with %q", err, tt.want)
			}
			if used := after.TotalAlloc - before.TotalAlloc; used > 1<<20 {
				t.Errorf("%d bytes were allocated", used)
			}
		})
	}
	_, err := ReadIDX(t.TempDir())
	wantErr(t, err, "not a regular file")
}

// The files in testdata were written by NumPy 1.24.
func TestReadNumPyFiles(t *testing.T) {
	upTo := func(n int) (v []float64) {
		for i := range n {
			v = append(v, float64(i))
		}
		return v
	}
	tests := []struct {
		file  string
		dtype tensor.DType
		shape []int
		want  []float64
	}{
		{"f4_c", tensor.F32, []int{2, 3}, []float64{-.5, -.25, 0, .25, .5, .75}},
		{"f8_fortran", tensor.F64, []int{2, 3, 4}, upTo(24)},
		{"i4_big_endian", tensor.I32, []int{3}, []float64{1, -2, 70000}},
		{"bool", tensor.Bool, []int{2, 2}, []float64{1, 0, 0, 1}},
		{"f2_scalar", tensor.F16, nil, []float64{-1.5}},
		{"i8_empty", tensor.I64, []int{0, 3}, nil},
	}
	for _, tt := range tests {
		x, err := ReadNPY("testdata/" + tt.file + ".npy")
		if err != nil {
			t.Error(err)
			continue
		}
		if x.DType() != tt.dtype || !slices.Equal(x.Shape(), tt.shape) || !slices.Equal(x.Float64s(), tt.want) {
			t.Errorf("%s: %v %v, want %v%v %v", tt.file, x, x.Float64s(), tt.dtype, tt.shape, tt.want)
		}
	}
	_, err := ReadNPY("testdata/u2.npy")
	wantErr(t, err, "testdata/u2.npy", `"<u2"`, "astype")

	arrays := must(ReadNPZ("testdata/two.npz"))(t) // compressed
	if x := arrays["x"]; x.String() != "u8[4 3]" || !slices.Equal(x.Float64s(), upTo(12)) {
		t.Errorf("x: %v %v", x, x.Float64s())
	}
	if y := arrays["y"]; y.String() != "i64[4]" || !slices.Equal(y.Float64s(), []float64{3, 1, 4, 1}) {
		t.Errorf("y: %v %v", y, y.Float64s())
	}
}

func TestNumPyRoundTrip(t *testing.T) {
	dir := t.TempDir()
	arrays := make(map[string]*tensor.Tensor)
	shapes := [][]int{{}, {1}, {7}, {2, 3}, {0, 4}, {2, 1, 3, 2}, {70_001}}
	for _, dt := range []tensor.DType{tensor.F32, tensor.F64, tensor.F16, tensor.I64, tensor.I32, tensor.U8, tensor.Bool} {
		for _, shape := range shapes {
			x := tensor.New(dt, shape...)
			for i := range x.Len() {
				x.Set(i, float64((i*37)%101))
			}
			path := filepath.Join(dir, "x.npy")
			if err := WriteNPY(path, x); err != nil {
				t.Fatal(err)
			}
			if b, _ := os.ReadFile(path); (len(b)-x.Len()*dt.Size())%64 != 0 {
				t.Errorf("%v: the elements are not aligned to 64 bytes", x)
			}
			sameTensor(t, must(ReadNPY(path))(t), x)
			arrays[x.String()] = x
		}
	}
	path := filepath.Join(dir, "all.npz")
	if err := WriteNPZ(path, arrays); err != nil {
		t.Fatal(err)
	}
	got := must(ReadNPZ(path))(t)
	if len(got) != len(arrays) {
		t.Errorf("%d arrays, want %d", len(got), len(arrays))
	}
	for name, x := range arrays {
		sameTensor(t, got[name], x)
	}
	first, _ := os.ReadFile(path)
	if err := WriteNPZ(path, arrays); err != nil {
		t.Fatal(err)
	}
	if second, _ := os.ReadFile(path); !bytes.Equal(first, second) {
		t.Error("the same arrays gave other bytes")
	}
}

func sameTensor(t *testing.T, got, want *tensor.Tensor) {
	t.Helper()
	if got == nil || got.String() != want.String() || !slices.Equal(got.Float64s(), want.Float64s()) {
		t.Errorf("%v came back as %v, or with other elements", want, got)
	}
}

// A failed write leaves the old file and nothing beside it.
func TestWriteAtomic(t *testing.T) {
	dir := t.TempDir()
	path := writeFile(t, filepath.Join(dir, "x.npz"), []byte("old"))
	err := WriteNPZ(path, map[string]*tensor.Tensor{"a": tensor.New(tensor.F32, 3), "b": tensor.New(tensor.BF16, 3)})
	wantErr(t, err, "x.npz", `array "b"`, "bf16")
	wantErr(t, WriteNPY(path, tensor.New(tensor.BF16, 3)), "bf16")
	if b, _ := os.ReadFile(path); string(b) != "old" {
		t.Errorf("the file is %q", b)
	}
	if left, _ := os.ReadDir(dir); len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
	wantErr(t, WriteNPY(filepath.Join(dir, "none", "x.npy"), tensor.New(tensor.F32, 3)), "no such file")
}

func npyBytes(version byte, header string, elems int) []byte {
	b := append([]byte("\x93NUMPY"), version, 0)
	if version == 1 {
		b = binary.LittleEndian.AppendUint16(b, uint16(len(header)))
	} else {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(header)))
	}
	return append(append(b, header...), make([]byte, elems)...)
}

func TestReadNPYDamaged(t *testing.T) {
	dict := func(shape string) string {
		return "{'descr': '<f4', 'fortran_order': False, 'shape': " + shape + ", }\n"
	}
	tests := []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "too short"},
		{"text", []byte("hello, world"), "no npy header"},
		{"version 9", npyBytes(9, dict("(1,)"), 4), "version 9.0"},
		{"header claims 4 GB", append([]byte("\x93NUMPY\x02\x00"), 0xff, 0xff, 0xff, 0xff), "claims to be 4294967295"},
		{"header cut", npyBytes(1, dict("(1,)"), 0)[:30], "cut short"},
		{"no dictionary", npyBytes(1, "hello\n", 4), "damaged"},
		{"no newline", npyBytes(1, strings.TrimSuffix(dict("(1,)"), "\n"), 4), "damaged"},
		{"keys in no order", npyBytes(1, "'shape': 'fortran_order': 'descr': }\n", 4), "damaged"},
		{"shape is no tuple", npyBytes(1, dict("x"), 4), "damaged"},
		{"negative", npyBytes(1, dict("(-1,)"), 4), "negative"},
		{"huge", npyBytes(1, dict("(1000000000000,)"), 4), "4000000000000 bytes, but only 4 are there"},
		{"huge, version 2", npyBytes(2, dict("(1000000000000,)"), 4), "4000000000000 bytes, but only 4 are there"},
		{"overflow", npyBytes(1, dict("(4611686018427387904, 4)"), 4), "too large"},
		{"beyond int", npyBytes(1, dict("(99999999999999999999,)"), 4), "damaged"},
		{"rank", npyBytes(1, dict("("+strings.Repeat("1, ", 100)+")"), 4), "100 dimensions"},
		{"cut", npyBytes(1, dict("(2, 2)"), 15), "16 bytes, but only 15 are there"},
		{"longer", npyBytes(1, dict("(2, 2)"), 17), "1 bytes follow"},
		{"fortran, cut", npyBytes(1, strings.Replace(dict("(2, 2)"), "False", "True", 1), 15), "only 15"},
		{"objects", npyBytes(1, strings.Replace(dict("(1,)"), "<f4", "|O", 1), 4), `"|O"`},
		{"structured", npyBytes(1, strings.Replace(dict("(1,)"), "'<f4'", "[('a', '<f4')]", 1), 4), "NumPy type"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ReadNPY(writeFile(t, filepath.Join(t.TempDir(), "bad.npy"), tt.file))
			wantErr(t, err, "bad.npy", tt.want)
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error of several lines: %q", err)
			}
		})
	}
}

// A compressed file may really hold what it claims, and still more than memory should.
func TestReadTooMuch(t *testing.T) {
	_, err := readTensor(bytes.NewReader(nil), storeU8(), []int{5 << 30}, 6<<30, false)
	wantErr(t, err, "unpacked it has 5.4 GB", "store it uncompressed")
}

func TestReadNPZDamaged(t *testing.T) {
	good, err := os.ReadFile("testdata/two.npz")
	if err != nil {
		t.Fatal(err)
	}
	archive := func(method uint16, entries map[string][]byte) []byte {
		var buf bytes.Buffer
		z := zip.NewWriter(&buf)
		for name, b := range entries {
			w, _ := z.CreateHeader(&zip.FileHeader{Name: name, Method: method})
			w.Write(b)
		}
		z.Close()
		return buf.Bytes()
	}
	flipped := slices.Clone(good)
	flipped[60] ^= 0x10
	huge := npyBytes(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000,), }\n", 4)
	bomb := func(sizes ...uint64) []byte { // entries that claim sizes
		var buf bytes.Buffer
		z := zip.NewWriter(&buf)
		for i, n := range sizes {
			e := &zip.FileHeader{Name: fmt.Sprintf("%d.npy", i), Method: zip.Deflate, UncompressedSize64: n}
			if _, err := z.CreateRaw(e); err != nil {
				t.Fatal(err)
			}
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		return buf.Bytes()
	}
	tests := []struct {
		name string
		file []byte
		want string
	}{
		{"text", []byte("hello"), "zip"},
		{"cut", good[:len(good)-30], "zip"},
		{"flipped", flipped, `array "x"`},
		{"not an array", archive(zip.Store, map[string][]byte{"readme.txt": nil}), `"readme.txt" is not a .npy`},
		{"huge, stored", archive(zip.Store, map[string][]byte{"a.npy": huge}), "only 4 are there"},
		{"huge, deflated", archive(zip.Deflate, map[string][]byte{"a.npy": huge}), "more than so small a compressed file can hold"},
		{"a bomb", bomb(1 << 60), "at most 4.3 are unpacked into memory"},
		{"a bomb in parts", bomb(3<<30, 3<<30), "it has 6.4 GB, and at most 4.3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ReadNPZ(writeFile(t, filepath.Join(t.TempDir(), "bad.npz"), tt.file))
			wantErr(t, err, "bad.npz", tt.want)
		})
	}
}

func FuzzReadNPY(f *testing.F) {
	for _, file := range []string{"f4_c", "f8_fortran", "bool"} {
		b, err := os.ReadFile("testdata/" + file + ".npy")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := readNPY(bytes.NewReader(b), int64(len(b)), true)
		if err == nil && x.Len()*x.DType().Size() > len(b) {
			t.Errorf("%v out of %d bytes", x, len(b))
		}
	})
}
