package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/runtime/train"
)

// runsRoot is where runs are looked for, and where train leaves them.
const runsRoot = "runs"

// runsDepth is how far below a folder runs are looked for.
const runsDepth = 4

// broken is the state of a folder whose run cannot be read.
const broken = "broken"

// runOf is a run in the list. With a Problem, it has only what could be read.
type runOf struct {
	Dir      string             `json:"dir"`
	State    string             `json:"state"` // running, finished, interrupted, not known, ended or broken
	Model    string             `json:"model"`
	Data     string             `json:"data"`
	Epochs   int                `json:"epochs"` // finished
	Of       int                `json:"of"`     // 0 if it is not known
	Steps    int64              `json:"steps"`
	Best     *bestOf            `json:"best"`    // null if no epoch is the best
	Seconds  float64            `json:"seconds"` // in the finished epochs
	Bytes    int64              `json:"bytes"`
	Seed     uint64             `json:"seed"`
	Settings map[string]float64 `json:"settings"`
	Command  string             `json:"command"`
	Train    map[string]number  `json:"train"`    // metrics of the last epoch
	Validate map[string]number  `json:"validate"` // metrics of the last epoch
	Problem  string             `json:"problem,omitempty"`

	status train.Status
}

type bestOf struct {
	Metric string `json:"metric"`
	Value  number `json:"value"`
	Epoch  int    `json:"epoch"`
}

// runsCommand lists runs, and compares them.
func (a *app) runsCommand() *cli.Command {
	return &cli.Command{
		Name: "runs", Usage: "list training runs, or compare several", ArgsUsage: "[DIR...]",
		Description: "Of folders that are no runs, those up to " + strconv.Itoa(runsDepth) + " levels below them are listed; without DIR, of " + runsRoot + ". Two runs or more are\n" +
			"compared: the settings in which they differ, and their metrics side by side, of the best epoch or, where none is\n" +
			"the best, the last one. A run is running while a process trains in it; nothing here disturbs that. One of another machine or\n" +
			"container is known by its progress, which is written about every second: if that is older than a minute, it is not known\n" +
			"whether the run goes on." +
			a.example("runs", "runs runs/vae runs/vae-wide --png compare.png"),
		Flags: []cli.Flag{
			&cli.PathFlag{Name: "png", Usage: "draw the curves of the runs into one picture, `FILE`"},
			&cli.StringFlag{Name: "metric", Value: train.Loss, Usage: "of which metric, of the validation unless more runs have it in training"},
			jsonFlag,
		},
		Action: a.runs,
	}
}

func (a *app) runs(c *cli.Context) error {
	png := c.Path("png")
	if png == "" && c.IsSet("metric") {
		return usagef(c, "--metric is for --png FILE")
	}
	if png != "" {
		if ext := filepath.Ext(png); ext != ".png" {
			return usagef(c, "--png %s: want the name of a .png file", png)
		}
		if err := writable("png", png); err != nil {
			return err
		}
	}
	dirs := c.Args().Slice()
	if len(dirs) == 0 {
		dirs = []string{runsRoot}
	}
	list, each, err := findRuns(c.Context, dirs)
	if err != nil {
		return err
	}
	if png != "" {
		if err := a.compareCurves(list, c.String("metric"), png); err != nil {
			return err
		}
	}
	if c.Bool("json") {
		return a.writeJSON(list)
	}
	if err := a.listRuns(list); err != nil {
		return err
	}
	if each {
		if err := a.compareRuns(list); err != nil {
			return err
		}
	}
	if png != "" {
		fmt.Fprintf(a.out, "wrote %s\n", png)
	}
	return nil
}

// findRuns are the runs in dirs; each reports whether each of dirs is one itself.
func findRuns(ctx context.Context, dirs []string) (list []runOf, each bool, err error) {
	each = true
	for _, dir := range dirs {
		info, err := os.Stat(dir)
		if err == nil && !info.IsDir() {
			err = fmt.Errorf("%s is no folder", dir)
		}
		if errors.Is(err, fs.ErrNotExist) && len(dirs) == 1 && dir == runsRoot {
			return nil, false, fmt.Errorf("there is no folder %s here: train leaves its runs there, or name another", dir)
		}
		if err != nil {
			return nil, false, err
		}
		found, err := runsIn(ctx, dir)
		if err != nil {
			return nil, false, err
		}
		if len(found) == 0 {
			return nil, false, fmt.Errorf("%s has no run, nor have the folders in it", dir)
		}
		each = each && len(found) == 1 && found[0] == filepath.Clean(dir)
		for _, path := range found {
			if !slices.ContainsFunc(list, func(r runOf) bool { return r.Dir == path }) {
				list = append(list, readRun(path))
			}
		}
	}
	return list, each, nil
}

// runsIn are the folders of runs: dir, which may be a link, or those below it. Folders that cannot be read are passed over.
func runsIn(ctx context.Context, dir string) (found []string, err error) {
	dir = filepath.Clean(dir)
	err = fs.WalkDir(os.DirFS(dir), ".", func(rel string, d fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil || !d.IsDir() {
			return nil
		}
		path := filepath.Join(dir, filepath.FromSlash(rel))
		if _, err := os.Stat(train.Folder(path).Config()); err == nil {
			found = append(found, path)
			return fs.SkipDir
		}
		if strings.Count(rel, "/") >= runsDepth-1 {
			return fs.SkipDir
		}
		return nil
	})
	return found, err
}

