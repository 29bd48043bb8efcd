package app

import (
	"fmt"
	"slices"

	"github.com/sardonyx-ml/sardonyx/compiler/models/yardstick"
	"github.com/sardonyx-ml/sardonyx/runtime/train/report"
)

// title is what s is of, but for what grows.
func (s scaleSeries) title() string {
	text := s.Model
	if s.Vary != "batch" {
		text += fmt.Sprintf(", batch %d", s.Batch)
	}
	if len(s.Settings) > 0 {
		text += ", " + s.Settings.String()
	}
	return text
}

// printScale prints the table of a series, the i-th.
func (a *app) printScale(s scaleSeries, i int) error {
	if i > 0 {
		fmt.Fprintln(a.out)
	}
	fmt.Fprintf(a.out, "%s: %s\n", s.title(), s.Vary)
	rows := [][]string{{"SIZE", "PARAMETERS", "COMPILED CPU MS", "MS", "CPU MS", "GFLOP/CPU S", "VALUES", "LIVE", "PREDICTED", "HEAP"}}
	for _, p := range s.Points {
		row := []string{fmt.Sprint(p.Value), fmt.Sprint(p.Params), digits(p.Compile), "too large", "", "",
			size(int64(p.Arena)), size(int64(p.Live)), size(int64(p.Peak)), ""}
		if p.TooLarge == "" {
			row[3], row[4], row[5], row[9] = digits(p.Turn), digits(p.CPU), fmt.Sprintf("%.3g", 2*p.MultiplyAdds/p.CPU/1e6), size(int64(p.Heap))
		}
		rows = append(rows, row)
	}
	if err := a.table(rows); err != nil {
		return err
	}
	fmt.Fprintf(a.out, "CPU time ~ %s^%.2f (its multiply-adds %.2f), values ~ %s^%.2f (%v)\n", s.Vary, float64(s.Time.Measured), float64(s.Time.Expected),
		s.Vary, float64(s.Memory.Measured), float64(s.Memory.Expected))
	return nil
}

// drawScale draws, for each size that grows, the time and the memory of its series side by side, and returns the files.
func drawScale(list []scaleSeries, dir string) ([]string, error) {
	var files []string
	for _, first := range list {
		path := scalePath(dir, first.Vary)
		if slices.Contains(files, path) {
			continue
		}
		time := report.Chart{Title: "CPU time of a training step", X: first.Vary, Y: "ms", LogX: true, LogY: true}
		memory := report.Chart{Title: "memory of its values", X: first.Vary, Y: "MB", LogX: true, LogY: true}
		for _, s := range list {
			if s.Vary != first.Vary {
				continue
			}
			ms, mb := report.Series{Name: s.label(s.Time)}, report.Series{Name: s.label(s.Memory)}
			for _, p := range s.Points {
				mb.X, mb.Y = append(mb.X, float64(p.Value)), append(mb.Y, float64(p.Arena)/1e6)
				if p.TooLarge == "" {
					ms.X, ms.Y = append(ms.X, float64(p.Value)), append(ms.Y, p.CPU)
				}
			}
			time.Series, memory.Series = append(time.Series, ms), append(memory.Series, mb)
		}
		if err := report.WriteRow(path, time, memory); err != nil {
			return nil, err
		}
		files = append(files, path)
	}
	return files, nil
}

// label names a line by its model, and its exponent beside the one expected.
func (s scaleSeries) label(e exponent) string {
	name := s.Model
	if _, marked := s.Settings[yardstick.Checkpoint]; marked {
		name += ", checkpoints"
	}
	return fmt.Sprintf("%s: %.2f (%.2f)", name, float64(e.Measured), float64(e.Expected))
}
