package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/data"
)

// ErrInterrupted says that a run was stopped by its context and, if it has a folder, can be resumed.
var ErrInterrupted = errors.New("training was interrupted")

// closedForm is the Step of the Setup of a run that has none.
const closedForm = "closed form"

// defaultSave is how often a run saves within an epoch.
const defaultSave = 5 * time.Minute

// Config says what [Fit] trains on what, and how.
type Config struct {
	Program *compiler.Program
	Engine  runtime.Engine
	State   *runtime.State // where to begin; nil is the program's initial state drawn from Seed
	Seed    uint64         // of the initial state and of the order of the examples

	Step   string        // the Step to run on each batch; "" is the program's only one
	Rhythm models.Rhythm // several Steps in turn instead; their metrics are named as [RunRhythm] says
	Update Update        // what else to do with each batch
	// Solve sets the state from Train, for a model in closed form: the run is then of one epoch, and no Step runs.
	Solve    func(ctx context.Context, s models.State, train models.Examples) (map[string]float64, error)
	Train    *data.Dataset
	Test     *data.Dataset    // for validation; may be nil
	Validate string           // the Func to average over Test after each epoch; "" for none
	Measures []models.Measure // what else is measured
	Inputs   Inputs           // which fields feed which inputs
	Epochs   int
	Batch    int
	DropLast bool // leave out an epoch's last batch if it is short

	Augment []data.Augmentation // what is done to the examples of Train, drawn from Seed; of Test, fields are only binarised, always alike

	Monitor     string  // the metric whose lowest value makes the best checkpoint, of the validation if there is one, or a measure's; "" is "loss"
	Highest     bool    // the best is the highest instead
	Patience    int     // stop after so many epochs without a new best, of those with the monitored metric; 0 is never
	MinDelta    float64 // by how much a new best must be better
	RestoreBest bool    // end with the state of the best epoch, not the last

	Dir       Folder             // where to leave checkpoints, metrics and pictures; "" leaves nothing
	Resume    bool               // go on with the run in Dir
	SaveEvery time.Duration      // time between checkpoints within an epoch; 0 is five minutes, below 0 is never
	LogEvery  int                // steps between records within an epoch; 0 is none
	Settings  map[string]float64 // of the model, to be kept in config.json
	Doc       string             // what the model is, for people
	Command   string             // that begins the run, for people
	Data      string             // what Train is called, for people
	NoReport  bool               // leave out report.html, samples.gif and TensorBoard's events
	OnEpoch   []Callback         // called after each epoch's validation
	Profile   *Profile           // of the first batches; may be nil
	Out       io.Writer          // for progress; nil is silent
}

// An EpochEnd is what a [Callback] sees of a run.
type EpochEnd struct {
	Record  Record
	Exec    runtime.Executable // it may run Funcs, but not Steps
	State   *runtime.State     // to be read
	Program *compiler.Program
	Dir     Folder // "" if the run has none
}

// A Callback does something after an epoch. Its error ends the run.
type Callback func(ctx context.Context, e EpochEnd) error

// A Result is how a run went.
type Result struct {
	State        *runtime.State // of the last step, or of the best epoch if so asked
	Epochs       int            // finished
	Step         int64          // updates done
	Best         *Score         // nil if the metric was never reported
	History      []Record
	StoppedEarly bool
}

// Fit trains. With an error, its Result is as far as training went, or nil if it could not begin.
//
// When ctx ends, Fit finishes the step, saves a checkpoint and returns [ErrInterrupted]. If a step gives NaN or Inf the
// error is the engine's [runtime.NonFiniteError], and the last checkpoint stays as it was. Of what the configuration may
// not be, all is found before the first step.
//
// A run that was interrupted or killed and then resumed has the same state, records and checkpoints in the end as one that
// was not: all but the times in the records. This needs a deterministic engine and Update.
func Fit(ctx context.Context, c Config) (*Result, error) {
	if err := c.complete(); err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	r := &loop{c: c, progress: NewProgress(c.Out)}
	r.Journal = Journal{dir: c.Dir, prog: c.Program, noReport: c.NoReport, say: r.progress.Say, setup: Setup{LogEvery: c.LogEvery}}
	r.progress.heard = r.beat
	if err := r.prepare(); err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	err := r.train(ctx)
	r.progress.End()
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = r.interrupted()
	} else if err != nil {
		err = r.failed(err)
	}
	if r.c.Profile != nil { // there were fewer batches than it is of
		err = errors.Join(err, r.endProfile())
	}
	err = errors.Join(err, r.unprofiled, r.close())
	return r.result(), err
}

