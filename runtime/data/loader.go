package data

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"math/rand/v2"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// LoaderOptions says how a [Loader] cuts a data set into batches.
type LoaderOptions struct {
	Batch    int    // examples in a batch; at least 1
	Shuffle  bool   // a new order each epoch, else the order of the data set
	Seed     uint64 // of the orders
	DropLast bool   // leave out an epoch's last batch if it is short; else it is yielded short
	Epochs   int    // Next ends in io.EOF after so many epochs, counted from epoch 0; 0 is no end
	Start    State  // where to begin; the zero State is the beginning
	Prefetch int    // batches prepared ahead of Next; 0 means 2

	Augment []Augmentation // what is done to examples, in this order; drawn from Seed
}

// A State is a position between two batches: Index examples of epoch Epoch, in that epoch's order, have been yielded.
type State struct {
	Epoch int `json:"epoch"`
	Index int `json:"index"`
}

// A Batch is some examples as tensors. It and its tensors belong to the [Loader], and are valid until the next call of
// Next or Close: what must live longer is to be cloned.
type Batch struct {
	Tensors map[string]*tensor.Tensor // by field name, each of shape [Size, example shape...]
	Size    int                       // examples
	Epoch   int                       // counted from 0
	Last    bool                      // the last batch of its epoch
}

// A Loader yields the batches of a data set, epoch after epoch. A goroutine prepares them ahead, in buffers that are
// reused, so that the steady state allocates nothing. One goroutine at a time may call its methods.
//
// The batches are a function of the data set, Batch, Shuffle, Seed, DropLast and Augment alone. A Loader started at the [State] of
// another yields exactly the batches that the other would have yielded next. The order of an epoch of n examples is a
// Fisher-Yates shuffle of 0 to n-1: for i from n-1 down to 1, elements i and j are exchanged, where j is the upper 64
// bits of the 128-bit product (i+1)·u, and u is the next number of the PCG generator of math/rand/v2 seeded with (Seed, epoch).
type Loader struct {
	ds   *Dataset
	opt  LoaderOptions
	free chan *slot // to be filled
	full chan *slot // filled, in order; closed by the producer when there are no more

	cancel context.CancelFunc
	done   chan struct{} // closed when the producer has ended

	held  *slot // the one whose batch the caller has
	state State
	err   error // what Next returns from now on
}

// slot is one set of buffers with the batch over them.
type slot struct {
	batch Batch
	whole map[string]*tensor.Tensor // of Batch examples
	short map[string]*tensor.Tensor // the first rows of whole, for the short last batch; nil if there is none
	after State
	err   error
}

var errLoaderClosed = errors.New("the loader is closed")

// NewLoader starts a loader over ds. The caller must Close it.
func NewLoader(ds *Dataset, opt LoaderOptions) (*Loader, error) {
	n := ds.Len()
	switch {
	case opt.Batch < 1:
		return nil, fmt.Errorf("a batch of %d examples: at least 1 is needed", opt.Batch)
	case n == 0:
		return nil, fmt.Errorf("the data set has no examples")
	case opt.DropLast && n < opt.Batch:
		return nil, fmt.Errorf("the data set has %d examples, fewer than one batch of %d, and short batches are left out", n, opt.Batch)
	case opt.Epochs < 0 || opt.Prefetch < 0:
		return nil, fmt.Errorf("loader options: epochs %d and prefetch %d cannot be negative", opt.Epochs, opt.Prefetch)
	case opt.Start.Epoch < 0 || opt.Start.Index < 0 || opt.Start.Index > n:
		return nil, fmt.Errorf("the loader cannot start at epoch %d, example %d of a data set of %d examples: was it saved for another one?",
			opt.Start.Epoch, opt.Start.Index, n)
	}
	if err := ds.CheckAugment(opt.Augment); err != nil {
		return nil, err
	}
	if opt.Prefetch == 0 {
		opt.Prefetch = 2
	}
	opt.Batch = min(opt.Batch, n)
	l := &Loader{ds: ds, opt: opt, done: make(chan struct{})}
	l.state = l.settle(opt.Start)

	slots := opt.Prefetch + 1 // one more is with the caller
	l.free, l.full = make(chan *slot, slots), make(chan *slot, slots)
	for range slots {
		s, err := l.newSlot()
		if err != nil {
			return nil, err
		}
		l.free <- s
	}
	ctx, cancel := context.WithCancel(context.Background())
	l.cancel = cancel
	go l.produce(ctx, l.state)
	return l, nil
}

// Batches is the number of batches in an epoch.
func (l *Loader) Batches() int {
	if l.opt.DropLast {
		return l.ds.Len() / l.opt.Batch
	}
	return (l.ds.Len() + l.opt.Batch - 1) / l.opt.Batch
}

