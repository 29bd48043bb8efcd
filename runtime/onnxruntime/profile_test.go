package onnxruntime

import (
	"context"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/profile"
)

// TestProfile profiles a session of an exported file, one with a loop: nodes lead back to layers and lines, products are counted, also
// those of stored weights, and the times of the nodes add up to no more than a run.
func TestProfile(t *testing.T) {
	needLibrary(t)
	f := graph.NewFunc("decode", false)
	x := f.Input("x", graph.F32, graph.Sym("batch"), 64)
	w := f.Const(tensor.New(tensor.F32, 64, 32))
	y := f.In("enc.0", func() *graph.Value { return x.MatMul(w).Tanh() })
	final, _ := f.Repeat(3, []*graph.Value{y}, func(_ *graph.Value, v []*graph.Value) (next, _ []*graph.Value) {
		return []*graph.Value{f.In("loop", func() *graph.Value { return v[0].Sigmoid() })}, nil
	})
	f.Output("y", final[0])
	path := filepath.Join(t.TempDir(), "decode.onnx")
	if _, err := onnx.ExportFile(path, f, nil, onnx.Options{NoVectors: true}); err != nil {
		t.Fatal(err)
	}
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	rec := profile.New("onnxruntime")
	rec.Skip = 1
	s, err := Open(path, Options{Threads: 1, Profile: rec})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := s.Run(context.Background(), map[string]*tensor.Tensor{"x": tensor.New(tensor.F32, 8, 64)}); err != nil {
			t.Fatal(err)
		}
	}
	if list := rec.Profile().Summaries(); len(list) != 0 {
		t.Errorf("an open session has %+v", list)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(filepath.Join(tmp, "sardonyx-*")); err != nil || len(left) > 0 {
		t.Errorf("files are left: %v, %v", left, err)
	}
	p := rec.Profile()
	depths := map[string]int{}
	for _, e := range p.Events {
		depths[e.Op] = e.Depth
		if strings.HasPrefix(e.Op, "MatMul") && (e.Name == "" || e.Types != "f32[8 32]" || e.Origins[0].Layer != "enc.0" || !strings.HasPrefix(e.Origins[0].At, "profile_test.go:")) {
			t.Errorf("%+v", e)
		}
	}
	if depths["Sigmoid"] != 2 || depths["Tanh"] != 1 {
		t.Errorf("the depths are %v", depths)
	}
	list := p.Summaries()
	if len(list) != 1 || list[0].Entry != "decode" || list[0].Runs != 2 || list[0].MultiplyAdds != 8*64*32 {
		t.Fatalf("the summaries are %+v", list)
	}
	sum := list[0].Between
	for _, r := range list[0].Ops {
		if sum += r.MS; r.Name == "Sigmoid" && r.Calls != 3 {
			t.Errorf("%+v", r)
		}
	}
	if math.Abs(sum/list[0].MS-1) > 1e-6 {
		t.Errorf("nodes and what is between them take %v ms, a run %v", sum, list[0].MS)
	}
}

// TestReadProfile reads what onnxruntime could have written.
func TestReadProfile(t *testing.T) {
	p := &profiling{to: profile.New(""), made: time.Now(), entry: "f", nodes: map[string]profiledNode{
		"enc.0.Conv_3": {Origin: profile.Origin{Op: "Conv", Layer: "enc.0", At: "a.go:1"}, weight: []int{8, 3, 3, 3}}, "Conv_3": {},
	}}
	err := p.read(strings.NewReader(`[
		{"cat": "Session", "name": "session_initialization", "ts": 5000000, "dur": 5000000, "args": {}},
		{"cat": "Session", "name": "model_run", "ts": 10000010, "dur": 100, "args": {}},
		{"cat": "Node", "name": "enc.0.Conv_3_nchwc_kernel_time", "ts": 10000012, "dur": 20, "more": [1], "args": {"op_name": "Conv", "output_size": "40",
		 "parameter_size": "2", "activation_size": "3", "input_type_shape": [{"float": [2, 3, 8, 8]}], "output_type_shape": [{"float": [2, 8, 8, 8]}]}},
		{"cat": "Node", "name": "reorder_kernel_time", "ts": 10000040, "dur": 20, "args": {"op_name": "ReorderOutput"}},
		{"cat": "Node", "name": "reorder_fence_after", "ts": 10000060, "dur": 1, "args": {"op_name": "ReorderOutput"}}]`))
	if err != nil {
		t.Fatal(err)
	}
	events := p.to.Profile().Events
	if len(events) != 3 {
		t.Fatalf("there are %+v", events)
	}
	if at := events[0].Start; at < 0 || at > time.Second { // onnxruntime began to count ten seconds before the session was there
		t.Errorf("the run began %v after the recorder", at)
	}
	conv, own := events[1], events[2]
	if conv.Bytes != 45 || conv.MultiplyAdds != 2*8*8*8*3*3*3 || conv.Origins[0] != (profile.Origin{Op: "Conv", Layer: "enc.0", At: "a.go:1"}) || conv.Types != "f32[2 8 8 8]" {
		t.Errorf("%+v", conv)
	}
	if own.Op != "ReorderOutput" || own.Origins[0].Layer != "onnxruntime's own" {
		t.Errorf("%+v", own)
	}
	for _, bad := range []string{``, `[`, `{`, `[{"ts": "now"}]`, `[{"ts": -1}]`, `[{"ts": 1, "dur": 2}`} {
		if err := p.read(strings.NewReader(bad)); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
}

// TestMultiplyAdds counts products and convolutions by shapes alone.
func TestMultiplyAdds(t *testing.T) {
	for _, c := range []struct {
		op      string
		y, a, b []int
		want    float64
	}{
		{"MatMul", []int{2, 3}, []int{2, 5}, []int{5, 3}, 30},
		{"Gemm", []int{2, 3}, []int{5, 2}, []int{3, 5}, 30},
		{"MatMul", []int{4, 2, 3}, []int{4, 2, 5}, []int{5, 3}, 120},
		{"MatMul", []int{4, 2, 3}, []int{4, 2, 5}, []int{4, 5, 3}, 120},
		{"FusedMatMul", []int{4, 2, 3}, []int{5, 2}, []int{4, 5, 3}, 120},
		{"Conv", []int{2, 8, 6, 6}, []int{2, 3, 8, 8}, []int{8, 3, 3, 3}, 2 * 8 * 36 * 27},
		{"ConvTranspose", []int{2, 4, 8, 8}, []int{2, 8, 4, 4}, []int{8, 4, 2, 2}, 2 * 8 * 16 * 16},
		{"Relu", []int{2}, []int{2}, nil, 0}, {"MatMul", []int{0, 3}, []int{0, 5}, []int{5, 3}, 0}, {"Conv", nil, nil, nil, 0},
	} {
		if got := multiplyAdds(c.op, c.y, c.a, c.b); math.Abs(got-c.want) > 1e-9*c.want {
			t.Errorf("%s of %v and %v to %v is %v multiply-adds, want %v", c.op, c.a, c.b, c.y, got, c.want)
		}
	}
}
