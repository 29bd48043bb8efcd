package app

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/runtime/blas"
	"github.com/sardonyx-ml/sardonyx/runtime/metrics"
	"github.com/sardonyx-ml/sardonyx/runtime/train/report"
)

// The numbers that measures are taken with, the papers' where there are so many examples.
const (
	kidSubsets     = 100
	kidSize        = 1000
	scoreSplits    = 10
	topK           = 5
	calibratedBins = 15
	mostConfused   = 5
	leastExamples  = 2 * (metrics.DensityK + 1) // of a set: halves of it must do too
	pixelExamples  = 1000                       // of which the correlation of pixels is taken
)

// evaluateCommand measures how near one set of examples is to another.
func (a *app) evaluateCommand() *cli.Command {
	return &cli.Command{
		Name: "evaluate", Usage: "measure how near a model's draws are to real examples: FID, KID, precision and recall, and others; or how likely examples are under a model", ArgsUsage: "[MODEL]",
		Description: "Of a trained model that has a likelihood, it tells how likely examples are: the evidence lower bound, the negative log-likelihood\n" +
			"(NLL) by importance sampling, which comes down to it as --draws go up, and that in bits a dimension. They are the examples that the\n" +
			"run was validated on, binarised as they were then, unless --real and --augment say otherwise.\n\n" +
			"Without a model, compares two sets of examples, each a data set's NAME or a PATH: a .npy, .npz or idx file, or a folder of pictures. Of\n" +
			"what has parts, one is chosen: mnist:test. Measures are of a network's features, of any ONNX file's output [batch d]; without\n" +
			"--features they are of raw pixels, which says little of large pictures. Beside each is its floor: the same measure of real\n" +
			"examples against others of them, from --train, else another part, else the rest of the set, else of two halves." +
			a.example("evaluate --real mnist:test --fake samples.npy",
				"evaluate --real mnist:test --fake samples.npy --train mnist:train --features classifier.onnx --output features --classes logits",
				"evaluate --real photos/test --fake drawn --count 2000 --json",
				a.exampleOf("evaluate MODEL --run runs/MODEL --draws 500 --count 1000", func(m models.Model) bool { return m.Density.Func != "" })),
		Flags: sessionFlags(
			&cli.StringFlag{Name: "real", Usage: "the real examples: a data set's `NAME`, or the path of one's own"},
			&cli.StringFlag{Name: "fake", Usage: "the drawn examples: a data set's `NAME`, or the path of one's own"},
			&cli.StringFlag{Name: "train", Usage: "the examples that the model was trained on, `NAME` or path: tells whether it draws copies of them"},
			dataDirFlag,
			&cli.PathFlag{Name: "features", Usage: "the ONNX `FILE` of the network (default: raw pixels)"},
			&cli.StringFlag{Name: "output", Usage: "the network's output `NAME` with features, if it has several"},
			&cli.StringFlag{Name: "classes", Usage: "the network's output `NAME` with class scores: probabilities, or logits, whose softmax is taken"},
			&cli.PathFlag{Name: "confusion", Usage: "draw what the classes of labelled examples are taken for as `FILE`.png, beside what is printed"},
			&cli.BoolFlag{Name: "stacked", Usage: "each channel is an example of the network, and the classes of all together are a mode, as in stacked MNIST"},
			&cli.StringFlag{Name: "field", Value: "image", Usage: "the field `NAME` of the examples, where there are several"},
			&cli.StringFlag{Name: "labels", Value: "label", Usage: "the field `NAME` of their labels"},
			&cli.IntFlag{Name: "count", Aliases: []string{"n"}, Value: 10000, Usage: "at most so many examples of each set; as many are taken of both; of a likelihood, the first"},
			&cli.Uint64Flag{Name: "seed", Value: 1, Usage: "of which examples are taken, if not all; of a likelihood's draws"},
			&cli.PathFlag{Name: "run", Usage: "the training run's folder `DIR`, of a likelihood"}, checkpointFlag,
			&cli.PathFlag{Name: "onnx", Usage: "the exported `FILE`, instead of --run"},
			&cli.IntFlag{Name: "draws", Value: 500, Usage: "how many importance samples are drawn for each example"},
			augmentFlag,
			jsonFlag,
		),
		Action: a.evaluate,
	}
}

