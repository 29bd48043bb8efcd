package app

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/data"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
)

// A network makes features of examples, and class scores if it is a classifier too. A nil one leaves examples as they are.
type network struct {
	file             string
	session          *onnxruntime.Session
	in               onnxruntime.Info
	features, scores string // outputs; scores is "" if there are none
	stacked          bool   // each channel is an example of the network
}

// openNetwork opens the ONNX file that --features names, nil if there is none.
func openNetwork(c *cli.Context) (*network, error) {
	file := c.Path("features")
	if file == "" {
		for _, flag := range []string{"output", "classes", "stacked"} {
			if c.IsSet(flag) {
				return nil, usagef(c, "--%s is of a network: name it with --features FILE.onnx", flag)
			}
		}
		return nil, nil
	}
	o, err := sessionOptions(c)
	if err != nil {
		return nil, err
	}
	s, err := onnxruntime.Open(file, o)
	if err != nil {
		return nil, fmt.Errorf("--features: %w", err)
	}
	n := &network{file: file, session: s, features: c.String("output"), scores: c.String("classes"), stacked: c.Bool("stacked")}
	if err := n.check(); err != nil {
		s.Close()
		return nil, fmt.Errorf("--features %s: %w", file, err)
	}
	return n, nil
}

// check finds the input, and the outputs that are asked for.
func (n *network) check() error {
	inputs, outputs := n.session.Inputs(), n.session.Outputs()
	if len(inputs) != 1 {
		return fmt.Errorf("it has %d inputs (%s): want one, the examples", len(inputs), infos(inputs))
	}
	n.in = inputs[0]
	if n.in.Shape != nil && (len(n.in.Shape) < 2 || n.in.Shape[0].Size == 0) || !n.in.DType.Native() {
		return fmt.Errorf("its input is %v: want f32 or f64 with a batch axis and others", n.in)
	}
	if n.features == "" {
		rest := slices.DeleteFunc(slices.Clone(outputs), func(o onnxruntime.Info) bool { return o.Name == n.scores })
		if len(outputs) == 1 {
			rest = outputs
		}
		if len(rest) != 1 {
			return fmt.Errorf("it has the outputs %s: say which are the features, --output NAME", infos(outputs))
		}
		n.features = rest[0].Name
	}
	for _, name := range []string{n.features, n.scores} {
		i := slices.IndexFunc(outputs, func(o onnxruntime.Info) bool { return o.Name == name })
		if name != "" && i < 0 {
			return fmt.Errorf("it has no output %q: it has %s", name, infos(outputs))
		}
		if name == "" || outputs[i].Shape == nil { // then it is seen when it runs
			continue
		}
		if o := outputs[i]; len(o.Shape) != 2 || !o.DType.Float() {
			return fmt.Errorf("the output %v is not [batch d] of floats, features or class scores of each example", o)
		}
	}
	return nil
}

// infos lists inputs or outputs.
func infos(list []onnxruntime.Info) string {
	var text []string
	for _, i := range list {
		text = append(text, i.String())
	}
	return strings.Join(text, ", ")
}

// batch is how many examples are read at a time: as many as the network's input says, if it does.
func (n *network) batch() int {
	const most = 128
	if n == nil || n.in.Shape == nil || n.in.Shape[0].Size < 0 {
		return most
	}
	if n.stacked {
		return 1
	}
	return int(min(n.in.Shape[0].Size, 1<<16))
}

// images is the size of pictures that the network takes, if it says so.
func (n *network) images() data.ImageOptions {
	if n == nil || n.stacked {
		return data.ImageOptions{}
	}
	return imagesFor(n.in)
}

// imagesFor is the size of pictures that the input takes, if it says so.
func imagesFor(in onnxruntime.Info) data.ImageOptions {
	if len(in.Shape) != 4 {
		return data.ImageOptions{}
	}
	ch, h, w := in.Shape[1].Size, in.Shape[2].Size, in.Shape[3].Size
	if h < 1 || w < 1 || ch != 1 && ch != 3 {
		return data.ImageOptions{}
	}
	return data.ImageOptions{Height: int(h), Width: int(w), Grey: ch == 1}
}

// example is the shape of one of the network's examples, made from one of the data's.
func (n *network) example(shape []int) []int {
	if n.stacked {
		shape = append([]int{1}, shape[1:]...)
	}
	if len(n.in.Shape) == 2 && len(shape) > 1 { // the network takes them flat
		size, _ := tensor.Count(shape)
		return []int{size}
	}
	return shape
}

// fits refuses examples that the network cannot take.
func (n *network) fits(e *examples) error {
	if n == nil {
		return nil
	}
	if n.stacked && len(e.field.Shape) != 3 {
		return fmt.Errorf("--stacked: an example of %v is %v: want [channels height width]", e, typeOf(e.field))
	}
	if !e.field.DType.Native() {
		return fmt.Errorf("an example of %v is %v: the network %s takes %v; scale it as the network was trained, and store it so", e, typeOf(e.field), n.file, n.in)
	}
	if n.in.Shape == nil {
		return nil
	}
	shape := n.example(e.field.Shape)
	ok := len(shape) == len(n.in.Shape)-1
	for i, d := range shape {
		ok = ok && (n.in.Shape[i+1].Size < 0 || n.in.Shape[i+1].Size == int64(d))
	}
	if !ok {
		return fmt.Errorf("an example of %v is %v: the network %s takes %v", e, typeOf(e.field), n.file, n.in)
	}
	return nil
}

// run makes features [batch d] of x, and scores [batch classes]; of stacked examples [batch channels·d] and
// [batch·channels classes].
func (n *network) run(ctx context.Context, x *tensor.Tensor) (features, scores *tensor.Tensor, err error) {
	batch, shape := x.Dim(0), n.example(x.Shape()[1:])
	size, err := tensor.Count(shape)
	if err != nil || size == 0 {
		return nil, nil, fmt.Errorf("examples of shape %v have nothing for a network", x.Shape()[1:])
	}
	x = x.Cast(n.in.DType)
	n1 := x.Len() / size
	source, err := data.FromTensor(x.Reshape(append([]int{n1}, shape...)...))
	if err != nil {
		return nil, nil, err
	}
	whole := n1 // or what the network's input says; the last rows are then repeated, and what is made of them left out
	if n.in.Shape != nil && n.in.Shape[0].Size > 0 {
		whole = int(n.in.Shape[0].Size)
	}
	at := make([]int, whole)
	part := tensor.New(x.DType(), append([]int{whole}, shape...)...)
	for lo := 0; lo < n1; lo += whole {
		for i := range at {
			at[i] = min(lo+i, n1-1)
		}
		if err := source.Gather(part, at); err != nil {
			return nil, nil, err
		}
		got, err := n.session.Run(ctx, map[string]*tensor.Tensor{n.in.Name: part})
		if err != nil {
			return nil, nil, err
		}
		for _, out := range []struct {
			name string
			to   **tensor.Tensor
		}{{n.features, &features}, {n.scores, &scores}} {
			if out.name == "" {
				continue
			}
			y := got[out.name]
			if y.Rank() != 2 || y.Dim(0) != whole || !y.DType().Float() {
				return nil, nil, fmt.Errorf("--features %s: the output %q is %v of a batch of %d: want floats [%d d]", n.file, out.name, y, whole, whole)
			}
			if err := place(out.to, y, min(whole, n1-lo), lo, n1); err != nil {
				return nil, nil, fmt.Errorf("--features %s: the output %q: %w", n.file, out.name, err)
			}
		}
	}
	return features.Reshape(batch, features.Len()/batch), scores, nil
}
