package app

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxgo"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
	"github.com/sardonyx-ml/sardonyx/runtime/profile"
	"github.com/sardonyx-ml/sardonyx/runtime/verify"
)

// An engine runs ONNX files.
type engine struct {
	name      string
	profile   onnx.Profile // of the files that are made for it
	open      func(path string) (*session, error)
	openBytes func(data []byte) (*session, error)
}

// A session is a model loaded by an engine.
type session struct {
	verify.Session
	inputs, outputs []string
	batch           int // the fixed size of the batch; 0 if it is free
}

// The values of --engine.
const (
	engineOnnxruntime = "onnxruntime"
	engineGo          = "go"
	engineOnnxGo      = "onnx-go"
)

var engineNames = []string{engineOnnxruntime, engineGo, engineOnnxGo}

// engineFlags choose the engine, and how it runs.
func engineFlags(more ...cli.Flag) []cli.Flag {
	return sessionFlags(append(more, &cli.StringFlag{Name: "engine", Value: engineOnnxruntime,
		Usage: "what runs ONNX files: " + strings.Join(engineNames, ", ") + "; " + engineGo + " is the kernels that train, for operators that docs/ops.md has, and " +
			engineOnnxGo + " pure Go too, with few operators: see export --profile " + engineOnnxGo})...)
}

// chosenEngine is the engine that the flags choose. rec, if it is not nil, records what it runs.
func chosenEngine(c *cli.Context, rec *profile.Recorder) (engine, error) {
	switch name := c.String("engine"); name {
	case engineOnnxruntime:
		o, err := sessionOptions(c)
		o.Profile = rec
		wrap := func(s *onnxruntime.Session, err error) (*session, error) {
			if err != nil {
				return nil, err
			}
			w := &session{Session: s}
			for _, in := range s.Inputs() {
				w.inputs = append(w.inputs, in.Name)
			}
			for _, out := range s.Outputs() {
				w.outputs = append(w.outputs, out.Name)
			}
			return w, nil
		}
		return engine{
			name:      name,
			open:      func(path string) (*session, error) { return wrap(onnxruntime.Open(path, o)) },
			openBytes: func(data []byte) (*session, error) { return wrap(onnxruntime.OpenBytes(data, o)) },
		}, err
	case engineGo:
		return goEngine(c, rec)
	case engineOnnxGo:
		if err := noSessionFlags(c); err != nil {
			return engine{}, err
		}
		if rec != nil {
			return engine{}, usagef(c, "--profile is for --engine %s and %s", engineOnnxruntime, engineGo)
		}
		wrap := func(s *onnxgo.Session, err error) (*session, error) {
			if err != nil {
				return nil, err
			}
			w := &session{Session: s, batch: 1}
			for _, in := range s.Inputs() {
				w.inputs, w.batch = append(w.inputs, in.Name), in.Shape[0]
			}
			for _, out := range s.Outputs() {
				w.outputs = append(w.outputs, out.Name)
			}
			return w, nil
		}
		return engine{
			name: name, profile: onnx.OnnxGo,
			open:      func(path string) (*session, error) { return wrap(onnxgo.Open(path, onnxgo.Options{})) },
			openBytes: func(data []byte) (*session, error) { return wrap(onnxgo.OpenBytes(data, onnxgo.Options{})) },
		}, nil
	default:
		return engine{}, usagef(c, "--engine %s: want %s", name, strings.Join(engineNames, ", "))
	}
}

// profileNames are the values of --profile.
var profileNames = []string{"plain", string(onnx.OnnxGo)}

// chosenProfile is the profile that --profile names.
func chosenProfile(c *cli.Context) (onnx.Profile, error) {
	switch name := c.String("profile"); {
	case !slices.Contains(profileNames, name):
		return "", usagef(c, "--profile %s: want %s", name, strings.Join(profileNames, " or "))
	case name == string(onnx.OnnxGo):
		return onnx.OnnxGo, nil
	}
	return onnx.Plain, nil
}

// exportPath is where a function's ONNX file stands in dir: decode.onnx, or decode.onnx-go.onnx for a profile.
func exportPath(dir string, f *graph.Func, p onnx.Profile) string {
	name := f.Name
	if p != onnx.Plain {
		name += "." + string(p)
	}
	return filepath.Join(dir, name+".onnx")
}

// leftOut prints that f is left out for want of a form for a profile, and reports whether it may be: unless it was asked for
// by name.
func (a *app) leftOut(c *cli.Context, f *graph.Func, err error) bool {
	if !errors.Is(err, onnx.ErrProfile) || c.IsSet("func") {
		return false
	}
	var diags graph.Diags
	if errors.As(err, &diags) {
		err = errors.New(diags[0].Msg)
	}
	fmt.Fprintf(a.err, "note: %s is left out: %v\n", f.Name, err)
	return true
}
