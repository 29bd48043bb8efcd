package onnxruntime

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// A Pool lets many goroutines run one Session, a fixed number of them at once, each over tensors of its own. So the memory that runs take
// is bounded, whoever asks; the weights are there once. All runs are of the shapes that the Pool was made for; for several shapes,
// such as batches of 1 and 64, make several Pools of one Session.
//
// Runs at once share the threads that a Session computes a node with. Where many want results, a Session with Options.Threads 1, whose
// runs take one thread each, does the most of them in a second; docs/serving.md has figures.
type Pool struct {
	free   chan *Binding // those that nobody uses
	size   int
	closed chan struct{} // closed when Close is called
	close  func() error
}

// warmUps is how often each binding runs before a Pool is handed out: native code plans memory in its first run of a shape, and takes it
// in the second.
const warmUps = 3

// Pool makes a Pool of so many runs at once, 0 for one a processor. The inputs in are as for [Session.Run]; each run has copies of them,
// which it changes in place: see [Session.Zeros] for inputs that are made up. The model runs on them, as often at once as it ever will,
// before Pool returns, so that the first requests take no longer than later ones.
func (s *Session) Pool(ctx context.Context, runs int, in map[string]*tensor.Tensor) (_ *Pool, err error) {
	if runs < 0 {
		return nil, fmt.Errorf("a pool of %d runs at once: the number must be positive, or 0 for one a processor", runs)
	}
	if runs == 0 {
		runs = runtime.GOMAXPROCS(0)
	}
	p := &Pool{free: make(chan *Binding, runs), size: runs, closed: make(chan struct{})}
	p.close = sync.OnceValue(p.drain)
	var bindings []*Binding
	defer func() {
		if err != nil {
			for _, b := range bindings {
				err = errors.Join(err, b.Close())
			}
		}
	}()
	for range runs {
		own := make(map[string]*tensor.Tensor, len(in))
		for name, x := range in {
			if x != nil {
				own[name] = x.Clone()
			}
		}
		b, err := s.Bind(ctx, own, nil)
		if err != nil {
			return nil, err
		}
		bindings = append(bindings, b)
	}
	var wg sync.WaitGroup
	errs := make([]error, runs)
	for i, b := range bindings {
		wg.Go(func() {
			for k := 0; k < warmUps && errs[i] == nil; k++ {
				errs[i] = b.Run(ctx)
			}
		})
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return nil, err
		}
	}
	for _, b := range bindings {
		p.free <- b
	}
	return p, nil
}

// Size is how many runs there are at once, at most.
func (p *Pool) Size() int { return p.size }

// Do calls f with a Binding that is f's alone until it returns: f sets its inputs, runs it, once or more often, and takes what it needs of
// the outputs, whose tensors the next user's run overwrites. Do waits for a free Binding as long as ctx lasts. Its errors are those of f,
// of a ctx that ended before f was called, and [ErrClosed]. The Binding is not f's to close; nor may f close the Pool, which would wait for
// f.
func (p *Pool) Do(ctx context.Context, f func(*Binding) error) error {
	select {
	case <-p.closed:
		return ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	default:
	}
	select {
	case <-p.closed:
		return ErrClosed
	case <-ctx.Done():
		return context.Cause(ctx)
	case b := <-p.free:
		defer func() { // also if f panics
			b.forget()
			p.free <- b
		}()
		return f(b)
	}
}

// Close ends the Pool: whoever waits in Do, or calls it later, gets [ErrClosed]. It returns when all calls that are under way have
// ended. The Session stays open. Closing the Session instead ends the runs of the Pool with ErrClosed.
func (p *Pool) Close() error { return p.close() }

// drain closes the bindings as they become free.
func (p *Pool) drain() error {
	close(p.closed)
	var errs []error
	for range p.size {
		errs = append(errs, (<-p.free).Close())
	}
	return errors.Join(errs...)
}

// Zeros makes inputs for [Session.Run], [Session.Bind] and [Session.Pool], filled with zeros, one for each of [Session.Inputs]; sizes has
// those of the symbols in their shapes. An input whose shape the model does not say is an error.
func (s *Session) Zeros(sizes map[string]int) (map[string]*tensor.Tensor, error) {
	in := make(map[string]*tensor.Tensor, len(s.model.inputs))
	used := map[string]bool{}
	for _, i := range s.model.inputs {
		if i.Shape == nil {
			return nil, fmt.Errorf("the input %v of %s has no declared rank: make it yourself", i, s.model.name())
		}
		shape := make([]int, len(i.Shape))
		for axis, d := range i.Shape {
			shape[axis] = int(d.Size)
			if d.Size < 0 {
				size, ok := sizes[d.Symbol]
				switch {
				case d.Symbol == "":
					return nil, fmt.Errorf("axis %d of the input %v of %s has neither a size nor a symbol: make it yourself", axis, i, s.model.name())
				case !ok:
					return nil, fmt.Errorf("the input %v of %s needs a size for %q", i, s.model.name(), d.Symbol)
				}
				shape[axis], used[d.Symbol] = size, true
			}
		}
		if _, err := tensor.Count(shape); err != nil {
			return nil, fmt.Errorf("the input %v of %s: %w", i, s.model.name(), err)
		}
		in[i.Name] = tensor.New(i.DType, shape...)
	}
	for _, symbol := range slices.Sorted(maps.Keys(sizes)) {
		if !used[symbol] {
			return nil, fmt.Errorf("there is a size for %q; %s has %s", symbol, s.model.name(), list(s.model.inputs))
		}
	}
	return in, nil
}
