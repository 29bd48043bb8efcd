package app

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/pass"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
)

// A feeder makes the inputs of a Func that is sampled, as its model's Sampling and the flags say. Its noise depends on the seed alone:
// that of the n-th input is stream n of step 0 of the seed, and what the Func itself draws is of step 1, as our own engine draws it.
type feeder struct {
	how     models.Sampling
	seed    uint64
	count   int               // samples
	fixed   bool              // whether somebody asked for so many
	chosen  map[string]string // conditions, as --set-input has them
	label   string            // the one of these that --label has chosen
	classes []string          // the names of labels' classes, nil if they are not known
	columns []models.Column   // of the table that the model is of, nil if it is of none
	draws   drawing           // what the Func draws itself
	plane   float64           // if not 0, the noise is a grid over the plane, from -plane to plane both ways
}

// A drawing is what a Func draws itself: as inputs of noise, or by a seed in its file.
type drawing struct {
	noise []pass.Noise // inputs
	seed  string       // the input that the file draws by; "" if there is none
	drawn []pass.Noise // by the file, in place of inputs that the Func has
	sizes []string     // inputs that say how many are drawn
}

// draws reports whether the file draws what the model has as the input called name.
func (d drawing) draws(name string) bool {
	return slices.ContainsFunc(d.drawn, func(n pass.Noise) bool { return n.Input == name })
}

// A feeding is inputs for samples, of which cols belong in a row.
type feeding struct {
	in          map[string]*tensor.Tensor
	count, cols int
}

// feed makes the inputs.
func (f feeder) feed(inputs []onnxruntime.Info) (*feeding, error) {
	feeds := f.how.Feeds()
	if f.plane != 0 && f.draws.draws(f.how.Noise) {
		return nil, fmt.Errorf("--map: it draws the latent %q itself, by a seed: export it with --random %s", f.how.Noise, randomInputs)
	}
	for _, name := range sortedKeys(f.chosen) {
		if f.draws.draws(name) {
			return nil, fmt.Errorf("%s: it draws %q itself, by a seed: export it with --random %s", f.flag(name), name, randomInputs)
		}
	}
	maps.DeleteFunc(feeds, func(name string, _ models.Feed) bool { return f.draws.draws(name) })
	for _, name := range sortedKeys(feeds) {
		if !slices.ContainsFunc(inputs, func(i onnxruntime.Info) bool { return i.Name == name }) {
			return nil, fmt.Errorf("there is no input %q: it has %s", name, cmp.Or(infos(inputs), "none"))
		}
	}
	for _, name := range sortedKeys(f.chosen) {
		if _, ok := feeds[name]; !ok {
			return nil, fmt.Errorf("%s: %s has no input %q to set: it has %s", f.flag(name), f.how.Func, name, describe(feeds))
		}
	}
	out := &feeding{in: map[string]*tensor.Tensor{}, count: f.count}
	batch := ""
	for _, in := range inputs {
		if _, ok := feeds[in.Name]; !ok || len(in.Shape) == 0 {
			continue
		}
		if d := in.Shape[0]; d.Size >= 0 {
			if f.fixed && int64(f.count) != d.Size {
				return nil, fmt.Errorf("--count %d: the input %q is of %d samples, no more and no fewer", f.count, in.Name, d.Size)
			}
			out.count = int(d.Size)
		} else {
			batch = d.Symbol
		}
	}
	for _, in := range inputs { // of a Func that only draws
		noise := slices.ContainsFunc(f.draws.noise, func(n pass.Noise) bool { return n.Input == in.Name })
		if batch == "" && noise && len(in.Shape) > 0 {
			batch = in.Shape[0].Symbol
		}
	}
	arrays, err := f.arrays(out, inputs)
	if err != nil {
		return nil, err
	}
	out.cols = int(math.Ceil(math.Sqrt(float64(out.count))))
	if err := f.conditions(out, inputs, feeds, arrays); err != nil {
		return nil, err
	}
	return out, f.noise(out, inputs, feeds, batch)
}

// noise draws the noise.
func (f feeder) noise(out *feeding, inputs []onnxruntime.Info, feeds map[string]models.Feed, batch string) error {
	for stream, name := range f.how.Noises() {
		if out.in[name] != nil || f.draws.draws(name) { // somebody chose it
			continue
		}
		draw := kernel.Draw{Seed: f.seed, Stream: stream}
		in := info(inputs, name)
		shape, err := exampleShape(in, out.count)
		switch {
		case err != nil:
		case f.plane != 0 && name == f.how.Noise:
			out.in[name], err = grid(in, shape, f.plane)
		default:
			out.in[name], err = drawn32(in, shape, feeds[name].Noise, draw)
		}
		if err != nil {
			return err
		}
	}
	for _, in := range inputs {
		if out.in[in.Name] != nil {
			continue
		}
		if number, ok := f.number(in, out.count); ok {
			out.in[in.Name] = tensor.Scalar(number)
			continue
		}
		i := slices.IndexFunc(f.draws.noise, func(n pass.Noise) bool { return n.Input == in.Name })
		if i < 0 {
			return fmt.Errorf("the model's Sampling says nothing of the input %q; `run` takes arrays for it", in.Name)
		}
		var shape []int
		for _, d := range in.Shape {
			switch {
			case d.Size >= 0:
				shape = append(shape, int(d.Size))
			case d.Symbol != "" && d.Symbol == batch:
				shape = append(shape, out.count)
			default:
				return fmt.Errorf("the size of %v in the noise %v does not follow from the count; `run` takes an array for it", d, in)
			}
		}
		x, err := drawn32(in, shape, f.draws.noise[i].Distribution, kernel.Draw{Seed: f.seed, Step: 1, Stream: f.draws.noise[i].Stream})
		if err != nil {
			return err
		}
		out.in[in.Name] = x
	}
	return nil
}

