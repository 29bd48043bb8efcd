package data

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// numbered has n images of 2 channels, 3 rows and 4 columns, whose elements are all different, and labels.
func numbered(t *testing.T, n int) *Dataset {
	t.Helper()
	x, y := tensor.New(tensor.F32, n, 2, 3, 4), tensor.New(tensor.I64, n)
	for i := range x.Len() {
		x.Set(i, float64(i+1))
	}
	d, err := FromArrays(map[string]*tensor.Tensor{"image": x, "label": y})
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// augmented are the images of epochs, by epoch and the number in their middle row that tells which they are, as a loader yields them.
func augmented(t *testing.T, d *Dataset, o LoaderOptions) map[string]string {
	t.Helper()
	o.Shuffle, o.Seed = true, cmp.Or(o.Seed, 5)
	l, err := NewLoader(d, o)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	order := make([]int, d.Len())
	out := map[string]string{}
	for {
		at := l.State()
		b, err := l.Next(context.Background())
		if err != nil {
			return out
		}
		l.order(order, b.Epoch)
		for i := range b.Size {
			out[fmt.Sprint(b.Epoch, " ", order[at.Index+i])] = fmt.Sprint(tensor.Data[float32](b.Tensors["image"])[i*24 : (i+1)*24])
		}
	}
}

// TestAugment sees that what is done to an example depends on the seed, the epoch and the example alone.
func TestAugment(t *testing.T) {
	d := numbered(t, 20)
	list := []Augmentation{{Field: "image", Crop: 1, Flip: true}}
	want := augmented(t, d, LoaderOptions{Batch: 7, Epochs: 2, Augment: list})
	if len(want) != 40 {
		t.Fatalf("%d examples", len(want))
	}
	for name, o := range map[string]LoaderOptions{
		"other batches": {Batch: 3, Epochs: 2, Augment: list},
		"begun later":   {Batch: 7, Epochs: 2, Start: State{Epoch: 1, Index: 5}, Augment: list},
		"prefetched":    {Batch: 7, Epochs: 2, Prefetch: 9, Augment: list},
	} {
		for key, got := range augmented(t, d, o) {
			if got != want[key] {
				t.Errorf("%s: example %s is %s, want %s", name, key, got, want[key])
			}
		}
	}
	same, epochs := 0, 0
	for key, got := range augmented(t, d, LoaderOptions{Batch: 7, Epochs: 2, Seed: 6, Augment: list}) {
		if got == want[key] {
			same++
		}
	}
	for i := range 20 {
		if want[fmt.Sprint("0 ", i)] == want[fmt.Sprint("1 ", i)] {
			epochs++
		}
	}
	if same > 10 || epochs > 8 { // of 18 ways
		t.Errorf("of another seed %d of 40 are the same, in the next epoch %d of 20", same, epochs)
	}
	seen := map[string]int{}
	for i := range 20 { // each is one of the 18 ways
		ways := waysOf(float32(24*i + 1))
		for _, epoch := range []string{"0 ", "1 "} {
			k, ok := ways[want[fmt.Sprint(epoch, i)]]
			if !ok {
				t.Fatalf("example %d is %s", i, want[fmt.Sprint(epoch, i)])
			}
			seen[k]++
		}
	}
	if len(seen) < 12 {
		t.Errorf("of 18 ways only these are seen: %v", seen)
	}
}

// waysOf is what an image whose first element is first may become, by plain loops, with the way.
func waysOf(first float32) map[string]string {
	out := map[string]string{}
	for down := -1; down <= 1; down++ {
		for right := -1; right <= 1; right++ {
			for flip := range 2 {
				img := make([]float32, 24)
				for c := range 2 {
					for y := range 3 {
						for x := range 4 {
							from, at := y-down, x
							if flip == 1 {
								at = 3 - x
							}
							if at -= right; from >= 0 && from < 3 && at >= 0 && at < 4 {
								img[(c*3+y)*4+x] = first + float32((c*3+from)*4+at)
							}
						}
					}
				}
				out[fmt.Sprint(img)] = fmt.Sprint(down, right, flip)
			}
		}
	}
	return out
}

// TestBinarise sees that elements become 1 as often as they say.
func TestBinarise(t *testing.T) {
	const n = 20000
	x := tensor.New(tensor.F32, n, 4)
	for i := range n {
		for j, p := range []float64{0, .2, .7, 1} {
			x.Set(4*i+j, p)
		}
	}
	d, err := FromArrays(map[string]*tensor.Tensor{"x": x})
	if err != nil {
		t.Fatal(err)
	}
	l, err := NewLoader(d, LoaderOptions{Batch: n, Epochs: 1, Augment: []Augmentation{{Field: "x", Binarise: true}}})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	b, err := l.Next(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var sum [4]float64
	for i := range 4 * n {
		v := b.Tensors["x"].At(i)
		if v != 0 && v != 1 {
			t.Fatalf("an element is %v", v)
		}
		sum[i%4] += v / n
	}
	for j, p := range []float64{0, .2, .7, 1} {
		if math.Abs(sum[j]-p) > 4*math.Sqrt(p*(1-p)/n)+1e-9 {
			t.Errorf("%v of those that are %v became 1", sum[j], p)
		}
	}
	if x.At(1) != float64(float32(.2)) {
		t.Error("the data set itself was changed")
	}
}

// TestBadAugment sees what is refused.
func TestBadAugment(t *testing.T) {
	for want, a := range map[string]Augmentation{
		`no field "frob" to augment`:               {Field: "frob", Flip: true},
		`of the field "image" does nothing`:        {Field: "image"},
		"a crop below 0":                           {Field: "image", Crop: -1},
		"the field is label i64[]":                 {Field: "label", Binarise: true},
		"image: crop 3 can cut out nothing but ze": {Field: "image", Crop: 3},
	} {
		if _, err := NewLoader(numbered(t, 3), LoaderOptions{Batch: 1, Augment: []Augmentation{a}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
