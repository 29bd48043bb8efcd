package metrics

import (
	"math"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// TestLikelihood compares with NumPy and with known answers.
func TestLikelihood(t *testing.T) {
	w := array(4, 5, 37, 101, 17, 97, 10, -5)
	bound, err := IWAE(w) // the mean of log of the mean of exp
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "the bound", bound, 0.9221129947323374)
	for name, tt := range map[string]struct {
		w    *tensor.Tensor
		want float64
	}{
		"one weight is itself":       {rows([]float64{-3}, []float64{1}), -1},
		"weights that underflow":     {rows([]float64{-2000, -2000 + math.Log(3)}), -2000 + math.Ln2},
		"weights that overflow":      {rows([]float64{2000, 2000}), 2000},
		"a weight of 0":              {rows([]float64{math.Inf(-1), 0}), -math.Ln2},
		"f32":                        {rows([]float64{1, 1}).Cast(tensor.F32), 1},
		"the bound is no mean of w":  {rows([]float64{0, 2}), math.Log((1 + math.E*math.E) / 2)},
		"and is averaged by example": {rows([]float64{0, 0}, []float64{4, 4}), 2},
	} {
		got, err := IWAE(tt.w)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, name, got, tt.want)
	}
	if got, err := IWAE(rows([]float64{math.Inf(-1)}, []float64{0})); err != nil || !math.IsInf(got, -1) {
		t.Errorf("an example without weight has the bound %v (%v)", got, err)
	}
	for _, v := range []float64{math.NaN(), math.Inf(1)} {
		_, err := IWAE(rows([]float64{0, v}))
		refused(t, err, "log weight 1 of example 0 is")
	}
	_, err = IWAE(tensor.New(tensor.F64, 0, 3))
	refused(t, err, "want at least 1 example")
	_, err = IWAE(tensor.New(tensor.F64, 3))
	refused(t, err, "want f32 or f64 of shape")

	bits, err := BitsPerDimension(784*math.Ln2, 784)
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "log 2 nats", bits, 1)
	bits, err = BitsPerDimension(100, 784) // 100/784/log 2, by Python
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "100 nats", bits, 0.18401722460318412)
	_, err = BitsPerDimension(1, 0)
	refused(t, err, "1 dimension or more")
	_, err = BitsPerDimension(math.NaN(), 3)
	refused(t, err, "NaN nats")
}

// TestPixelCorrelation compares with NumPy's corrcoef of all pairs, and with images whose answer is known.
func TestPixelCorrelation(t *testing.T) {
	got, err := PixelCorrelation(realSet(3, 24).Reshape(3, 2, 3, 4))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "the correlation", got, 0.17547164246065883)
	board := tensor.New(tensor.F32, 2, 1, 4, 4)
	for i := range board.Len() {
		board.Set(i, float64((i+i/4)%2))
	}
	stripes := tensor.New(tensor.F32, 1, 2, 2, 6) // each channel of one colour: no pair crosses channels
	for i := range stripes.Len() {
		stripes.Set(i, float64(i/12))
	}
	for name, tt := range map[string]struct {
		x    *tensor.Tensor
		want float64
	}{"a chess board": {board, -1}, "channels": {stripes, 1}, "images": {stripes.Reshape(2, 1, 2, 6), 1}} {
		got, err := PixelCorrelation(tt.x)
		if err != nil {
			t.Fatal(err)
		}
		equal(t, name, got, tt.want)
	}
	grey := tensor.New(tensor.F64, 2, 1, 3, 3)
	for i := range grey.Len() {
		grey.Set(i, .1)
	}
	for want, x := range map[string]*tensor.Tensor{
		"do not differ": grey, "no neighbours": tensor.New(tensor.F32, 5, 1, 1, 1), "want f32 or f64 of shape [n channels height width]": tensor.New(tensor.F32, 5, 9),
		"are u8[1 1 2 2]": tensor.New(tensor.U8, 1, 1, 2, 2), "are f32[0 1 2 2]": tensor.New(tensor.F32, 0, 1, 2, 2), "is NaN": tensor.Of([]float64{0, math.NaN()}, 1, 1, 1, 2),
	} {
		_, err := PixelCorrelation(x)
		refused(t, err, want)
	}
}
