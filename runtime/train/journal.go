package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"time"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/atomicfile"
)

// A Journal keeps a run of one's own loop in a folder, as [Fit] keeps its runs: metrics, checkpoints to resume from, the curve of
// the loss. The commands export, verify and sample the folder like any other. It is for one goroutine at a time.
//
// The loop tells it of each step, with Log, and of the end of each epoch, an epoch being whatever the loop takes for one.
type Journal struct {
	// Position is where the run is: how many steps and epochs are done, and the best score. A resumed run begins where its
	// last checkpoint was. A loop that takes batches from a loader keeps Position.Loader up to date, and begins its loader there.
	Position Position

	dir   Folder
	prog  *compiler.Program
	state *runtime.State
	setup Setup
	at    *Position // of the state, where it was restored from a checkpoint
	say   func(format string, args ...any)

	saves   *Checkpoints // nil without a folder, as is history
	history *History     // the records are here or in the next field
	records []Record

	events *events // nil if none are written

	saved, began time.Time // began is when the epoch did
	examples     int       // since then
	unwritten    error     // of records within the epoch
	drawn        time.Time
	drawing      time.Duration // how long it took
	noReport     bool
	beaten       time.Time // when progress.json was written, or the first step done
	beats        bool      // it was written
}

// RunOptions say what a run of one's own loop is.
type RunOptions struct {
	Program  *compiler.Program
	State    *runtime.State     // of the program, what checkpoints save and restore; drawn from Seed, or else
	Seed     uint64             // kept with the run
	Settings map[string]float64 // of the model, without which the commands cannot define it again
	Data     string             // what the run is trained on, for people; kept with the run and in exported files
	Batch    int                // examples in a step
	LogEvery int                // steps between records within an epoch; 0 is none
	Monitor  string             // the metric whose lowest value makes the best checkpoint; "" is "loss"
	Highest  bool               // the highest value makes it instead
	Engine   string             // the engine's name, for people
	Doc      string             // what the model is, for people
	Command  string             // that began the run, for people
	NoReport bool               // leave out report.html, samples.gif and TensorBoard's events
	Resume   bool               // go on with the run in the folder, which must agree in all but Engine and harmless changes of the program
	Out      io.Writer          // for what there is to say; nil is silent
}

// OpenRun begins a run in the folder dir, or takes up the one that is there: State is then that of its last checkpoint. Until Close,
// another OpenRun or Fit in the folder is [ErrInUse]. A folder that has a run is [ErrHasRun], and with Resume one that has none
// [ErrNoRun], one that has another [ErrOtherRun].
func OpenRun(dir Folder, o RunOptions) (*Journal, error) {
	if o.Program == nil || o.State == nil || dir == "" {
		return nil, errors.New("train: a run needs a folder, a program and its state")
	}
	for name, v := range o.Settings {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, fmt.Errorf("train: the setting %s is %v", name, v)
		}
	}
	if o.Monitor == "" {
		o.Monitor = Loss
	}
	s := Setup{
		Version: setupVersion, Program: o.Program.Name(), Fingerprint: o.Program.Fingerprint(), Entries: entries(o.Program),
		Settings: o.Settings, Precision: precision(o.Program), Monitor: o.Monitor, Highest: o.Highest,
		Train: o.Data, Batch: o.Batch, Seed: o.Seed, LogEvery: o.LogEvery, Engine: o.Engine,
		Doc: o.Doc, Command: o.Command, Environment: Environment(),
	}
	j := &Journal{dir: dir, prog: o.Program, state: o.State, noReport: o.NoReport, say: NewProgress(o.Out).Say}
	old, err := j.open(s, o.Resume)
	if err != nil {
		return nil, fmt.Errorf("train: %w", errors.Join(err, j.close()))
	}
	if old != nil {
		j.say("resuming %s after step %d and %d epochs", dir, j.Position.Step, j.Position.Epoch)
		if err := j.goOn(old); err != nil {
			return nil, fmt.Errorf("train: %w", errors.Join(err, j.close()))
		}
	}
	j.openEvents()
	j.saved, j.began = time.Now(), time.Now()
	return j, nil
}

// Log counts a step on a batch of so many examples, and its metrics, which go into the epoch's average. A record that could not be
// written is the error of the next EndEpoch or Save.
func (j *Journal) Log(m Metrics, examples int) {
	j.Position.Step++
	j.at = nil
	j.examples += examples
	j.unwritten = errors.Join(j.unwritten, j.log(m, examples, j.times))
	j.beat(func() Live {
		_, rate := j.times()
		return Live{Phase: fmt.Sprintf("epoch %d", j.Position.Epoch+1), Done: j.examples, Rate: rate, Metrics: m}
	})
}

// log adds the metrics of a step to the epoch's average, and records them every LogEvery steps, with what times says.
func (j *Journal) log(m Metrics, examples int, times func() (seconds, rate float64)) error {
	j.Position.InEpoch.Add(m, examples)
	every := int64(j.setup.LogEvery)
	if every <= 0 {
		return nil
	}
	j.Position.InSteps.Add(m, examples)
	if j.Position.Step%every != 0 {
		return nil
	}
	rec := Record{Kind: KindSteps, Epoch: j.Position.Epoch + 1, Step: j.Position.Step, Train: j.Position.InSteps.Metrics()}
	rec.Seconds, rec.Rate = times()
	j.Position.InSteps = Mean{}
	return j.record(rec)
}

