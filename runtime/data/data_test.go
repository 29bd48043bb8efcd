package data

import (
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// wantErr fails unless err is one line that has every part.
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

func must[T any](v T, err error) func(*testing.T) T {
	return func(t *testing.T) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// counting is a data set of n examples: field "x" is u8 pixels [2] with values i, 2i (mod 256), field "id" is i.
func counting(t testing.TB, n int) *Dataset {
	t.Helper()
	px, ids := make([]uint8, 2*n), make([]int64, n)
	for i := range n {
		px[2*i], px[2*i+1], ids[i] = uint8(i), uint8(2*i), int64(i)
	}
	x, err := FromPixels(tensor.Of(px, n, 2))
	if err != nil {
		t.Fatal(err)
	}
	id, err := FromTensor(tensor.Of(ids, n))
	if err != nil {
		t.Fatal(err)
	}
	d, err := New(Field{"x", x}, Field{"id", id})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDataset(t *testing.T) {
	d := counting(t, 100)
	if got, want := d.String(), "100 × (x f32[2], id i64[])"; got != want {
		t.Errorf("String = %q, want %q", got, want)
	}
	sub := must(d.Subset(10, 20))(t)
	sub = must(sub.Subset(5, 10))(t)
	got := must(sub.Take(4, 0))(t)
	if ids := tensor.Data[int64](got["id"]); !slices.Equal(ids, []int64{19, 15}) {
		t.Errorf("ids %v, want 19 15", ids)
	}
	want := []float32{19. / 255, 38. / 255, 15. / 255, 30. / 255}
	if x := tensor.Data[float32](got["x"]); !slices.Equal(x, want) || !slices.Equal(got["x"].Shape(), []int{2, 2}) {
		t.Errorf("x %v %v, want %v", got["x"], x, want)
	}
	only := must(d.Select("id"))(t)
	if f := only.Fields(); len(f) != 1 || f[0].Name != "id" || f[0].DType != tensor.I64 || len(f[0].Shape) != 0 {
		t.Errorf("Select: %v", f)
	}

	_, err := d.Select("label")
	wantErr(t, err, `no field "label"`, "x f32[2]")
	for _, r := range [][2]int{{-1, 3}, {5, 4}, {0, 101}} {
		_, err = d.Subset(r[0], r[1])
		wantErr(t, err, "data set of 100")
	}
	_, err = sub.Take(5)
	wantErr(t, err, "example 5 asked of a data set of 5")
}

// TestHash changes one value of one example, as stored bytes and as other elements, and other fields and parts.
func TestHash(t *testing.T) {
	hash := func(d *Dataset) string { return must(d.Hash())(t) }
	const n = 600 // more than one chunk
	d := counting(t, n)
	if hash(d) != hash(counting(t, n)) {
		t.Error("equal data sets have different hashes")
	}
	seen := map[string]string{hash(d): "the data set"}
	differs := func(what string, d *Dataset) {
		t.Helper()
		h := hash(d)
		if old := seen[h]; old != "" {
			t.Errorf("%s has the hash of %s", what, old)
		}
		seen[h] = what
	}
	for i := range 2 {
		c := counting(t, n)
		name := []string{"a pixel", "an id"}[i]
		switch x := c.fields[i].Source.(*rows).x.Raw().(type) {
		case []uint8:
			x[2*n-1]++
		case []int64:
			x[n-1]++
		}
		differs(name, c)
	}
	differs("a part", must(d.Subset(0, n-1))(t))
	differs("another part", must(d.Subset(1, n))(t))
	differs("one field", must(d.Select("x"))(t))
	differs("another field", must(d.Select("id"))(t))

	broken := must(New(Field{"x", failing{Source: d.fields[0].Source, bad: 5}}))(t)
	if _, err := broken.Hash(); err == nil || !strings.Contains(err.Error(), `field "x"`) {
		t.Errorf("a source that fails: %v", err)
	}
}

func TestNewErrors(t *testing.T) {
	a := must(FromTensor(tensor.New(tensor.F32, 3, 2)))(t)
	b := must(FromTensor(tensor.New(tensor.F32, 4)))(t)
	_, err := New()
	wantErr(t, err, "at least one field")
	_, err = New(Field{"a", a}, Field{"b", b})
	wantErr(t, err, `"a" has 3`, `"b" has 4`)
	_, err = New(Field{"a", a}, Field{"a", a})
	wantErr(t, err, `two fields`, `"a"`)
	_, err = New(Field{"", a})
	wantErr(t, err, "no name")
	_, err = FromTensor(tensor.New(tensor.F32))
	wantErr(t, err, "no axis for the examples")
	_, err = FromPixels(tensor.New(tensor.F32, 3))
	wantErr(t, err, "must be u8")
	_, err = FromLabels(tensor.New(tensor.I64, 3, 1))
	wantErr(t, err, "one integer for each example")
}

func TestSourceDTypes(t *testing.T) {
	for _, dt := range []tensor.DType{tensor.F32, tensor.F64, tensor.F16, tensor.BF16, tensor.I64, tensor.I32, tensor.U8, tensor.Bool} {
		x := tensor.New(dt, 3, 2)
		for i := range 6 {
			x.Set(i, float64(i%2))
		}
		s := must(FromTensor(x))(t)
		out := tensor.New(s.DType(), 2, 2)
		if err := s.Gather(out, []int{2, 0}); err != nil {
			t.Fatal(err)
		}
		if got := out.Float64s(); !slices.Equal(got, []float64{0, 1, 0, 1}) || out.DType() != dt {
			t.Errorf("%v: %v", dt, got)
		}
	}
	for _, dt := range []tensor.DType{tensor.I64, tensor.I32, tensor.U8} {
		x := tensor.New(dt, 3)
		x.Set(1, 7)
		s := must(FromLabels(x))(t)
		out := tensor.New(tensor.I64, 2)
		if err := s.Gather(out, []int{1, 2}); err != nil {
			t.Fatal(err)
		}
		if got := tensor.Data[int64](out); !slices.Equal(got, []int64{7, 0}) {
			t.Errorf("labels of %v: %v", dt, got)
		}
	}
}
