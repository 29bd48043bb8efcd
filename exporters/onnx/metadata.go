package onnx

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime/debug"
	"slices"
	"strings"

	"github.com/sardonyx-ml/sardonyx/compiler/pass"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/strictjson"
)

// The metadata keys that the exporter writes itself.
const (
	metaPrefix  = "sardonyx."
	metaNoise   = metaPrefix + "noise."         // + an input's name: the distribution it stands for
	metaSeed    = metaPrefix + "seed"           // the input that random numbers are drawn by
	metaDrawn   = metaPrefix + "drawn."         // + the name of a model's input that the file draws: how it is distributed, and its stream
	metaSize    = metaPrefix + "size."          // + an input's name: what it is the size of
	metaVector  = metaPrefix + "vector."        // + a number: a Vector as JSON
	metaWeights = metaPrefix + "weights.sha256" // the digest of all initializers
	metaState   = metaPrefix + "state."         // + an input's name: the output that is its next value, or ""
	metaFirst   = metaPrefix + "first.sha256"   // the digest of the first state, in the file beside a training step
	metaCounter = metaPrefix + "counter"        // seed and step of a training step's first noise
)

const module = "github.com/sardonyx-ml/sardonyx"

// ModuleVersion is the version of this module in the running program, "devel" where that is not known.
func ModuleVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	for _, m := range append([]*debug.Module{&info.Main}, info.Deps...) {
		if m.Path == module && m.Version != "" {
			return strings.Trim(m.Version, "()")
		}
	}
	return "devel"
}

func (x *exporter) metadata(stored []*wire.Tensor) ([]wire.Entry, error) {
	meta := maps.Clone(x.o.Metadata)
	if meta == nil {
		meta = map[string]string{}
	}
	for k := range meta {
		if strings.HasPrefix(k, metaPrefix) {
			return nil, fmt.Errorf("metadata key %q: keys that begin with %s are the exporter's own", k, metaPrefix)
		}
	}
	maps.Copy(meta, x.imageMeta)
	sum, err := digest(stored, func(w io.Writer, t *wire.Tensor) error { return t.WriteRaw(w) })
	if err != nil {
		return nil, err
	}
	meta[metaWeights] = sum
	for _, n := range x.noise {
		meta[metaNoise+n.Input] = n.Distribution
	}
	x.seedMetadata(meta)
	if err := x.stateMetadata(meta); err != nil {
		return nil, err
	}
	if x.vectors = x.o.Vectors; len(x.vectors) == 0 && len(x.errs) == 0 && len(x.e.diags) == 0 {
		x.vectors, x.lacking = x.makeVectors()
	}
	for i, v := range x.vectors {
		if err := x.checkVector(v); err != nil {
			return nil, fmt.Errorf("test vector %d: %w", i, err)
		}
		b, err := json.Marshal(v)
		if err == nil {
			err = json.Unmarshal(b, new(Vector)) // readers are strict
		}
		if err != nil {
			return nil, fmt.Errorf("test vector %d: %w", i, err)
		}
		meta[fmt.Sprintf("%s%03d", metaVector, i)] = string(b)
	}
	var out []wire.Entry
	for _, k := range slices.Sorted(maps.Keys(meta)) {
		out = append(out, wire.Entry{Key: k, Value: meta[k]})
	}
	return out, nil
}

// seedMetadata adds what tells programs how to have random numbers drawn.
func (x *exporter) seedMetadata(meta map[string]string) {
	if x.seeded && !x.o.Training {
		meta[metaSeed] = pass.SeedInput
	}
	for _, n := range x.o.Drawn {
		meta[metaDrawn+n.Input] = fmt.Sprintf("%s %d", n.Distribution, n.Stream)
	}
	for _, v := range x.f.Inputs {
		if v.IsSize() {
			meta[metaSize+v.Name] = "random numbers"
		}
	}
}

// checkVector sees that v names the model's inputs and outputs.
func (x *exporter) checkVector(v Vector) error {
	for _, in := range x.f.Inputs {
		if t := v.Inputs[in.Name]; t == nil || t.DType() != in.DType() || t.Rank() != in.Rank() {
			return fmt.Errorf("input %q is %v, the model wants %v", in.Name, t, in.Type)
		}
	}
	for name := range v.Outputs {
		if !slices.ContainsFunc(x.outputs, func(p Port) bool { return p.Name == name }) {
			return fmt.Errorf("the model has no output %q", name)
		}
	}
	if len(v.Outputs) == 0 {
		return errors.New("it has no outputs")
	}
	return nil
}