// times are the seconds since the epoch began, and the examples per second in them.
func (j *Journal) times() (seconds, rate float64) {
	seconds = time.Since(j.began).Seconds()
	if seconds > 0 {
		rate = float64(j.examples) / seconds
	}
	return seconds, rate
}

// Show calls f, such as [Samples] gives, for the epoch that EndEpoch is to end: call it before that.
func (j *Journal) Show(ctx context.Context, x runtime.Executable, f Callback) error {
	rec := Record{Kind: KindEpoch, Epoch: j.Position.Epoch + 1, Step: j.Position.Step, Train: j.Position.InEpoch.Metrics()}
	return f(ctx, EpochEnd{rec, x, j.state, j.prog, j.dir})
}

// EndEpoch records the averages of what was logged since the last epoch, with the metrics of a validation if there was one,
// and saves a checkpoint. It reports whether the epoch is the best so far, by the monitored metric of the validation or, with a nil
// one, of what was logged; the checkpoint is then the best one, too. Without that metric no epoch is.
func (j *Journal) EndEpoch(validation Metrics) (best bool, err error) {
	rec := Record{Kind: KindEpoch, Epoch: j.Position.Epoch + 1, Step: j.Position.Step, Train: j.Position.InEpoch.Metrics(), Validate: validation}
	rec.Seconds, rec.Rate = j.times()
	if err := j.record(rec); err != nil {
		return false, fmt.Errorf("train: %w", err)
	}
	best = j.judge(rec, rec.monitored(), j.setup.Monitor, 0, j.setup.Highest)
	j.Position.Epoch, j.Position.InEpoch = rec.Epoch, Mean{}
	j.Position.InSteps = Mean{}
	j.began, j.examples = time.Now(), 0
	if err := j.Save(best); err != nil {
		return best, err
	}
	j.drawEpoch()
	return best, nil
}

// Save saves a checkpoint, as the last one, and as the best one too if best. A loop saves within long epochs, and when it is to
// end; EndEpoch saves by itself.
func (j *Journal) Save(best bool) error {
	if j.Position.Loader.Epoch < j.Position.Epoch { // a loop without a loader, or whose loader counts otherwise
		j.Position.Loader.Epoch, j.Position.Loader.Index = j.Position.Epoch, 0
	}
	if err := j.save(best); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	return nil
}

// Restore puts a checkpoint of the run into its state, to end with the best, say. The Position stays where it is.
func (j *Journal) Restore(which Which) error {
	at, err := j.saves.Restore(which, j.state)
	if err == nil {
		j.at = &at
	}
	return err
}

// Metadata is a summary of the run for ONNX files that are exported now, as onnx.Options.Metadata: the commands take such a file
// in the run's folder for that of the checkpoint that the state was saved to or restored from.
func (j *Journal) Metadata() map[string]string {
	at := j.Position
	if j.at != nil {
		at = *j.at
	}
	return j.setup.Metadata(j.prog, at)
}

// Records are all records so far.
func (j *Journal) Records() []Record {
	if j.history == nil {
		return j.records
	}
	return j.history.Records()
}

// Close makes the pictures and the report, and gives the folder free. It saves nothing.
func (j *Journal) Close() error {
	if j.history != nil {
		j.draw(true, "")
	}
	return j.close()
}

func (j *Journal) close() error {
	if j.history == nil {
		return nil
	}
	var beat error
	if j.beats {
		beat = atomicfile.Remove(j.dir.Progress())
	}
	return errors.Join(beat, j.events.close(), j.history.Close())
}

// record appends rec to the history.
func (j *Journal) record(rec Record) error {
	rec.Time = time.Now().UTC().Round(time.Millisecond)
	if j.history == nil {
		j.records = append(j.records, rec)
	} else if err := j.history.Append(rec); err != nil {
		return err
	}
	j.Position.Records++
	j.report(rec)
	return nil
}

// save makes the records durable and then the checkpoint that counts them.
func (j *Journal) save(best bool) error {
	if j.unwritten != nil {
		return j.unwritten
	}
	if err := j.history.Sync(); err != nil {
		return err
	}
	if err := j.saves.Save(j.state, j.Position, best); err != nil {
		return err
	}
	j.saved = time.Now()
	return nil
}

// monitored are the metrics that say how good an epoch is.
func (r Record) monitored() Metrics {
	if r.Validate != nil {
		return r.Validate
	}
	return r.Train
}

// judge reports whether an epoch is the best so far, by a metric of from that must be better by more than delta, and counts those that
// are not. Without the metric no epoch is.
func (j *Journal) judge(rec Record, from Metrics, monitor string, delta float64, highest bool) bool {
	v, ok := from[monitor]
	switch {
	case !ok:
		return false
	case math.IsNaN(v) || math.IsInf(v, 0):
		j.say("epoch %d: %s is %v", rec.Epoch, monitor, v)
	case j.Position.Best == nil || better(v, j.Position.Best.Value, delta, highest):
		j.Position.Best, j.Position.Stale = &Score{v, rec.Epoch, rec.Step}, 0
		return true
	}
	j.Position.Stale++
	return false
}

// better reports whether v is lower than best by more than delta or, if the highest is the best, higher.
func better(v, best, delta float64, highest bool) bool {
	if highest {
		v, best = -v, -best
	}
	return v < best-delta
}
