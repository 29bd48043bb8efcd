package data

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
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
	wantErr(t, err, "not a file but")
}