func (a *app) evaluate(c *cli.Context) error {
	if c.Args().Present() || c.IsSet("run") || c.IsSet("onnx") {
		return a.evaluateModel(c)
	}
	for _, flag := range ofDraws {
		if c.IsSet(flag) {
			return usagef(c, "--%s is of a model's likelihood: name the model", flag)
		}
	}
	for _, flag := range []string{"real", "fake"} {
		if c.String(flag) == "" {
			return usagef(c, "say what to compare: --real NAME or PATH, and --fake NAME or PATH")
		}
	}
	if n := c.Int("count"); n < leastExamples {
		return usagef(c, "--count %d: want %d or more", n, leastExamples)
	}
	if err := checkConfusion(c); err != nil {
		return err
	}
	net, err := openNetwork(c)
	if err != nil {
		return err
	}
	if net != nil {
		defer net.session.Close()
	}
	list, err := openExamples(c, net.images(), "real", "fake", "train")
	if err != nil {
		return err
	}
	e, err := newEvaluation(c, net, list[0], list[1], list[2])
	if err != nil {
		return err
	}
	if c.Path("confusion") != "" && e.real.labels == "" && e.fake.labels == "" {
		return fmt.Errorf("--confusion %s: neither %v nor %v has labels, whole numbers in a field %q: --labels names another", c.Path("confusion"), e.real, e.fake, c.String("labels"))
	}
	if err := e.draw(c.Context); err != nil {
		return err
	}
	b, err := blas.Default()
	if err != nil {
		return err
	}
	spareSlot()
	if err := e.measure(c.Context, kernel.NewContext(b, cpus)); err != nil {
		return err
	}
	print := a.printEvaluation
	if c.Bool("json") {
		print = func(r evaluated) error { return a.writeJSON(r) }
	}
	if err := print(e.report); err != nil || c.Path("confusion") == "" {
		return err
	}
	return a.drawConfusion(c, e.report.Classifier)
}

// An evaluation is the sets that are compared, and what was measured.
type evaluation struct {
	net               *network
	real, fake, train *examples // train is nil if there is none
	floor             *examples // other real ones
	realRows          []int     // which examples
	fakeRows          []int
	floorRows         []int
	againstRows       []int // the real examples that the floor's are compared with, nil for all

	reals, fakes, trains, floors, against drawn
	report                                evaluated
}

// newEvaluation chooses which examples are compared.
func newEvaluation(c *cli.Context, net *network, real, fake, train *examples) (*evaluation, error) {
	e := &evaluation{net: net, real: real, fake: fake, train: train}
	for _, s := range []*examples{real, fake, train} {
		if s == nil {
			continue
		}
		if err := s.like(real); err != nil {
			return nil, err
		}
		if err := net.fits(s); err != nil {
			return nil, err
		}
		if s.set.Len() < leastExamples {
			return nil, fmt.Errorf("%v has %d examples: want at least %d", s, s.set.Len(), leastExamples)
		}
	}
	n, seed := min(c.Int("count"), real.set.Len(), fake.set.Len()), c.Uint64("seed")
	e.realRows, e.fakeRows = pick(n, real.set.Len(), seed, 0), pick(n, fake.set.Len(), seed, 1)
	r := &e.report
	r.Count, r.Seed, r.Features = n, seed, featuresOf{From: "raw pixels"}
	if net != nil {
		r.Features = featuresOf{From: net.file, Output: net.features, Classes: net.scores, Device: net.session.Device()}
	}
	r.Real, r.Fake = real.described(n), fake.described(n)
	if train != nil {
		s := train.described(train.set.Len())
		r.Train = &s
	}
	e.chooseFloor(n, seed)
	return e, nil
}

// described is a set for the report.
func (e *examples) described(n int) examplesOf {
	return examplesOf{From: e.from, Type: typeOf(e.field), Examples: n, Of: e.set.Len(), Labels: e.labels}
}

