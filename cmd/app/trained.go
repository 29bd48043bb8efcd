package app

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
	"github.com/sardonyx-ml/sardonyx/runtime/train"
)

// trained is a model with a training run's state.
type trained struct {
	model models.Model
	which train.Which // the checkpoint
	setup train.Setup
	at    train.Position
	prog  *compiler.Program
	state *runtime.State
}

// openRun reads the run that --run and --checkpoint name.
func (a *app) openRun(c *cli.Context, m models.Model) (*trained, error) {
	if w := c.String("checkpoint"); w != string(train.Best) && w != string(train.Last) {
		return nil, usagef(c, "--checkpoint %s: want %s or %s", w, train.Best, train.Last)
	}
	if c.Path("run") == "" {
		return nil, usagef(c, "say which training run: --run DIR")
	}
	dir := train.Folder(c.Path("run"))
	setup, err := dir.Setup()
	if err != nil {
		return nil, err
	}
	_, unknown := a.model(setup.Program)
	of, prog, err := defineAs(ofTable(m, setup.Columns), setup)
	switch {
	case err != nil && m.Name != setup.Program && unknown == nil: // the settings are another model's
		return nil, fmt.Errorf("%s is a run of %s, not of %s: name its model", dir, setup.Program, m.Name)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", dir, err)
	case prog.Name() != setup.Program:
		return nil, fmt.Errorf("%s is a run of %s, not of %s: name its model", dir, setup.Program, prog.Name())
	}
	m = of
	state, err := runtime.NewState(prog, setup.Seed)
	if err != nil {
		return nil, err
	}
	cs, err := train.OpenCheckpoints(dir.Checkpoints())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s has no checkpoint yet", dir)
	}
	if err != nil {
		return nil, err
	}
	which := train.Which(c.String("checkpoint"))
	if _, err := cs.Get(which); errors.Is(err, train.ErrNoCheckpoint) && !c.IsSet("checkpoint") {
		which = train.Last // of a run that monitors nothing, as of a GAN
	}
	changes := setup.Changes(prog)
	at, err := cs.Restore(which, state)
	if err != nil && len(changes) > 0 {
		return nil, fmt.Errorf("model %s has changed since %s was trained (%s): %w", m.Name, dir, strings.Join(changes, ", "), err)
	}
	if err != nil {
		return nil, err
	}
	if len(changes) > 0 {
		fmt.Fprintf(a.err, "note: model %s has changed since %s was trained (%s); its state fits, and the model is taken as it is now\n", m.Name, dir, strings.Join(changes, ", "))
	}
	return &trained{m, which, setup, at, prog, state}, nil
}

// defineAs is a model, and its program, with the settings and the precision of a run, as far as the model has them still.
func defineAs(m models.Model, setup train.Setup) (models.Model, *compiler.Program, error) {
	known := maps.Clone(setup.Settings)
	maps.DeleteFunc(known, func(name string, _ float64) bool { _, ok := m.Settings[name]; return !ok })
	s, err := m.Settings.With(known)
	if err != nil {
		return m, nil, err
	}
	products, err := precisionNamed(setup.Precision)
	if err != nil {
		return m, nil, err
	}
	prog, err := defineIn(m, s, products)
	if err != nil {
		return m, nil, err
	}
	m, err = m.With(s)
	return m, prog, err
}

// open opens f in onnxruntime: the file that export left in the run's folder, which must be of this checkpoint, or where
// there is none, f exported in memory. file is "" for the latter.
func (r *trained) open(c *cli.Context, f *graph.Func, o onnxruntime.Options) (s *onnxruntime.Session, file string, err error) {
	file, err = r.file(c, f, onnx.Plain)
	if err != nil {
		return nil, "", err
	}
	if file != "" {
		s, err = onnxruntime.Open(file, o)
		return s, file, err
	}
	memory, err := r.export(f, onnx.Options{NoVectors: true})
	if err != nil {
		return nil, "", err
	}
	s, err = onnxruntime.OpenBytes(memory, o)
	return s, "", err
}

// export is f as an ONNX file in memory.
func (r *trained) export(f *graph.Func, o onnx.Options) ([]byte, error) {
	var memory bytes.Buffer
	_, err := onnx.Export(&memory, f, r.state, o)
	return memory.Bytes(), err
}

// file is the ONNX file of f that export left in the run's folder, which must be of this checkpoint; "" if there is none.
func (r *trained) file(c *cli.Context, f *graph.Func, p onnx.Profile) (string, error) {
	path := exportPath(c.Path("run"), f, p)
	sum, err := onnx.Inspect(path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	meta := r.metadata()
	for _, key := range sortedKeys(meta) {
		if has, _ := sum.Meta(key); has != meta[key] {
			return "", fmt.Errorf("%s was not exported from the %s checkpoint of the run, or before the model changed: its %s is %q, not %q: export it again, or choose another --checkpoint",
				path, r.which, key, has, meta[key])
		}
	}
	return path, nil
}

// from says, for people, what open opened.
func (r *trained) from(c *cli.Context, file string) string {
	if file != "" {
		return file
	}
	return fmt.Sprintf("the %s checkpoint of %s", r.which, c.Path("run"))
}

// metadata is the training's summary for ONNX files; it tells checkpoints apart.
func (r *trained) metadata() map[string]string { return r.setup.Metadata(r.prog, r.at) }
