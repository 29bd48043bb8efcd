package app

import (
	"fmt"
	"math"

	"github.com/sardonyx-ml/sardonyx/runtime/train/report"
)

// printBench prints a table for each model.
func (a *app) printBench(all []benchOf) error {
	for i, b := range all {
		if i > 0 {
			fmt.Fprintln(a.out)
		}
		what := b.title()
		if b.Rhythm != "" {
			what += ": " + b.Rhythm
		}
		fmt.Fprintf(a.out, "%s; batch %d, %s, %.3g multiply-adds, %s planned besides %s of state, %s of it new state; %s moved\n", what, b.Batch, counted(b.Threads, "thread"),
			b.MultiplyAdds, size(int64(b.Memory)), size(int64(b.State)), size(int64(b.NewState)), size(int64(b.Moved)))
		rows := [][]string{{"ENGINE", "MS", "SPREAD", "LEAST", "MOST", "P99", "RATIO", "GFLOP/S", "OF PEAK", "EXAMPLES/S", "BYTES", "RESIDENT"}}
		for _, t := range b.Times {
			rows = append(rows, []string{
				t.Name, digits(t.Median), fmt.Sprintf("±%.0f%%", 100*t.Spread), digits(t.Least), digits(t.Most), digitsOr(t.P99), fmt.Sprintf("%.2f", float64(t.Ratio)),
				digits(t.Rate), fmt.Sprintf("%.0f%%", 100*t.OfPeak), digits(t.PerSecond), sizeOr(t.Memory), sizeOr(t.Resident)})
		}
		rows = append(rows, []string{"floor, the products alone", digits(b.Floor), "", "", "", "", "", digits(b.PeakRate)},
			[]string{fmt.Sprintf("what is moved, at %.3g GB/s", b.Bandwidth), digits(b.MovedFloor)})
		if err := a.table(rows); err != nil {
			return err
		}
	}
	return nil
}

// digits is a number with three digits that count, and all before its point.
func digits(v float64) string {
	if math.Abs(v) >= 1000 {
		return fmt.Sprintf("%.0f", v)
	}
	return fmt.Sprintf("%.3g", v)
}

// digitsOr is digits, nothing for 0.
func digitsOr(v float64) string {
	if v == 0 {
		return ""
	}
	return digits(v)
}

// sizeOr is a number of bytes, nothing for 0.
func sizeOr(n int) string {
	if n == 0 {
		return ""
	}
	return size(int64(n))
}

// sameThreads is how many threads all ran on, 0 if not all on as many.
func sameThreads(all []benchOf) int {
	for _, b := range all {
		if b.Threads != all[0].Threads {
			return 0
		}
	}
	return all[0].Threads
}

// counted is a number of things: 1 thread, 2 threads.
func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// drawBench draws the ratios.
func drawBench(all []benchOf, path string) error { return benchChart(all).Write(path) }

// benchChart are the ratios as bars.
func benchChart(all []benchOf) report.BarChart {
	chart := report.BarChart{Title: "time of a training step", Value: "ratio"}
	if all[0].Func != "" {
		chart.Title = "time of a call"
	}
	at := map[string]int{}
	batches, threads := map[string]map[int]bool{}, sameThreads(all)
	for _, b := range all {
		if batches[b.title()] == nil {
			batches[b.title()] = map[int]bool{}
		}
		batches[b.title()][b.Batch] = true
	}
	for k, b := range all {
		name := b.title()
		if len(batches[name]) > 1 {
			name = fmt.Sprintf("%s, %d", name, b.Batch)
		}
		if threads == 0 {
			name = fmt.Sprintf("%s, %s", name, counted(b.Threads, "thread"))
		}
		chart.Names = append(chart.Names, name)
		for _, t := range b.Times {
			i, ok := at[t.Name]
			if !ok {
				i = len(chart.Series)
				at[t.Name] = i
				bars := report.Bars{Name: t.Name, Values: make([]float64, len(all))}
				for j := range bars.Values {
					bars.Values[j] = math.NaN()
				}
				chart.Series = append(chart.Series, bars)
			}
			chart.Series[i].Values[k] = float64(t.Ratio)
		}
	}
	return chart
}
