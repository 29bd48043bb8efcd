package onnxgo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/racetest"
)

// asParent is the environment variable that makes the test binary a program that runs a model for a long time.
const asParent = "SARDONYX_TEST_ONNXGO_PARENT"

func TestMain(m *testing.M) {
	Child()
	if os.Getenv(asParent) != "" {
		_, err := runChild(context.Background(), encode(long()), longInputs(), 1, 1<<30, roomy)
		fmt.Println(err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// roomy is enough for the small models here.
var roomy = Options{Memory: 512 << 20, Timeout: time.Minute}

func encode(g *wire.Graph) []byte {
	var b bytes.Buffer
	g.Name = "test"
	if err := (&wire.Model{IRVersion: 8, Opsets: []wire.Opset{{Version: 17}}, Graph: g}).Encode(&b); err != nil {
		panic(err)
	}
	return b.Bytes()
}

func floats(name string, dims ...int64) *wire.ValueInfo {
	t := &wire.TensorType{Elem: wire.Float, Shape: []wire.Dim{}}
	for _, d := range dims {
		t.Shape = append(t.Shape, wire.Dim{Value: d})
	}
	return &wire.ValueInfo{Name: name, Type: t}
}

// nd is a node; attributes are given as names and values.
func nd(op, in, out string, attrs ...any) *wire.Node {
	n := &wire.Node{OpType: op, Name: out + "/" + op, Inputs: strings.Fields(in), Outputs: strings.Fields(out)}
	for i := 0; i < len(attrs); i += 2 {
		n.Attributes = append(n.Attributes, &wire.Attribute{Name: attrs[i].(string), Value: attrs[i+1]})
	}
	return n
}

func i64s(name string, v ...int64) *wire.Tensor {
	return &wire.Tensor{Name: name, Type: wire.Int64, Dims: []int64{int64(len(v))}, Data: v}
}

// product multiplies a column by a row: n² numbers from 2n.
func product(n int64) *wire.Graph {
	return &wire.Graph{Inputs: []*wire.ValueInfo{floats("a", n, 1), floats("b", 1, n)}, Outputs: []*wire.ValueInfo{floats("y", n, n)},
		Nodes: []*wire.Node{nd("MatMul", "a b", "y")}}
}

// pieces is 16 MB for each of n nodes that all stay.
func pieces(n int) *wire.Graph {
	g := &wire.Graph{Inputs: []*wire.ValueInfo{floats("a", 2000, 1), floats("b", 1, 2000)}, Outputs: []*wire.ValueInfo{floats("y0", 2000, 2000)}}
	row := "b"
	for i := range n {
		next := fmt.Sprint("b", i)
		g.Nodes = append(g.Nodes, nd("MatMul", "a "+row, fmt.Sprint("y", i)), nd("Sigmoid", row, next))
		row = next
	}
	return g
}

// long takes gorgonia seconds.
func long() *wire.Graph {
	const n = 2048
	g := &wire.Graph{Inputs: []*wire.ValueInfo{floats("a", n, n), floats("b", n, n)}, Outputs: []*wire.ValueInfo{floats("y", n, n)}}
	from := "a"
	for i := range 20 {
		to := "y"
		if i < 19 {
			to = fmt.Sprint("h", i)
		}
		g.Nodes = append(g.Nodes, nd("MatMul", from+" b", to))
		from = to
	}
	return g
}

func longInputs() []*tensor.Tensor {
	return []*tensor.Tensor{tensor.New(tensor.F32, 2048, 2048), tensor.New(tensor.F32, 2048, 2048)}
}

// TestChildEnds has models that end the process that runs them: each is one line of error here, and no more.
func TestChildEnds(t *testing.T) {
	column := tensor.New(tensor.F32, 20000, 1)
	row := tensor.New(tensor.F32, 1, 20000)
	x := tensor.New(tensor.F32, 2, 3)
	for _, c := range []struct {
		name   string
		model  []byte
		inputs []*tensor.Tensor
		o      Options
		want   string
	}{
		{"dimension of 2^36", encode(&wire.Graph{Inputs: []*wire.ValueInfo{floats("x", 1<<36)}, Outputs: []*wire.ValueInfo{floats("y", 1)},
			Nodes: []*wire.Node{nd("Neg", "x", "y")}}), nil, roomy, "out of memory"},
		{"dimension of 2^62", encode(&wire.Graph{Inputs: []*wire.ValueInfo{floats("x", 1<<62)}, Outputs: []*wire.ValueInfo{floats("y", 1)},
			Nodes: []*wire.Node{nd("Neg", "x", "y")}}), nil, roomy, "panic"},
		{"memory of a run", encode(product(20000)), []*tensor.Tensor{column, row}, Options{Memory: 200 << 20, Timeout: time.Minute}, "out of memory"},
		{"time", encode(long()), longInputs(), Options{Memory: 1 << 30, Timeout: 200 * time.Millisecond}, "longer than 200ms"},
		{"Concat from the back", encode(&wire.Graph{Inputs: []*wire.ValueInfo{floats("x", 2, 3), floats("z", 2, 3)}, Outputs: []*wire.ValueInfo{floats("y", 2, 6)},
			Nodes: []*wire.Node{nd("Concat", "x z", "y", "axis", int64(-1))}}), []*tensor.Tensor{x, x}, roomy, "panic"},
		{"memory of a run, in pieces", encode(pieces(20)), []*tensor.Tensor{tensor.New(tensor.F32, 2000, 1), tensor.New(tensor.F32, 1, 2000)}, Options{Memory: 100 << 20, Timeout: time.Minute}, "MiB in use"},
		{"no model", []byte("no model"), nil, roomy, ""},
		{"empty", nil, nil, roomy, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			if racetest.Enabled && c.want == "out of memory" {
				t.Skip("the race detector has another error for memory that cannot be had")
			}
			t.Parallel()
			got, err := runChild(t.Context(), c.model, c.inputs, 1, 1<<30, c.o)
			if err == nil {
				t.Fatalf("it gives %v", got)
			}
			t.Log(err)
			if s := err.Error(); !strings.Contains(s, c.want) || strings.Contains(s, "\n") || len(s) > 500 {
				t.Errorf("the error is %q, want one line with %q", s, c.want)
			}
		})
	}
}

// TestCancel ends a run by its context.
func TestCancel(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	begin := time.Now()
	_, err := runChild(ctx, encode(long()), longInputs(), 1, 1<<30, Options{Memory: 1 << 30, Timeout: time.Minute})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("the error is %v", err)
	}
	if d := time.Since(begin); d > 20*time.Second {
		t.Errorf("it took %v", d)
	}
}

// TestParentKilled kills a program while its child runs: the child must go too.
func TestParentKilled(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("looks for processes in /proc")
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), asParent+"=1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	child := await(t, "the program starts no child", func() string { return childOf(cmd.Process.Pid) })
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	await(t, "the child lives on", func() string {
		if _, err := os.Stat(filepath.Join("/proc", child)); err != nil {
			return "gone"
		}
		return ""
	})
}