// chooseFloor finds other real examples to compare the real ones with: as many, if there are.
func (e *evaluation) chooseFloor(n int, seed uint64) {
	r := &e.report
	r.Floor = floorOf{Examples: n}
	if e.train != nil && e.train.set.Len() >= n {
		e.floor, r.Floor.From = e.train, e.train.from
	}
	for _, name := range sortedKeys(e.real.others) {
		if o := e.real.others[name]; e.floor == nil && o.Len() >= n {
			other := *e.real
			other.set = o
			e.floor, r.Floor.From = &other, name
		}
	}
	if e.floor != nil {
		e.floorRows = pick(n, e.floor.set.Len(), seed, 2)
		return
	}
	e.floor = e.real
	if size := e.real.set.Len(); size >= 2*n {
		r.Floor.From = "the rest of " + e.real.from
		rest := slices.DeleteFunc(pick(size, size, seed, 0), func(i int) bool {
			_, found := slices.BinarySearch(e.realRows, i)
			return found
		})
		for _, i := range pick(n, len(rest), seed, 2) {
			e.floorRows = append(e.floorRows, rest[i])
		}
		return
	}
	r.Floor = floorOf{From: "halves of " + e.real.from, Examples: n / 2}
	first := make([]bool, n)
	for _, i := range pick(n/2, n, seed, 2) {
		first[i] = true
	}
	for i, row := range e.realRows {
		if first[i] {
			e.againstRows = append(e.againstRows, row)
		} else if len(e.floorRows) < n/2 {
			e.floorRows = append(e.floorRows, row)
		}
	}
}

// draw reads the examples, and runs the network over them.
func (e *evaluation) draw(ctx context.Context) error {
	type part struct {
		to   *drawn
		of   *examples
		rows []int
	}
	all := []part{{&e.reals, e.real, e.realRows}, {&e.fakes, e.fake, e.fakeRows}, {&e.floors, e.floor, e.floorRows}}
	if e.againstRows != nil {
		all = append(all, part{&e.against, e.real, e.againstRows})
	}
	if e.train != nil {
		all = append(all, part{&e.trains, e.train, pick(e.train.set.Len(), e.train.set.Len(), 0, 0)})
	}
	for _, p := range all {
		var err error
		if *p.to, err = p.of.draw(ctx, p.rows, e.net); err != nil {
			return err
		}
	}
	if e.againstRows == nil {
		e.against = e.reals
	}
	e.report.Features.Size = e.reals.features.Dim(1)
	return nil
}

// printEvaluation prints the report for a person.
func (a *app) printEvaluation(r evaluated) error {
	rows := [][]string{
		{"real", r.Real.From, fmt.Sprintf("%d of %d examples, %s", r.Real.Examples, r.Real.Of, r.Real.Type)},
		{"fake", r.Fake.From, fmt.Sprintf("%d of %d examples, %s", r.Fake.Examples, r.Fake.Of, r.Fake.Type)},
		{"floor", r.Floor.From, fmt.Sprintf("%d examples against as many real ones", r.Floor.Examples)},
		{"features", r.Features.From, fmt.Sprintf("%d", r.Features.Size)},
	}
	if r.Features.Output != "" {
		rows[3][2] = fmt.Sprintf("%s, %d, on %s", r.Features.Output, r.Features.Size, r.Features.Device)
	}
	if r.Train != nil {
		rows = slices.Insert(rows, 2, []string{"train", r.Train.From, fmt.Sprintf("%d examples", r.Train.Examples)})
	}
	if err := a.table(rows); err != nil {
		return err
	}
	fmt.Fprintln(a.out)
	rows = [][]string{{"MEASURE", "FAKE", "FLOOR", "BEST"}}
	for _, m := range r.Measures {
		rows = append(rows, []string{m.title, m.Fake.String(), m.Floor.String(), m.Best})
	}
	if err := a.table(rows); err != nil {
		return err
	}
	for _, l := range r.Classifier {
		fmt.Fprintf(a.out, "\nclassifier on the labels of %s\n", plain(l.From))
		rows := [][]string{{"accuracy", fmt.Sprintf("%.4f", l.Accuracy)}}
		if l.TopK > 0 {
			rows = append(rows, []string{fmt.Sprintf("top-%d accuracy", l.TopK), fmt.Sprintf("%.4f", *l.TopKAccuracy)})
		}
		rows = append(rows, []string{"calibration error", fmt.Sprintf("%.4f", l.CalibrationError)})
		if err := a.table(rows); err != nil {
			return err
		}
		if err := a.printConfusion(l); err != nil {
			return err
		}
		if err := a.printMistakes(l); err != nil {
			return err
		}
	}
	return nil
}

