package onnxgo

import (
	"errors"
	"fmt"
	"slices"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
)

// An operator is what is known of one of onnx-go's operators, or of several that are alike.
type operator struct {
	names       string // ONNX's, separated by blanks
	least, most int    // inputs
	attrs       string // attributes that are looked at
	view        bool   // the output is the input's memory
	overwrites  int    // the input whose memory the output takes, or -1
	limits      string // what it is right for, in words; "" if for all
	rule        func(n node) error
}

func (o operator) inputs() string {
	if o.least == o.most {
		return fmt.Sprint(o.least)
	}
	return fmt.Sprintf("%d to %d", o.least, o.most)
}

// key tells apart what gorgonia tells apart.
func (o operator) key(n *wire.Node, out *wire.TensorType) string {
	if o.view {
		return fmt.Sprint("view ", out.Shape)
	}
	return n.OpType
}

// operators are those that onnx-go computes right, each within its limits.
var operators = []operator{
	{names: "Abs Cos Exp Floor Log Neg Relu Sigmoid Sign Sin Sqrt Tanh", least: 1, most: 1, overwrites: -1},
	{names: "Add Sub Mul Div Max Min", least: 2, most: 2, overwrites: -1, rule: broadcasts,
		limits: "equal shapes; a constant scalar; a row [n] to [... n], where no other axis is n; matrices with rows or columns; [c h w] to [n c h w]"},
	{names: "BatchNormalization", least: 5, most: 5, attrs: "epsilon momentum training_mode", overwrites: 0, rule: batchNorm,
		limits: "images [n c h w], in inference form, with stored statistics"},
	{names: "Concat", least: 1, most: 1 << 10, attrs: "axis", overwrites: -1, rule: concat, limits: "axis counted from the front; up to 1024 inputs"},
	{names: "Conv", least: 2, most: 3, attrs: "auto_pad dilations group kernel_shape pads strides", overwrites: -1, rule: conv,
		limits: "images, one group, the same padding on all four sides, with the attribute kernel_shape"},
	{names: "Dropout Identity", least: 1, most: 1, attrs: "ratio seed", view: true, overwrites: -1},
	{names: "Flatten", least: 1, most: 1, attrs: "axis", view: true, overwrites: -1, rule: flatten, limits: "axis counted from the front"},
	{names: "Gemm", least: 3, most: 3, attrs: "alpha beta transA transB", overwrites: 2, rule: gemm, limits: "with an addend that is a row or a whole matrix"},
	{names: "GlobalAveragePool", least: 1, most: 1, overwrites: -1, rule: images, limits: "images"},
	{names: "LeakyRelu", least: 1, most: 1, attrs: "alpha", overwrites: 0},
	{names: "MatMul", least: 2, most: 2, overwrites: -1, rule: matmul, limits: "matrices"},
	{names: "MaxPool", least: 1, most: 1, attrs: "auto_pad ceil_mode kernel_shape pads storage_order strides", overwrites: -1, rule: maxPool,
		limits: "images, the same padding on all four sides, no dilation, no ceil_mode"},
	{names: "Reshape", least: 2, most: 2, attrs: "allowzero", view: true, overwrites: -1, rule: reshape, limits: "to a stored shape with all sizes in it"},
	{names: "Softmax", least: 1, most: 1, attrs: "axis", overwrites: -1, rule: softmax, limits: "along the last axis, counted from the front unless it is a matrix"},
	{names: "Transpose", least: 1, most: 1, attrs: "perm", view: true, overwrites: -1, rule: transpose, limits: "with the attribute perm"},
}

func broadcasts(n node) error {
	a, b := n.in[0], n.in[1]
	if len(a) < len(b) {
		a, b = b, a
	}
	refuse := fmt.Errorf("onnx-go does not broadcast %v and %v", n.in[0], n.in[1])
	switch {
	case slices.Equal(a, b) && len(a) > 0:
		return nil
	case len(a) > 4 || len(a) == 0:
		return refuse
	case len(b) == 0:
		return nil
	case len(b) == 1 && len(a) > 1:
		same := 0
		for _, d := range a {
			if d == b[0] {
				same++
			}
		}
		if b[0] == 1 || same == 1 && a[len(a)-1] == b[0] {
			return nil
		}
		return fmt.Errorf("%w: it looks for the axis by its size", refuse)
	case len(a) == 2 && len(b) == 2, len(a) == 4 && len(b) == 3:
		return nil
	}
	return refuse
}

func images(n node) error {
	if len(n.in[0]) != 4 {
		return fmt.Errorf("onnx-go wants images [n c h w], it has %v", n.in[0])
	}
	return nil
}

func batchNorm(n node) error {
	if err := images(n); err != nil {
		return err
	}
	for _, name := range n.Inputs[1:] {
		if n.c.stored[name] == nil {
			return fmt.Errorf("%q is computed: onnx-go wants stored statistics", name)
		}
	}
	if v, err := attr(n, "training_mode", int64(0)); err != nil || v != 0 {
		return errors.New("onnx-go has only the inference form")
	}
	return nil
}

