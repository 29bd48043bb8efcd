package onnx

import (
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/pass"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// The ai.onnx opsets that can be written. onnxruntime reads the newest from its release 1.24 on.
const (
	MinOpset     = 17
	MaxOpset     = 24
	DefaultOpset = 17 // what most runtimes read
)

// irVersions has the IR version that came with each opset from MinOpset on.
var irVersions = [MaxOpset - MinOpset + 1]int64{8, 8, 9, 9, 10, 10, 11, 12}

// The devices that a file can be made for.
const (
	CPU  = "cpu"
	CUDA = "cuda"
)

// Weights is where parameters and buffers come from; runtime.State is one, [Tensors] another.
type Weights interface {
	Tensor(name string) (*tensor.Tensor, error)
}

// Tensors is a map of weights by name.
type Tensors map[string]*tensor.Tensor

// Tensor is the tensor called name.
func (ts Tensors) Tensor(name string) (*tensor.Tensor, error) {
	if t := ts[name]; t != nil {
		return t, nil
	}
	return nil, fmt.Errorf("there is no tensor %q", name)
}

// Options say how to export. The zero value is good for most.
type Options struct {
	Opset  int          // of ai.onnx, MinOpset to MaxOpset; 0 means DefaultOpset, or SeedOpset with RandomSeed
	Random Random       // what becomes of random ops
	Drawn  []pass.Noise // with RandomSeed, inputs that the file draws too: see [pass.SeedRandom]

	// Training allows a training step: all state is inputs, and each update of state an output "<state>.next". The file
	// is guarded, as [compiler.Guarded] says, and holds no state; ExportFile writes the weights, unless they are nil, into a file beside it,
	// as the first state, and a description for people into another: see [StateFile] and [DescriptionFile].
	Training bool

	// Unguarded leaves the guard out of a training step: what runs it looks at its output [compiler.OK], and keeps the old state where that
	// is false.
	Unguarded bool

	// Lacking are dtypes that the runtime has no kernels for, such as bf16 in onnxruntime's CPU provider: operators are given what holds
	// their numbers, f32, and the results are cast back, which are the same numbers.
	Lacking graph.DTypes

	// Device is what the file is to be fast on: CPU or CUDA. "" is CPU for a training step; a function is then written in the forms that
	// say best what it is, as for CUDA.
	Device string

	// Profile is the reader that the file is for. OnnxGo gives the first axis of the inputs a fixed size, Batch, 0 meaning 1,
	// and stores some weights in other shapes; it is for inference.
	Profile Profile
	Batch   int

	// External puts weights of 1 KiB and more into a second file beside the model, its name that of the model with .data
	// added. Models over 2 GiB are written so in any case. Only ExportFile can.
	External bool

	NoPositions     bool              // leave the Go file and line out of the nodes' doc strings
	Doc             string            // of the model
	Version         int64             // of the model
	ProducerVersion string            // "" means the version of this module in the running program
	Metadata        map[string]string // more metadata, such as a summary of the training; written in the order of the keys

	// Images are the inputs and outputs that are images in [0, 1] as files have them, [batch, 1 or 3, height, width]. The file says so,
	// in ONNX's terms: they have the type denotation IMAGE, and the metadata Image.BitmapPixelFormat (Gray8 or Rgb8, if all have as many
	// channels), Image.ColorSpaceGamma and Image.NominalPixelRange.
	Images []string

	// Vectors are test vectors, kept in the metadata for later verification. Without any, the exporter makes them: it draws
	// inputs (see [DrawInputs]) at two sizes of the batch and runs the model with our own kernels, a vector being at most 4 MiB. A
	// training step's vectors begin at the first state, and hold of the new state what fits into 64 KiB and is not decided
	// by rounding.
	Vectors   []Vector
	NoVectors bool // make none
}

// A Port is a named input or output.
type Port struct {
	Name string
	Type graph.Type
}

// An OpCount says how often an operator occurs.
type OpCount struct {
	Op string // with its domain unless that is ai.onnx: com.microsoft.Gelu
	N  int
}

// A File is one file that was written.
type File struct {
	Path  string
	Bytes int64
}

// A Report tells what was exported.
type Report struct {
	Files   []File // by ExportFile; the model first
	Bytes   int64  // of all files
	Opset   int
	IR      int
	Nodes   []OpCount // sorted by operator
	Tensors int       // stored parameters and buffers, constants not counted; of a training step, its first state
	Params  int64     // the elements in them
	Inputs  []Port
	Outputs []Port
	Noise   []pass.Noise // the inputs that stand for random ops
	State   []State      // of a training step
	Vectors int          // test vectors in the file
	// NoVectors says why there are fewer vectors than there could be; "" if there are all.
	NoVectors string
}

// Export writes f to w as an ONNX model with the given weights. Values that no output needs are left out. Errors in the
// graph, such as ops without an ONNX form, are all reported together as [graph.Diags], before anything is written.
func Export(w io.Writer, f *graph.Func, weights Weights, o Options) (*Report, error) {
	if o.External {
		return nil, fmt.Errorf("exporting %q: external data needs a file name; use ExportFile", f.Name)
	}
	m, x, err := build(f, weights, o, false)
	var size int64
	if err == nil {
		size, err = m.Size()
	}
	if err == nil {
		err = m.Encode(w)
	}
	if err != nil {
		return nil, fmt.Errorf("exporting %q: %w", f.Name, err)
	}
	r := x.report(m)
	r.Bytes = size
	return r, nil
}

// build makes the messages of the model, and looks for faults in them. Tensors in them share the elements of weights. beside
// says that a training step's first state is to stand in a file beside it.
func build(f *graph.Func, weights Weights, o Options, beside bool) (*wire.Model, *exporter, error) {
	x, m, err := assemble(f, weights, o, beside)
	if err == nil {
		err = checkWritten(m)
	}
	if err != nil {
		return nil, nil, err
	}
	return m, x, nil
}

func assemble(f *graph.Func, weights Weights, o Options, beside bool) (*exporter, *wire.Model, error) {
	if o.Opset == 0 {
		if o.Opset = DefaultOpset; o.Random == RandomSeed {
			o.Opset = SeedOpset
		}
	}
	if o.Device != "" && o.Device != CPU && o.Device != CUDA {
		return nil, nil, fmt.Errorf("files are made for the devices %q and %q, not %q", CPU, CUDA, o.Device)
	}
	if o.Opset < MinOpset || o.Opset > MaxOpset {
		return nil, nil, fmt.Errorf("opset %d cannot be written; choose %d to %d", o.Opset, MinOpset, MaxOpset)
	}
	if len(f.Diags) > 0 {
		return nil, nil, f.Diags
	}
	if (f.Training || len(f.Updates) > 0) && !o.Training {
		return nil, nil, errors.New("it is a training step; export a Func for inference, or ask for the whole step with Options.Training")
	}
	if len(f.Outputs) == 0 {
		return nil, nil, errors.New("it has no outputs")
	}
	if !o.Unguarded {
		f = compiler.Guarded(f)
	}
	pure, noise, err := prepare(f, o)
	if err != nil {
		return nil, nil, err
	}
	x := &exporter{f: pure, o: o, weights: weights, noise: noise, traced: pure, tracedWeights: weights}
	if x.seeded = o.Random == RandomSeed && pass.Draws(pure); x.seeded && o.Opset < SeedOpset {
		return nil, nil, fmt.Errorf("drawing random numbers by a seed takes operators of opset %d, and this is opset %d", SeedOpset, o.Opset)
	}
	if err := x.applyProfile(); err != nil {
		return nil, nil, err
	}
	if o.Device == CPU || o.Device == "" && o.Training {
		if x.f, err = pass.RunFast(x.f); err != nil {
			return nil, nil, err
		}
	}
	if diags := young(x.f, o.Opset); len(diags) > 0 {
		return nil, nil, diags
	}
	lowered := legalize(x.f, o)
	if lowered != x.f && len(lowered.Diags) == 0 { // smaller ops may change nothing here, or go together
		if lowered, err = pass.Run(lowered, pass.Options{Off: []string{"prune", "cse"}}); err != nil {
			return nil, nil, err
		}
	}
	if o.Device == CUDA {
		lowered = symmetric(lowered)
	}
	if x.f = legalize(carried(lowered, o.Opset, o.Lacking), o); len(x.f.Diags) > 0 {
		return nil, nil, x.f.Diags
	}
	// A gradient that is made of smaller ops computes what its op is made of once more.
	if x.f, err = pass.Run(x.f, pass.Options{Off: []string{"prune", "simplify", "sweep"}}); err != nil {
		return nil, nil, err
	}
	x.e = newEmitter(x.f, o)
	x.draws = o.Random == RandomNative && f.Lookup(graph.RandomState) != nil
	x.beside = beside && o.Training && weights != nil
	if x.beside && len(noise) > 0 {
		if x.counter, err = counterOf(f, weights); err != nil {
			return nil, nil, err
		}
	}
	m, err := x.model()
	return x, m, err
}

// counterOf is where the random state of f stands.
func counterOf(f *graph.Func, weights Weights) (*Counter, error) {
	v := f.Lookup(graph.RandomState)
	if v == nil {
		return nil, nil
	}
	t, err := (&exporter{f: f, weights: weights}).param(v)
	if err != nil {
		return nil, fmt.Errorf("parameter %q: %w", v.Name, err)
	}
	d := tensor.Data[int64](t)
	return &Counter{Seed: d[0], Step: d[1]}, nil
}

// prepare drops what no output needs, and replaces random ops, or what they draw from, by inputs if asked to.
func prepare(f *graph.Func, o Options) (*graph.Func, []pass.Noise, error) {
	if len(o.Drawn) > 0 && o.Random != RandomSeed {
		return nil, nil, errors.New("Drawn names inputs to be drawn by a seed, and Random is not RandomSeed")
	}
	f = graph.Prune(f)
	var noise []pass.Noise
	var err error
	switch o.Random {
	case RandomNative:
		f = pass.ShareDraws(f)
	case RandomSeed:
		if f, err = pass.SeedRandom(f, o.Drawn...); err != nil {
			return nil, nil, err
		}
		f = pass.ShareDraws(f)
	default:
		f, noise = pass.HoistRandom(f)
	}
	if len(f.Diags) > 0 {
		return nil, nil, f.Diags
	}
	return f, noise, nil
}

// An exporter holds one export.
type exporter struct {
	f             *graph.Func
	o             Options
	weights       Weights
	traced        *graph.Func // f before a profile rewrote it: what vectors are made by
	tracedWeights Weights
	noise         []pass.Noise
	e             *emitter
	draws         bool     // the runtime draws the random numbers
	seeded        bool     // the file draws them, by a seed or a step's random state
	counter       *Counter // of a step's first noise; nil if that is not known
	beside        bool     // the first state stands in a file beside the model

	errs    []error
	outputs []Port
	stored  []*wire.Tensor            // parameters and buffers in the file
	state   []State                   // of a training step, in the order of f.Params
	first   map[string]*tensor.Tensor // of the state, if it stands beside the model
	vectors []Vector
	lacking string // why there are no more vectors

	imageMeta map[string]string // of the images
}

func (x *exporter) model() (*wire.Model, error) {
	x.reserve()
	for _, n := range x.f.Nodes {
		x.e.node(n)
	}
	g := &wire.Graph{Name: x.f.Name}
	for _, o := range x.f.Outputs {
		x.output(g, o.Name, o.Value)
	}
	for _, u := range x.f.Updates {
		x.output(g, u.Name+Next, u.Value)
	}
	x.e.finish(g)
	for _, v := range x.f.Inputs {
		g.Inputs = append(g.Inputs, &wire.ValueInfo{Name: v.Name, Type: tensorType(v.Type), Doc: x.inputDoc(v)})
	}
	x.images(g)
	x.params(g)
	meta, err := x.metadata(g.Initializers)
	if len(x.e.diags) > 0 {
		x.errs = append(x.errs, x.e.diags)
	}
	if err = errors.Join(append(x.errs, err)...); err != nil {
		return nil, err
	}
	version := x.o.ProducerVersion
	if version == "" {
		version = ModuleVersion()
	}
	return &wire.Model{
		IRVersion:       irVersions[x.o.Opset-MinOpset],
		ProducerName:    "sardonyx",
		ProducerVersion: version,
		Version:         x.o.Version,
		Doc:             x.o.Doc,
		Graph:           g,
		Opsets:          []wire.Opset{{Version: int64(x.o.Opset)}},
		Metadata:        meta,
	}, nil
}

// reserve claims the names that the model declares, before any are made up. A Func sees to it that none of them is there twice.
func (x *exporter) reserve() {
	for _, v := range x.f.Params {
		x.e.reserve(v.Name, "a parameter")
	}
	for _, v := range x.f.Inputs {
		x.e.reserve(v.Name, "an input")
	}
	for _, o := range x.f.Outputs {
		x.e.reserve(o.Name, "an output")
	}
	for _, u := range x.f.Updates {
		x.e.reserve(u.Name+Next, "an output")
	}
}

func (x *exporter) output(g *wire.Graph, name string, v *graph.Value) {
	x.e.output(name, v)
	g.Outputs = append(g.Outputs, &wire.ValueInfo{Name: name, Type: tensorType(v.Type)})
	x.outputs = append(x.outputs, Port{name, v.Type})
}

// params adds the initializers of parameters and buffers before those of constants, or the inputs of a training step's
// state. In inference, state that no node reads is left out.
func (x *exporter) params(g *wire.Graph) {
	if x.o.Training {
		x.stateInputs(g)
		return
	}
	for _, v := range x.f.Params {
		if !x.e.used[v.Name] {
			continue
		}
		t, err := x.param(v)
		if err != nil {
			x.errs = append(x.errs, fmt.Errorf("parameter %q: %w", v.Name, err))
			continue
		}
		x.stored = append(x.stored, wireTensor(v.Name, t))
	}
	g.Initializers = slices.Concat(x.stored, g.Initializers)
}

func (x *exporter) param(v *graph.Value) (*tensor.Tensor, error) { return paramOf(x.weights, v) }

// paramOf is the tensor of the parameter v.
func paramOf(weights Weights, v *graph.Value) (*tensor.Tensor, error) {
	if weights == nil {
		return nil, errors.New("no weights were given")
	}
	t, err := weights.Tensor(v.Name)
	if err != nil {
		return nil, err
	}
	want, err := v.Shape().Eval(nil)
	if err != nil {
		return nil, err
	}
	if t.DType() != v.DType() || !slices.Equal(t.Shape(), want) {
		return nil, fmt.Errorf("the weights are %v, the model wants %v", t, v.Type)
	}
	return t, nil
}

func (x *exporter) report(m *wire.Model) *Report {
	r := &Report{
		Opset: x.o.Opset, IR: int(m.IRVersion), Nodes: countNodes(m.Graph), Tensors: len(x.stored), Outputs: x.outputs, Noise: x.noise,
	}
	for _, v := range x.f.Inputs {
		r.Inputs = append(r.Inputs, Port{v.Name, v.Type})
	}
	r.State, r.Vectors, r.NoVectors = x.state, len(x.vectors), x.lacking
	if x.o.Training {
		r.Tensors = len(x.first)
		for _, v := range x.f.Params {
			r.Inputs = append(r.Inputs, Port{v.Name, v.Type})
		}
	}
	for _, t := range x.stored {
		n, _ := t.Len()
		r.Params += n
	}
	for _, t := range x.first {
		r.Params += int64(t.Len())
	}
	return r
}
