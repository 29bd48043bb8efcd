package numpy

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// The files in testdata were written by NumPy 1.24, two by hand, and those called gorgonia by gorgonia.org/tensor 0.9.24;
// what is wanted is what NumPy reads.
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
		{"u2", tensor.U16, []int{3}, []float64{0, 1, 2}},
		{"f2_scalar", tensor.F16, nil, []float64{-1.5}},
		{"i8_empty", tensor.I64, []int{0, 3}, nil},
		{"nocomma61", tensor.F32, []int{6, 1}, []float64{0, 1, 2, 3, 4, 5}}, // no comma behind the last key
		{"order2", tensor.F32, []int{2, 3}, []float64{0, 1, 2, 3, 4, 5}},    // keys in another order
		{"gorgonia_f4", tensor.F32, []int{2, 3}, []float64{1, 2, 3, 4, 5, 6}},
		{"gorgonia_f8", tensor.F64, []int{4}, []float64{1, -2, 3, .5}},
		{"gorgonia_i8", tensor.I64, []int{2, 1, 2}, []float64{1, -2, 3, 4}},
		{"gorgonia_scalar", tensor.F32, nil, []float64{7}},
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
	dates := filepath.Join(t.TempDir(), "dates.npy")
	file := bytes.Replace(must(os.ReadFile("testdata/u2.npy"))(t), []byte("'<u2'"), []byte("'<M2'"), 1)
	if err := os.WriteFile(dates, file, 0o666); err != nil {
		t.Fatal(err)
	}
	_, err := ReadNPY(dates)
	wantErr(t, err, "dates.npy", `"<M2"`, "astype")

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
		{"a key twice", npyBytes(1, "{'descr': '<f4', 'descr': '<f4', 'fortran_order': False, 'shape': (1,)}\n", 4), `"descr" is there twice`},
		{"deep", npyBytes(1, strings.Repeat("(", 60000), 4), "nested too deeply"},
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
		{"structured", npyBytes(1, strings.Replace(dict("(1,)"), "'<f4'", "[('a', '<f4')]", 1), 4), `structures (fields "a")`},
		{"bytes and numbers", npyBytes(1, strings.Replace(dict("(1,)"), "'<f4'", "('<f4', (2,))", 1), 8), "no simple NumPy type"},
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

// TestHeaders reads many headers as NumPy does: testdata/headers.py, run with NumPy 2.4, wrote down what it makes of each.
// Arrays of other elements than tensors have are refused by name.
func TestHeaders(t *testing.T) {
	b, err := os.ReadFile("testdata/headers.json")
	if err != nil {
		t.Fatal(err)
	}
	var tests []struct {
		Version byte
		Header  string
		DType   string // "" if NumPy refuses it
		Shape   []int
		Values  []float64 // nil for structures
	}
	if err := json.Unmarshal(b, &tests); err != nil {
		t.Fatal(err)
	}
	read6 := func(version byte, header string) (*tensor.Tensor, error) {
		file := npyBytes(version, header, 0)
		for i := range 6 {
			file = binary.LittleEndian.AppendUint32(file, math.Float32bits(float32(i+1)))
		}
		return read(bytes.NewReader(file), int64(len(file)), true)
	}
	good := 0
	for _, tt := range tests {
		x, err := read6(tt.Version, tt.Header)
		switch {
		case tt.DType == "":
			if err == nil {
				t.Errorf("version %d, %q: read as %v; NumPy refuses it", tt.Version, tt.Header, x)
			}
		case tt.Values == nil:
			if err == nil || !strings.Contains(err.Error(), "structures") {
				t.Errorf("version %d, %q: %v, %v; want an error that names structures", tt.Version, tt.Header, x, err)
			}
		case err != nil:
			t.Errorf("version %d, %q: %v", tt.Version, tt.Header, err)
		case !slices.Equal(x.Shape(), tt.Shape) || !slices.Equal(x.Float64s(), tt.Values):
			t.Errorf("version %d, %q: %v %v, want %v %v", tt.Version, tt.Header, x, x.Float64s(), tt.Shape, tt.Values)
		default:
			good++
		}
		if err != nil && strings.ContainsAny(err.Error(), "\n\x1b\x00") {
			t.Errorf("version %d, %q: the error is not one line of text: %q", tt.Version, tt.Header, err)
		}
	}
	if good < 40 {
		t.Errorf("only %d headers were read", good)
	}
}

func FuzzReadNPY(f *testing.F) {
	files, err := filepath.Glob("testdata/*.npy")
	if err != nil || len(files) == 0 {
		f.Fatal(files, err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := read(bytes.NewReader(b), int64(len(b)), true)
		if err == nil && x.Len()*x.DType().Size() > len(b) {
			t.Errorf("%v out of %d bytes", x, len(b))
		}
	})
}

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func wantErr(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error; want one with %q", parts)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error %q lacks %q", err, p)
		}
	}
}

func writeFile(t *testing.T, path string, b []byte) string {
	t.Helper()
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
