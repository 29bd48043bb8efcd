package train

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/strictjson"
)

// Loss is the name of the metric that a Step minimises.
const Loss = compiler.Loss

// Metrics are named numbers: a step's loss and what else it reports.
type Metrics map[string]float64

// Scalars fetches the outputs of c's last run that are metrics: those of one element, but for [compiler.OK].
func Scalars(c runtime.Call) (Metrics, error) {
	outputs := c.Func().Outputs
	m := make(Metrics, len(outputs))
	for _, o := range outputs {
		if n, err := o.Value.Shape().Size().Eval(nil); err != nil || n != 1 || o.Name == compiler.OK {
			continue
		}
		t, err := c.Output(o.Name)
		if err != nil {
			return nil, err
		}
		m[o.Name] = t.At(0)
	}
	return m, nil
}

// String lists the metrics, the loss first and then by name: "loss 0.1234 kl 3.21".
func (m Metrics) String() string {
	var parts []string
	if v, ok := m[Loss]; ok {
		parts = append(parts, fmt.Sprintf("%s %.4g", Loss, v))
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		if name != Loss {
			parts = append(parts, fmt.Sprintf("%s %.4g", name, m[name]))
		}
	}
	return strings.Join(parts, "  ")
}

// number is a float64 that JSON can hold whatever its value: NaN and infinities become strings.
type number float64

// MarshalJSON writes the shortest text that reads back as the same number.
func (n number) MarshalJSON() ([]byte, error) {
	if v := float64(n); math.IsNaN(v) || math.IsInf(v, 0) {
		return json.Marshal(strconv.FormatFloat(v, 'g', -1, 64))
	}
	return json.Marshal(float64(n))
}

// UnmarshalJSON reads what MarshalJSON writes.
func (n *number) UnmarshalJSON(b []byte) error {
	var s string
	if json.Unmarshal(b, &s) != nil {
		return strictjson.Plain(json.Unmarshal(b, (*float64)(n)))
	}
	switch s {
	case "NaN":
		*n = number(math.NaN())
	case "+Inf":
		*n = number(math.Inf(1))
	case "-Inf":
		*n = number(math.Inf(-1))
	default:
		return fmt.Errorf("the number %q is not NaN, +Inf or -Inf", s)
	}
	return nil
}

// MarshalJSON writes an object with sorted names.
func (m Metrics) MarshalJSON() ([]byte, error) {
	out := make(map[string]number, len(m))
	for name, v := range m {
		out[name] = number(v)
	}
	return json.Marshal(out)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (m *Metrics) UnmarshalJSON(b []byte) error {
	var in map[string]number
	if err := json.Unmarshal(b, &in); err != nil {
		return strictjson.Plain(err)
	}
	*m = make(Metrics, len(in))
	for name, v := range in {
		(*m)[name] = float64(v)
	}
	return nil
}

// A Mean averages metrics over batches, each weighted by its number of examples. The zero Mean is empty. Stored as JSON and
// read back it goes on exactly as it would have.
type Mean struct {
	Total  Metrics `json:"total,omitempty"`  // sums of metric · weight
	Weight Metrics `json:"weight,omitempty"` // sums of weights; a metric need not be in every batch
}

// Add counts the metrics of a batch of weight examples.
func (m *Mean) Add(batch Metrics, weight int) {
	if m.Total == nil {
		m.Total, m.Weight = Metrics{}, Metrics{}
	}
	for name, v := range batch {
		m.Total[name] += v * float64(weight)
		m.Weight[name] += float64(weight)
	}
}

// Metrics is the average of what was added.
func (m *Mean) Metrics() Metrics {
	out := make(Metrics, len(m.Total))
	for name, v := range m.Total {
		out[name] = v / m.Weight[name]
	}
	return out
}

// Clone returns a copy with its own maps.
func (m *Mean) Clone() Mean { return Mean{maps.Clone(m.Total), maps.Clone(m.Weight)} }