// complete fills in defaults and refuses what cannot be.
func (c *Config) complete() error {
	if c.Solve != nil {
		c.Epochs = 1
	}
	switch {
	case c.Program == nil || c.Engine == nil || c.Train == nil:
		return fmt.Errorf("a program, an engine and training data are needed")
	case c.Epochs < 1 || c.Batch < 1:
		return fmt.Errorf("%d epochs of batches of %d examples: both must be at least 1", c.Epochs, c.Batch)
	case c.Patience < 0 || c.LogEvery < 0 || !(c.MinDelta >= 0) || math.IsInf(c.MinDelta, 0):
		return fmt.Errorf("patience %d, min delta %v and log every %d steps: none may be negative", c.Patience, c.MinDelta, c.LogEvery)
	case c.Resume && c.Dir == "":
		return fmt.Errorf("to resume a run its folder is needed")
	case c.Solve == nil && c.DropLast && c.Train.Len() < c.Batch:
		return fmt.Errorf("the data set has %d examples, fewer than one batch of %d, and short batches are left out: take a smaller batch", c.Train.Len(), c.Batch)
	case c.Validate != "" && c.Test == nil:
		return fmt.Errorf("to validate with %q test data are needed", c.Validate)
	}
	for name, v := range c.Settings {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("the setting %s is %v", name, v)
		}
	}
	if c.Monitor == "" {
		c.Monitor = Loss
	}
	if c.SaveEvery == 0 {
		c.SaveEvery = defaultSave
	}
	if err := c.checkMeasures(); err != nil {
		return err
	}
	if err := c.chooseUpdate(); err != nil {
		return err
	}
	if err := c.Train.CheckAugment(c.Augment); err != nil {
		return err
	}
	if c.Validate == "" {
		return nil
	}
	f := c.Program.Func(c.Validate)
	if f == nil {
		return fmt.Errorf("%s has no Func %q to validate with", c.Program.Name(), c.Validate)
	}
	if err := c.checkMonitor(strconv.Quote(f.Name), outputs(f)); err != nil {
		return err
	}
	if err := c.Test.CheckAugment(binarising(c.Augment)); err != nil {
		return fmt.Errorf("of the data that validate: %w", err)
	}
	return checkFeed(f, c.Test, c.Batch, false, c.Inputs)
}

// outputs are the names of f's outputs.
func outputs(f *graph.Func) []string {
	var names []string
	for _, o := range f.Outputs {
		names = append(names, o.Name)
	}
	return names
}

// needsMonitor reports whether the run cannot do without the monitored metric. Adversarial losses, say, have no best.
func (c *Config) needsMonitor() bool { return c.Patience > 0 || c.RestoreBest || c.Monitor != Loss }

// checkMonitor refuses metrics, those of what, without the one that is to be monitored.
func (c *Config) checkMonitor(what string, metrics []string) error {
	if c.needsMonitor() && !c.fromMeasure() && !slices.Contains(metrics, c.Monitor) {
		return fmt.Errorf("%s returns no metric %q to find the best epoch by: it returns %s", what, c.Monitor, strings.Join(metrics, ", "))
	}
	return nil
}

// chooseUpdate sets Update from Step or Rhythm.
func (c *Config) chooseUpdate() error {
	if c.Solve != nil {
		if c.Step != "" || c.Rhythm != nil || c.Update != nil {
			return fmt.Errorf("both a function Solve and Steps to run are given: give one")
		}
		return nil
	}
	if c.Update != nil {
		switch {
		case c.Step != "":
			return fmt.Errorf("both Step %q and an Update are given: give one", c.Step)
		case c.Rhythm != nil:
			return fmt.Errorf("both a Rhythm and an Update are given: give one")
		}
		return nil
	}
	if c.Rhythm == nil {
		steps := c.Program.Steps()
		if c.Step == "" {
			if len(steps) != 1 {
				return fmt.Errorf("%s has %d Steps: name the one to run, or give a Rhythm of several", c.Program.Name(), len(steps))
			}
			c.Step = steps[0].Name
		}
		if c.Program.Step(c.Step) == nil {
			return fmt.Errorf("%s has no Step %q", c.Program.Name(), c.Step)
		}
		c.Rhythm = models.Rhythm{{Step: c.Step}}
	} else if c.Step != "" {
		return fmt.Errorf("both Step %q and a Rhythm are given: give one", c.Step)
	} else if len(c.Rhythm) == 0 {
		return fmt.Errorf("the Rhythm has no Turn")
	} else if err := c.Rhythm.Check(c.Program); err != nil {
		return fmt.Errorf("%s: %w", c.Program.Name(), err)
	}
	c.Update = RunRhythm(c.Program, c.Rhythm)
	steps := c.Rhythm.Steps()
	var metrics []string
	for _, name := range steps {
		f := c.Program.Step(name)
		for _, o := range f.Outputs {
			metrics = append(metrics, stepMetric(steps, name, o.Name))
		}
		if err := checkFeed(f, c.Train, c.Batch, c.DropLast, c.Inputs); err != nil {
			return err
		}
	}
	if c.Validate == "" {
		return c.checkMonitor(strconv.Quote(strings.Join(steps, ", ")), metrics)
	}
	return nil
}

