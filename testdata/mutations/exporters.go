package main

// specified are the tests of exported files by ONNX's specification, which need no runtime.
const specified = "TestOperators|TestSpecifiedModels"

var exporterMutations = []mutation{
	{"onnx: batch normalisation without its epsilon", "graph/op_norm.go", `e.Node("BatchNormalization", in, Attr{"epsilon", o.Eps})`, `e.Node("BatchNormalization", in)`, "./exporters/onnx", specified},
	{"onnx: layer normalisation over the first axis", "graph/op_norm.go", `e.Node("LayerNormalization", in, Attr{"axis", -1}`, `e.Node("LayerNormalization", in, Attr{"axis", 0}`, "./exporters/onnx", specified},
	{"onnx: a convolution's dilations are its strides", "graph/op_conv.go", `{"dilations", o.Dilations[:]}`, `{"dilations", o.Strides[:]}`, "./exporters/onnx", specified},
	{"onnx: a convolution's pads in pairs", "graph/op_conv.go", `{"pads", o.Pads[:]}`, `{"pads", []int{o.Pads[0], o.Pads[2], o.Pads[1], o.Pads[3]}}`, "./exporters/onnx", specified},
	{"onnx: a convolution in one group", "graph/op_conv.go", `{"group", o.Groups}`, `{"group", 1}`, "./exporters/onnx", specified},
	{"onnx: no output padding", "graph/op_conv.go", `Attr{"output_padding", o.OutputPadding[:]}`, `Attr{"output_padding", []int{0, 0}}`, "./exporters/onnx", specified},
	{"onnx: pooling counts no padding", "graph/op_pool.go", "Attr{\"count_include_pad\", map[bool]int{true: 1}[o.CountPad]}", "Attr{\"count_include_pad\", 0}", "./exporters/onnx", specified},
	{"onnx: log-softmax along the last axis", "graph/op_softmax.go", `e.Node("LogSoftmax", in, Attr{"axis", o.Axis})`, `e.Node("LogSoftmax", in)`, "./exporters/onnx", specified},
	{"onnx: the other permutation", "graph/op_shape.go", `Attr{"perm", o.Perm}`, `Attr{"perm", func() []int {
		p := make([]int, len(o.Perm))
		for i, k := range o.Perm {
			p[k] = i
		}
		return p
	}()}`, "./exporters/onnx", specified},
	{"onnx: leaky slope left out", "graph/op_activation.go", `e.Node("LeakyRelu", in, Attr{"alpha", o.Alpha})`, `e.Node("LeakyRelu", in)`, "./exporters/onnx", specified},
	{"onnx: alpha is beta", "graph/op_matmul.go", `Attr{"alpha", o.Alpha}`, `Attr{"alpha", o.Beta}`, "./exporters/onnx", specified},
	{"onnx: transA is transB", "graph/op_matmul.go", `Attr{"transA", flag[o.TransA]}`, `Attr{"transA", flag[o.TransB]}`, "./exporters/onnx", specified},
	{"onnx: reductions keep their axes", "graph/op_reduce.go", `map[bool]int{true: 1}[keep]`, `1`, "./exporters/onnx", specified},
	{"onnx: pads before and after change places", "graph/op_slice.go", "slices.Concat(o.Before, o.After)", "slices.Concat(o.After, o.Before)", "./exporters/onnx", specified},
	{"onnx: nearest pixels are rounded", "graph/op_pool.go", `Attr{"nearest_mode", "floor"}`, `Attr{"nearest_mode", "ceil"}`, "./exporters/onnx", specified},
	{"onnx: a lerp from the other end", "graph/op_arith.go", `d := e.Node("Sub", []string{in[1], in[0]})`, `d := e.Node("Sub", in)`, "./exporters/onnx", specified},
	{"onnx: constants of one length are one", "exporters/onnx/emitter.go", "if err := w.WriteRaw(h); err != nil {", "if err := error(nil); err != nil {", "./exporters/onnx", specified},
	{"onnx: a symbolic size is read off the next axis", "exporters/onnx/shape.go", `graph.Attr{Name: "start", Value: i}, graph.Attr{Name: "end", Value: i + 1}`, `graph.Attr{Name: "start", Value: max(i-1, 0)}, graph.Attr{Name: "end", Value: max(i, 1)}`, "./exporters/onnx", specified},
	{"onnx: 0 in a reshape takes the wrong axis", "exporters/onnx/shape.go", "case i < len(from) && from[i] == n:", "case i < len(from):", "./exporters/onnx", specified},
	{"onnx: a gradient scatters without adding", "graph/op_index.go", `Attr{"reduction", "add"}`, `Attr{"reduction", "none"}`, "./exporters/onnx", specified},
	{"onnx: dropout keeps what it should drop", "exporters/onnx/random.go", "kept := u.GreaterEqual(out.Full(x.DType(), o.P))", "kept := u.LessEqual(out.Full(x.DType(), o.P))", "./exporters/onnx", "Random|Dropout|Noise|Hoist"},
	{"check: two nodes may have one name", "exporters/onnx/check/graph.go", "ok && n.Name != \"\" {", "ok && n.Name == \"\" {", "./exporters/onnx/check", ""},
	{"check: what stands between nodes is not looked at", "exporters/onnx/check/graph.go", "\t\tc.valueInfo(where, v)\n", "", "./exporters/onnx/check", "TestBadFiles"},
	{"check: a result of any size is right", "exporters/onnx/check/graph.go", "if v.huge() && ", "if false && ", "./exporters/onnx/check", "TestBadFiles"},
	{"check: a size before a symbol does not count", "exporters/onnx/check/type.go", "case !ok || v < 0:\n", "case !ok || v < 0:\n\t\t\tn = 1\n", "./exporters/onnx/check", "TestBadFiles"},
	{"check: an initializer is there twice", "exporters/onnx/check/graph.go", "case s.values[t.Name] != nil:\n\t\t\tc.error(where, \"there are two initializers of that name\")\n\t\t\treturn nil\n", "", "./exporters/onnx/check", ""},
	{"numpy: fortran order is read as C order", "exporters/numpy/npy.go", "stride[i] = s\n\t\ts *= d", "s *= d\n\t\tstride[i] = len(src) / s", "./exporters/numpy", ""},
	{"numpy: big-endian elements are read as little-endian", "exporters/numpy/header.go", "order = binary.BigEndian", "order = binary.LittleEndian", "./exporters/numpy", ""},
	{"numpy: the shape of one axis is a number", "exporters/numpy/npy.go", `fmt.Fprintf(&shape, "%d, ", d)`, `fmt.Fprintf(&shape, "%d", d)`, "./exporters/numpy", ""},
	{"numpy: a value in parentheses is a tuple", "exporters/numpy/literal.go", "return items[0], nil", "return tuple(items), nil", "./exporters/numpy", "Headers"},
	{"vectors: what rounding decides is kept", "exporters/onnx/vectors.go", "near(t, moved[name], v.ATol/2, v.RTol/2)", "near(t, moved[name], math.Inf(1), v.RTol/2)", "./exporters/onnx", "StepVectors"},
	{"vectors: new state of any size", "exporters/onnx/vectors.go", "left -= bytesOf(out[name]); left < 0", "left -= bytesOf(out[name]); false", "./exporters/onnx", "StepVectors"},
	{"state: its digest is not looked at", "exporters/onnx/digest.go", "if i := find(metaFirst); i >= 0", "if i := find(metaFirst); i >= 1<<30", "./exporters/onnx", "StateBeside"},
	{"state: paired with nothing", "exporters/onnx/state.go", "p.Output = v.Name + Next", "_ = v.Name + Next", "./exporters/onnx ./runtime/onnxruntime", "StateBeside|Step|TestTraining"},
}
