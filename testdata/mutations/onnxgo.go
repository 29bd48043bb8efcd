package main

var onnxGoMutations = []mutation{
	{"onnx-go check: outputs may feed nodes", "runtime/onnxgo/check.go", "case c.uses[v.Name] > 0:", "case c.uses[v.Name] > 99:", "./runtime/onnxgo", "Check|Ops|Random"},
	{"onnx-go check: views may be shared", "runtime/onnxgo/check.go", "if c.uses[in] > 1 {", "if c.uses[in] > 99 {", "./runtime/onnxgo", "Check|Random"},
	{"onnx-go check: overwritten inputs may be shared", "runtime/onnxgo/check.go", "c.uses[n.Inputs[o.overwrites]] > 1", "c.uses[n.Inputs[o.overwrites]] > 99", "./runtime/onnxgo", "Check|Random"},
	{"onnx-go check: equal nodes pass", "runtime/onnxgo/check.go", "if other, ok := first[key]; ok {", "if other, ok := first[key]; ok && false {", "./runtime/onnxgo", "Check|Random"},
	{"onnx-go check: minus minus passes", "runtime/onnxgo/check.go", `n.OpType == "Neg" && other == "Neg"`, `n.OpType == "Neg" && other == "No"`, "./runtime/onnxgo", "Check|Random"},
	{"onnx-go check: huge tensors pass", "runtime/onnxgo/check.go", "need > memory", "need > memory<<20", "./runtime/onnxgo", "Check"},
	{"onnx-go check: softmax along any axis", "runtime/onnxgo/operators.go", "axis != int64(last) && (axis != -1 || last != 1)", "axis != int64(last) && last > 9", "./runtime/onnxgo", "Check|Ops"},
	{"onnx-go check: pads may differ", "runtime/onnxgo/operators.go", "len(pads) != 4 || len(slices.Compact(slices.Clone(pads))) != 1", "len(pads) != 4", "./runtime/onnxgo", "Check|Ops"},
	{"onnx-go check: rows of any length", "runtime/onnxgo/operators.go", "same == 1 && a[len(a)-1] == b[0]", "a[len(a)-1] == b[0]", "./runtime/onnxgo", "Check"},
	{"onnx-go child: no limit of the heap", "runtime/onnxgo/limit.go", "used > uint64(n)", "used > uint64(n)<<20", "./runtime/onnxgo", "ChildEnds"},
	{"onnx-go child: a program without the hook", "runtime/onnxgo/session.go", "if !hooked.Load() {", "if false {", "./runtime/onnxgo", "Hook"},
	{"onnx-go profile: pads at the wrong side", "exporters/onnx/onnxgo_forms.go", "pad-op.Pads[i]\n", "pad-op.Pads[2+i]\n", "./exporters/onnx ./runtime/onnxgo", "OnnxGo|Ops|Models"},
	{"onnx-go profile: groups see each other", "exporters/onnx/onnxgo_forms.go", "group := o / (s[0] / groups)", "group := 0 * o / (s[0] / groups)", "./exporters/onnx ./runtime/onnxgo", "OnnxGo|Ops|Models"},
	{"onnx-go profile: the mean is a sum", "exporters/onnx/onnxgo_forms.go", "mean.Set(i, 1/float64(n))", "mean.Set(i, 1)", "./runtime/onnxgo", "Ops|Models"},
	{"onnx-go profile: no copies for views", "exporters/onnx/separate.go", "shared && (view(n.Op) || overwrites(n.Op))", "shared && overwrites(n.Op)", "./runtime/onnxgo", "Random|Ops|Models"},
	{"onnx-go profile: copies that are equal", "exporters/onnx/separate.go", "	copies[v]++", "	copies[v] += len(neutral)", "./runtime/onnxgo", "Random|Ops|Models"},
}
