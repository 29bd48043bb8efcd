package app

import (
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/exporters/numpy"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
	"github.com/sardonyx-ml/sardonyx/runtime/train/report"
)

// More would be a mistyped number.
const (
	maxSamples = 1 << 20 // --count
	maxNoise   = 1 << 28 // numbers, 1 GB
	maxImages  = 1 << 28 // numbers
)

// sampleCommand draws from a trained model.
func (a *app) sampleCommand() *cli.Command {
	return &cli.Command{
		Name: "sample", Usage: "draw from a trained model in onnxruntime, as a PNG grid or an array", ArgsUsage: a.modelUsage(),
		Description: "Runs the ONNX file that export wrote to the run's folder, or --onnx FILE; where there is none, the model is\n" +
			"exported in memory. The noise depends on the seed alone." +
			a.example("sample "+a.exampleModel()+" --run runs/"+a.exampleModel()+" --count 25 --png samples.png"),
		Flags: sessionFlags(
			&cli.PathFlag{Name: "run", Usage: "the training run's folder `DIR`"}, checkpointFlag,
			&cli.PathFlag{Name: "onnx", Usage: "the exported `FILE` to sample"},
			&cli.IntFlag{Name: "count", Aliases: []string{"n"}, Value: 100, Usage: "how many"},
			&cli.Uint64Flag{Name: "seed", Value: 1, Usage: "of the noise"},
			&cli.PathFlag{Name: "png", Usage: "write a grid of the images to `FILE`"},
			&cli.PathFlag{Name: "npy", Usage: "write the images as an array to `FILE`"},
		),
		Action: a.sample,
	}
}

func (a *app) sample(c *cli.Context) error {
	m, err := a.modelArg(c)
	if err != nil {
		return err
	}
	prog, err := define(m, m.Settings)
	if err != nil {
		return err
	}
	if err := m.Samplable(prog); err != nil {
		return err
	}
	n := c.Int("count")
	if n < 1 || n > maxSamples {
		return usagef(c, "--count %d: want 1 to %d", n, maxSamples)
	}
	if c.Path("png") == "" && c.Path("npy") == "" {
		return usagef(c, "say where to write: --png FILE or --npy FILE")
	}
	if c.Path("run") != "" && c.Path("onnx") != "" {
		return usagef(c, "say what to sample: --run DIR or --onnx FILE, not both")
	}
	for _, kind := range []string{"png", "npy"} {
		if path := c.Path(kind); path != "" && filepath.Ext(path) != "."+kind {
			return usagef(c, "--%s %s: want a name that ends in .%s", kind, path, kind)
		} else if err := writable(kind, path); err != nil {
			return err
		}
	}
	o, err := sessionOptions(c)
	if err != nil {
		return err
	}
	s, file, from, err := a.sampler(c, m, o)
	if err != nil {
		return err
	}
	defer s.Close()
	if file != "" {
		if err := checkDigest(file); err != nil {
			return err
		}
	}
	shape, err := noiseShape(s, m.Sample, n)
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	cols := int(math.Ceil(math.Sqrt(float64(n))))
	if err := checkImages(s, m.Sample, n, cols, c.Path("png") != ""); err != nil {
		return fmt.Errorf("--count %d: %s: %w", n, from, err)
	}
	noise, err := normal(shape, c.Uint64("seed"))
	if err != nil {
		return fmt.Errorf("%s: %w", from, err)
	}
	start := time.Now()
	out, err := s.Run(c.Context, map[string]*tensor.Tensor{m.Sample.Noise: noise})
	if err != nil {
		return err
	}
	took := time.Since(start)
	images := out[m.Sample.Image]
	if path := c.Path("npy"); path != "" {
		if err := numpy.WriteNPY(path, images); err != nil {
			return err
		}
		fmt.Fprintf(a.out, "wrote %s, %v\n", path, images)
	}
	if path := c.Path("png"); path != "" {
		if err := report.Grid(path, images, cols); err != nil {
			return err
		}
		fmt.Fprintf(a.out, "wrote %s\n", path)
	}
	fmt.Fprintf(a.out, "%d samples of %s from %s on %s in %v\n", n, m.Name, from, c.String("device"), took.Round(time.Microsecond))
	return nil
}

