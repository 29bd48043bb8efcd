package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/rivo/uniseg"
	"github.com/urfave/cli/v2"
	"golang.org/x/term"

	"github.com/sardonyx-ml/sardonyx/runtime/train"
)

// watchCommand follows a run.
func (a *app) watchCommand() *cli.Command {
	return &cli.Command{
		Name: "watch", Usage: "follow a training run live", ArgsUsage: "RUN",
		Description: "Shows the progress within the epoch, the course of the loss, and the last epochs, the best with a star, until the run\n" +
			"ends or Ctrl-C; the training goes on either way. Where the output is no terminal, each epoch is a line. A run that no\n" +
			"process trains in is shown once; with --wait, one that is not begun, or is to be resumed, is waited for, until it is\n" +
			"finished." +
			a.example("watch runs/"+a.exampleModel(), "watch runs/"+a.exampleModel()+" --wait --interval 10s"),
		Flags: []cli.Flag{
			&cli.DurationFlag{Name: "interval", Value: time.Second, Usage: "`TIME` between two looks"},
			&cli.BoolFlag{Name: "wait", Usage: "wait for a run that is not begun or was interrupted"},
			&cli.IntFlag{Name: "epochs", Value: 10, Usage: "how many epochs to show, if the terminal has lines for them"},
		},
		Action: finishing(a.watch),
	}
}

// leastInterval is the least time between two looks.
const leastInterval = 50 * time.Millisecond

func (a *app) watch(c *cli.Context) error {
	path, err := oneArg(c, "the run's folder")
	if err != nil {
		return err
	}
	o := watchOptions{every: c.Duration("interval"), epochs: c.Int("epochs"), wait: c.Bool("wait")}
	if o.every < leastInterval {
		return usagef(c, "--interval %v: want %v or more", o.every, leastInterval)
	}
	if o.epochs < 1 {
		return usagef(c, "--epochs %d: want 1 or more", o.epochs)
	}
	return a.follow(c.Context, path, o)
}

type watchOptions struct {
	every  time.Duration
	epochs int
	wait   bool
}

// follow shows the run in the folder path until it ends, or ctx does.
func (a *app) follow(ctx context.Context, path string, o watchOptions) error {
	w := a.newWatcher(o.epochs)
	for first := true; ; first = false {
		s, err := train.Folder(path).Status()
		switch {
		case errors.Is(err, train.ErrNoRun) && !o.wait:
			return fmt.Errorf("%w; --wait waits for one", err)
		case errors.Is(err, train.ErrNoRun):
			if first {
				fmt.Fprintf(a.err, "waiting for a run in %s\n", plain(path))
			}
		case err != nil:
			return err
		default:
			w.show(s)
			if s.Standing == train.Finished || s.Standing != train.Running && !o.wait {
				w.end(s)
				return nil
			}
		}
		if pause(ctx, o.every) != nil {
			return nil // Ctrl-C is how one leaves
		}
	}
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// A watcher shows a run again and again.
type watcher struct {
	out    io.Writer
	size   func() (width, height int) // of the terminal; nil if the output is none
	epochs int                        // that are shown on a terminal

	lines int            // that the last picture has
	told  int            // epochs that have had their line
	state train.Standing // that was told last
	spoke time.Time      // when the progress was told last
}

// newWatcher is a watcher of the last so many epochs.
func (a *app) newWatcher(epochs int) *watcher {
	w := &watcher{out: a.out, epochs: epochs}
	if o, ok := a.out.(*output); ok {
		if f, ok := o.w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
			w.size = func() (int, int) {
				if width, height, err := term.GetSize(int(f.Fd())); err == nil && width > 0 && height > 0 {
					return width, height
				}
				return 80, 24
			}
		}
	}
	return w
}

// quietProgress is the least time between two lines of progress where the output is no terminal.
const quietProgress = 30 * time.Second

// show shows the run: on a terminal in place of the last picture, else what is new.
func (w *watcher) show(s train.Status) {
	if w.size != nil {
		w.draw(s)
		return
	}
	if s.Standing != w.state {
		w.state = s.Standing
		fmt.Fprintln(w.out, plain(heading(s)))
	}
	if s.Epochs < w.told { // the run was resumed from an earlier checkpoint, or is another
		w.told = s.Epochs
	}
	for _, r := range s.Records {
		if r.Kind == train.KindEpoch && r.Epoch > w.told {
			w.told, w.spoke = r.Epoch, time.Now()
			fmt.Fprintln(w.out, plain(epochLine(r)))
		}
	}
	if s.Live != nil && time.Since(w.spoke) >= quietProgress {
		w.spoke = time.Now()
		fmt.Fprintln(w.out, plain(progressLine(*s.Live, 0)))
	}
}

// end says what has become of a run that is left.
func (w *watcher) end(s train.Status) {
	switch s.Standing {
	case train.Finished:
		text := fmt.Sprintf("finished after %d epochs", s.Epochs)
		if s.Best != nil {
			text += fmt.Sprintf(": best %s %.5g, after epoch %d", s.Setup.Monitor, s.Best.Value, s.Best.Epoch)
		}
		fmt.Fprintln(w.out, plain(text))
	case train.Interrupted:
		fmt.Fprintf(w.out, "interrupted: train --resume goes on with it\n")
	case train.NotKnown:
		fmt.Fprintf(w.out, "its lock cannot be seen from here, and its progress is old: if nothing trains in it elsewhere, train --resume goes on with it\n")
	case train.Ended:
		fmt.Fprintf(w.out, "no process trains in it\n")
	}
}

