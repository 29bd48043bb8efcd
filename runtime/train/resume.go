package train

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"

	"github.com/sardonyx-ml/sardonyx/runtime/atomicfile"
)

// open begins a run in the folder, or takes up the one that is there and returns its Setup.
func (j *Journal) open(s Setup, resume bool) (old *Setup, err error) {
	j.setup = s
	if resume {
		if old, err = j.resume(s); old != nil && old.Command != "" {
			j.setup.Command = old.Command // it is the one that begins such a run
		}
	} else if err = j.dir.checkNew(); err == nil {
		err = j.begin(s)
	}
	if err != nil {
		return nil, err
	}
	if err := j.clean(); err != nil {
		return nil, err
	}
	j.alive()
	return old, nil
}

// clean removes what a killed process has left.
func (j *Journal) clean() error {
	for _, dir := range []string{string(j.dir), filepath.Dir(j.dir.Samples(1)), j.dir.TensorBoard()} {
		if err := atomicfile.Clean(dir); err != nil {
			return err
		}
	}
	if err := atomicfile.Remove(j.dir.Progress()); err != nil {
		return err
	}
	return j.saves.clean()
}

// begin makes the folder of a run that has no checkpoint.
func (j *Journal) begin(s Setup) (err error) {
	if err := j.dir.write(s); err != nil {
		return err
	}
	if j.history, err = OpenHistory(j.dir.Metrics(), 0); err != nil {
		return err
	}
	j.saves = NewCheckpoints(j.dir.Checkpoints(), j.prog, s.Seed)
	return j.saves.create()
}

// resume takes up the run in the folder, which is left as it is if that fails.
func (j *Journal) resume(s Setup) (*Setup, error) {
	saves, savesErr := OpenCheckpoints(j.dir.Checkpoints())
	old, err := j.dir.checkResume(s)
	if savesErr == nil && (err == nil || errors.Is(err, ErrOtherRun)) {
		if diff := saves.Differences(Last, j.state); diff != "" && err != nil {
			err = fmt.Errorf("%w; of its state, %s", err, diff)
		} else if diff != "" {
			err = fmt.Errorf("%s: %w: the program has changed, and so has its state: %s; begin another run in a new folder", j.dir, ErrOtherRun, diff)
		}
	}
	if err != nil {
		return nil, err
	}
	if errors.Is(savesErr, fs.ErrNotExist) { // it ended as soon as it had begun
		return nil, j.begin(s)
	}
	if savesErr != nil {
		return nil, savesErr
	}
	j.saves = saves
	j.saves.index.Fingerprint = s.Fingerprint
	if err := j.restore(); err != nil {
		return nil, err
	}
	if j.history, err = OpenHistory(j.dir.Metrics(), j.Position.Records); err != nil {
		return nil, err
	}
	return &old, nil
}

// goOn says how the run that is resumed differs from what it was, and keeps what it is now.
func (j *Journal) goOn(old *Setup) error {
	if old.Engine != j.setup.Engine {
		j.say("the run was on %s and goes on on %s: the numbers may differ in their last digits", old.Engine, j.setup.Engine)
	}
	if changes := old.Changes(j.prog); len(changes) > 0 {
		j.say("the program is not the one that the run was begun with, and the run may not end as it would have: %s", strings.Join(changes, ", "))
	}
	return j.dir.write(j.setup)
}

// restore takes up the last checkpoint or, if that is damaged, the best one, from where the run comes to the same end.
func (j *Journal) restore() (err error) {
	if j.Position, err = j.saves.Restore(Last, j.state); err == nil || errors.Is(err, ErrNoCheckpoint) {
		return nil
	}
	best, bestErr := j.saves.Restore(Best, j.state)
	if bestErr != nil {
		return fmt.Errorf("%w; the best checkpoint cannot be read either: begin again in another folder", err)
	}
	j.say("%v; going on from the best checkpoint instead", err)
	j.Position = best
	return nil
}

// openFolder opens the journal of a run of Fit, and says where a resumed one goes on.
func (r *loop) openFolder() error {
	c := &r.c
	s, err := c.setup()
	if err != nil {
		return err
	}
	old, err := r.open(s, c.Resume)
	if err != nil {
		return err
	}
	defer r.openEvents()
	if old == nil {
		return nil
	}
	if r.Position.Epoch >= c.Epochs || r.stale() {
		r.say("the run in %s has finished %d epochs: nothing is left to do", c.Dir, r.Position.Epoch)
		r.setup = *old
		return nil
	}
	r.say("resuming %s after step %d, in epoch %d of %d", c.Dir, r.Position.Step, r.Position.Epoch+1, c.Epochs)
	return r.goOn(old)
}
