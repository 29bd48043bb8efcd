package read

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// casesEnv names the folder of ONNX's own test cases: folders such as node/test_relu, each with a model and its inputs and outputs.
const casesEnv = "SARDONYX_TEST_ONNX_CASES"

// TestCases reads the models of ONNX's own test cases and holds what they compute to the outputs there. A case may be refused, but
// none may be wrong; of the refused, the log counts the reasons.
func TestCases(t *testing.T) {
	dir := os.Getenv(casesEnv)
	if dir == "" {
		t.Skipf("ONNX's test cases are not here: %s names no folder of them", casesEnv)
	}
	files, err := filepath.Glob(filepath.Join(dir, "node", "*", "model.onnx"))
	if err != nil || len(files) == 0 {
		t.Fatalf("%d cases in %s: %v", len(files), dir, err)
	}
	right, open, refused := 0, 0, map[string][]string{}
	for _, file := range files {
		name := filepath.Base(filepath.Dir(file))
		switch err := oneCase(file).(type) {
		case nil:
			right++
		case refusal:
			reason := string(err)
			if strings.Contains(reason, "panic:") {
				t.Errorf("%s: %v", name, reason)
			}
			if i := strings.Index(reason, "): "); i >= 0 {
				reason = reason[strings.LastIndex(reason[:i], "(")+1:]
			}
			refused[reason] = append(refused[reason], name)
		default:
			if strings.Contains(name, "_to_FLOAT4E2M1") { // among them of NaN, for which that has no value
				open++
				continue
			}
			t.Errorf("%s: %v", name, err)
		}
	}
	n := 0
	var reasons []string
	for reason, names := range refused {
		n += len(names)
		reasons = append(reasons, fmt.Sprintf("%4d  %s  %s", len(names), reason, names[0]))
	}
	slices.Sort(reasons)
	t.Logf("%d of %d cases are right, %d are of numbers that the specification leaves open, and %d refused:\n%s", right, len(files), open, n, strings.Join(reasons, "\n"))
}

// A refusal is why a case is not computed.
type refusal string

func (r refusal) Error() string { return string(r) }

// oneCase computes the model of a case from each of its sets of inputs. Inputs that are vectors, which axes and sizes may be, are
// fixed where the file cannot be read without.
func oneCase(file string) error {
	data, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	m, err := wire.Decode(data)
	if err != nil {
		return refusal(err.Error())
	}
	sets, _ := filepath.Glob(filepath.Join(filepath.Dir(file), "test_data_set_*"))
	for _, set := range sets {
		in, want, vectors := map[string]*tensor.Tensor{}, map[string]*tensor.Tensor{}, map[string]*tensor.Tensor{}
		for i, v := range m.Graph.Inputs {
			t, err := readTensor(fmt.Sprintf("%s/input_%d.pb", set, i))
			if err != nil {
				return refusal(err.Error())
			}
			if in[v.Name] = t; t.Rank() <= 1 {
				vectors[v.Name] = t
			}
		}
		for i, o := range m.Graph.Outputs {
			if want[o.Name], err = readTensor(fmt.Sprintf("%s/output_%d.pb", set, i)); err != nil {
				return refusal(err.Error())
			}
		}
		read, err := Graph(m, Options{})
		if err != nil {
			if again, e := Graph(m, Options{Fixed: vectors}); e == nil {
				read, err = again, nil
			}
		}
		if err != nil {
			return refusal(err.Error())
		}
		got, err := onnx.Evaluate(read.Func, read.Weights, in)
		if err != nil {
			return refusal("in the run: " + err.Error())
		}
		if err := same(got, want, 1e-4, 1e-6); err != nil {
			return err
		}
	}
	return nil
}

// readTensor reads a file of one TensorProto, as the initializer of a model around it.
func readTensor(file string) (*tensor.Tensor, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	graph := append([]byte{0x2a}, varint(len(data))...) // GraphProto.initializer
	graph = append(graph, data...)
	model := append([]byte{0x08, 8, 0x3a}, varint(len(graph))...) // ModelProto.ir_version, graph
	m, err := wire.Decode(append(model, graph...))
	if err != nil {
		return nil, err
	}
	return onnx.ReadTensor(file, m.Graph.Initializers[0])
}

func varint(n int) []byte {
	var out []byte
	for ; n >= 0x80; n >>= 7 {
		out = append(out, byte(n)|0x80)
	}
	return append(out, byte(n))
}
