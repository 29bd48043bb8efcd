package train

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/runtime/atomicfile"
	"github.com/sardonyx-ml/sardonyx/runtime/data"
	"github.com/sardonyx-ml/sardonyx/runtime/regularfile"
)

var (
	// ErrHasRun says that the folder for a new run has one already.
	ErrHasRun = errors.New("the folder already has a run")
	// ErrNoRun says that a folder has no run to resume.
	ErrNoRun = errors.New("the folder has no run")
	// ErrInUse says that another process is training in the folder.
	ErrInUse = errors.New("another process is training in this folder")
	// ErrOtherRun says that a run cannot be resumed because it was of another model, on other data, or otherwise.
	ErrOtherRun = errors.New("the run in the folder is another one")
)

const (
	setupVersion = 2
	maxConfig    = 1 << 24 // bytes of config.json: far above what a run writes
)

// A Setup is what a run trains on what: the content of config.json. A resumed run must agree with it in all but Epochs,
// Patience, Engine, Classes and what is for people only. Its program may have changed if the state is still the same; the run then ends
// otherwise than it would have.
type Setup struct {
	Version     int                `json:"version"`
	Program     string             `json:"program"`
	Fingerprint string             `json:"fingerprint"` // of the program
	Entries     map[string]string  `json:"entries"`     // hashes of the program's entry points, by name
	Settings    map[string]float64 `json:"settings,omitempty"`
	Precision   string             `json:"precision,omitempty"` // of mixed precision, the dtype of products; "" is f32
	Step        string             `json:"step,omitempty"`      // or the Rhythm, in words; "" if the run has its own Update
	Inputs      map[string]string  `json:"inputs,omitempty"`
	Validate    string             `json:"validate,omitempty"`
	Measures    []string           `json:"measures,omitempty"` // what else is measured, and every how many epochs
	Monitor     string             `json:"monitor"`
	Highest     bool               `json:"highest,omitempty"`
	MinDelta    float64            `json:"min_delta"`
	Data        string             `json:"data,omitempty"` // what the data is called
	Train       string             `json:"train"`          // describes the data, with a hash of the examples
	Test        string             `json:"test,omitempty"`
	Classes     []string           `json:"classes,omitempty"` // the names of the data's classes
	Columns     []data.Column      `json:"columns,omitempty"` // of a table
	Augment     []string           `json:"augment,omitempty"` // what is done to the data
	Batch       int                `json:"batch"`
	DropLast    bool               `json:"drop_last"`
	Seed        uint64             `json:"seed"`
	LogEvery    int                `json:"log_every"`
	Epochs      int                `json:"epochs"`
	Patience    int                `json:"patience"`
	Engine      string             `json:"engine"`
	Doc         string             `json:"doc,omitempty"`         // what the model is
	Command     string             `json:"command,omitempty"`     // that began the run
	Environment map[string]string  `json:"environment,omitempty"` // of the process that begins or resumes the run: versions and machine
}

// mayChange are the fields of a Setup in which a resumed run may differ; of the program, its state must be the same.
var mayChange = []string{"epochs", "patience", "engine", "fingerprint", "entries", "classes", "data", "doc", "command", "environment"}

// MetaClasses, MetaColumns and MetaSettings are the keys of [Setup.Metadata] with the names of the data's classes, as a list in JSON,
// with the columns of a table, as a list of [data.Column], and with the model's settings.
const (
	MetaClasses  = "training.classes"
	MetaColumns  = "training.columns"
	MetaSettings = "training.settings"
)

