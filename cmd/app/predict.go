package app

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/data"
	"github.com/sardonyx-ml/sardonyx/runtime/metrics"
	"github.com/sardonyx-ml/sardonyx/runtime/strictjson"
	"github.com/sardonyx-ml/sardonyx/runtime/train"
)

var (
	topFlag    = &cli.IntFlag{Name: "top", Usage: "print the `N` most probable classes of each example, by name"}
	resizeFlag = &cli.BoolFlag{Name: "resize", Usage: "scale pictures of another size to the input's, as training does those of a folder"}
)

// pictureOfSize reads an image file as f32[1 channels height width] in [0, 1], for what takes pictures of that size: one of another must be
// meant to be resized.
func pictureOfSize(c *cli.Context, file, taker string, o data.ImageOptions) (*tensor.Tensor, error) {
	h, w, err := data.ImageSize(file)
	if err != nil {
		return nil, err
	}
	if (h != o.Height || w != o.Width) && !c.Bool("resize") {
		how := "scales it"
		if o.Crop {
			how = "cuts out its middle and scales it"
		}
		return nil, fmt.Errorf("it is %d×%d pixels (height × width), and %s takes %d×%d: --resize %s", h, w, taker, o.Height, o.Width, how)
	}
	return data.ReadImage(file, o)
}

// picture reads a picture for an input of the ONNX file.
func (m modelFile) picture(c *cli.Context, file, input string) (map[string]*tensor.Tensor, error) {
	sum, err := m.summary()
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(sum.Inputs, func(v onnx.Value) bool { return v.Name == input })
	if i < 0 {
		return nil, fmt.Errorf("--input %s=%s: %s has no input of that name", input, file, m.path)
	}
	v := sum.Inputs[i]
	const most = 1 << 13 // pixels a side: more is no picture that a file of these formats holds
	if !strings.HasPrefix(v.Type, "f32[") || len(v.Dims) != 4 || v.Dims[1] != 1 && v.Dims[1] != 3 || min(v.Dims[2], v.Dims[3]) < 1 || max(v.Dims[2], v.Dims[3]) > most {
		return nil, fmt.Errorf("--input %s=%s: the input is %s, and pictures are f32[batch channels height width] of a fixed size with 1 or 3 channels: give an array", input, file, v.Type)
	}
	if has, ok := sum.Meta(onnx.MetaPixelRange); ok && !strings.EqualFold(has, onnx.Normalized) {
		return nil, fmt.Errorf("--input %s=%s: %s takes pixels of the range %s, and a picture is given in [0, 1]: give an array", input, file, m.path, has)
	}
	x, err := pictureOfSize(c, file, "the input", data.ImageOptions{Height: int(v.Dims[2]), Width: int(v.Dims[3]), Grey: v.Dims[1] == 1})
	if err != nil {
		return nil, fmt.Errorf("--input %s=%s: %w", input, file, err)
	}
	return map[string]*tensor.Tensor{input: x}, nil
}

// namedClasses are the names of the classes that the ONNX file tells; it is an error if it tells none.
func (m modelFile) namedClasses() ([]string, error) {
	sum, err := m.summary()
	if err != nil {
		return nil, err
	}
	if text, ok := sum.Meta(train.MetaClasses); ok {
		classes, err := readClasses(m.path, text)
		if err == nil && len(classes) == 0 {
			err = fmt.Errorf("%s: its metadata %s names no class", m.path, train.MetaClasses)
		}
		return classes, err
	}
	return nil, fmt.Errorf("%s does not name its classes, which --top is to print: its metadata has no %s, as of data without names", m.path, train.MetaClasses)
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
		if !x.DType().Native() || x.Rank() != 2 || x.Dim(1) != len(classes) || !metrics.AreProbabilities(x) {
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
