package train

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/sardonyx-ml/sardonyx/exporters/atomicfile"
)

// openFolder begins a run in the folder, or takes up the one that is there.
func (r *loop) openFolder() error {
	s, err := r.c.setup()
	if err != nil {
		return err
	}
	if r.c.Resume {
		err = r.resume(s)
	} else if err = r.c.Dir.checkNew(); err == nil {
		err = r.begin(s)
	}
	if err != nil {
		return err
	}
	return r.clean()
}

// clean removes what a killed process has left.
func (r *loop) clean() error {
	for _, dir := range []string{string(r.c.Dir), filepath.Dir(r.c.Dir.Samples(1))} {
		if err := atomicfile.Clean(dir); err != nil {
			return err
		}
	}
	return r.saves.clean()
}

// begin makes the folder of a run that has no checkpoint.
func (r *loop) begin(s Setup) (err error) {
	if err := r.c.Dir.write(s); err != nil {
		return err
	}
	if r.history, err = OpenHistory(r.c.Dir.Metrics(), 0); err != nil {
		return err
	}
	r.saves = NewCheckpoints(r.c.Dir.Checkpoints(), r.c.Program, r.c.Seed)
	return r.saves.create()
}

// resume takes up the run in the folder, which is left as it is if that fails.
func (r *loop) resume(s Setup) error {
	c := &r.c
	saves, savesErr := OpenCheckpoints(c.Dir.Checkpoints())
	old, err := c.Dir.checkResume(s)
	if savesErr == nil && (err == nil || errors.Is(err, ErrOtherRun)) {
		if diff := saves.Differences(Last, r.state); diff != "" && err != nil {
			err = fmt.Errorf("%w; of its state, %s", err, diff)
		} else if diff != "" {
			err = fmt.Errorf("%s: %w: the program has changed, and so has its state: %s; begin another run in a new folder", c.Dir, ErrOtherRun, diff)
		}
	}
	if err != nil {
		return err
	}
	if errors.Is(savesErr, fs.ErrNotExist) { // it ended as soon as it had begun
		return r.begin(s)
	}
	if savesErr != nil {
		return savesErr
	}
	r.saves = saves
	r.saves.index.Fingerprint = s.Fingerprint
	if err := r.restore(); err != nil {
		return err
	}
	if r.history, err = OpenHistory(c.Dir.Metrics(), r.pos.Records); err != nil {
		return err
	}
	if r.pos.Epoch >= c.Epochs || r.stale() {
		r.progress.Say("the run in %s has finished %d epochs: nothing is left to do", c.Dir, r.pos.Epoch)
		return nil
	}
	r.progress.Say("resuming %s after step %d, in epoch %d of %d", c.Dir, r.pos.Step, r.pos.Epoch+1, c.Epochs)
	if old.Engine != s.Engine {
		r.progress.Say("the run was on %s and goes on on %s: the numbers may differ in their last digits", old.Engine, s.Engine)
	}
	if changes := old.Changes(c.Program); len(changes) > 0 {
		r.progress.Say("the program is not the one that the run was begun with, and the run may not end as it would have: %s", strings.Join(changes, ", "))
	}
	return c.Dir.write(s)
}

// restore takes up the last checkpoint or, if that is damaged, the best one, from where the run comes to the same end.
func (r *loop) restore() (err error) {
	if r.pos, err = r.saves.Restore(Last, r.state); err == nil || errors.Is(err, ErrNoCheckpoint) {
		return nil
	}
	best, bestErr := r.saves.Restore(Best, r.state)
	if bestErr != nil {
		return fmt.Errorf("%w; the best checkpoint cannot be read either: begin again in another folder", err)
	}
	r.progress.Say("%v; going on from the best checkpoint instead", err)
	r.pos = best
	return nil
}