// Metadata is a summary of the run at a position, for the ONNX files exported there: see onnx.Options. By it the commands tell
// whether a file in the run's folder is of the checkpoint that they are asked for.
func (s Setup) Metadata(prog Fingerprinted, at Position) map[string]string {
	meta := map[string]string{
		"training.data":        s.Train,
		"training.epochs":      strconv.Itoa(at.Epoch),
		"training.steps":       strconv.FormatInt(at.Step, 10),
		"training.seed":        strconv.FormatUint(s.Seed, 10),
		MetaSettings:           models.Settings(s.Settings).String(),
		"training.fingerprint": prog.Fingerprint(), // as it was exported: the program may have changed since
	}
	if s.Classes != nil {
		classes, err := json.Marshal(s.Classes)
		if err == nil { // strings always can
			meta[MetaClasses] = string(classes)
		}
	}
	if s.Columns != nil {
		columns, err := json.Marshal(s.Columns)
		if err == nil { // strings always can
			meta[MetaColumns] = string(columns)
		}
	}
	if b := at.Best; b != nil {
		meta["training."+s.Monitor] = strconv.FormatFloat(b.Value, 'g', 8, 64)
	}
	return meta
}

// A Folder is the path of a run's folder.
type Folder string

// Checkpoints is the folder of the checkpoints.
func (f Folder) Checkpoints() string { return filepath.Join(string(f), "checkpoints") }

// Metrics is the file of the records.
func (f Folder) Metrics() string { return filepath.Join(string(f), "metrics.jsonl") }

// Report is the page that shows all of the run.
func (f Folder) Report() string { return filepath.Join(string(f), "report.html") }

// Animation is the animation of the samples.
func (f Folder) Animation() string { return filepath.Join(string(f), "samples.gif") }

// TensorBoard is the folder that TensorBoard is to be given.
func (f Folder) TensorBoard() string { return filepath.Join(string(f), "tensorboard") }

// Curve is the picture of the loss.
func (f Folder) Curve() string { return filepath.Join(string(f), "loss.png") }

// Samples is the picture of an epoch, counted from 1.
func (f Folder) Samples(epoch int) string {
	return filepath.Join(string(f), "samples", fmt.Sprintf("epoch-%03d.png", epoch))
}

// Config is the file of the Setup.
func (f Folder) Config() string { return filepath.Join(string(f), "config.json") }

// Setup reads config.json. Without it the error is [ErrNoRun].
func (f Folder) Setup() (Setup, error) {
	var s Setup
	b, err := regularfile.Read(f.Config(), maxConfig)
	if errors.Is(err, fs.ErrNotExist) {
		return s, fmt.Errorf("%s: %w", f, ErrNoRun)
	}
	if err != nil {
		return s, err
	}
	if err := decodeVersion(b, setupVersion, &s); err != nil {
		return s, fmt.Errorf("read %s: it is damaged or of another program: %w", f.Config(), err)
	}
	return s, nil
}

