package app

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/atomicfile"
	"github.com/sardonyx-ml/sardonyx/runtime/data"
	"github.com/sardonyx-ml/sardonyx/runtime/latent"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
	"github.com/sardonyx-ml/sardonyx/runtime/train/report"
)

// The frames of a strip.
const (
	defaultFrames = 5
	maxFrames     = 100
)

// editCommand changes images in a model's latent space.
func (a *app) editCommand() *cli.Command {
	return &cli.Command{
		Name: "edit", Usage: "give images attributes, such as a smile, or morph one into another, in a trained model's latent space", ArgsUsage: a.modelUsage(),
		Description: "Runs the encoder and the decoder in onnxruntime: the files that export left in the run's folder or, where there are none,\n" +
			"in memory. Writes a strip: the image, then what the model makes of it, and from there in equal steps to all that --add asks\n" +
			"for, or to the image of --to, which follows. Several images are rows.\n\n" +
			"An attribute is a direction of length 1 between the latents of examples with it and without it, and K how far to go; a negative\n" +
			"K takes the attribute away. Directions are measured over the data that the run was trained on, once: they stay in the run's\n" +
			"folder as vectors-METHOD-KEY.npz, an array for each attribute. KEY tells of what: a folder or file that has changed, or another\n" +
			"checkpoint, has others." +
			a.example("edit faces --run runs/faces --image me.png --add smile=2 --add hair=blonde --out blonde.png",
				"edit faces --run runs/faces --example 3 --example 7 --add glasses=2 --add smile=-1",
				"edit faces --run runs/faces --image me.png --to you.png --steps 9 --out morph.png --each",
				"edit faces --run runs/faces --add smile=2 --measure --classifier runs/attributes/classify.onnx"),
		Flags: sessionFlags(
			&cli.PathFlag{Name: "run", Usage: "the training run's folder `DIR`"}, checkpointFlag,
			&cli.StringSliceFlag{Name: "image", Usage: "the image `FILE`: PNG, JPEG or GIF; may be repeated"},
			&cli.IntSliceFlag{Name: "example", Usage: "example `N` of the data that were held out, from 0; may be repeated"},
			&cli.BoolFlag{Name: "resize", Usage: "cut the middle out of images of another size, and scale it"},
			&cli.StringSliceFlag{Name: "add", Usage: "an attribute, `NAME=K`; a value of one that has several, NAME=VALUE, which goes as far as examples with it are from others, or NAME=VALUE:K; may be repeated"},
			&cli.PathFlag{Name: "to", Usage: "morph into the image `FILE`"},
			&cli.IntFlag{Name: "steps", Value: defaultFrames, Usage: "how many images from the first to the last"},
			&cli.PathFlag{Name: "out", Aliases: []string{"o"}, Value: "edit.png", Usage: "write the strip to `FILE`.png"},
			&cli.BoolFlag{Name: "each", Usage: "write each image of the strip too, as FILE-ROW-COLUMN.png"},
			&cli.StringFlag{Name: "vectors", Value: string(latent.Regression), Usage: "how directions are measured: regression, by all attributes at once, so that others stay; or means, the difference between those with and without"},
			&cli.StringFlag{Name: "data", Usage: "the data with attributes, `NAME` or path (default: the run's)"}, dataDirFlag,
			&cli.IntFlag{Name: "examples", Value: 20000, Usage: "measure directions over so many of the data, if there are; each number has directions of its own"},
			&cli.BoolFlag{Name: "measure", Usage: "write no pictures: measure, by --classifier, what --add does to the held-out examples without the attribute"},
			&cli.PathFlag{Name: "classifier", Usage: "the ONNX `FILE` of a classifier of all attributes, for --measure"},
			jsonFlag,
		),
		Action: a.edit,
	}
}

func (a *app) edit(c *cli.Context) error {
	m, err := a.modelArg(c)
	if err != nil {
		return err
	}
	if err := m.Editable(); err != nil {
		return err
	}
	adds, err := readAdds(c)
	if err != nil {
		return err
	}
	if err := checkEdit(c, adds); err != nil {
		return err
	}
	o, err := sessionOptions(c)
	if err != nil {
		return err
	}
	r, err := a.openRun(c, m)
	if err != nil {
		return err
	}
	e, err := newEditor(c, r, o)
	if err != nil {
		return err
	}
	defer e.close()
	if c.Bool("measure") {
		return a.measureEdit(c, e, adds, o)
	}
	return a.drawEdit(c, e, adds)
}