// await calls find until it finds something.
func await(t *testing.T, failure string, find func() string) string {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		if s := find(); s != "" {
			return s
		}
	}
	t.Fatal(failure)
	return ""
}

// childOf is the number of a process whose parent is the given one.
func childOf(parent int) string {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, path := range stats {
		b, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		_, after, _ := strings.Cut(string(b), ") ")
		if f := strings.Fields(after); len(f) > 1 && f[1] == strconv.Itoa(parent) {
			return filepath.Base(filepath.Dir(path))
		}
	}
	return ""
}

// TestHook is a program that cannot be its own child.
func TestHook(t *testing.T) {
	hooked.Store(false)
	defer hooked.Store(true)
	if _, err := OpenBytes(encode(product(2)), Options{}); !errors.Is(err, errHook) {
		t.Errorf("without Child: %v", err)
	}
	hooked.Store(true)
	t.Setenv(childEnv, "1")
	if _, err := runChild(t.Context(), nil, nil, 0, 0, roomy); !errors.Is(err, errHook) {
		t.Errorf("in a child: %v", err)
	}
}

// TestAtOnce runs one model several times at once.
func TestAtOnce(t *testing.T) {
	s, err := OpenBytes(encode(product(3)), roomy)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for i := range 4 {
		all.Go(func() {
			k := float32(i + 1)
			out, err := s.Run(t.Context(), map[string]*tensor.Tensor{"a": tensor.Of([]float32{k, 2 * k, 3 * k}, 3, 1), "b": tensor.Of([]float32{1, 10, 100}, 1, 3)})
			if err == nil {
				err = agree(out["y"], tensor.Of([]float32{k, 10 * k, 100 * k, 2 * k, 20 * k, 200 * k, 3 * k, 30 * k, 300 * k}, 3, 3), 0)
			}
			if err != nil {
				t.Errorf("run %d: %v", i, err)
			}
		})
	}
	all.Wait()
}

// TestDamaged runs files with bytes flipped or cut off, past our own check and without it: no matter what becomes of them, this
// process goes on.
func TestDamaged(t *testing.T) {
	good := &wire.Graph{Inputs: []*wire.ValueInfo{floats("x", 1, 4)}, Outputs: []*wire.ValueInfo{floats("y", 1, 2)},
		Initializers: []*wire.Tensor{i64s("s", 4, 1), i64s("r", 1, 4), {Name: "w", Type: wire.Float, Dims: []int64{4, 2}, Data: []float32{1, 2, 3, 4, 5, 6, 7, 8}}},
		Nodes:        []*wire.Node{nd("Reshape", "x s", "column"), nd("Relu", "column", "h"), nd("Reshape", "h r", "row"), nd("MatMul", "row w", "y")}}
	data, x := encode(good), tensor.Of([]float32{1, -2, 3, 4}, 1, 4)
	o := Options{Memory: 256 << 20, Timeout: 20 * time.Second}
	r := rand.New(rand.NewPCG(1, 2))
	counts := map[string]int{}
	files := 120
	if racetest.Enabled {
		files = 12
	}
	for i := range files {
		bad := bytes.Clone(data)
		if i%3 == 0 {
			bad = bad[:r.IntN(len(bad))]
		} else {
			bad[r.IntN(len(bad))] ^= 1 << r.IntN(8)
		}
		if s, err := OpenBytes(bad, o); err != nil {
			counts["refused"]++
		} else if _, err := s.Run(t.Context(), map[string]*tensor.Tensor{s.Inputs()[0].Name: x}); err != nil {
			counts["error"]++
		} else {
			counts["runs"]++
		}
		if _, err := runChild(t.Context(), bad, []*tensor.Tensor{x}, 1, 1<<10, o); err != nil {
			counts["error without check"]++
			if s := err.Error(); strings.Contains(s, "\n") || len(s) > 500 {
				t.Errorf("file %d: %q", i, s)
			}
		}
	}
	t.Log(counts)
	if racetest.Enabled {
		return
	}
	if counts["refused"] < 20 || counts["error without check"] < 20 {
		t.Errorf("few of the files were damaged: %v", counts)
	}
}