// sampler opens what is to be sampled, and says what it is: file is "" where that is no file.
func (a *app) sampler(c *cli.Context, m models.Model, o onnxruntime.Options) (s *onnxruntime.Session, file, from string, err error) {
	if path := c.Path("onnx"); path != "" {
		s, err := onnxruntime.Open(path, o)
		return s, path, path, err
	}
	if c.Path("run") == "" {
		return nil, "", "", usagef(c, "say what to sample: --run DIR or --onnx FILE")
	}
	r, err := a.openRun(c, m)
	if err != nil {
		return nil, "", "", err
	}
	s, file, err = r.open(c, r.prog.Func(m.Sample.Func), o)
	return s, file, r.from(c, file), err
}

// checkImages reports whether n images of the session can be computed at once and, if they are to be, drawn in a grid, as far as the
// model declares their shape.
func checkImages(s *onnxruntime.Session, how models.Sampling, n, cols int, drawn bool) error {
	outputs := s.Outputs()
	i := slices.IndexFunc(outputs, func(o onnxruntime.Info) bool { return o.Name == how.Image })
	if i < 0 {
		return fmt.Errorf("there is no output %q", how.Image)
	}
	dims := outputs[i].Shape
	if len(dims) == 0 || slices.ContainsFunc(dims[1:], func(d onnxruntime.Dim) bool { return d.Size < 0 }) {
		return nil
	}
	shape := []int{n}
	for _, d := range dims[1:] {
		shape = append(shape, int(d.Size))
	}
	if total, err := tensor.Count(shape); err != nil || total > maxImages {
		return fmt.Errorf("images of shape %v are more than the %d numbers that are computed at once: sample fewer, and again with another --seed", shape, maxImages)
	}
	if drawn {
		return report.CheckGrid(shape, cols)
	}
	return nil
}

// noiseShape is the shape of the noise input, the only one, for n examples.
func noiseShape(s *onnxruntime.Session, how models.Sampling, n int) ([]int, error) {
	inputs := s.Inputs()
	i := slices.IndexFunc(inputs, func(in onnxruntime.Info) bool { return in.Name == how.Noise })
	if i < 0 {
		return nil, fmt.Errorf("there is no input %q", how.Noise)
	}
	in := inputs[i]
	if len(inputs) > 1 {
		other := inputs[(i+1)%len(inputs)]
		return nil, fmt.Errorf("sample gives the noise %q only, and there is an input %q too; `run` takes arrays for both", how.Noise, other.Name)
	}
	if in.DType != graph.F32 || len(in.Shape) == 0 {
		return nil, fmt.Errorf("the noise input %q is %v %v, want f32 with a batch axis", in.Name, in.DType, in.Shape)
	}
	shape := []int{n}
	for _, d := range in.Shape[1:] {
		if d.Size < 0 {
			return nil, fmt.Errorf("the noise input %q has a dynamic axis besides the batch: %v", in.Name, in.Shape)
		}
		shape = append(shape, int(d.Size))
	}
	return shape, nil
}

// normal draws standard normal numbers that depend on the seed alone.
func normal(shape []int, seed uint64) (*tensor.Tensor, error) {
	if n, err := tensor.Count(shape); err != nil || n > maxNoise {
		return nil, fmt.Errorf("noise of shape %v is more than the %d numbers that a sample may take", shape, maxNoise)
	}
	z := tensor.New(tensor.F32, shape...)
	kernel.Normal(kernel.NewContext(nil, 0), kernel.Draw{Seed: seed}, tensor.Data[float32](z))
	return z, nil
}
