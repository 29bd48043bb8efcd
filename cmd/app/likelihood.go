package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/data"
	"github.com/sardonyx-ml/sardonyx/runtime/metrics"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
	"github.com/sardonyx-ml/sardonyx/runtime/train"
)

// maxDrawn is how many numbers of examples a run of a density's Func takes, each example once for each of its draws: with all that
// is computed of them, some 100 MB to 1 GB.
const maxDrawn = 1 << 23

// ofDraws and ofSets are the flags of evaluate that are of the likelihood of a model, and of comparing two sets.
var (
	ofDraws = []string{"run", "checkpoint", "onnx", "draws", "augment"}
	ofSets  = []string{"fake", "train", "features", "output", "classes", "confusion", "stacked"}
)

// evaluateModel finds the likelihood of examples under the model that the argument names.
func (a *app) evaluateModel(c *cli.Context) error {
	for _, flag := range ofSets {
		if c.IsSet(flag) {
			return usagef(c, "--%s is for comparing two sets, without a model", flag)
		}
	}
	m, err := a.modelArg(c)
	if err != nil {
		return err
	}
	if m.Density.Func == "" {
		return fmt.Errorf("model %s does not say how likely examples are: its Density is empty", m.Name)
	}
	draws := c.Int("draws")
	if draws < 1 || draws > maxSamples {
		return usagef(c, "--draws %d: want 1 to %d", draws, maxSamples)
	}
	if c.Int("count") < 1 {
		return usagef(c, "--count %d: want 1 or more", c.Int("count"))
	}
	if c.Path("run") != "" && c.Path("onnx") != "" {
		return usagef(c, "say what to evaluate: --run DIR or --onnx FILE, not both")
	}
	o, err := sessionOptions(c)
	if err != nil {
		return err
	}
	from, err := a.opened(c, m, m.Density.Func, o)
	if err != nil {
		return err
	}
	defer from.session.Close()
	e, augment, err := a.likely(c, m, from)
	if err != nil {
		return err
	}
	r := likelihoodOf{Model: from.name, Device: from.session.Device(), Draws: draws, Seed: c.Uint64("seed"), Augment: []string{}}
	for _, g := range augment {
		r.Augment = append(r.Augment, g.String())
	}
	r.Real = e.described(min(c.Int("count"), e.set.Len()))
	if err := r.take(c.Context, m, from, e.set, augment); err != nil {
		return fmt.Errorf("%s: %w", from.name, err)
	}
	if c.Bool("json") {
		return a.writeJSON(r)
	}
	return a.printLikelihood(r)
}

// likely are the examples whose likelihood is asked, those that the run was validated on unless --real names others, and how they are
// binarised.
func (a *app) likely(c *cli.Context, m models.Model, from *sampled) (*examples, []data.Augmentation, error) {
	e := &examples{flag: "real", from: c.String("real")}
	if e.from == "" {
		e.flag, e.from = "", runName(m, from.setup)
		if e.from == "" {
			return nil, nil, usagef(c, "say of what: --real NAME or PATH")
		}
		e.prefer = []string{"validation", "test"} // as train chooses
	}
	opt := data.ImageOptions{}
	for _, in := range from.session.Inputs() {
		if in.Name == m.Density.Image {
			opt = imagesFor(in)
		}
	}
	base, _ := cutPart(e.from)
	splits, err := openRunData(c, m, from.setup, e.flag, base, opt)
	if err == nil {
		err = e.cut(splits)
	}
	if err != nil {
		return nil, nil, err
	}
	if err := e.choose(fieldOf(m, m.Density.Image), c.String("labels")); err != nil {
		return nil, nil, err
	}
	list, err := augmentations(c, m)
	if err != nil {
		return nil, nil, err
	}
	if !c.IsSet(augmentFlag.Name) && from.setup.Program != "" {
		list = nil
		for _, text := range from.setup.Augment {
			g, err := data.ParseAugmentation(text)
			if err != nil {
				return nil, nil, err
			}
			list = append(list, g)
		}
	}
	var binarise []data.Augmentation
	for _, g := range list {
		if g.Binarise {
			binarise = append(binarise, data.Augmentation{Field: g.Field, Binarise: true})
		}
	}
	return e, binarise, nil
}

