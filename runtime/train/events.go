package train

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sardonyx-ml/sardonyx/runtime/atomicfile"
	"github.com/sardonyx-ml/sardonyx/runtime/regularfile"
	"github.com/sardonyx-ml/sardonyx/runtime/train/report"
	"github.com/sardonyx-ml/sardonyx/runtime/train/tensorboard"
)

const (
	eventsPrefix = "events.out.tfevents." // by which TensorBoard finds the files, which it reads in the order of their names
	eventsSuffix = ".sardonyx"
	maxEvent     = 64 << 20 // bytes of samples that go into an event
)

// events is the file of TensorBoard's events that a process appends to. When a run is resumed a new file is written from the records
// that the run has then, and the one before it is emptied; so what follows a checkpoint that is gone back to is in none. It is not
// removed, since a TensorBoard that reads it would look for it for ever, and not see the new one; the next resume removes it.
type events struct {
	f   atomicfile.Handle
	dir Folder
}

// openEvents begins the file of a run with the given records.
func openEvents(dir Folder, s Setup, records []Record) (*events, error) {
	if err := atomicfile.MkdirAll(dir.TensorBoard()); err != nil {
		return nil, err
	}
	files, err := os.ReadDir(dir.TensorBoard())
	if err != nil {
		return nil, err
	}
	now := time.Now()
	number := now.Unix()
	var old []string // in the order of their names
	for _, f := range files {
		text, begins := strings.CutPrefix(f.Name(), eventsPrefix)
		text, ends := strings.CutSuffix(text, eventsSuffix)
		if !begins || !ends {
			continue
		}
		old = append(old, filepath.Join(dir.TensorBoard(), f.Name()))
		if n, err := strconv.ParseInt(text, 10, 64); err == nil {
			number = max(number, n+1) // TensorBoard is to read it last
		}
	}
	path := filepath.Join(dir.TensorBoard(), fmt.Sprintf("%s%010d%s", eventsPrefix, number, eventsSuffix))
	err = atomicfile.Write(path, func(w io.Writer) error {
		b := tensorboard.Begin(now)
		b = tensorboard.Event{Time: now, Values: []tensorboard.Value{tensorboard.Text("config", s.markdown())}}.Append(b)
		for _, r := range records {
			if _, err := w.Write(event(dir, r, now).Append(b)); err != nil {
				return err
			}
			b = nil
		}
		_, err := w.Write(b)
		return err
	})
	if err != nil {
		return nil, err
	}
	for i, path := range old {
		if i < len(old)-1 {
			err = atomicfile.Remove(path)
		} else {
			err = empty(path)
		}
		if err != nil {
			return nil, err
		}
	}
	f, err := atomicfile.OpenLog(path, false)
	if err != nil {
		return nil, err
	}
	if _, err := f.Seek(0, io.SeekEnd); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &events{f, dir}, nil
}

// empty leaves nothing in the file path.
func empty(path string) error {
	f, err := atomicfile.OpenLog(path, false)
	if err != nil {
		return err
	}
	return errors.Join(f.Truncate(0), f.Close())
}

// add appends what a record says.
func (e *events) add(r Record) error {
	_, err := e.f.Write(event(e.dir, r, time.Now()).Append(nil))
	return err
}

func (e *events) close() error {
	if e == nil {
		return nil
	}
	return e.f.Close()
}

// event is a record for TensorBoard, with the samples of its epoch. Records of older programs have no time; theirs is now.
func event(dir Folder, r Record, now time.Time) tensorboard.Event {
	e := tensorboard.Event{Time: r.Time, Step: r.Step}
	if r.Time.IsZero() {
		e.Time = now
	}
	add := func(m Metrics, what string) {
		for _, name := range MetricNames([]Record{r}, func(Record) Metrics { return m }) {
			e.Values = append(e.Values, tensorboard.Scalar(name+"/"+what, m[name]))
		}
	}
	if r.Kind == KindSteps {
		add(r.Train, KindSteps)
		return e
	}
	add(r.Train, training)
	add(r.Validate, validation)
	v, err := sampleValue(dir, r.Epoch)
	if err != nil {
		v = []tensorboard.Value{tensorboard.Text("unreadable samples", err.Error())}
	}
	e.Values = append(e.Values, v...)
	return e
}

// sampleValue is the samples of an epoch for TensorBoard: a picture or a text, or nothing if there are none that it shows.
func sampleValue(dir Folder, epoch int) ([]tensorboard.Value, error) {
	base := strings.TrimSuffix(dir.Samples(epoch), ".png")
	for _, ext := range []string{".png", ".csv", ".txt"} {
		b, err := regularfile.Read(base+ext, maxEvent)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		v := tensorboard.Text("samples", indented(report.Beginning(b)))
		if ext == ".png" {
			v, err = tensorboard.Image("samples", b)
		}
		return []tensorboard.Value{v}, err
	}
	return nil, nil
}

// indented is text as Markdown that shows it as it is.
func indented(text string) string { return "    " + strings.ReplaceAll(text, "\n", "\n    ") }

// markdown is the Setup for TensorBoard.
func (s Setup) markdown() string {
	var b bytes.Buffer
	for _, row := range slices.Concat([][]string{{"program", s.Program}, {"doc", s.Doc}}, story{setup: s}.config().Rows, story{setup: s}.environment().Rows) {
		fmt.Fprintf(&b, "%s: %s\n", row[0], row[1])
	}
	return indented(b.String())
}

// report passes a record on to TensorBoard. A run does not fail for want of it.
func (j *Journal) report(rec Record) {
	if j.events == nil {
		return
	}
	if err := j.events.add(rec); err != nil {
		j.say("TensorBoard's events are written no further: %v", errors.Join(err, j.events.close()))
		j.events = nil
	}
}

// openEvents begins TensorBoard's file.
func (j *Journal) openEvents() {
	if j.noReport {
		return
	}
	var err error
	if j.events, err = openEvents(j.dir, j.setup, j.history.Records()); err != nil {
		j.say("TensorBoard's events are not written: %v", err)
	}
}