// draw draws the picture anew. It has one line less than the terminal, since the cursor is left below it: what has gone over the upper
// edge is out of reach.
func (w *watcher) draw(s train.Status) {
	width, height := w.size()
	most := max(height-1, 1)
	lines := []string{heading(s)}
	if s.Live != nil {
		lines = append(lines, progressLine(*s.Live, 20))
	}
	var epochs []train.Record
	for _, r := range s.Records {
		if r.Kind == train.KindEpoch {
			epochs = append(epochs, r)
		}
	}
	if line := course(s.Records, min(width-16, 100)); line != "" {
		lines = append(lines, line)
	}
	epochs = epochs[max(0, len(epochs)-w.epochs):]
	if lines = lines[:min(len(lines), most)]; len(lines)+len(epochs) > most {
		room := max(most-len(lines)-1, 0) // but for a line that says so
		if len(lines) < most {
			lines = append(lines, fmt.Sprintf("  … %d of %d epochs are left out: the terminal has %d lines", len(epochs)-room, len(epochs), height))
		}
		epochs = epochs[len(epochs)-room:]
	}
	for _, r := range epochs {
		line := epochLine(r)
		if s.Best != nil && r.Epoch == s.Best.Epoch {
			line = "* " + line
		} else {
			line = "  " + line
		}
		lines = append(lines, line)
	}
	var b strings.Builder
	if up := min(w.lines, most); up > 0 { // it may have become lower
		fmt.Fprintf(&b, "\x1b[%dA\r", up)
	}
	for _, l := range lines {
		b.WriteString(clip(plain(l), width-1) + "\x1b[K\n")
	}
	b.WriteString("\x1b[J") // what a longer picture has left
	w.lines = len(lines)
	io.WriteString(w.out, b.String())
}

// clip is as much of s as fits into n columns of a terminal, in which some characters take two, and some none.
func clip(s string, n int) string {
	end, columns, state := 0, 0, -1
	for rest := s; rest != ""; {
		var character string
		var width int
		character, rest, width, state = uniseg.FirstGraphemeClusterInString(rest, state)
		if columns += width; columns > n {
			return s[:end]
		}
		end += len(character)
	}
	return s
}

// heading says which run it is, and how far.
func heading(s train.Status) string {
	of := ""
	if s.Setup.Epochs > 0 {
		of = fmt.Sprintf(" of %d", s.Setup.Epochs)
	}
	text := fmt.Sprintf("%s: %s, %s, %d%s epochs, %d steps", s.Dir, s.Setup.Program, s.Standing, s.Epochs, of, s.Step)
	if s.Best != nil {
		text += fmt.Sprintf(", best %s %.5g in epoch %d", s.Setup.Monitor, s.Best.Value, s.Best.Epoch)
	}
	return text
}

// epochLine tells of an epoch.
func epochLine(r train.Record) string {
	text := fmt.Sprintf("epoch %d  step %d  %v", r.Epoch, r.Step, r.Train)
	if r.Validate != nil {
		text += fmt.Sprintf("  | validation: %v", r.Validate)
	}
	return text + "  | " + lasting(time.Duration((r.Seconds+r.ValidateSeconds)*float64(time.Second)))
}

// progressLine tells how far a phase is, with a bar of so many characters.
func progressLine(l train.Live, bar int) string {
	text := l.Phase
	if l.Total > 0 {
		done := min(float64(l.Done)/float64(l.Total), 1)
		if bar > 0 {
			n := int(done * float64(bar))
			text += "  [" + strings.Repeat("#", n) + strings.Repeat(".", bar-n) + "]"
		}
		text += fmt.Sprintf("  %d%%", int(100*done))
		if l.Rate > 0 && l.Done < l.Total {
			text += fmt.Sprintf("  %s left", lasting(time.Duration(float64(l.Total-l.Done)/l.Rate*float64(time.Second))))
		}
	}
	text += fmt.Sprintf("  %v", l.Metrics)
	if age := time.Since(l.Time); age > 10*time.Second {
		text += fmt.Sprintf("  (%s ago)", lasting(age))
	}
	return text
}

// course is the course of the loss in training, or of the first metric where there is none, as a line of so many blocks at most.
func course(records []train.Record, width int) string {
	names := train.MetricNames(records, train.Sides[0].Of)
	if len(names) == 0 || width < 1 {
		return ""
	}
	kind := train.KindEpoch
	for _, r := range records {
		if r.Kind == train.KindSteps {
			kind = train.KindSteps // there are more of these
		}
	}
	var values []float64
	for _, r := range records {
		if v, ok := r.Train[names[0]]; ok && r.Kind == kind {
			values = append(values, v)
		}
	}
	if len(values) == 0 {
		return ""
	}
	last := strconv.FormatFloat(values[len(values)-1], 'g', 5, 64)
	return names[0] + " " + sparkline(values, width) + " " + last
}

// sparkline is values as blocks from the lowest to the highest, the average of several each if there are more than width. What is not
// finite is a gap.
func sparkline(values []float64, width int) string {
	if n := len(values); n > width {
		few := make([]float64, width)
		for i := range few {
			part := values[i*n/width : (i+1)*n/width]
			for _, v := range part {
				few[i] += v / float64(len(part))
			}
		}
		values = few
	}
	finite := func(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if finite(v) {
			lo, hi = min(lo, v), max(hi, v)
		}
	}
	blocks := []rune("▁▂▃▄▅▆▇█")
	var b strings.Builder
	for _, v := range values {
		switch {
		case !finite(v):
			b.WriteRune(' ')
		case hi > lo:
			b.WriteRune(blocks[int((v/2-lo/2)/(hi/2-lo/2)*float64(len(blocks)-1)+.5)])
		default:
			b.WriteRune(blocks[0])
		}
	}
	return b.String()
}