// printConfusion prints a confusion matrix that fits a screen.
func (a *app) printConfusion(l labelledOf) error {
	const most = 20
	if len(l.Confusion) > most {
		fmt.Fprintf(a.out, "the confusion matrix of %d classes is for --confusion and --json\n", len(l.Confusion))
		return nil
	}
	head := []string{"LABEL \\ PREDICTED"}
	for k := range l.Confusion {
		head = append(head, l.class(k))
	}
	rows := [][]string{head}
	for k, counts := range l.Confusion {
		row := []string{l.class(k)}
		for _, n := range counts {
			row = append(row, strconv.Itoa(n))
		}
		rows = append(rows, row)
	}
	return a.table(rows)
}

// printMistakes prints the most frequent mistakes, and how far confidence can be relied on.
func (a *app) printMistakes(l labelledOf) error {
	rows := [][]string{{"MOST CONFUSED", "TAKEN FOR", "EXAMPLES", "SHARE"}}
	for _, m := range l.Confused {
		rows = append(rows, []string{l.class(m.Label), l.class(m.Predicted), strconv.Itoa(m.Examples), fmt.Sprintf("%.4f", m.Share)})
	}
	if len(rows) > 1 {
		fmt.Fprintln(a.out)
		if err := a.table(rows); err != nil {
			return err
		}
	}
	fmt.Fprintln(a.out)
	rows = [][]string{{"PROBABILITY", "EXAMPLES", "CONFIDENCE", "ACCURACY"}}
	for _, b := range l.Reliability {
		rows = append(rows, []string{fmt.Sprintf("%.3f to %.3f", b.Low, b.High), strconv.Itoa(b.Examples), fmt.Sprintf("%.4f", b.Confidence), fmt.Sprintf("%.4f", b.Accuracy)})
	}
	return a.table(rows)
}

// checkConfusion finds what is wrong with --confusion before anything is read.
func checkConfusion(c *cli.Context) error {
	path := c.Path("confusion")
	switch {
	case !c.IsSet("confusion"):
		return nil
	case filepath.Ext(path) != ".png":
		return usagef(c, "--confusion %s: want a name that ends in .png", path)
	case c.Path("features") == "" || c.String("classes") == "":
		return usagef(c, "--confusion needs a classifier of the examples: --features FILE and --classes NAME")
	case c.Bool("stacked"):
		return usagef(c, "--confusion is of single examples: leave out --stacked")
	}
	return writable("confusion", path)
}

// drawConfusion draws the confusion matrices of all labelled sets.
func (a *app) drawConfusion(c *cli.Context, sets []labelledOf) error {
	var list []report.Confusion
	for _, l := range sets {
		m := report.Confusion{Title: fmt.Sprintf("%s: accuracy %.4f", plain(l.From), l.Accuracy), Counts: l.Confusion}
		for k := range l.Confusion {
			m.Classes = append(m.Classes, plain(l.class(k)))
		}
		list = append(list, m)
	}
	if err := report.WriteConfusions(c.Path("confusion"), list...); err != nil {
		return err
	}
	if !c.Bool("json") {
		fmt.Fprintf(a.out, "\nwrote %s\n", c.Path("confusion"))
	}
	return nil
}

// class is the name of class k.
func (l labelledOf) class(k int) string {
	if k < len(l.Classes) {
		return cmp.Or(l.Classes[k], strconv.Itoa(k))
	}
	return strconv.Itoa(k)
}

// String is the value with its spread, "-" if there is none.
func (v *valueOf) String() string {
	if v == nil {
		return "-"
	}
	text := fmt.Sprintf("%.5g", v.Value)
	if v.Std != nil {
		text += fmt.Sprintf(" ± %.2g", *v.Std)
	}
	if v.Of > 0 {
		text += fmt.Sprintf(" of %d", v.Of)
	}
	return text
}
