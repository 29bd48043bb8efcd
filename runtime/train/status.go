package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/sardonyx-ml/sardonyx/runtime/filelock"
)

// A Standing says what has become of a run.
type Standing string

// The standings of runs.
const (
	Running     Standing = "running"     // a process trains in the folder
	Finished    Standing = "finished"    // all epochs, or as many as the patience let it
	Interrupted Standing = "interrupted" // it can be resumed
	NotKnown    Standing = "not known"   // it is not finished, and a process of another machine or container may train in the folder, or was killed there
	Ended       Standing = "ended"       // a loop of one's own, which alone knows whether it is at its end
)

// A Status is what a run's folder tells of the run to who does not train in it.
type Status struct {
	Dir      Folder
	Setup    Setup
	Standing Standing
	Records  []Record
	Epochs   int // finished
	Step     int64
	Best     *Score
	Live     *Live         // how far it is within the epoch, if it is running and says so
	Time     time.Duration // in finished epochs
}

// heartbeat is how old a progress.json may be, by this machine's clock, where nothing else tells whether a process is at work.
const heartbeat = time.Minute

// Status reads the folder and leaves it as it is: no lock is taken, no file written. A folder without a run is [ErrNoRun]; any other
// error says what is damaged, and the Status has what could be read.
func (f Folder) Status() (Status, error) {
	s := Status{Dir: f}
	var err error
	if s.Setup, err = f.Setup(); err != nil {
		return s, err
	}
	// Whether it runs is asked first: of a run that ends meanwhile the rest is then newer, and asked again it will have ended.
	held, known := filelock.Held(f.Metrics())
	lost := false
	if s.Live = f.live(); !held && s.Live != nil && !(known && s.Live.Place != "" && s.Live.Place == filelock.Place()) { // locks of other places are not seen
		held = time.Since(s.Live.Time).Abs() < heartbeat
		lost = !held
	}
	if !held {
		s.Live = nil
	}
	if s.Records, err = ReadHistory(f.Metrics()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return s, err
	}
	for _, r := range s.Records {
		if s.Step = r.Step; r.Kind == KindEpoch {
			s.Epochs = r.Epoch
			s.Time += time.Duration((r.Seconds + r.ValidateSeconds) * float64(time.Second))
		}
	}
	stale := 0
	saves, err := OpenCheckpoints(f.Checkpoints())
	if err == nil {
		var last Checkpoint
		if last, err = saves.Get(Last); err == nil {
			s.Best, stale, s.Step = last.Position.Best, last.Position.Stale, max(s.Step, last.Position.Step)
		}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, ErrNoCheckpoint) {
		return s, err
	}
	switch {
	case held:
		s.Standing = Running
	case s.Setup.Epochs > 0 && s.Epochs >= s.Setup.Epochs, s.Setup.Patience > 0 && stale >= s.Setup.Patience:
		s.Standing = Finished
	case lost:
		s.Standing = NotKnown
	case s.Setup.Epochs == 0:
		s.Standing = Ended
	default:
		s.Standing = Interrupted
	}
	return s, nil
}

// Size is how many bytes the files of the folder, which may be a link, have.
func (f Folder) Size() (int64, error) {
	var size int64
	err := fs.WalkDir(os.DirFS(string(f)), ".", func(_ string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return ignoreGone(err)
		}
		info, err := d.Info()
		if err == nil {
			size += info.Size()
		}
		return ignoreGone(err)
	})
	if err != nil {
		return size, fmt.Errorf("the size of %s: %w", f, err)
	}
	return size, nil
}

// ignoreGone is err, unless it is of a file that has been removed meanwhile.
func ignoreGone(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// A Difference is a field in which Setups are not all alike, called as in config.json, such as batch or settings.latent.
type Difference struct {
	Name   string
	Values []string // of each Setup, "" where it has none
}

// notCompared are the fields of a Setup that say what others say, or how rather than what.
var notCompared = []string{"version", "fingerprint", "entries", "classes", "doc", "command", "environment"}

// Differences are the fields in which the Setups differ.
func Differences(list []Setup) []Difference {
	all := map[string]json.RawMessage{}
	var each []map[string]json.RawMessage
	for _, s := range list {
		each = append(each, s.fields())
		for name, v := range each[len(each)-1] {
			all[name] = v
		}
	}
	var out []Difference
	for _, name := range either(all, nil) {
		if slices.Contains(notCompared, name) {
			continue
		}
		d := Difference{Name: name}
		for _, fields := range each {
			d.Values = append(d.Values, words(fields[name]))
		}
		if slices.ContainsFunc(d.Values, func(v string) bool { return v != d.Values[0] }) {
			out = append(out, d)
		}
	}
	return out
}

// words is a member of a Setup for people.
func words(b json.RawMessage) string {
	var text string
	if b == nil || json.Unmarshal(b, &text) == nil {
		return text
	}
	return fmt.Sprintf("%s", b)
}
