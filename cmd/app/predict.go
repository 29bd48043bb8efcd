package app

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/exporters/strictjson"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/data"
	"github.com/sardonyx-ml/sardonyx/runtime/metrics"
	"github.com/sardonyx-ml/sardonyx/runtime/train"
)

var (
	topFlag    = &cli.IntFlag{Name: "top", Usage: "print the `N` most probable classes of each example, by name"}
	resizeFlag = &cli.BoolFlag{Name: "resize", Usage: "scale pictures of another size to the input's, as training does those of a folder"}
)

// pictureInput reads a picture for an input of the ONNX file model, f32[1 channels height width] in [0, 1].
func pictureInput(c *cli.Context, file, model, input string) (map[string]*tensor.Tensor, error) {
	sum, err := onnx.Inspect(model)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(sum.Inputs, func(v onnx.Value) bool { return v.Name == input })
	if i < 0 {
		return nil, fmt.Errorf("--input %s=%s: %s has no input of that name", input, file, model)
	}
	v := sum.Inputs[i]
	const most = 1 << 13 // pixels a side: more is no picture that a file of these formats holds
	if !strings.HasPrefix(v.Type, "f32[") || len(v.Dims) != 4 || v.Dims[1] != 1 && v.Dims[1] != 3 || min(v.Dims[2], v.Dims[3]) < 1 || max(v.Dims[2], v.Dims[3]) > most {
		return nil, fmt.Errorf("--input %s=%s: the input is %s, and pictures are f32[batch channels height width] of a fixed size with 1 or 3 channels: give an array", input, file, v.Type)
	}
	if has, ok := sum.Meta(onnx.MetaPixelRange); ok && !strings.EqualFold(has, onnx.Normalized) {
		return nil, fmt.Errorf("--input %s=%s: %s takes pixels of the range %s, and a picture is given in [0, 1]: give an array", input, file, model, has)
	}
	height, width := int(v.Dims[2]), int(v.Dims[3])
	h, w, err := data.ImageSize(file)
	if err == nil && !c.Bool("resize") && (h != height || w != width) {
		err = fmt.Errorf("the picture has %d×%d pixels (height × width), and the input takes %d×%d: --resize scales it", h, w, height, width)
	}
	if err != nil {
		return nil, fmt.Errorf("--input %s=%s: %w", input, file, err)
	}
	x, err := data.ReadImage(file, data.ImageOptions{Height: height, Width: width, Grey: v.Dims[1] == 1})
	if err != nil {
		return nil, fmt.Errorf("--input %s=%s: %w", input, file, err)
	}
	return map[string]*tensor.Tensor{input: x}, nil
}

// namedClasses are the names of the classes that the ONNX file path tells; it is an error if it tells none.
func namedClasses(path string) ([]string, error) {
	sum, err := onnx.Inspect(path)
	if err != nil {
		return nil, err
	}
	if text, ok := sum.Meta(train.MetaClasses); ok {
		classes, err := readClasses(path, text)
		if err == nil && len(classes) == 0 {
			err = fmt.Errorf("%s: its metadata %s names no class", path, train.MetaClasses)
		}
		return classes, err
	}
	return nil, fmt.Errorf("%s does not name its classes, which --top is to print: its metadata has no %s, as of data without names", path, train.MetaClasses)
}

// readClasses are the names of classes in the metadata of the ONNX file path.
func readClasses(path, text string) (classes []string, err error) {
	if err := strictjson.Unmarshal([]byte(text), &classes); err != nil {
		return nil, fmt.Errorf("%s: its metadata %s: %w", path, train.MetaClasses, err)
	}
	return classes, nil
}

// predicted are the most probable classes of an example, the best first.
type predicted []struct {
	Label       int    `json:"label"`
	Class       string `json:"class"`
	Probability number `json:"probability"`
}

// predictions are the n most probable classes of each example, of equal ones the first, by the one output that has the
// probabilities of these classes.
func predictions(outputs map[string]*tensor.Tensor, classes []string, n int) ([]predicted, error) {
	var p *tensor.Tensor
	for _, name := range sortedKeys(outputs) {
		x := outputs[name]
		if !x.DType().Float() || x.Rank() != 2 || x.Dim(1) != len(classes) || !metrics.AreProbabilities(x) {
			continue
		}
		if p != nil {
			return nil, fmt.Errorf("several outputs are probabilities of %d classes", len(classes))
		}
		p = x
	}
	if p == nil {
		return nil, fmt.Errorf("no output is [batch %d] of probabilities, of the classes that it names", len(classes))
	}
	out := make([]predicted, p.Dim(0))
	for i := range out {
		order := make([]int, len(classes))
		for k := range order {
			order[k] = k
		}
		at := func(k int) float64 { return p.At(i*len(classes) + k) }
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(at(b), at(a)) })
		out[i] = make(predicted, min(n, len(order)))
		for k := range out[i] {
			out[i][k].Label, out[i][k].Class, out[i][k].Probability = order[k], classes[order[k]], number(at(order[k]))
		}
	}
	return out, nil
}

// printPredictions prints a row for each class of each example.
func (a *app) printPredictions(c *cli.Context, list []predicted) error {
	if c.Bool("json") {
		return a.writeJSON(list)
	}
	rows := [][]string{{"EXAMPLE", "LABEL", "CLASS", "PROBABILITY"}}
	for i, top := range list {
		for _, p := range top {
			rows = append(rows, []string{strconv.Itoa(i), strconv.Itoa(p.Label), p.Class, fmt.Sprintf("%.4f", p.Probability)})
		}
	}
	return a.table(rows)
}