// Ready reports whether a run can begin in the folder or, with resume, go on there: for saying so before data is read. Whether it is
// the same run, only the run itself can tell.
func (f Folder) Ready(resume bool) error {
	if resume {
		_, err := f.resumable()
		return err
	}
	if err := f.checkNew(); err != nil {
		return err
	}
	dir := filepath.Clean(string(f))
	for {
		info, err := os.Stat(dir)
		if err == nil && !info.IsDir() {
			err = &fs.PathError{Op: "mkdir", Path: dir, Err: syscall.ENOTDIR}
		}
		if err == nil {
			return atomicfile.Check(filepath.Join(dir, filepath.Base(f.Config())))
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		dir = filepath.Dir(dir)
	}
}

// resumable is the Setup of the run in the folder, or an error that says that there is none.
func (f Folder) resumable() (Setup, error) {
	s, err := f.Setup()
	if errors.Is(err, ErrNoRun) {
		return s, fmt.Errorf("resume %s: %w: begin one without resuming", f, ErrNoRun)
	}
	return s, err
}

// checkNew reports whether a new run may begin in the folder.
func (f Folder) checkNew() error {
	old, err := f.Setup()
	if err == nil {
		return fmt.Errorf("%s: %w, of %s: resume it or choose another folder", f, ErrHasRun, old.Program)
	}
	if !errors.Is(err, ErrNoRun) {
		return err
	}
	for _, path := range []string{f.Metrics(), f.Checkpoints()} {
		if _, err := os.Stat(path); err == nil {
			return fmt.Errorf("%s: %w, or a part of one (%s): choose another folder", f, ErrHasRun, filepath.Base(path))
		}
	}
	return nil
}

// checkResume returns the Setup of the run in the folder, with an error if s is that of another.
func (f Folder) checkResume(s Setup) (Setup, error) {
	old, err := f.resumable()
	if err != nil {
		return old, err
	}
	if diff := old.differences(s); len(diff) > 0 {
		return old, fmt.Errorf("%s: %w: %s; resume it as it was begun, or begin another in a new folder", f, ErrOtherRun, strings.Join(diff, "; "))
	}
	return old, nil
}

// write makes the folder and its config.json.
func (f Folder) write(s Setup) error {
	if err := atomicfile.MkdirAll(string(f)); err != nil {
		return err
	}
	return writeJSON(f.Config(), s)
}

// differences says in words where now differs from old, as far as it may not.
func (old Setup) differences(now Setup) []string {
	var diff []string
	a, b := old.fields(), now.fields()
	for _, name := range either(a, b) {
		_, added := strings.CutPrefix(name, "settings.")
		added = added && a[name] == nil // the model has it since; what it did before is its default
		if !added && !slices.Contains(mayChange, name) && !bytes.Equal(a[name], b[name]) {
			diff = append(diff, fmt.Sprintf("%s was %s and is %s", name, orNone(a[name]), orNone(b[name])))
		}
	}
	return diff
}

// Changes says in words what of the program prog is not as it was in the run: "the Step train has changed", "the Func draw is
// new".
func (old Setup) Changes(prog *compiler.Program) []string {
	var changes []string
	now := entries(prog)
	for _, name := range either(old.Entries, now) {
		what := "the Func " + name
		if prog.Step(name) != nil {
			what = "the Step " + name
		}
		switch was, is := old.Entries[name], now[name]; {
		case was == "":
			changes = append(changes, what+" is new")
		case is == "":
			changes = append(changes, name+" is gone")
		case was != is:
			changes = append(changes, what+" has changed")
		}
	}
	return changes
}

// entries are hashes of the program's entry points as they were traced.
func entries(prog *compiler.Program) map[string]string {
	out := map[string]string{}
	for _, f := range slices.Concat(prog.Funcs(), prog.Steps()) {
		h := sha256.New()
		prog.Traced(f.Name).WriteIdentity(h) // a hash takes every write
		out[f.Name] = fmt.Sprintf("%x", h.Sum(nil)[:8])
	}
	return out
}

// precision is what a Setup says of the products in prog's steps.
func precision(prog *compiler.Program) string {
	if t := prog.Precision(); t != graph.F32 {
		return t.String()
	}
	return ""
}

// either are the keys of a and b, sorted.
func either[V any](a, b map[string]V) []string {
	all := maps.Clone(a)
	if all == nil {
		all = map[string]V{}
	}
	maps.Copy(all, b)
	return slices.Sorted(maps.Keys(all))
}

func orNone(b json.RawMessage) string {
	if b == nil {
		return "not set"
	}
	return string(b)
}

// fields are the members of s in JSON, those of its maps as settings.latent.
func (s Setup) fields() map[string]json.RawMessage {
	out := map[string]json.RawMessage{}
	b, err := json.Marshal(s)
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	if err != nil {
		panic(fmt.Sprintf("train: a Setup cannot be written: %v", err)) // Fit refuses settings that are not finite
	}
	for _, name := range []string{"settings", "inputs"} {
		var members map[string]json.RawMessage
		if json.Unmarshal(out[name], &members) == nil {
			for k, v := range members {
				out[name+"."+k] = v
			}
		}
		delete(out, name)
	}
	return out
}

// describe identifies a data set: its fields, and a hash of all its examples.
func describe(d *data.Dataset) (string, error) {
	sum, err := d.Hash()
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%v %.16s", d, sum), nil
}