// checkEdit finds what is wrong with the flags together.
func checkEdit(c *cli.Context, adds []addition) error {
	method := latent.Method(c.String("vectors"))
	switch n := c.Int("steps"); {
	case n < 2 || n > maxFrames:
		return usagef(c, "--steps %d: want 2 to %d", n, maxFrames)
	case c.Int("examples") < 2:
		return usagef(c, "--examples %d: want 2 or more", c.Int("examples"))
	case method != latent.Means && method != latent.Regression:
		return usagef(c, "--vectors %s: want %s or %s", method, latent.Regression, latent.Means)
	}
	pictures := len(c.StringSlice("image")) + len(c.IntSlice("example"))
	if c.Bool("measure") {
		switch {
		case c.Path("classifier") == "":
			return usagef(c, "--measure needs a classifier of the attributes: --classifier FILE.onnx")
		case len(adds) == 0:
			return usagef(c, "say what to measure: --add NAME=K")
		case pictures > 0 || c.Path("to") != "" || c.IsSet("out"):
			return usagef(c, "--measure takes the held-out examples and writes no pictures: leave out --image, --example, --to and --out")
		}
		return nil
	}
	switch {
	case c.Path("classifier") != "" || c.Bool("json"):
		return usagef(c, "--classifier and --json are for --measure")
	case pictures == 0:
		return usagef(c, "say what to edit: --image FILE, or --example N of the data")
	case len(adds) == 0 && c.Path("to") == "":
		return usagef(c, "say what to do: --add NAME=K, or --to FILE")
	case len(adds) > 0 && c.Path("to") != "":
		return usagef(c, "--add changes an image and --to morphs it: do one at a time")
	case filepath.Ext(c.Path("out")) != ".png":
		return usagef(c, "--out %s: want a name that ends in .png", c.Path("out"))
	}
	return writable("out", c.Path("out"))
}

// drawEdit writes the strip.
func (a *app) drawEdit(c *cli.Context, e *editor, adds []addition) error {
	images, err := e.images(c)
	if err != nil {
		return err
	}
	n, frames := images.Dim(0), c.Int("steps")
	cols := frames + 1
	var target *tensor.Tensor
	if to := c.Path("to"); to != "" {
		if target, err = e.read(c, to); err != nil {
			return fmt.Errorf("--to %s: %w", to, err)
		}
		cols++
	}
	if err := report.CheckGrid(append([]int{n * cols}, images.Shape()[1:]...), cols); err != nil {
		return fmt.Errorf("a strip of %d images: %w", n*cols, err)
	}
	from, err := e.encode(c.Context, images)
	if err != nil {
		return err
	}
	step := make([]float64, from.Dim(1))
	if target == nil {
		vectors, err := a.vectors(c, e, adds)
		if err != nil {
			return err
		}
		if step, err = sum(adds, vectors, len(step)); err != nil {
			return err
		}
	}
	path := tensor.New(tensor.F32, n*frames, len(step))
	ends := from
	if target != nil {
		if ends, err = e.encode(c.Context, target); err != nil {
			return err
		}
	}
	for i := range n {
		for f := range frames {
			t := float64(f) / float64(frames-1)
			for j, v := range step {
				z := from.At(i*len(step) + j)
				if target != nil {
					v = ends.At(j) - z // (1-t)·z₁ + t·z₂
				}
				path.Set((i*frames+f)*len(step)+j, z+t*v)
			}
		}
	}
	made, err := e.decode(c.Context, path)
	if err != nil {
		return err
	}
	strip := tensor.New(tensor.F32, append([]int{n * cols}, images.Shape()[1:]...)...)
	size := images.Len() / n
	all, put := tensor.Data[float32](strip), 0
	for i := range n {
		put += copy(all[put:], tensor.Data[float32](images)[i*size:(i+1)*size])
		put += copy(all[put:], tensor.Data[float32](made)[i*frames*size:(i+1)*frames*size])
		if target != nil {
			put += copy(all[put:], tensor.Data[float32](target))
		}
	}
	return a.writeStrip(c, strip, cols)
}

// writeStrip writes the images, cols in a row, and if asked for each by itself.
func (a *app) writeStrip(c *cli.Context, strip *tensor.Tensor, cols int) error {
	out := c.Path("out")
	if err := report.Grid(out, strip, cols); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "wrote %s, %d images in %d rows\n", out, strip.Dim(0), strip.Dim(0)/cols)
	if !c.Bool("each") {
		return nil
	}
	size := strip.Len() / strip.Dim(0)
	name := func(i int) string {
		return fmt.Sprintf("%s-%d-%d.png", strings.TrimSuffix(out, ".png"), i/cols, i%cols)
	}
	for i := range strip.Dim(0) {
		x := tensor.Of(tensor.Data[float32](strip)[i*size:(i+1)*size], strip.Shape()[1:]...)
		if err := atomicfile.Write(name(i), func(w io.Writer) error { return report.WriteImage(w, x) }); err != nil {
			return fmt.Errorf("write %s: %w", name(i), err)
		}
	}
	fmt.Fprintf(a.out, "wrote %s to %s\n", name(0), name(strip.Dim(0)-1))
	return nil
}

// An editor is the encoder and the decoder of a run.
type editor struct {
	*trained
	enc, dec  *onnxruntime.Session
	in, out   string // the encoder's input and its latent
	z, made   string // the decoder's input and output
	shape     []int  // of an image
	size      int    // of a latent
	from      string // the data, by name or path
	splitsNow *data.Splits
}

