package data

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// seen is what a test keeps of a batch, since the batch itself is reused.
type seen struct {
	ids   []int64
	epoch int
	last  bool
	after State
}

// collect takes up to max batches, or all until io.EOF if max is 0, and checks that the fields of each go together.
func collect(t *testing.T, l *Loader, max int) []seen {
	t.Helper()
	var out []seen
	for max == 0 || len(out) < max {
		b, err := l.Next(t.Context())
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		ids, x := tensor.Data[int64](b.Tensors["id"]), b.Tensors["x"]
		if len(ids) != b.Size || !slices.Equal(x.Shape(), []int{b.Size, 2}) {
			t.Fatalf("a batch of %d has %v and %v", b.Size, x, b.Tensors["id"])
		}
		for i, id := range ids {
			if got, want := tensor.Data[float32](x)[2*i], float32(uint8(id))/255; got != want {
				t.Fatalf("example %d: x is %v, want %v", id, got, want)
			}
		}
		out = append(out, seen{slices.Clone(ids), b.Epoch, b.Last, l.State()})
	}
	return out
}

func newLoader(t testing.TB, d *Dataset, opt LoaderOptions) *Loader {
	t.Helper()
	l, err := NewLoader(d, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestLoaderSizes(t *testing.T) {
	tests := []struct {
		n, batch int
		drop     bool
		want     []int
	}{
		{10, 3, false, []int{3, 3, 3, 1}},
		{10, 3, true, []int{3, 3, 3}},
		{9, 3, false, []int{3, 3, 3}},
		{9, 3, true, []int{3, 3, 3}},
		{2, 5, false, []int{2}},
		{5, 5, true, []int{5}},
		{3, 1, false, []int{1, 1, 1}},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%d by %d drop %v", tt.n, tt.batch, tt.drop), func(t *testing.T) {
			l := newLoader(t, counting(t, tt.n), LoaderOptions{Batch: tt.batch, DropLast: tt.drop, Epochs: 2})
			if l.Batches() != len(tt.want) {
				t.Errorf("Batches = %d, want %d", l.Batches(), len(tt.want))
			}
			got := collect(t, l, 0)
			if len(got) != 2*len(tt.want) {
				t.Fatalf("%d batches in two epochs, want %d", len(got), 2*len(tt.want))
			}
			next := int64(0)
			for i, b := range got {
				k := i % len(tt.want)
				if k == 0 {
					next = 0
				}
				if len(b.ids) != tt.want[k] || b.epoch != i/len(tt.want) || b.last != (k == len(tt.want)-1) {
					t.Errorf("batch %d: %+v, want size %d", i, b, tt.want[k])
				}
				for _, id := range b.ids { // without Shuffle, the order of the data set
					if id != next {
						t.Errorf("batch %d: %v, want it to go on with %d", i, b.ids, next)
					}
					next++
				}
			}
			if _, err := l.Next(t.Context()); err != io.EOF {
				t.Errorf("after the end: %v, want io.EOF", err)
			}
		})
	}
}

func TestLoaderShuffle(t *testing.T) {
	const n = 1000
	d := counting(t, n)
	opt := LoaderOptions{Batch: 64, Seed: 7, Shuffle: true, Epochs: 3}
	a := collect(t, newLoader(t, d, opt), 0)

	// The order as the documentation states it.
	for epoch := range 3 {
		var got []int64
		for _, b := range a {
			if b.epoch == epoch {
				got = append(got, b.ids...)
			}
		}
		want := make([]int64, n)
		for i := range want {
			want[i] = int64(i)
		}
		g := rand.NewPCG(7, uint64(epoch))
		for i := n - 1; i >= 1; i-- {
			j, _ := bits.Mul64(uint64(i)+1, g.Uint64())
			want[i], want[j] = want[j], want[i]
		}
		if !slices.Equal(got, want) {
			t.Errorf("epoch %d is not the documented order", epoch)
		}
		slices.Sort(got)
		for i, id := range got {
			if id != int64(i) {
				t.Fatalf("epoch %d: example %d is missing or twice", epoch, i)
			}
		}
	}

	opt.Prefetch = 5 // does not change the batches
	if b := collect(t, newLoader(t, d, opt), 0); !equalSeen(a, b) {
		t.Error("the same seed gave other batches")
	}
	opt.Seed = 8
	if b := collect(t, newLoader(t, d, opt), 0); equalSeen(a, b) {
		t.Error("another seed gave the same batches")
	}
}

// The first place of a shuffle must be taken by every example equally often.
func TestShuffleUniform(t *testing.T) {
	const n, epochs = 10, 20000
	l := &Loader{ds: counting(t, n), opt: LoaderOptions{Seed: 3, Shuffle: true}}
	var count [n][n]int // place, example
	order := make([]int, n)
	for e := range epochs {
		l.order(order, e)
		for place, id := range order {
			count[place][id]++
		}
	}
	const want = float64(epochs) / n
	for place, c := range count {
		chi2 := 0.0
		for _, k := range c {
			chi2 += (float64(k) - want) * (float64(k) - want) / want
		}
		if chi2 > 35 { // 9 degrees of freedom: p < 1e-4
			t.Errorf("place %d: χ² = %.1f over %v", place, chi2, c)
		}
	}
}

func equalSeen(a, b []seen) bool {
	return slices.EqualFunc(a, b, func(x, y seen) bool {
		return slices.Equal(x.ids, y.ids) && x.epoch == y.epoch && x.last == y.last && x.after == y.after
	})
}