// A Vector is a test vector: inputs, and the outputs that any runtime must give for them within a tolerance.
type Vector struct {
	Inputs  map[string]*tensor.Tensor
	Outputs map[string]*tensor.Tensor
	// An output passes if |got - want| ≤ ATol + RTol·|want| for each element.
	ATol, RTol float64
}

// All fields are required, and no others are read: a damaged key would else be a vector that checks nothing.
type vectorJSON struct {
	Inputs  map[string]tensorJSON `json:"inputs"`
	Outputs map[string]tensorJSON `json:"outputs"`
	ATol    *float64              `json:"atol"`
	RTol    *float64              `json:"rtol"`
}

type tensorJSON struct {
	Type  string `json:"type"` // as tensor.DType prints: f32
	Shape []int  `json:"shape"`
	Data  []byte `json:"data"` // base64 of the little-endian elements
}

// MarshalJSON writes v as an object of inputs, outputs, atol and rtol, elements in base64.
func (v Vector) MarshalJSON() ([]byte, error) {
	in, err := encodeTensors(v.Inputs)
	if err != nil {
		return nil, err
	}
	out, err := encodeTensors(v.Outputs)
	if err != nil {
		return nil, err
	}
	return json.Marshal(vectorJSON{in, out, &v.ATol, &v.RTol})
}

// UnmarshalJSON reads what MarshalJSON writes, and nothing else: a key that is missing or unknown is an error. Shapes are
// checked against the data.
func (v *Vector) UnmarshalJSON(b []byte) error {
	var j vectorJSON
	if err := strictjson.Unmarshal(b, &j); err != nil {
		return err
	}
	switch {
	case j.Inputs == nil:
		return errors.New("it has no inputs")
	case len(j.Outputs) == 0:
		return errors.New("it has no outputs")
	case j.ATol == nil, j.RTol == nil:
		return errors.New("it has no tolerance")
	case !(*j.ATol >= 0 && *j.RTol >= 0 && *j.RTol < 1): // at 1 and above, 0 would pass for anything
		return fmt.Errorf("its tolerance is %v + %v·|value|, which nothing is held to", *j.ATol, *j.RTol)
	}
	in, err := decodeTensors(j.Inputs)
	if err != nil {
		return err
	}
	out, err := decodeTensors(j.Outputs)
	if err != nil {
		return err
	}
	*v = Vector{in, out, *j.ATol, *j.RTol}
	return nil
}

func encodeTensors(ts map[string]*tensor.Tensor) (map[string]tensorJSON, error) {
	out := map[string]tensorJSON{}
	for name, t := range ts {
		if t == nil {
			return nil, fmt.Errorf("tensor %q is nil", name)
		}
		var b bytes.Buffer
		t.Encode(&b) // a buffer takes every write
		out[name] = tensorJSON{t.DType().String(), append([]int{}, t.Shape()...), b.Bytes()}
	}
	return out, nil
}

func decodeTensors(ts map[string]tensorJSON) (map[string]*tensor.Tensor, error) {
	out := map[string]*tensor.Tensor{}
	for name, j := range ts {
		t, err := j.tensor()
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		out[name] = t
	}
	return out, nil
}

func (j tensorJSON) tensor() (*tensor.Tensor, error) {
	if j.Shape == nil {
		return nil, errors.New("it has no shape")
	}
	t, ok := tensor.ByName(j.Type)
	if !ok {
		return nil, fmt.Errorf("%q is no type of elements", j.Type)
	}
	n, err := tensor.Count(j.Shape)
	if err != nil {
		return nil, err
	}
	if least := n * max(t.Bits(), 1) / 8; len(j.Data) < least { // a string has 8 bytes at least
		return nil, fmt.Errorf("%v%v takes more than %d bytes", t, j.Shape, len(j.Data))
	}
	x, r := tensor.New(t, j.Shape...), bytes.NewReader(j.Data)
	if err := x.Decode(r); err != nil {
		return nil, err
	}
	if r.Len() > 0 {
		return nil, fmt.Errorf("%d bytes follow the elements of %v", r.Len(), x)
	}
	return x, nil
}
