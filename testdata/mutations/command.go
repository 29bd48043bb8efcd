package main

var commandMutations = []mutation{
	{"verify: relative to the difference", "runtime/verify/verify.go", "e <= abs+rel*math.Abs(w)", "e <= abs+rel*math.Abs(e)", "./runtime/verify ./cmd/app", "Verify|Compare"},
	{"verify: the last element decides", "runtime/verify/verify.go", "d.OK = d.OK && !math.IsInf(e, 0)", "d.OK = !math.IsInf(e, 0)", "./runtime/verify ./cmd/app", "Verify|Compare"},
	{"verify: shapes may differ", "runtime/verify/verify.go", "want.DType() != got.DType() || !slices.Equal(want.Shape(), got.Shape())", "want.DType() != got.DType()", "./runtime/verify ./cmd/app", "Verify|Compare"},
	{"vectors: their outputs may be far off", "exporters/onnx/vectors.go", "!(math.Abs(x-y) <= abs+rel*math.Abs(x))", "!(math.Abs(x-y) <= abs+rel*math.Abs(x)+1)", "./exporters/onnx", "Vector"},
}
