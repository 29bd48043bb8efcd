package train

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/runtime/train/report"
)

// The bounds of what a report shows.
const (
	mostCharts  = 48
	mostEpochs  = 120 // rows
	mostColumns = 24  // of the table of epochs
	mostLayers  = 400 // rows
)

// A story is all that a report tells of a run.
type story struct {
	dir          Folder
	setup        Setup
	records      []Record
	params       []compiler.ParamInfo // nil if they are not known
	best         *Score
	epochs       int // finished
	step         int64
	early        bool   // it stopped before its last epoch, for want of a better one
	live         bool   // the run goes on
	status, note string // status is "" if the numbers tell
}

// WriteReport writes the report and the animation of the run in the folder anew, from what is there. The layers are those of prog,
// which may be nil.
func WriteReport(dir Folder, prog *compiler.Program) error {
	st, err := dir.Status()
	if err != nil {
		return err
	}
	s := story{dir: dir, setup: st.Setup, records: st.Records, best: st.Best, epochs: st.Epochs, step: st.Step, live: st.Standing == Running,
		early: st.Standing == Finished && st.Epochs < st.Setup.Epochs}
	if st.Standing == NotKnown {
		s.status = "not known whether a process trains in it: " + s.at()
	}
	if st.Standing == Interrupted {
		s.status = "interrupted: " + s.at()
	}
	if prog != nil {
		s.params = prog.Params()
	}
	return s.write(true)
}

// write writes the report, and the animation if so asked.
func (s story) write(animate bool) error {
	samples, err := s.dir.samples(s.epochs)
	animated := false
	if err == nil && animate {
		animated, err = s.dir.animate(samples)
	}
	if err != nil {
		s.note = err.Error()
	}
	return errors.Join(err, s.page(samples, animated).Write(s.dir.Report()))
}

// page is the report.
func (s story) page(samples []sampled, animated bool) report.Page {
	p := report.Page{Title: s.setup.Program, Doc: s.setup.Doc, Status: s.standing(), Live: s.live, Facts: s.facts()}
	if s.note != "" {
		p.Status += "\n" + s.note
	}
	names := MetricNames(s.records, trained, validated)
	for _, name := range names[:min(len(names), mostCharts)] {
		c := curve(name, name, s.records)
		c.Y = "" // the title says it
		if slices.ContainsFunc(c.Series, func(s report.Series) bool { return len(s.X) > 1 }) {
			p.Charts = append(p.Charts, c)
		}
	}
	if len(names) > mostCharts {
		p.Status += fmt.Sprintf("\nThe curves of %d more metrics are left out.", len(names)-mostCharts)
	}
	for _, sample := range report.Thin(samples, 3) {
		p.Pictures = append(p.Pictures, report.Picture{Title: fmt.Sprintf("epoch %d", sample.epoch), Path: sample.path})
	}
	if animated {
		p.Pictures = append(p.Pictures, report.Picture{Title: fmt.Sprintf("epochs %d to %d", samples[0].epoch, samples[len(samples)-1].epoch), Path: s.dir.Animation()})
	}
	p.Tables = []report.Table{s.metrics(names), s.epochTable(), s.config(), s.environment()}
	if layers := s.layers(); len(layers.Rows) > 0 {
		p.Tables = append(p.Tables, layers)
	}
	return p
}

// at is how far the run is.
func (s story) at() string {
	at := counted(int64(s.epochs), "epoch")
	if s.setup.Epochs > 0 {
		at = fmt.Sprintf("%d of %s", s.epochs, counted(int64(s.setup.Epochs), "epoch"))
	}
	return at + ", " + counted(s.step, "step")
}

// standing says in words what has become of the run.
func (s story) standing() string {
	switch {
	case s.status != "":
		return s.status
	case s.live:
		return "training: " + s.at() + " so far"
	case s.setup.Epochs > 0 && s.epochs >= s.setup.Epochs:
		return "finished: " + s.at()
	case s.early:
		return fmt.Sprintf("stopped early: %s; no better %s for %s", s.at(), s.setup.Monitor, counted(int64(s.setup.Patience), "epoch"))
	}
	return s.at()
}

