package train

import "github.com/sardonyx-ml/sardonyx/runtime"

// A Profile is the first batches of a run, on an engine that records what they take. The run then goes on on its own engine.
type Profile struct {
	Engine  runtime.Engine // that of the run in all else
	Batches int
	// Done is called when these batches are done, or at the end of a run that has fewer; its error is one of the run, which goes on.
	Done func() error
}

// endProfile goes on with the run's own engine. What the other engine keeps of the state is in host memory then.
func (r *loop) endProfile() error {
	p := r.c.Profile
	r.c.Profile = nil
	if err := r.exec.Close(); err != nil {
		return err
	}
	r.progress.Aside(func() { r.unprofiled = p.Done() })
	var err error
	r.exec, err = r.c.Engine.Load(r.c.Program, r.state)
	return err
}
