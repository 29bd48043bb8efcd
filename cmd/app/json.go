package app

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/compiler/pass"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/check"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/verify"
)

// The types below are what --json prints. They are kept apart from the library's, so that a script that reads them does
// not break when those change. Types of tensors are strings, as everywhere: "f32[batch 784]".

var jsonFlag = &cli.BoolFlag{Name: "json", Usage: "print JSON, for scripts"}

// writeJSON prints v for a script.
func (a *app) writeJSON(v any) error {
	e := json.NewEncoder(a.out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// A number is a float that JSON can hold: NaN and the infinities are strings.
type number float64

// MarshalJSON writes the number.
func (n number) MarshalJSON() ([]byte, error) {
	if v := float64(n); math.IsNaN(v) || math.IsInf(v, 0) {
		return json.Marshal(fmt.Sprint(v))
	}
	return json.Marshal(float64(n))
}

// A port is a named tensor: an input, output or weight.
type port struct {
	Name  string `json:"name"`
	Type  string `json:"type"`
	Doc   string `json:"doc,omitempty"`
	File  string `json:"file,omitempty"`  // that holds a weight, if it is another one
	Noise string `json:"noise,omitempty"` // the distribution, of an input that stands for random draws
	Next  string `json:"next,omitempty"`  // the output that is the next value, of an input that is a training step's state
}

// setNext says of inputs that are state which outputs follow them.
func setNext(inputs []port, state []onnx.State) {
	next := map[string]string{}
	for _, p := range state {
		next[p.Input] = p.Output
	}
	for i := range inputs {
		inputs[i].Next = next[inputs[i].Name]
	}
}

func newPort(name, typ, doc string, noise []pass.Noise) port {
	p := port{Name: name, Type: typ, Doc: doc}
	if i := slices.IndexFunc(noise, func(n pass.Noise) bool { return n.Input == name }); i >= 0 {
		p.Noise = noise[i].Distribution
	}
	return p
}

// counts are how often each operator occurs.
func counts(ops []onnx.OpCount) map[string]int {
	out := map[string]int{}
	for _, o := range ops {
		out[o.Op] = o.N
	}
	return out
}

// exported is one function's export.
type exported struct {
	Func    string         `json:"func"`
	Files   []writtenFile  `json:"files"` // the model first
	Opset   int            `json:"opset"`
	IR      int            `json:"ir"`
	Inputs  []port         `json:"inputs"`
	Outputs []port         `json:"outputs"`
	Tensors int            `json:"tensors"`
	Params  int64          `json:"params"`
	Nodes   map[string]int `json:"nodes"`
}

type writtenFile struct {
	Path  string `json:"path"`
	Bytes int64  `json:"bytes"`
}

func newExported(name string, r *onnx.Report) exported {
	e := exported{Func: name, Files: []writtenFile{}, Inputs: []port{}, Outputs: []port{}, Opset: r.Opset, IR: r.IR, Tensors: r.Tensors, Params: r.Params, Nodes: counts(r.Nodes)}
	for _, f := range r.Files {
		e.Files = append(e.Files, writtenFile(f))
	}
	for _, p := range r.Inputs {
		e.Inputs = append(e.Inputs, newPort(p.Name, p.Type.String(), "", r.Noise))
	}
	setNext(e.Inputs, r.State)
	for _, p := range r.Outputs {
		e.Outputs = append(e.Outputs, newPort(p.Name, p.Type.String(), "", nil))
	}
	return e
}

// onnxFile is what is in an ONNX file.
type onnxFile struct {
	Bytes    int64             `json:"bytes"`
	IR       int64             `json:"ir"`
	Opsets   map[string]int64  `json:"opsets"`
	Producer string            `json:"producer"`
	Doc      string            `json:"doc"`
	Graph    string            `json:"graph"`
	Inputs   []port            `json:"inputs"`
	Outputs  []port            `json:"outputs"`
	Weights  []port            `json:"weights"`
	Params   int64             `json:"params"`
	Nodes    map[string]int    `json:"nodes"`
	Metadata map[string]string `json:"metadata"`
	Vectors  int               `json:"test_vectors"`
}

func newONNXFile(s *onnx.Summary) onnxFile {
	f := onnxFile{
		Bytes: s.Bytes, IR: s.IR, Opsets: map[string]int64{}, Producer: s.Producer, Doc: s.Doc, Graph: s.Graph,
		Inputs: []port{}, Outputs: []port{}, Weights: []port{},
		Params: s.Params, Nodes: counts(s.Nodes), Metadata: map[string]string{}, Vectors: len(s.Vectors),
	}
	for _, o := range s.Opsets {
		f.Opsets[domain(o.Domain)] = o.Version
	}
	for _, v := range s.Inputs {
		f.Inputs = append(f.Inputs, newPort(v.Name, v.Type, v.Doc, s.Noise))
	}
	setNext(f.Inputs, s.State)
	for _, v := range s.Outputs {
		f.Outputs = append(f.Outputs, newPort(v.Name, v.Type, v.Doc, nil))
	}
	for _, v := range s.Initializers {
		f.Weights = append(f.Weights, port{Name: v.Name, Type: v.Type, File: v.External})
	}
	for _, m := range s.Metadata {
		f.Metadata[m.Key] = m.Value
	}
	return f
}

// checked is what was found in an ONNX file.
type checked struct {
	Errors   int     `json:"errors"`
	Findings []fault `json:"findings"`
	Omitted  int     `json:"omitted,omitempty"` // findings that are not listed
}

type fault struct {
	Severity string `json:"severity"` // error, warning, unjudged
	Where    string `json:"where"`
	Message  string `json:"message"`
}

func newChecked(r *check.Report) checked {
	out := checked{Errors: r.Errors(), Findings: []fault{}, Omitted: r.Omitted}
	for _, f := range r.Findings {
		out.Findings = append(out.Findings, fault{f.Severity.String(), f.Where, f.Msg})
	}
	return out
}

// domain is the name of an operator set's domain: in files, the standard one's is empty.
func domain(s string) string {
	if s == "" {
		return "ai.onnx"
	}
	return s
}

// A comparison is how far an output is from another computation of it.
type comparison struct {
	Func   string `json:"func"`
	Batch  int    `json:"batch,omitempty"`
	Output string `json:"output"`
	Abs    number `json:"max_abs"`
	Rel    number `json:"max_rel"` // of elements larger than 1e-3 of the largest
	OK     bool   `json:"ok"`
}

func comparisons(list []verify.Comparison) []comparison {
	out := make([]comparison, len(list))
	for i, d := range list {
		out[i] = comparison{d.Func, d.Batch, d.Output, number(d.Abs), number(d.Rel), d.OK}
	}
	return out
}

// An array is a named host tensor with the range of its elements, which an empty one lacks.
type array struct {
	Name string  `json:"name"`
	Type string  `json:"type"`
	Min  *number `json:"min,omitempty"`
	Mean *number `json:"mean,omitempty"`
	Max  *number `json:"max,omitempty"`
}

func newArray(name string, t *tensor.Tensor) array {
	a := array{Name: name, Type: t.String()}
	if t.Len() == 0 {
		return a
	}
	all := t.Float64s()
	least, most, mean := number(slices.Min(all)), number(slices.Max(all)), number(0)
	for _, v := range all {
		mean += number(v / float64(len(all)))
	}
	a.Min, a.Mean, a.Max = &least, &mean, &most
	return a
}

// dataSet is one data set of the catalogue.
type dataSet struct {
	Name    string `json:"name"`
	About   string `json:"about"`
	Licence string `json:"licence"`
	Bytes   int64  `json:"bytes"` // uncompressed
	Path    string `json:"path"`  // "" where it is absent
	Get     string `json:"get"`   // how to get it, "" if it is drawn
	Drawn   bool   `json:"drawn"` // as it is read: it is always there
}

// evaluated is what evaluate measured.
type evaluated struct {
	Real       examplesOf   `json:"real"`
	Fake       examplesOf   `json:"fake"`
	Train      *examplesOf  `json:"train,omitempty"`
	Floor      floorOf      `json:"floor"`
	Features   featuresOf   `json:"features"`
	Count      int          `json:"count"` // examples of each set
	Seed       uint64       `json:"seed"`
	Measures   []measureOf  `json:"measures"`
	Classifier []labelledOf `json:"classifier,omitempty"` // for each set with labels
}

// likelihoodOf is how likely examples are under a model.
type likelihoodOf struct {
	Model    string     `json:"model"` // the file or checkpoint
	Device   string     `json:"device"`
	Real     examplesOf `json:"real"`
	Augment  []string   `json:"augment"` // what is done to the examples
	Draws    int        `json:"draws"`   // importance samples of each example
	Seed     uint64     `json:"seed"`
	ELBO     number     `json:"elbo"` // nats an example
	NLL      number     `json:"nll"`
	NLLError number     `json:"nll_error"` // of its mean over the examples
	Bits     number     `json:"bits_per_dim"`
	Dims     int        `json:"dims"` // of an example
}

// examplesOf is a set of examples.
type examplesOf struct {
	From     string `json:"from"`
	Type     string `json:"type"` // of one
	Examples int    `json:"examples"`
	Of       int    `json:"of"`
	Labels   string `json:"labels,omitempty"` // their field
}

// floorOf says which real examples the real ones were compared with.
type floorOf struct {
	From     string `json:"from"`
	Examples int    `json:"examples"`
}

// featuresOf says what measures are of.
type featuresOf struct {
	From    string `json:"from"` // a file, or raw pixels
	Output  string `json:"output,omitempty"`
	Classes string `json:"classes,omitempty"`
	Scores  string `json:"scores,omitempty"` // what classes are: probabilities or logits
	Device  string `json:"device,omitempty"`
	Size    int    `json:"size"`
}

// measureOf is a measure of the fake examples, and its floor.
type measureOf struct {
	Name  string   `json:"name"`
	Fake  *valueOf `json:"fake"`
	Floor *valueOf `json:"floor"`
	Best  string   `json:"best"`
	title string   // in tables
}

type valueOf struct {
	Value number  `json:"value"`
	Std   *number `json:"std,omitempty"`
	Of    int     `json:"of,omitempty"` // of how many
}

// labelledOf is how a classifier does on labelled examples.
type labelledOf struct {
	Set              string      `json:"set"` // real or fake
	From             string      `json:"from"`
	Accuracy         number      `json:"accuracy"`
	TopK             int         `json:"top_k,omitempty"`
	TopKAccuracy     *number     `json:"top_k_accuracy,omitempty"`
	CalibrationError number      `json:"calibration_error"`
	Reliability      []binOf     `json:"reliability"` // without bins that are empty
	Classes          []string    `json:"classes,omitempty"`
	Confusion        [][]int     `json:"confusion"` // by label, then by prediction
	Confused         []mistakeOf `json:"confused"`  // the most frequent mistakes
}

// binOf is a bin of a reliability table.
type binOf struct {
	Low        number `json:"low"` // above it
	High       number `json:"high"`
	Examples   int    `json:"examples"`
	Confidence number `json:"confidence"`
	Accuracy   number `json:"accuracy"`
}

// mistakeOf says how often a class is called another.
type mistakeOf struct {
	Label     int    `json:"label"`
	Predicted int    `json:"predicted"`
	Examples  int    `json:"examples"`
	Share     number `json:"share"` // of the label's
}