func TestLoaderResume(t *testing.T) {
	d := must(counting(t, 60).Subset(3, 50))(t)
	for _, drop := range []bool{false, true} {
		opt := LoaderOptions{Batch: 10, Seed: 5, Shuffle: true, DropLast: drop}
		all := collect(t, newLoader(t, d, opt), 14)
		for k := range all[:13] {
			opt.Start = all[k].after
			rest := collect(t, newLoader(t, d, opt), 13-k)
			if !equalSeen(rest, all[k+1:]) {
				t.Errorf("drop %v: after batch %d (%+v) the batches differ", drop, k, all[k].after)
			}
		}
	}
	// A start between two batches: the epoch ends in a size that it has nowhere else.
	l := newLoader(t, d, LoaderOptions{Batch: 10, Start: State{Epoch: 4, Index: 1}, Epochs: 6})
	var sizes []int
	for _, b := range collect(t, l, 0) {
		sizes = append(sizes, len(b.ids))
	}
	if want := []int{10, 10, 10, 10, 6, 10, 10, 10, 10, 7}; !slices.Equal(sizes, want) {
		t.Errorf("sizes %v, want %v", sizes, want)
	}
	if s := newLoader(t, d, LoaderOptions{Batch: 10, Start: State{2, 47}}).State(); s != (State{3, 0}) {
		t.Errorf("the end of epoch 2 is %+v, want the beginning of epoch 3", s)
	}
}

func TestLoaderErrors(t *testing.T) {
	d := counting(t, 10)
	empty := must(d.Subset(4, 4))(t)
	tests := []struct {
		d    *Dataset
		opt  LoaderOptions
		want string
	}{
		{d, LoaderOptions{}, "a batch of 0"},
		{empty, LoaderOptions{Batch: 1}, "no examples"},
		{d, LoaderOptions{Batch: 11, DropLast: true}, "fewer than one batch of 11"},
		{d, LoaderOptions{Batch: 1, Epochs: -1}, "cannot be negative"},
		{d, LoaderOptions{Batch: 1, Start: State{0, 11}}, "cannot start at epoch 0, example 11"},
	}
	for _, tt := range tests {
		_, err := NewLoader(tt.d, tt.opt)
		wantErr(t, err, tt.want)
	}
}

// failing is a source that fails on one row, or waits until released.
type failing struct {
	Source
	bad  int
	wait chan struct{}
}

var errBad = errors.New("bad row")

func (f failing) Gather(dst *tensor.Tensor, rows []int) error {
	if f.wait != nil {
		<-f.wait
	}
	if slices.Contains(rows, f.bad) {
		return errBad
	}
	return f.Source.Gather(dst, rows)
}

func TestLoaderPassesErrors(t *testing.T) {
	d := counting(t, 10)
	d = must(New(Field{"id", failing{Source: d.fields[1].Source, bad: 5}}))(t)
	l := newLoader(t, d, LoaderOptions{Batch: 2})
	for range 2 {
		if _, err := l.Next(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for range 3 {
		_, err := l.Next(t.Context())
		if !errors.Is(err, errBad) {
			t.Errorf("got %v, want the error of the source", err)
		}
		wantErr(t, err, `field "id"`)
	}
	if l.State() != (State{0, 4}) {
		t.Errorf("state %+v, want that of the last good batch", l.State())
	}
}

func TestLoaderContext(t *testing.T) {
	d := counting(t, 10)
	gate := make(chan struct{})
	d = must(New(Field{"x", d.fields[0].Source}, Field{"id", failing{Source: d.fields[1].Source, bad: -1, wait: gate}}))(t)
	l := newLoader(t, d, LoaderOptions{Batch: 2})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := l.Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want the deadline", err)
	}
	close(gate)
	if got := collect(t, l, 2); !slices.Equal(got[0].ids, []int64{0, 1}) || !slices.Equal(got[1].ids, []int64{2, 3}) {
		t.Errorf("after the deadline: %v", got)
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if _, err := l.Next(t.Context()); !errors.Is(err, errLoaderClosed) {
		t.Errorf("after Close: %v", err)
	}
	if err := l.Close(); err != nil {
		t.Error("second Close:", err)
	}
}

// Several loaders may share a data set.
func TestLoadersShareDataset(t *testing.T) {
	d := counting(t, 500)
	for i := range 4 {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			t.Parallel()
			l := newLoader(t, d, LoaderOptions{Batch: 32, Shuffle: true, Seed: uint64(i), Epochs: 5})
			if got := len(collect(t, l, 0)); got != 5*16 {
				t.Errorf("%d batches, want 80", got)
			}
		})
	}
}

func TestLoaderAllocates(t *testing.T) {
	l := newLoader(t, counting(t, 1000), LoaderOptions{Batch: 64, Shuffle: true})
	ctx := t.Context()
	next := func() {
		if _, err := l.Next(ctx); err != nil {
			t.Fatal(err)
		}
	}
	for range 100 { // every slot has had its short batch
		next()
	}
	// A new epoch makes one small generator; there are 16 batches in one.
	if a := testing.AllocsPerRun(320, next); a > 0.5 {
		t.Errorf("%v allocations a batch", a)
	}
}

// MNIST's sizes: 28×28 bytes and a label, 128 to a batch.
func BenchmarkLoader(b *testing.B) {
	const n = 20000
	px := make([]uint8, n*784)
	for i := range px {
		px[i] = uint8(i * 7)
	}
	images, _ := FromPixels(tensor.Of(px, n, 1, 28, 28))
	labels, _ := FromLabels(tensor.New(tensor.U8, n))
	d, err := New(Field{"image", images}, Field{"label", labels})
	if err != nil {
		b.Fatal(err)
	}
	l := newLoader(b, d, LoaderOptions{Batch: 128, Shuffle: true, DropLast: true})
	b.SetBytes(128 * (784*4 + 8))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.Next(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