// take finds the likelihood of the first r.Real.Examples of set.
func (r *likelihoodOf) take(ctx context.Context, m models.Model, from *sampled, set *data.Dataset, augment []data.Augmentation) error {
	set, err := set.Subset(0, r.Real.Examples)
	if err != nil {
		return err
	}
	inputs := train.Inputs(m.Train.Inputs)
	one, err := set.Take(0)
	if err != nil {
		return err
	}
	image := inputs.Name(one)[m.Density.Image]
	if image == nil {
		return fmt.Errorf("the data set has nothing for the input %q: it is %v", m.Density.Image, set)
	}
	draws := min(r.Draws, max(1, maxDrawn/image.Len()))
	l, err := data.NewLoader(set, data.LoaderOptions{Batch: max(1, maxDrawn/image.Len()/draws), Epochs: 1, Augment: augment})
	if err != nil {
		return err
	}
	defer l.Close()
	var mean, bounds []float64
	for {
		b, err := l.Next(ctx)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		weights, err := logWeights(ctx, m, from.session, inputs.Name(b.Tensors), b.Size, len(mean), r.Draws, draws, r.Seed)
		if err != nil {
			return err
		}
		for i := range b.Size {
			row := tensor.Of(weights[i], 1, r.Draws)
			bound, err := metrics.IWAE(row)
			if err != nil {
				return fmt.Errorf("example %d: %w", len(mean), err)
			}
			sum := 0.0
			for _, w := range weights[i] {
				sum += w
			}
			mean, bounds = append(mean, sum/float64(r.Draws)), append(bounds, bound)
		}
	}
	elbo, _ := meanAndError(mean)
	bound, spread := meanAndError(bounds)
	bits, err := metrics.BitsPerDimension(-bound, image.Len())
	r.ELBO, r.NLL, r.NLLError, r.Bits, r.Dims = number(elbo), number(-bound), number(spread), number(bits), image.Len()
	return err
}

// logWeights are those of a batch of n examples, the first of which is number first: so many draws each, atOnce of them in one run.
// What an example draws depends on the seed and its number alone.
func logWeights(ctx context.Context, m models.Model, s *onnxruntime.Session, fields map[string]*tensor.Tensor, n, first, draws, atOnce int, seed uint64) ([][]float64, error) {
	in := map[string]*tensor.Tensor{}
	var noise onnxruntime.Info
	for _, i := range s.Inputs() {
		if i.Name == m.Density.Noise {
			noise = i
		} else if in[i.Name] = fields[i.Name]; in[i.Name] == nil {
			return nil, fmt.Errorf("the data set has nothing for the input %q", i.Name)
		}
	}
	if len(noise.Shape) < 3 {
		return nil, fmt.Errorf("it has no input %q of noise [batch draws ...]", m.Density.Noise)
	}
	size := 1
	for _, d := range noise.Shape[2:] {
		size *= int(max(d.Size, 0))
	}
	weights := make([][]float64, n)
	c := kernel.NewContext(nil, 0)
	for stream := 0; len(weights[0]) < draws; stream++ {
		k := min(atOnce, draws-len(weights[0]))
		shape := []int{n, k}
		for _, d := range noise.Shape[2:] {
			shape = append(shape, int(d.Size))
		}
		x := tensor.New(tensor.F32, shape...)
		for i := range n {
			kernel.Normal(c, kernel.Draw{Seed: seed, Step: uint64(first + i), Stream: stream}, tensor.Data[float32](x)[i*k*size:(i+1)*k*size])
		}
		in[m.Density.Noise] = x
		out, err := s.Run(ctx, in)
		if err != nil {
			return nil, err
		}
		for name, w := range out {
			if w.Rank() != 2 || w.Dim(0) != n || w.Dim(1) != k || !w.DType().Native() {
				return nil, fmt.Errorf("its output %q is %v, not log weights [%d %d]", name, w, n, k)
			}
			for i := range w.Len() {
				weights[i/k] = append(weights[i/k], w.At(i))
			}
		}
	}
	return weights, nil
}

// meanAndError is the mean of x and its standard error.
func meanAndError(x []float64) (mean, spread float64) {
	n := float64(len(x))
	for _, v := range x {
		mean += v / n
	}
	for _, v := range x {
		spread += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(spread / n / max(n-1, 1))
}

// printLikelihood prints the report for a person.
func (a *app) printLikelihood(r likelihoodOf) error {
	what := fmt.Sprintf("%d of %d examples, %s", r.Real.Examples, r.Real.Of, r.Real.Type)
	for _, g := range r.Augment {
		what += ", " + g
	}
	rows := [][]string{{"model", r.Model, "on " + r.Device}, {"real", r.Real.From, what}}
	if err := a.table(rows); err != nil {
		return err
	}
	fmt.Fprintln(a.out)
	return a.table([][]string{
		{"MEASURE", "VALUE"},
		{"ELBO, nats", fmt.Sprintf("%.2f", r.ELBO)},
		{fmt.Sprintf("NLL, nats, of %d draws", r.Draws), fmt.Sprintf("%.2f ± %.2g", r.NLL, r.NLLError)},
		{"bits a dimension", fmt.Sprintf("%.4f", r.Bits)},
	})
}
