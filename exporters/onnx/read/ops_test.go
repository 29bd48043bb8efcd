package read

import (
	"bytes"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/compiler/pass"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// reread exports f at an opset, and reads the file.
func reread(f *graph.Func, w onnx.Weights, opset int) (*Model, error) {
	var b bytes.Buffer
	if _, err := onnx.Export(&b, f, w, onnx.Options{Opset: opset, Training: f.Training, NoVectors: true}); err != nil {
		return nil, err
	}
	m, err := wire.Decode(b.Bytes())
	if err != nil {
		return nil, err
	}
	return Graph(m, Options{})
}

// same compares outputs: integers must be equal, floats nearly.
func same(got, want map[string]*tensor.Tensor, f32, f64 float64) error {
	if len(got) != len(want) {
		return fmt.Errorf("%d outputs, want %d", len(got), len(want))
	}
	for name, x := range want {
		y := got[name]
		if y == nil || y.DType() != x.DType() || !slices.Equal(y.Shape(), x.Shape()) {
			return fmt.Errorf("%q is %v, want %v", name, y, x)
		}
		tolerance := f32
		switch x.DType() {
		case graph.F64:
			tolerance = f64
		case graph.F16:
			tolerance = 2e-3
		case graph.BF16:
			tolerance = 1e-2
		}
		for i := range x.Len() {
			a, b := y.At(i), x.At(i)
			if x.DType().Integer() && y.Int(i) != x.Int(i) || a != b && (a == a || b == b) && !(math.Abs(a-b) <= tolerance*max(1, math.Abs(b))) {
				return fmt.Errorf("%q[%d] is %v, want %v", name, i, a, b)
			}
		}
	}
	return nil
}

// unread are the ops whose files are not read, and the operator that is lacking.
var unread = map[string]string{"MaxPoolScatter": "MaxPool", "MaxPoolGather": "MaxPool"}

// TestOps exports each sample of each op at every opset, reads the file, and computes both. An op that is one node there must come
// back as the op itself, with equal attributes.
func TestOps(t *testing.T) {
	for _, op := range graph.All() {
		switch op.(type) {
		case graph.Input, graph.Param:
			continue
		}
		t.Run(graph.OpName(op), func(t *testing.T) {
			back := map[string]bool{} // rows that were read
			lacks, refused := unread[graph.OpName(op)], false
			for i, s := range op.Samples() {
				for _, float := range []graph.DType{graph.F32, graph.F64} {
					f, n, in := s.Trace(float)
					if len(f.Diags) > 0 {
						continue
					}
					f, _ = pass.HoistRandom(f)
					if len(f.Params) > 0 || len(f.Inputs) > len(s.In) { // what draws: its numbers are inputs, and nothing is left of it
						continue
					}
					want, err := onnx.Evaluate(f, nil, in)
					if err != nil {
						t.Fatal(err)
					}
					for opset := onnx.MinOpset; opset <= onnx.MaxOpset; opset++ {
						what := fmt.Sprintf("sample %d, %s of %v at opset %d", i, graph.OpText(s.Op), float, opset)
						if _, err := reread(f, nil, opset); err != nil && n.Form(opset) == nil {
							if _, e := onnx.Export(&bytes.Buffer{}, f, nil, onnx.Options{Opset: opset, NoVectors: true}); e != nil {
								continue // it has no form there
							}
						}
						m, err := reread(f, nil, opset)
						if lacks != "" && err != nil {
							if !strings.Contains(err.Error(), "("+lacks+")") {
								t.Errorf("%s: %v, want %q to be lacking", what, err, lacks)
							}
							refused = true
							continue
						}
						if err != nil {
							t.Fatalf("%s: %v", what, err)
						}
						got, err := onnx.Evaluate(m.Func, m.Weights, in)
						if err == nil {
							err = same(got, want, 5e-6, 1e-7)
						}
						if err != nil {
							t.Fatalf("%s: %v", what, err)
						}
						w := n.Form(opset)
						if w == nil {
							continue
						}
						if _, ok := op.(graph.Detach); !ok && !holds(m.Func, n.Op) {
							t.Errorf("%s: it is not the op again, but\n%v", what, m.Func)
						}
						back[fmt.Sprint(w.Operator, w.Since, w.Until, w.Args)] = true
					}
				}
			}
			if lacks != "" && !refused {
				t.Errorf("it is read: take it off the list")
			}
			if o, ok := op.(graph.Mapped); ok {
				for _, w := range o.Forms() {
					if !back[fmt.Sprint(w.Operator, w.Since, w.Until, w.Args)] && (w.Until == 0 || w.Until >= onnx.MinOpset) {
						t.Errorf("no sample is exported and read by the row %+v", w)
					}
				}
			}
		})
	}
}

// holds reports whether f has an op that is o, but for floats that an attribute rounds to f32.
func holds(f *graph.Func, o graph.Op) bool {
	want, _ := graph.Identity(rounded(o))
	for _, n := range f.Nodes {
		if key, ok := graph.Identity(rounded(n.Op)); ok && key == want {
			return true
		}
	}
	return false
}

// rounded is o with its floats as f32.
func rounded(o graph.Op) graph.Op {
	v := reflect.New(reflect.TypeOf(o)).Elem()
	v.Set(reflect.ValueOf(o))
	if v.Kind() == reflect.Struct {
		for i := range v.NumField() {
			if f := v.Field(i); f.Kind() == reflect.Float64 {
				f.SetFloat(float64(float32(f.Float())))
			}
		}
	}
	return v.Interface().(graph.Op)
}