// readRun tells of the run in a folder.
func readRun(dir string) runOf {
	s, err := train.Folder(dir).Status()
	r := runOf{Dir: dir, State: string(s.Standing), Model: s.Setup.Program, Data: s.Setup.Data, Epochs: s.Epochs, Of: s.Setup.Epochs, Steps: s.Step,
		Seconds: s.Time.Seconds(), Seed: s.Setup.Seed, Settings: s.Setup.Settings, Command: s.Setup.Command, Train: map[string]number{}, Validate: map[string]number{}, status: s}
	if r.Data == "" {
		r.Data = s.Setup.Train
	}
	if r.Settings == nil {
		r.Settings = map[string]float64{}
	}
	if s.Best != nil {
		r.Best = &bestOf{s.Setup.Monitor, number(s.Best.Value), s.Best.Epoch}
	}
	if rec := epochRecord(s.Records, 0); rec != nil {
		for name, v := range rec.Train {
			r.Train[name] = number(v)
		}
		for name, v := range rec.Validate {
			r.Validate[name] = number(v)
		}
	}
	if err != nil {
		r.State, r.Problem = broken, err.Error()
	}
	if r.Bytes, err = train.Folder(dir).Size(); err != nil && r.Problem == "" {
		r.Problem = err.Error()
	}
	return r
}

// epochRecord is the record of an epoch, of the last one if epoch is 0; nil if there is none.
func epochRecord(records []train.Record, epoch int) *train.Record {
	for i := len(records) - 1; i >= 0; i-- {
		if r := &records[i]; r.Kind == train.KindEpoch && (epoch == 0 || r.Epoch == epoch) {
			return r
		}
	}
	return nil
}

// listRuns prints the table of runs, and what is wrong with them.
func (a *app) listRuns(list []runOf) error {
	rows := [][]string{{"run", "model", "data", "state", "epochs", "best", "time", "size"}}
	for _, r := range list {
		epochs, best := strconv.Itoa(r.Epochs), ""
		if r.Of > 0 {
			epochs += "/" + strconv.Itoa(r.Of)
		}
		if r.Best != nil {
			best = fmt.Sprintf("%s %.5g", r.Best.Metric, float64(r.Best.Value))
		}
		rows = append(rows, []string{r.Dir, r.Model, shorten(r.Data), r.State, epochs, best, lasting(r.status.Time), size(r.Bytes)})
	}
	if err := a.table(rows); err != nil {
		return err
	}
	for _, r := range list {
		if r.Problem != "" {
			fmt.Fprintf(a.err, "note: %s\n", plain(r.Problem))
		}
	}
	return nil
}

// shorten leaves the ends of a long text: data sets are described by their fields and, at the end, a hash.
func shorten(s string) string {
	const most, end = 40, 17
	if r := []rune(s); len(r) > most {
		return string(r[:most-end-3]) + "..." + string(r[len(r)-end:])
	}
	return s
}

// lasting is a duration for people, in two units.
func lasting(d time.Duration) string {
	switch {
	case d >= time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	case d >= time.Minute:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%.1fs", d.Seconds())
}

// compareRuns prints how the runs that can be read differ, and their metrics, if these are two or more.
func (a *app) compareRuns(list []runOf) error {
	list = slices.DeleteFunc(slices.Clone(list), func(r runOf) bool { return r.State == broken })
	if len(list) < 2 {
		return nil
	}
	var setups []train.Setup
	names := shortNames(list)
	for _, r := range list {
		setups = append(setups, r.status.Setup)
	}
	rows := [][]string{append([]string{"what differs"}, names...)}
	for _, d := range train.Differences(setups) {
		row := []string{d.Name}
		for _, v := range d.Values {
			row = append(row, shorten(v))
		}
		rows = append(rows, row)
	}
	if len(rows) > 1 {
		fmt.Fprintln(a.out)
		if err := a.table(rows); err != nil {
			return err
		}
	}

	rows = [][]string{append([]string{"metric"}, names...)}
	epochs := []string{"of epoch"}
	var records []train.Record
	for _, r := range list {
		var rec *train.Record
		if r.Best != nil {
			rec = epochRecord(r.status.Records, r.Best.Epoch)
		}
		if rec == nil {
			rec = epochRecord(r.status.Records, 0)
		}
		if rec == nil {
			rec = &train.Record{}
		}
		records, epochs = append(records, *rec), append(epochs, strconv.Itoa(rec.Epoch))
	}
	rows = append(rows, epochs)
	for _, side := range train.Sides {
		for _, name := range train.MetricNames(records, side.Of) {
			row := []string{side.Name + " " + name}
			for _, r := range records {
				cell := ""
				if v, ok := side.Of(r)[name]; ok {
					cell = strconv.FormatFloat(v, 'g', 6, 64)
				}
				row = append(row, cell)
			}
			rows = append(rows, row)
		}
	}
	fmt.Fprintln(a.out)
	return a.table(rows)
}

// shortNames are the folders of runs without what all begin with.
func shortNames(list []runOf) []string {
	names := make([]string, len(list))
	for i, r := range list {
		names[i] = filepath.ToSlash(r.Dir)
	}
	for len(names) > 1 {
		first, _, ok := strings.Cut(names[0], "/")
		if !ok || slices.ContainsFunc(names, func(n string) bool { return !strings.HasPrefix(n, first+"/") }) {
			break
		}
		for i := range names {
			names[i] = names[i][len(first)+1:]
		}
	}
	return names
}

// compareCurves draws a metric of the runs.
func (a *app) compareCurves(list []runOf, metric, path string) error {
	var all []train.Status
	for _, r := range list {
		all = append(all, r.status)
	}
	names := shortNames(list)
	for i, n := range names {
		names[i] = plain(n)
	}
	chart, err := train.Comparison(metric, names, all)
	if err == nil {
		err = chart.Write(path)
	}
	return err
}
