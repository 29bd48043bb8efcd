package check

import (
	"math"
	"slices"
	"strings"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
)

// maxContent is how many elements a tensor may have whose content takes part in inference: enough for shapes, and for the lists that
// shapes are computed from.
const maxContent = 256

// tensor looks at a stored tensor by itself: its type, its shape, and whether the payload fits them.
func (c *checker) tensor(where place, t *wire.Tensor) {
	if t.Type <= wire.Undefined || t.Type > lastElem {
		c.error(where, "its element type is %d, which is none", t.Type)
		return
	}
	if t.Damage != nil {
		c.error(where, "%v", t.Damage)
		return
	}
	if _, err := t.Len(); err != nil {
		c.error(where, "%v", err)
		return
	}
	if len(t.External) == 0 {
		return
	}
	for i, e := range t.External {
		if slices.ContainsFunc(t.External[:i], func(o wire.Entry) bool { return o.Key == e.Key }) {
			c.error(where, "external_data has %q twice", e.Key)
			return
		}
	}
	if c.options.External == nil {
		c.unjudged("external data", "the file beside the model is not looked at")
		return
	}
	path, offset, length, err := c.options.External(t)
	if err != nil {
		c.error(where, "%v", err)
		return
	}
	want, err := t.Bytes()
	if err != nil { // strings have no fixed size
		return
	}
	if length != want {
		c.error(where, "%v%v takes %d bytes, external_data gives %d", t.Type, t.Dims, want, length)
		return
	}
	c.external = append(c.external, extent{where, path, offset, length})
}

// An extent is where an external payload lies.
type extent struct {
	where          place
	path           string
	offset, length int64
}

// overlaps finds payloads that share a part of a file without being the same.
func (c *checker) overlaps() {
	list := c.external
	slices.SortStableFunc(list, func(a, b extent) int {
		if o := strings.Compare(a.path, b.path); o != 0 {
			return o
		}
		return int(min(max(a.offset-b.offset, -1), 1))
	})
	for i := 1; i < len(list); i++ {
		a, b := list[i-1], list[i]
		if a.path == b.path && b.offset < a.offset+a.length && (a.offset != b.offset || a.length != b.length) {
			c.report.add(Warning, b.where, "its %d bytes at %d of %s overlap the %d at %d of %s", b.length, b.offset, b.path, a.length, a.offset, a.where)
		}
	}
}

// elements are those of a tensor that is whole, in the file, and small, as wire.Tensor.Values gives them; nil of any other.
func elements(t *wire.Tensor) any {
	if t.Damage != nil || len(t.External) > 0 {
		return nil
	}
	if n, err := t.Len(); err != nil || n > maxContent {
		return nil
	}
	data, err := t.Values()
	if err != nil {
		return nil
	}
	return data
}

// content is the elements of a small tensor of integers, nil of any other.
func content(t *wire.Tensor) []dim {
	if t.Type != wire.Int64 && t.Type != wire.Int32 || len(t.Dims) > 1 {
		return nil
	}
	out := []dim{}
	switch d := elements(t).(type) {
	case []int64:
		return numbers(d)
	case []int32:
		for _, v := range d {
			out = append(out, number(int64(v)))
		}
	default:
		return nil
	}
	return out
}

// floats are the elements of a small stored tensor of f32, nil of any other.
func floats(t *wire.Tensor) []float64 {
	if t == nil || t.Type != wire.Float {
		return nil
	}
	data, ok := elements(t).([]float32)
	if !ok {
		return nil
	}
	out := []float64{}
	for _, v := range data {
		if math.IsNaN(float64(v)) {
			return nil
		}
		out = append(out, float64(v))
	}
	return out
}