func concat(n node) error {
	axis, err := attr(n, "axis", int64(-1))
	if err == nil && axis < 0 {
		err = fmt.Errorf("axis %d: onnx-go counts axes from the front only", axis)
	}
	return err
}

// window checks the attributes of convolution and pooling.
func window(n node) error {
	if err := images(n); err != nil {
		return err
	}
	pads, err := attr(n, "pads", []int64{0, 0, 0, 0})
	if err != nil {
		return err
	}
	if len(pads) != 4 || len(slices.Compact(slices.Clone(pads))) != 1 {
		return fmt.Errorf("onnx-go mistakes the order of pads %v: they must be equal", pads)
	}
	auto, err := attr(n, "auto_pad", "NOTSET")
	if err == nil && auto != "NOTSET" {
		err = fmt.Errorf("auto_pad %s: onnx-go pads otherwise", auto)
	}
	if err != nil {
		return err
	}
	for _, name := range []string{"kernel_shape", "strides", "dilations"} {
		v, err := attr(n, name, []int64{1, 1})
		if err != nil {
			return err
		}
		if len(v) != 2 || v[0] < 1 || v[1] < 1 || v[0] > 1<<20 || v[1] > 1<<20 {
			return fmt.Errorf("%s %v: want two numbers above 0", name, v)
		}
	}
	return nil
}

func conv(n node) error {
	if err := window(n); err != nil {
		return err
	}
	if group, err := attr(n, "group", int64(1)); err != nil || group != 1 {
		return fmt.Errorf("onnx-go has no groups, it has %d", group)
	}
	w := n.in[1]
	if len(w) != 4 {
		return fmt.Errorf("its filters are %v", w)
	}
	kernel, err := attr(n, "kernel_shape", []int64(nil))
	if err == nil && (len(kernel) != 2 || int(kernel[0]) != w[2] || int(kernel[1]) != w[3]) {
		err = fmt.Errorf("onnx-go wants the attribute kernel_shape to say %v", w[2:])
	}
	if err == nil && len(n.in) == 3 && (len(n.in[2]) != 1 || n.in[2][0] != w[0]) {
		err = fmt.Errorf("its bias is %v", n.in[2])
	}
	return err
}

func maxPool(n node) error {
	if err := window(n); err != nil {
		return err
	}
	for _, name := range []string{"ceil_mode", "storage_order"} {
		if v, err := attr(n, name, int64(0)); err != nil || v != 0 {
			return fmt.Errorf("onnx-go has no %s", name)
		}
	}
	_, err := attr(n, "kernel_shape", []int64(nil))
	return err
}

func flatten(n node) error {
	axis, err := attr(n, "axis", int64(1))
	if err == nil && (axis < 0 || axis > int64(len(n.in[0]))) {
		err = fmt.Errorf("axis %d: onnx-go counts axes from the front only", axis)
	}
	return err
}

func gemm(n node) error {
	if len(n.in[0]) != 2 || len(n.in[1]) != 2 {
		return fmt.Errorf("its factors are %v and %v", n.in[0], n.in[1])
	}
	if c := n.in[2]; !slices.Equal(c, n.out) && !slices.Equal(c, n.out[1:]) && !slices.Equal(c, []int{1, n.out[1]}) {
		return fmt.Errorf("onnx-go adds a row or a whole matrix to the product %v, it has %v", n.out, c)
	}
	return nil
}

func matmul(n node) error {
	if len(n.in[0]) != 2 || len(n.in[1]) != 2 {
		return fmt.Errorf("onnx-go multiplies matrices only, not %v and %v", n.in[0], n.in[1])
	}
	return nil
}

func reshape(n node) error {
	t := n.c.stored[n.Inputs[1]]
	if t == nil || t.Type != wire.Int64 {
		return errors.New("its shape is computed, or of another type than i64: onnx-go wants it stored")
	}
	v, err := t.Values()
	if err != nil {
		return err
	}
	for i, d := range v.([]int64) { // as many as the output has axes, and that has one at least
		if d != int64(n.out[i]) {
			return fmt.Errorf("its shape %v does not have all sizes in it: onnx-go works them out wrong", v)
		}
	}
	return nil
}

func softmax(n node) error {
	axis, err := attr(n, "axis", int64(-1))
	if last := len(n.in[0]) - 1; err == nil && axis != int64(last) && (axis != -1 || last != 1) {
		err = fmt.Errorf("axis %d of %v: onnx-go takes the meaning of opsets below 13, and is right along the last axis, counted from the front", axis, n.in[0])
	}
	return err
}

func transpose(n node) error {
	perm, err := attr(n, "perm", []int64(nil))
	if err == nil && len(perm) != len(n.in[0]) {
		err = errors.New("onnx-go wants the attribute perm")
	}
	return err
}
