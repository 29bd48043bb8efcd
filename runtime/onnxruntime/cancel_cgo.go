//go:build cgo

package onnxruntime

import "context"

// A breaker is what breaks off the runs that have it as their options.
type breaker interface {
	Terminate() error
	UnsetTerminate() error
	Destroy() error
}

// A canceller breaks runs off, one at a time, when their contexts end. Until it is told to forget, it stays registered with a run's context for
// the next runs with the same: these cost nothing more.
type canceller struct {
	make    func() (breaker, error)
	options breaker         // of the runs, made when first needed
	of      <-chan struct{} // the context's, with which it is registered
	stop    func() bool     // ends that
	ended   chan struct{}   // closed when runs are broken off
}

// begin returns the options of a run with ctx, which can end.
func (c *canceller) begin(ctx context.Context) (breaker, error) {
	done := ctx.Done()
	if done == c.of {
		return c.options, nil
	}
	c.forget()
	if c.options == nil {
		var err error
		if c.options, err = c.make(); err != nil {
			return nil, err
		}
	}
	options, ended := c.options, make(chan struct{})
	c.of, c.ended = done, ended
	c.stop = context.AfterFunc(ctx, func() {
		defer close(ended)
		options.Terminate() // cannot fail on options that exist
	})
	return options, nil
}

// end is the error of a run with ctx that ended with err.
func (c *canceller) end(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// forget ends the registration.
func (c *canceller) forget() {
	if c.stop == nil {
		return
	}
	if !c.stop() { // the context has ended
		<-c.ended
		c.options.UnsetTerminate() // cannot fail either
	}
	c.of, c.stop, c.ended = nil, nil, nil
}

func (c *canceller) close() {
	c.forget()
	if c.options != nil {
		c.options.Destroy() // cannot fail either
	}
	c.options = nil
}