// number is what the input in is of a file that draws: the seed, or how many samples.
func (f feeder) number(in onnxruntime.Info, count int) (number int64, ok bool) {
	if in.DType != tensor.I64 || len(in.Shape) != 0 || in.Shape == nil {
		return 0, false
	}
	if in.Name == f.draws.seed {
		return int64(f.seed), true
	}
	return int64(count), slices.Contains(f.draws.sizes, in.Name)
}

// grid is the plane of a latent of two numbers, [n 2], for a square of n samples: the first number grows to the right and the second
// upwards, from -limit to limit.
func grid(in onnxruntime.Info, shape []int, limit float64) (*tensor.Tensor, error) {
	if len(shape) != 2 || shape[1] != 2 || !in.DType.Native() {
		return nil, fmt.Errorf("--map: the latent %v is not of two numbers, so that there is no plane to show", in)
	}
	x, side := tensor.New(in.DType, shape...), int(math.Sqrt(float64(shape[0])))
	step := 2 * limit / float64(max(side-1, 1))
	for i := range shape[0] {
		x.Set(2*i, -limit+step*float64(i%side))
		x.Set(2*i+1, limit-step*float64(i/side))
	}
	return x, nil
}

// describe lists feeds for people: z (normal noise), label (a label of 10 classes).
func describe(feeds map[string]models.Feed) string {
	var out []string
	for _, name := range sortedKeys(feeds) {
		out = append(out, fmt.Sprintf("%s (%v)", name, feeds[name]))
	}
	if out == nil {
		return "none"
	}
	return strings.Join(out, ", ")
}

// labelInput is the input that --label means.
func labelInput(how models.Sampling) (string, error) {
	var labels []string
	feeds := how.Feeds()
	for _, name := range sortedKeys(feeds) {
		if feeds[name].Classes > 0 {
			labels = append(labels, name)
		}
	}
	switch len(labels) {
	case 0:
		return "", fmt.Errorf("the model has no label: the inputs of its function %s are %s", how.Func, describe(feeds))
	case 1:
		return labels[0], nil
	}
	return "", fmt.Errorf("the model has the labels %s: choose one with --set-input", strings.Join(labels, ", "))
}

// info is the input called name, which is there.
func info(inputs []onnxruntime.Info, name string) onnxruntime.Info {
	return inputs[slices.IndexFunc(inputs, func(i onnxruntime.Info) bool { return i.Name == name })]
}

// exampleShape is the shape of the input in for n samples.
func exampleShape(in onnxruntime.Info, n int) ([]int, error) {
	if len(in.Shape) == 0 {
		return nil, fmt.Errorf("the input %v has no batch axis", in)
	}
	shape := []int{n}
	for _, d := range in.Shape[1:] {
		if d.Size < 0 {
			return nil, fmt.Errorf("the input %q has a dynamic axis besides the batch: %v; `run` takes an array for it", in.Name, in.Shape)
		}
		shape = append(shape, int(d.Size))
	}
	if total, err := tensor.Count(shape); err != nil || total > maxNoise {
		return nil, fmt.Errorf("the input %q of shape %v is more than the %d numbers that a sample may take", in.Name, shape, maxNoise)
	}
	return shape, nil
}

// drawn32 is noise for the input in.
func drawn32(in onnxruntime.Info, shape []int, distribution string, draw kernel.Draw) (*tensor.Tensor, error) {
	if total, err := tensor.Count(shape); err != nil || total > maxNoise {
		return nil, fmt.Errorf("noise of shape %v is more than the %d numbers that a sample may take", shape, maxNoise)
	}
	c := kernel.NewContext(nil, 0)
	x := tensor.New(in.DType, shape...)
	switch d := x.Raw().(type) {
	case []float32:
		fillNoise(c, draw, distribution, d)
	case []float64:
		fillNoise(c, draw, distribution, d)
	default:
		return nil, fmt.Errorf("the noise input %q is %v %v, want f32 or f64", in.Name, in.DType, in.Shape)
	}
	return x, nil
}

func fillNoise[T kernel.Float](c *kernel.Context, draw kernel.Draw, distribution string, to []T) {
	if distribution == pass.Uniform {
		kernel.Uniform(c, draw, to)
	} else {
		kernel.Normal(c, draw, to)
	}
}

// funcInputs are the inputs of a Func as its file would have them.
func funcInputs(f *graph.Func) []onnxruntime.Info {
	var out []onnxruntime.Info
	for _, v := range f.Inputs {
		in := onnxruntime.Info{Name: v.Name, DType: v.DType()}
		for _, d := range v.Shape() {
			if d.Symbolic() {
				in.Shape = append(in.Shape, onnxruntime.Dim{Size: -1, Symbol: d.String()})
			} else {
				in.Shape = append(in.Shape, onnxruntime.Dim{Size: int64(d)})
			}
		}
		out = append(out, in)
	}
	return out
}