// State is the position after the batch that Next returned last; a Loader with it as Start goes on from there.
func (l *Loader) State() State { return l.state }

// Next returns the next batch, which is valid until the next call of Next or Close. After the last epoch asked for it
// returns io.EOF, and after the failure of a source that source's error, again and again. If ctx ends first it returns
// the context's error and loses nothing: the same batch comes with the next call.
func (l *Loader) Next(ctx context.Context) (*Batch, error) {
	if l.err != nil {
		return nil, l.err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if l.held != nil {
		l.free <- l.held // never blocks: free has room for every slot
		l.held = nil
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case s, ok := <-l.full:
		if !ok {
			l.err = io.EOF
			return nil, l.err
		}
		if s.err != nil {
			l.err = s.err
			return nil, l.err
		}
		l.held, l.state = s, s.after
		return &s.batch, nil
	}
}

// Close ends the goroutine of the loader and waits for it. The last batch is no longer valid; State still is.
func (l *Loader) Close() error {
	l.cancel()
	<-l.done
	l.err = errLoaderClosed
	return nil
}

// settle moves a position with no batch left in its epoch to the beginning of the next.
func (l *Loader) settle(s State) State {
	left := l.ds.Len() - s.Index
	if left == 0 || l.opt.DropLast && left < l.opt.Batch {
		return State{Epoch: s.Epoch + 1}
	}
	return s
}

func (l *Loader) newSlot() (*slot, error) {
	s := &slot{whole: make(map[string]*tensor.Tensor, len(l.ds.fields))}
	for _, f := range l.ds.fields {
		shape := batchShape(l.opt.Batch, f.Source.Shape())
		if _, err := tensor.Count(shape); err != nil {
			return nil, fmt.Errorf("field %q: %w", f.Name, err)
		}
		s.whole[f.Name] = tensor.New(f.Source.DType(), shape...)
	}
	return s, nil
}

// fit sets the tensors of s to size rows.
func (s *slot) fit(size, batch int) {
	s.batch.Tensors, s.batch.Size = s.whole, size
	if size == batch {
		return
	}
	// Only a resumed epoch can end in another size than the one before it.
	for name, w := range s.whole {
		if t := s.short[name]; t == nil || t.Dim(0) != size {
			if s.short == nil {
				s.short = make(map[string]*tensor.Tensor, len(s.whole))
			}
			s.short[name] = firstRows(w, size)
		}
	}
	s.batch.Tensors = s.short
}

// produce fills free slots with batches from at on, until ctx ends, the epochs end, or a source fails.
func (l *Loader) produce(ctx context.Context, at State) {
	defer close(l.done)
	defer close(l.full)
	order := make([]int, l.ds.Len())
	ordered := -1 // the epoch that order is of
	for l.opt.Epochs == 0 || at.Epoch < l.opt.Epochs {
		if at.Epoch != ordered {
			l.order(order, at.Epoch)
			ordered = at.Epoch
		}
		var s *slot
		select {
		case <-ctx.Done():
			return
		case s = <-l.free:
		}
		rows := order[at.Index:min(at.Index+l.opt.Batch, len(order))]
		s.fit(len(rows), l.opt.Batch)
		for _, f := range l.ds.fields {
			if err := f.Source.Gather(s.batch.Tensors[f.Name], rows); err != nil {
				s.err = fmt.Errorf("read field %q of the data set: %w", f.Name, err)
				l.full <- s
				return
			}
		}
		for i, a := range l.opt.Augment {
			a.augment(s.batch.Tensors[a.Field], rows, l.opt.Seed, at.Epoch, i)
		}
		s.batch.Epoch = at.Epoch
		at = l.settle(State{at.Epoch, at.Index + len(rows)})
		s.batch.Last = at.Epoch != s.batch.Epoch
		s.after = at
		l.full <- s // never blocks: full has room for every slot
	}
}

// order sets order to the rows of the sources in the order of an epoch.
func (l *Loader) order(order []int, epoch int) {
	for i := range order {
		order[i] = l.ds.lo + i
	}
	if !l.opt.Shuffle {
		return
	}
	pcg := rand.NewPCG(l.opt.Seed, uint64(epoch))
	for i := len(order) - 1; i > 0; i-- {
		j, _ := bits.Mul64(uint64(i+1), pcg.Uint64())
		order[i], order[j] = order[j], order[i]
	}
}

// firstRows is a tensor over the first n rows of x, sharing its elements.
func firstRows(x *tensor.Tensor, n int) *tensor.Tensor {
	shape := batchShape(n, x.Shape()[1:])
	size := n * (x.Len() / x.Dim(0))
	return x.Part(0, size, shape...)
}