// setup is what config.json says of c.
func (c *Config) setup() (Setup, error) {
	s := Setup{
		Version: setupVersion, Program: c.Program.Name(), Fingerprint: c.Program.Fingerprint(), Entries: entries(c.Program), Settings: c.Settings,
		Precision: precision(c.Program), Step: c.Rhythm.String(), Inputs: c.Inputs, Validate: c.Validate, Monitor: c.Monitor, MinDelta: c.MinDelta, Highest: c.Highest,
		Batch: c.Batch, DropLast: c.DropLast, Seed: c.Seed, LogEvery: c.LogEvery,
		Epochs: c.Epochs, Patience: c.Patience, Engine: c.Engine.Name(),
		Doc: c.Doc, Command: c.Command, Data: c.Data, Environment: Environment(),
	}
	s.Classes, s.Columns = c.Train.Classes, c.Train.Categories
	if c.Solve != nil {
		s.Step = closedForm
	}
	for _, m := range c.Measures {
		s.Measures = append(s.Measures, fmt.Sprintf("%s every %d", m.Called(), max(m.Every, 1)))
	}
	for _, a := range c.Augment {
		s.Augment = append(s.Augment, a.String())
	}
	var err error
	if s.Train, err = describe(c.Train); err == nil && (c.Validate != "" || c.measuresTest()) {
		s.Test, err = describe(c.Test)
	}
	return s, err
}

// prepare prepares the state and the folder, or takes up the run that is in it.
func (r *loop) prepare() (err error) {
	c := &r.c
	if r.state = c.State; r.state == nil {
		if r.state, err = runtime.NewState(c.Program, c.Seed); err != nil {
			return err
		}
	}
	if c.Dir != "" {
		if err := r.openFolder(); err != nil {
			return errors.Join(err, r.close())
		}
	}
	engine := c.Engine
	if c.Profile != nil {
		engine = c.Profile.Engine
	}
	if r.exec, err = engine.Load(c.Program, r.state); err == nil && c.Solve == nil {
		r.loader, err = data.NewLoader(c.Train, data.LoaderOptions{
			Batch: c.Batch, Shuffle: true, Seed: c.Seed, DropLast: c.DropLast, Epochs: c.Epochs, Start: r.Position.Loader, Augment: c.Augment,
		})
	}
	if err != nil {
		return errors.Join(err, r.close())
	}
	r.saved = time.Now()
	return nil
}

// interrupted saves where the run is and says how to go on.
func (r *loop) interrupted() error {
	at := fmt.Sprintf("after step %d, in epoch %d of %d", r.Position.Step, min(r.Position.Epoch+1, r.c.Epochs), r.c.Epochs)
	if r.saves == nil {
		return fmt.Errorf("%w %s; nothing was saved, since the run has no folder", ErrInterrupted, at)
	}
	if err := r.save(false); err != nil {
		return fmt.Errorf("%w %s, and its checkpoint could not be saved: %w", ErrInterrupted, at, err)
	}
	r.draw(false, "interrupted "+at)
	return fmt.Errorf("%w %s; the checkpoint is in %s", ErrInterrupted, at, r.c.Dir)
}

// failed says where the run was, and what is left of it.
func (r *loop) failed(err error) error {
	left := ""
	if bad := (*runtime.NonFiniteError)(nil); errors.As(err, &bad) {
		left = "\n\thint: a lower learning rate, or clipped gradients, may keep it finite"
		if f, _ := r.c.Program.Entry(bad.Entry); f != nil && slices.ContainsFunc(f.Inputs, func(v *graph.Value) bool { return v.Text() == bad.Value }) {
			left = "\n\thint: it comes with the data: look there for values that are not finite"
		} else if r.c.Solve != nil {
			left = "\n\thint: by the fitted model an example may have the probability 0; a model with smoothing gives every value some"
		}
	}
	if r.saves != nil {
		if last, lastErr := r.saves.Get(Last); lastErr == nil {
			left += fmt.Sprintf("\n\tthe last checkpoint, of step %d, is in %s", last.Position.Step, r.c.Dir)
		}
	}
	err = fmt.Errorf("train: after step %d, in epoch %d of %d: %w%s", r.Position.Step, min(r.Position.Epoch+1, r.c.Epochs), r.c.Epochs, err, left)
	if r.saves != nil {
		r.draw(false, "failed: "+err.Error())
	}
	return err
}

func (r *loop) close() error {
	var errs []error
	if r.loader != nil {
		errs = append(errs, r.loader.Close())
	}
	if r.exec != nil {
		errs = append(errs, r.exec.Close())
	}
	return errors.Join(append(errs, r.Journal.close())...)
}

func (r *loop) result() *Result {
	res := &Result{State: r.state, Epochs: r.Position.Epoch, Step: r.Position.Step, Best: r.Position.Best, StoppedEarly: r.stoppedEarly()}
	res.History = r.Records()
	return res
}
