package train

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// quiet is how long a plain log may be silent within a phase.
const quiet = 30 * time.Second

// barWidth is the width of the bar itself, in characters.
const barWidth = 16

// Progress shows how far a run is: on a terminal a bar with rate and remaining time, else a plain line now and then.
type Progress struct {
	w    io.Writer
	tty  bool
	now  func() time.Time
	bar  *progressbar.ProgressBar
	name string

	begun, spoken time.Time
	total, done   int
	before        int // examples of this phase that an earlier process did

	heard func(live func() Live) // if not nil, told of each Add
}

// NewProgress returns a Progress that writes to w; nil is silent.
func NewProgress(w io.Writer) *Progress {
	if w == nil {
		w = io.Discard
	}
	p := &Progress{w: w, now: time.Now}
	if f, ok := w.(interface{ Fd() uintptr }); ok {
		p.tty = term.IsTerminal(int(f.Fd()))
	}
	return p
}

// Begin starts a phase called name, such as "epoch 2/10", of total examples, of which done were done before.
func (p *Progress) Begin(name string, total, done int) {
	p.End()
	p.name, p.total, p.done, p.before = name, total, done, done
	p.begun = p.now()
	p.spoken = p.begun
	if !p.tty || total == 0 {
		return
	}
	p.bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(p.w), progressbar.OptionSetDescription(name),
		progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(false), progressbar.OptionSetElapsedTime(false),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(), progressbar.OptionSetWidth(barWidth))
	p.bar.Set(done)
}

// Add counts examples, and shows m beside the name of the phase.
func (p *Progress) Add(examples int, m Metrics) {
	p.done += examples
	if p.heard != nil {
		p.heard(func() Live { return Live{Phase: p.name, Done: p.done, Total: p.total, Rate: p.Rate(), Metrics: m} })
	}
	if p.bar != nil {
		// The bar's own rate would count what an earlier process did.
		p.bar.Describe(p.fit(fmt.Sprintf("%s%s  %s", p.name, p.pace(), m))) // what a narrow terminal cuts is least missed
		p.bar.Add(examples)
		return
	}
	now := p.now()
	if p.tty || now.Sub(p.spoken) < quiet {
		return
	}
	p.spoken = now
	fmt.Fprintf(p.w, "%s  %d%%  %s%s\n", p.name, 100*p.done/max(p.total, 1), m, p.pace())
}

// pace is the rate and the time that the rest of the phase will take.
func (p *Progress) pace() string {
	rate := p.Rate()
	if rate <= 0 {
		return ""
	}
	left := time.Duration(float64(p.total-p.done) / rate * float64(time.Second))
	return fmt.Sprintf("  %s  %v left", perSecond(rate), left.Round(time.Second))
}

// perSecond is a rate in three digits or more, without an exponent.
func perSecond(rate float64) string {
	if rate < 100 {
		return fmt.Sprintf("%.3g examples/s", rate)
	}
	return fmt.Sprintf("%.0f examples/s", rate)
}

// fit cuts a description so that the bar stays on one line.
func (p *Progress) fit(s string) string {
	f, ok := p.w.(interface{ Fd() uintptr })
	if !ok {
		return s
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return s
	}
	if width <= 0 { // a terminal that was not told its size
		width = 80
	}
	return cut(s, width-barWidth-len(fmt.Sprintf(" 100%% || (%d/%d) ", p.total, p.total)))
}

// cut leaves as many parts of s, which two spaces separate, as fit into width bytes.
func cut(s string, width int) string {
	for len(s) > width {
		s = s[:max(0, strings.LastIndex(s, "  "))]
		if s == "" {
			break
		}
	}
	return s
}

// Rate is the examples per second of this phase, 0 before it can be known.
func (p *Progress) Rate() float64 {
	s := p.now().Sub(p.begun).Seconds()
	if s <= 0 {
		return 0
	}
	return float64(p.done-p.before) / s
}

// Elapsed is the time since the phase began.
func (p *Progress) Elapsed() time.Duration { return p.now().Sub(p.begun) }

// End takes the bar of the phase away.
func (p *Progress) End() {
	if p.bar != nil {
		p.bar.Clear()
		p.bar = nil
	}
}

// Say writes a line.
func (p *Progress) Say(format string, args ...any) {
	p.Aside(func() { fmt.Fprintf(p.w, format+"\n", args...) })
}

// Aside takes the bar away and calls write, which writes elsewhere to the same screen.
func (p *Progress) Aside(write func()) {
	if p.bar != nil {
		p.bar.Clear()
	}
	write()
}