// counted is so many things: "1 epoch", "2 epochs".
func counted(n int64, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

// facts are the first things to know.
func (s story) facts() (list [][2]string) {
	add := func(name, format string, args ...any) {
		list = append(list, [2]string{name, fmt.Sprintf(format, args...)})
	}
	if s.best != nil {
		add("best "+s.setup.Monitor, "%.5g in epoch %d", s.best.Value, s.best.Epoch)
	}
	add("epochs", "%d", s.epochs)
	add("steps", "%d", s.step)
	n := 0
	for _, q := range s.params {
		n += count(q)
	}
	if n > 0 { // not of a model in closed form
		add("parameters", "%d", n)
	}
	var seconds, rate float64
	for _, r := range s.records {
		if r.Kind == KindEpoch {
			seconds, rate = seconds+r.Seconds+r.ValidateSeconds, r.Rate
		}
	}
	add("time in epochs", "%v", time.Duration(seconds*float64(time.Second)).Round(time.Second/10))
	if rate > 0 {
		add("speed", "%s", perSecond(rate))
	}
	if n := len(s.records); n > 0 && !s.records[n-1].Time.IsZero() {
		add("last record", "%s", s.records[n-1].Time.Format("2006-01-02 15:04:05 MST"))
	}
	return list
}

// bestEpoch is the record of the best epoch, or nil.
func (s story) bestEpoch() *Record {
	for i, r := range s.records {
		if s.best != nil && r.Kind == KindEpoch && r.Epoch == s.best.Epoch {
			return &s.records[i]
		}
	}
	return nil
}

// metrics is the table of the metrics, in training and validation.
func (s story) metrics(names []string) report.Table {
	t := report.Table{Title: "Metrics", Marked: -1, Head: []string{"metric", "of", "first", "last", "lowest", "highest", "in the best epoch"}}
	best := s.bestEpoch()
	for _, name := range names {
		for _, side := range Sides {
			var list []Record
			for _, r := range s.records {
				if _, ok := side.Of(r)[name]; ok && r.Kind == KindEpoch {
					list = append(list, r)
				}
			}
			if list == nil {
				continue
			}
			value := func(r Record) float64 { return side.Of(r)[name] }
			at := func(r Record) string { return fmt.Sprintf("%s (epoch %d)", digits(value(r)), r.Epoch) }
			compare := func(a, b Record) int { return cmp.Compare(value(a), value(b)) }
			row := []string{name, side.Name, digits(value(list[0])), digits(value(list[len(list)-1])), at(slices.MinFunc(list, compare)), at(slices.MaxFunc(list, compare)), ""}
			if best != nil {
				if v, ok := side.Of(*best)[name]; ok {
					row[6] = digits(v)
				}
			}
			if t.Rows = append(t.Rows, row); name == s.setup.Monitor && best != nil && (side.Name != training || best.Validate == nil) {
				t.Marked = len(t.Rows) - 1
			}
		}
	}
	return t
}

// digits is a number for people.
func digits(v float64) string { return strconv.FormatFloat(v, 'g', 6, 64) }

// epochTable is the table of the epochs.
func (s story) epochTable() report.Table {
	t := report.Table{Title: "Epochs", Marked: -1, Head: []string{"epoch", "step"}, Closed: true}
	var epochs []Record
	for _, r := range s.records {
		if r.Kind == KindEpoch {
			epochs = append(epochs, r)
		}
	}
	best := s.bestEpoch()
	shown := report.Thin(epochs, mostEpochs)
	if len(shown) < len(epochs) {
		t.Note = fmt.Sprintf("%d of %d epochs; all are in metrics.jsonl.", len(shown), len(epochs))
		if best != nil && !slices.ContainsFunc(shown, func(r Record) bool { return r.Epoch == best.Epoch }) {
			i, _ := slices.BinarySearchFunc(shown, best.Epoch, func(r Record, epoch int) int { return r.Epoch - epoch })
			shown = slices.Insert(shown, i, *best)
		}
	}
	var columns []func(Record) string
	for _, side := range Sides {
		for _, name := range MetricNames(epochs, side.Of) {
			if len(columns) == mostColumns {
				t.Note = strings.TrimSpace(t.Note + " Not all metrics are shown.")
				break
			}
			t.Head = append(t.Head, name+" ("+side.Name+")")
			columns = append(columns, func(r Record) string {
				if v, ok := side.Of(r)[name]; ok {
					return digits(v)
				}
				return ""
			})
		}
	}
	t.Head = append(t.Head, "seconds")
	for i, r := range shown {
		row := []string{strconv.Itoa(r.Epoch), strconv.FormatInt(r.Step, 10)}
		for _, c := range columns {
			row = append(row, c(r))
		}
		t.Rows = append(t.Rows, append(row, fmt.Sprintf("%.1f", r.Seconds+r.ValidateSeconds)))
		if best != nil && r.Epoch == best.Epoch {
			t.Marked = i
		}
	}
	return t
}

// config is what config.json says, but for what is told elsewhere.
func (s story) config() report.Table {
	t := report.Table{Title: "Configuration", Marked: -1}
	if s.setup.Command != "" {
		t.Rows = append(t.Rows, []string{"command", s.setup.Command})
	}
	fields := s.setup.fields()
	for _, name := range []string{"version", "program", "doc", "command", "entries", "environment", "engine"} {
		delete(fields, name)
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		t.Rows = append(t.Rows, []string{strings.ReplaceAll(name, "_", " "), words(fields[name])})
	}
	return t
}

// environment is what the run was on.
func (s story) environment() report.Table {
	t := report.Table{Title: "Environment", Marked: -1, Rows: [][]string{{"engine", s.setup.Engine}}}
	for _, name := range slices.Sorted(maps.Keys(s.setup.Environment)) {
		t.Rows = append(t.Rows, []string{name, s.setup.Environment[name]})
	}
	if len(s.records) > 0 && !s.records[0].Time.IsZero() {
		const layout = "2006-01-02 15:04:05 MST"
		first := s.records[0].Time.Add(-time.Duration(s.records[0].Seconds * float64(time.Second)))
		t.Rows = append(t.Rows, []string{"begun", first.Format(layout)}, []string{"last record", s.records[len(s.records)-1].Time.Format(layout)})
	}
	return t
}

// layers is the table of the parameters by layer.
func (s story) layers() report.Table {
	t := report.Table{Title: "Parameters", Marked: -1, Head: []string{"layer", "parameters", "numbers"}, Closed: true}
	of := map[string]int{} // places among the rows
	var numbers []int
	for _, q := range s.params {
		if !q.Trainable {
			continue
		}
		layer, name := "", q.Name
		if i := strings.LastIndex(q.Name, "."); i >= 0 {
			layer, name = q.Name[:i], q.Name[i+1:]
		}
		i, ok := of[layer]
		if !ok {
			i = len(t.Rows)
			of[layer] = i
			t.Rows, numbers = append(t.Rows, []string{layer, "", ""}), append(numbers, 0)
		}
		t.Rows[i][1] = strings.TrimPrefix(t.Rows[i][1]+", ", ", ") + fmt.Sprintf("%s %v", name, q.Type)
		numbers[i] += count(q)
		t.Rows[i][2] = strconv.Itoa(numbers[i])
	}
	if len(t.Rows) > mostLayers {
		t.Note = fmt.Sprintf("The first %d of %d layers.", mostLayers, len(t.Rows))
		t.Rows = t.Rows[:mostLayers]
	}
	return t
}

// count is how many numbers a parameter has; 0 for other state.
func count(q compiler.ParamInfo) int {
	n, err := q.Type.Shape.Size().Eval(nil)
	if err != nil || !q.Trainable {
		return 0
	}
	return n
}