// newEditor opens both.
func newEditor(c *cli.Context, r *trained, o onnxruntime.Options) (*editor, error) {
	how := r.model.Edit
	enc, dec := r.prog.Func(how.Encode), r.prog.Func(how.Decode)
	e := &editor{trained: r, in: enc.Inputs[0].Name, out: how.Latent, z: dec.Inputs[0].Name, made: dec.Outputs[0].Name,
		size: int(dec.Inputs[0].Shape()[1]), from: cmp.Or(c.String("data"), runName(r.model, r.setup))}
	for _, d := range enc.Inputs[0].Shape()[1:] {
		e.shape = append(e.shape, int(d))
	}
	for _, x := range []struct {
		f  *graph.Func
		to **onnxruntime.Session
	}{{enc, &e.enc}, {dec, &e.dec}} {
		s, file, err := r.open(c, x.f, o)
		if err != nil {
			e.close()
			return nil, err
		}
		*x.to = s
		if name := x.f.Inputs[0].Name; !slices.ContainsFunc(s.Inputs(), func(in onnxruntime.Info) bool { return in.Name == name }) {
			e.close()
			return nil, fmt.Errorf("%s has no input %q: it draws it itself, by a seed: export it with --random %s", file, name, randomInputs)
		}
	}
	return e, nil
}

func (e *editor) close() {
	for _, s := range []*onnxruntime.Session{e.enc, e.dec} {
		if s != nil {
			s.Close()
		}
	}
}

// encode gives the latents [n size] of images.
func (e *editor) encode(ctx context.Context, images *tensor.Tensor) (*tensor.Tensor, error) {
	return inBatches(ctx, e.enc, e.in, images, e.out, []int{e.size})
}

// decode gives the images of latents.
func (e *editor) decode(ctx context.Context, z *tensor.Tensor) (*tensor.Tensor, error) {
	return inBatches(ctx, e.dec, e.z, z, e.made, e.shape)
}

// inBatches runs a session over x, and gives its output out, of which an example has a shape.
func inBatches(ctx context.Context, s *onnxruntime.Session, in string, x *tensor.Tensor, out string, shape []int) (*tensor.Tensor, error) {
	const batch = 128
	n := x.Dim(0)
	all := tensor.New(tensor.F32, append([]int{n}, shape...)...)
	from, to := x.Len()/n, all.Len()/n
	for lo := 0; lo < n; lo += batch {
		hi := min(lo+batch, n)
		part := tensor.Of(tensor.Data[float32](x)[lo*from:hi*from], append([]int{hi - lo}, x.Shape()[1:]...)...)
		got, err := s.Run(ctx, map[string]*tensor.Tensor{in: part})
		if err != nil {
			return nil, err
		}
		y := got[out]
		if y == nil || y.DType() != tensor.F32 || y.Len() != (hi-lo)*to {
			return nil, fmt.Errorf("the output %q is %v, want f32 of %v an example", out, y, shape)
		}
		copy(tensor.Data[float32](all)[lo*to:], tensor.Data[float32](y))
	}
	return all, nil
}

// images are those of --image and --example, in this order.
func (e *editor) images(c *cli.Context) (*tensor.Tensor, error) {
	var all []float32
	for _, path := range c.StringSlice("image") {
		x, err := e.read(c, path)
		if err != nil {
			return nil, fmt.Errorf("--image %s: %w", path, err)
		}
		all = append(all, tensor.Data[float32](x)...)
	}
	for _, i := range c.IntSlice("example") {
		set, err := e.heldOut(c)
		if err != nil {
			return nil, err
		}
		if i < 0 || i >= set.Len() {
			return nil, fmt.Errorf("--example %d: %s has %d examples, from 0", i, e.from, set.Len())
		}
		set, err = e.pictured(set)
		if err != nil {
			return nil, err
		}
		x, err := set.Take(i)
		if err != nil {
			return nil, err
		}
		all = append(all, tensor.Data[float32](x[e.field()])...)
	}
	n := len(c.StringSlice("image")) + len(c.IntSlice("example"))
	return tensor.Of(all, append([]int{n}, e.shape...)...), nil
}

// read reads an image of the size that the encoder takes.
func (e *editor) read(c *cli.Context, path string) (*tensor.Tensor, error) {
	return pictureOfSize(c, path, e.model.Name, e.imageOptions())
}

// imageOptions are the size and colours of what the encoder takes.
func (e *editor) imageOptions() data.ImageOptions {
	return data.ImageOptions{Height: e.shape[1], Width: e.shape[2], Grey: e.shape[0] == 1, Crop: true}
}

// field is the data's field with images.
func (e *editor) field() string { return fieldOf(e.model, e.in) }

// fieldOf is the field of the data that feeds an input in training.
func fieldOf(m models.Model, input string) string {
	return cmp.Or(m.Train.Inputs[input], input)
}
