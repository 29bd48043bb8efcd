package app

import (
	"fmt"
	"maps"
	"math"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/pass"
	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/runtime/data"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
	"github.com/sardonyx-ml/sardonyx/runtime/strictjson"
	"github.com/sardonyx-ml/sardonyx/runtime/train"
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
		Name: "sample", Usage: "draw from a trained model in onnxruntime, into pictures, tables, text and arrays", ArgsUsage: a.modelUsage(),
		Description: "Runs the ONNX file that export wrote to the run's folder, or --onnx FILE; where there is none, the model is\n" +
			"exported in memory. The noise depends on the seed alone. A model with a label draws all its classes, a row of the picture\n" +
			"each, unless --label or --set-input chooses.\n" +
			"Files are written as they are called: .npy and .npz are arrays, .npz with the conditions too, .csv numbers, and what else there\n" +
			"is the model says: .png for images and points, .txt for text." +
			a.example(a.exampleOf("sample MODEL --run runs/MODEL --count 25 --out samples.png", drawsImages),
				a.exampleOf("sample MODEL --run runs/MODEL --set-input label=7 --out sevens.png --out sevens.npz", func(m models.Model) bool {
					_, labelled := m.Sample.Inputs["label"]
					return labelled && drawsImages(m) && m.Settings["classes"] > 7
				}),
				a.exampleOf("sample MODEL --run runs/plane --map 3 --count 400 --out map.png", func(m models.Model) bool {
					_, latent := m.Settings["latent"]
					return latent && drawsImages(m) && m.Sample.Noise != "" && m.Sample.Inputs == nil
				}),
				a.exampleOf("sample MODEL --run runs/MODEL --count 50 --out new.csv", func(m models.Model) bool { return m.For != nil })),
		Flags: sessionFlags(
			&cli.PathFlag{Name: "run", Usage: "the training run's folder `DIR`"}, checkpointFlag,
			&cli.PathFlag{Name: "onnx", Usage: "the exported `FILE` to sample"},
			&cli.IntFlag{Name: "count", Aliases: []string{"n"}, Value: 100, Usage: "how many"},
			&cli.Uint64Flag{Name: "seed", Value: 1, Usage: "of the noise"},
			&cli.Float64Flag{Name: "map", Usage: "instead of noise, show the plane of a latent of two numbers, from -`LIMIT` to LIMIT both ways; --count is a square", DefaultText: "none"},
			&cli.StringFlag{Name: "label", Usage: "the class, `NAME` (or a part that no other has) or number; with commas several, a row each"},
			&cli.StringSliceFlag{Name: "set-input", Usage: "a condition, `INPUT=VALUE`: a class, a number or, of a table's column, a word, as many as a sample has with commas between, or FILE.npy with a row for each sample; may be repeated"},
			&cli.StringSliceFlag{Name: "out", Aliases: []string{"o"}, Usage: "write to `FILE`; may be repeated"},
			&cli.PathFlag{Name: "png", Usage: "write a picture to `FILE`.png, as --out does"},
			&cli.PathFlag{Name: "npy", Usage: "write an array to `FILE`.npy, as --out does"},
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
	how, err := m.With(m.Settings) // until it is known what the settings were
	if err != nil {
		return err
	}
	f := feeder{how: how.Sample, seed: c.Uint64("seed"), count: c.Int("count"), fixed: c.IsSet("count")}
	if f.count < 1 || f.count > maxSamples {
		return usagef(c, "--count %d: want 1 to %d", f.count, maxSamples)
	}
	if m, err = sampledTable(c, m); err != nil {
		return err
	}
	if f.plane = c.Float64("map"); c.IsSet("map") {
		if f.how.Noise == "" {
			return fmt.Errorf("--map: the model %s has no latent that the noise is of: its function %s has %s", m.Name, m.Sample.Func, describe(m.Sample.Feeds()))
		}
		if !(f.plane > 0) || math.IsInf(f.plane, 0) {
			return usagef(c, "--map %v: want a number above 0, such as 3", f.plane)
		}
		if side := math.Sqrt(float64(f.count)); side != math.Trunc(side) {
			return usagef(c, "--count %d: a map has as many rows as columns: want a square, such as 400", f.count)
		}
	}
	show := newShower(m.Sample)
	paths, err := sampleFiles(c, show)
	if err != nil {
		return err
	}
	if c.Path("run") != "" && c.Path("onnx") != "" {
		return usagef(c, "say what to sample: --run DIR or --onnx FILE, not both")
	}
	if f.chosen, f.label, err = chosenInputs(c, how.Sample); err != nil {
		return err
	}
	o, err := sessionOptions(c)
	if err != nil {
		return err
	}
	from, err := a.opened(c, m, m.Sample.Func, o)
	if err != nil {
		return err
	}
	defer from.session.Close()
	f.how, f.classes, f.draws, f.columns = from.how, from.classes, from.draws, m.Columns
	fed, err := f.feed(from.session.Inputs())
	if err != nil {
		return fmt.Errorf("%s: %w", from.name, err)
	}
	if err := show.check(from.session.Outputs(), fed.count, fed.cols, paths); err != nil {
		return fmt.Errorf("--count %d: %s: %w", fed.count, from.name, err)
	}
	start := time.Now()
	out, err := from.session.Run(c.Context, fed.in)
	if err != nil {
		return err
	}
	took := time.Since(start)
	for name, feed := range f.how.Inputs { // the conditions, for .npz
		if feed.Noise != "" {
			continue
		}
		if x := fed.in[name]; x != nil && out[name] == nil && x.Rank() > 0 && x.Dim(0) == fed.count {
			out[name] = x
		}
	}
	for _, path := range paths {
		if err := show.write(path, out, fed.cols); err != nil {
			return err
		}
		fmt.Fprintf(a.out, "wrote %s, %v\n", path, out[show.output])
	}
	fmt.Fprintf(a.out, "%d samples of %s from %s on %s in %v\n", fed.count, m.Name, from.name, c.String("device"), took.Round(time.Microsecond))
	return nil
}

// drawsImages reports whether m's samples are images.
func drawsImages(m models.Model) bool { return m.Sample.Image != "" }

// sampledTable is the model m of the table that the run or file to be sampled is of, as far as it can be read: what cannot is told when
// it is opened.
func sampledTable(c *cli.Context, m models.Model) (models.Model, error) {
	if m.For == nil {
		return m, nil
	}
	if path := c.Path("onnx"); path != "" {
		columns, err := inspectOnce(path).tableColumns()
		return ofTable(m, columns), err
	}
	setup, err := train.Folder(c.Path("run")).Setup()
	if err != nil {
		return m, nil
	}
	return ofTable(m, setup.Columns), nil
}

// tableColumns are the columns of the table that the ONNX file is of; nil if it is of none.
func (m modelFile) tableColumns() (columns []data.Column, err error) {
	sum, err := m.summary()
	if err != nil {
		return nil, err
	}
	if text, ok := sum.Meta(train.MetaColumns); ok {
		if err := strictjson.Unmarshal([]byte(text), &columns); err != nil {
			return nil, fmt.Errorf("%s: its metadata %s: %w", m.path, train.MetaColumns, err)
		}
	}
	return columns, nil
}

// sampleFiles are the files to write, which are found to be writable.
func sampleFiles(c *cli.Context, show shower) ([]string, error) {
	type asked struct{ flag, path string }
	var all []asked
	for _, path := range c.StringSlice("out") {
		all = append(all, asked{"out", path})
	}
	for _, flag := range []string{"npy", "png"} {
		path := c.Path(flag)
		if path != "" && filepath.Ext(path) != "."+flag {
			return nil, usagef(c, "--%s %s: want a name that ends in .%s", flag, path, flag)
		}
		if path != "" {
			all = append(all, asked{flag, path})
		}
	}
	if len(all) == 0 {
		return nil, usagef(c, "say where to write: --out FILE")
	}
	var paths []string
	for _, f := range all {
		if err := show.accepts(f.path); err != nil {
			return nil, usagef(c, "--%s %s: %v", f.flag, f.path, err)
		}
		if err := writable(f.flag, f.path); err != nil {
			return nil, err
		}
		paths = append(paths, f.path)
	}
	return paths, nil
}

// chosenInputs are the conditions that --set-input and --label choose, by input, and which of these --label has chosen.
func chosenInputs(c *cli.Context, how models.Sampling) (chosen map[string]string, labelled string, err error) {
	chosen = map[string]string{}
	for _, s := range c.StringSlice("set-input") {
		name, value, ok := strings.Cut(s, "=")
		if !ok || name == "" || value == "" {
			return nil, "", usagef(c, "--set-input %s: want INPUT=VALUE", s)
		}
		if _, twice := chosen[name]; twice {
			return nil, "", usagef(c, "--set-input %s: the input %q is set twice", s, name)
		}
		chosen[name] = value
	}
	if label := c.String("label"); c.IsSet("label") {
		if label == "" {
			return nil, "", usagef(c, "--label: no class is named")
		}
		name, err := labelInput(how)
		if err != nil {
			return nil, "", fmt.Errorf("--label %s: %w", label, err)
		}
		if _, twice := chosen[name]; twice {
			return nil, "", usagef(c, "--label %s: the input %q is set by --set-input too", label, name)
		}
		chosen[name], labelled = label, name
	}
	return chosen, labelled, nil
}

// A sampled is what is sampled: a Func in a session.
type sampled struct {
	session *onnxruntime.Session
	setup   train.Setup // of the run; empty if it is none
	name    string      // for people
	how     models.Sampling
	classes []string // the names of the data's classes
	draws   drawing
}

// opened opens the Func called name of what --run names, or the file that --onnx names.
func (a *app) opened(c *cli.Context, m models.Model, name string, o onnxruntime.Options) (*sampled, error) {
	path := c.Path("onnx")
	s := &sampled{name: path}
	var err error
	if path != "" {
		s.session, err = onnxruntime.Open(path, o)
	} else {
		if c.Path("run") == "" {
			return nil, usagef(c, "say what to %s: --run DIR or --onnx FILE", c.Command.Name)
		}
		var r *trained
		if r, err = a.openRun(c, m); err != nil {
			return nil, err
		}
		f := r.prog.Func(name)
		_, s.draws.noise = pass.HoistRandom(f)
		s.session, path, err = r.open(c, f, o)
		s.name, s.how, s.classes, s.setup = r.from(c, path), r.model.Sample, r.setup.Classes, r.setup
	}
	if err != nil || path == "" {
		return s, err
	}
	if err = checkDigest(path); err == nil {
		err = s.inspect(m, path)
	}
	if err != nil {
		s.session.Close()
	}
	return s, err
}

// inspect takes what the ONNX file path says of noise, classes and settings; those of m that it does not name are as they are by
// default.
func (s *sampled) inspect(m models.Model, path string) error {
	sum, err := onnx.Inspect(path)
	if err != nil {
		return err
	}
	s.draws = drawing{sum.Noise, sum.Seed, sum.Drawn, sum.Sizes}
	settings := maps.Clone(m.Settings)
	if text, ok := sum.Meta(train.MetaClasses); ok {
		if s.classes, err = readClasses(path, text); err != nil {
			return err
		}
	}
	if text, ok := sum.Meta(train.MetaSettings); ok {
		own, err := models.ParseSettings(text)
		if err != nil {
			return fmt.Errorf("%s: its metadata %s: %w", path, train.MetaSettings, err)
		}
		for name, v := range own {
			if _, ok := settings[name]; ok {
				settings[name] = v
			}
		}
	}
	if m, err = m.With(settings); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	s.how = m.Sample
	return nil
}
