package train

import (
	"context"
	"fmt"
	"time"

	"github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/data"
)

// loop is a run of Fit. All that decides how it goes on is in the Position and the state of its Journal.
type loop struct {
	Journal
	c        Config
	progress *Progress
	exec     runtime.Executable
	loader   *data.Loader
	best     *runtime.State // of a run without a folder that is to end with it

	batches    int   // of this process
	unprofiled error // why there is no profile
}

// train runs epochs until the last, until the patience ends, or until an error.
func (r *loop) train(ctx context.Context) error {
	for r.Position.Epoch < r.c.Epochs && !r.stale() {
		if err := r.epoch(ctx); err != nil {
			return err
		}
	}
	if r.stoppedEarly() {
		r.progress.Say("stopped early: %s was best in epoch %d, at %.4g", r.c.Monitor, r.Position.Best.Epoch, r.Position.Best.Value)
	}
	if r.saves != nil {
		r.draw(true, "")
	}
	return r.restoreBest()
}

// stale reports whether the run is to stop early.
func (r *loop) stale() bool { return r.c.Patience > 0 && r.Position.Stale >= r.c.Patience }

func (r *loop) stoppedEarly() bool { return r.stale() && r.Position.Epoch < r.c.Epochs }

// epoch does what is left of an epoch: batches, validation, callbacks, record and checkpoint, in this order. Until the
// record is written the position is within the epoch, so an end before that is made up for by a resumed run.
func (r *loop) epoch(ctx context.Context) error {
	number := r.Position.Epoch + 1
	name := fmt.Sprintf("epoch %d/%d", number, r.c.Epochs)
	done := r.Position.Loader.Index
	if r.Position.Loader.Epoch != r.Position.Epoch { // only the end of the epoch is left
		done = r.examples()
	}
	r.progress.Begin(name, r.examples(), done)
	step := r.batch
	if r.c.Solve != nil {
		step = r.solve
	}
	for r.Position.Loader.Epoch == r.Position.Epoch {
		if err := step(ctx); err != nil {
			return err
		}
	}
	rec := Record{Kind: KindEpoch, Epoch: number, Step: r.Position.Step, Train: r.Position.InEpoch.Metrics()}
	rec.Seconds, rec.Rate = r.times()
	if r.c.Validate != "" {
		var err error
		if rec.Validate, err = r.validate(ctx, name); err != nil {
			return err
		}
		rec.ValidateSeconds = r.progress.Elapsed().Seconds()
	}
	if err := r.measure(ctx, name, &rec); err != nil {
		return err
	}
	for _, f := range r.c.OnEpoch {
		if err := f(ctx, EpochEnd{rec, r.exec, r.state, r.c.Program, r.c.Dir}); err != nil {
			return err
		}
	}
	if err := r.record(rec); err != nil {
		return err
	}
	better, err := r.judge(rec)
	if err != nil {
		return err
	}
	r.Position.Epoch, r.Position.InEpoch, r.Position.InSteps = number, Mean{}, Mean{}
	r.progress.End()
	r.sayEpoch(rec, better)
	return r.endEpoch(better)
}

// endEpoch keeps what the epoch has brought.
func (r *loop) endEpoch(better bool) (err error) {
	if r.saves == nil {
		if better && r.c.RestoreBest {
			r.best, err = r.state.Clone()
		}
		return err
	}
	if err := r.save(better); err != nil {
		return err
	}
	r.drawEpoch()
	return nil
}

// examples is how many examples an epoch has.
func (r *loop) examples() int {
	n := r.c.Train.Len()
	if r.c.DropLast {
		n -= n % r.c.Batch
	}
	return n
}

// batch trains on one batch.
func (r *loop) batch(ctx context.Context) error {
	b, err := r.loader.Next(ctx)
	if err != nil {
		return err
	}
	// What ends ctx must not end an Update between two of its Steps.
	m, err := r.c.Update(context.WithoutCancel(ctx), r.exec, r.Position.Step, r.c.Inputs.Name(b.Tensors))
	if err != nil {
		return err
	}
	r.Position.Step++
	r.Position.Loader = r.loader.State()
	r.progress.Add(b.Size, m)
	if r.batches++; r.c.Profile != nil && r.batches == r.c.Profile.Batches {
		if err := r.endProfile(); err != nil {
			return err
		}
	}
	if err := r.log(m, b.Size, r.times); err != nil {
		return err
	}
	if r.saves != nil && r.c.SaveEvery > 0 && time.Since(r.saved) >= r.c.SaveEvery {
		return r.save(false)
	}
	return nil
}

// times are the seconds of this phase, and the examples per second in them.
func (r *loop) times() (seconds, rate float64) {
	return r.progress.Elapsed().Seconds(), r.progress.Rate()
}

func (r *loop) validate(ctx context.Context, name string) (Metrics, error) {
	r.progress.Begin(name+" validation", r.c.Test.Len(), 0)
	return Evaluate(ctx, r.exec, Evaluation{
		Func: r.c.Program.Func(r.c.Validate), Data: r.c.Test, Batch: r.c.Batch, Inputs: r.c.Inputs, Augment: r.c.Augment, Each: r.progress.Add,
	})
}

// judge reports whether an epoch is the best so far, and counts those that are not.
func (r *loop) judge(rec Record) (better bool, err error) {
	from := r.c.validated(rec)
	if _, ok := from[r.c.Monitor]; !ok && r.c.needsMonitor() && (!r.c.fromMeasure() || rec.Epoch == r.c.Epochs) {
		return false, fmt.Errorf("there is no metric %q to find the best epoch by: there are %v", r.c.Monitor, from)
	}
	return r.Journal.judge(rec, from, r.c.Monitor, r.c.MinDelta, r.c.Highest), nil
}

// restoreBest ends the run with the state of its best epoch, if so asked.
func (r *loop) restoreBest() error {
	if !r.c.RestoreBest || r.Position.Best == nil {
		return nil
	}
	if r.saves != nil {
		_, err := r.saves.Restore(Best, r.state)
		return err
	}
	return copyState(r.state, r.best)
}

// sayEpoch writes the line of an epoch.
func (r *loop) sayEpoch(rec Record, better bool) {
	line := fmt.Sprintf("epoch %d/%d  step %d  %v", rec.Epoch, r.c.Epochs, rec.Step, rec.Train)
	if rec.Validate != nil {
		line += fmt.Sprintf("  | validation: %v", rec.Validate)
	}
	if better {
		line += " (best)"
	}
	line += fmt.Sprintf("  | training %.2fs at %s", rec.Seconds, perSecond(rec.Rate))
	if rec.Validate != nil {
		line += fmt.Sprintf(", validation %.2fs", rec.ValidateSeconds)
	}
	if left := r.c.Epochs - rec.Epoch; left > 0 {
		took := time.Duration((rec.Seconds + rec.ValidateSeconds) * float64(time.Second))
		line += fmt.Sprintf(", %v left", (time.Duration(left) * took).Round(time.Second))
	}
	r.progress.Say("%s", line)
}
