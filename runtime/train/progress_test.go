package train

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"
)

// TestProgressPlain is silent for half a minute and then gives the rate of what this process did.
func TestProgressPlain(t *testing.T) {
	var out bytes.Buffer
	p := NewProgress(&out)
	clock := time.Unix(1000, 0)
	p.now = func() time.Time { return clock }
	p.Begin("epoch 2/3", 1000, 100)
	for range 8 {
		clock = clock.Add(10 * time.Second)
		p.Add(50, Metrics{"loss": .25})
	}
	p.End()
	p.Say("done %d", 1)
	want := "epoch 2/3  25%  loss 0.25  5 examples/s  2m30s left\n" +
		"epoch 2/3  40%  loss 0.25  5 examples/s  2m0s left\n" +
		"done 1\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
	if p.Rate() != 5 || p.Elapsed() != 80*time.Second {
		t.Errorf("rate %v, elapsed %v", p.Rate(), p.Elapsed())
	}
}

// TestProgressBar draws the bar that a terminal would get.
func TestProgressBar(t *testing.T) {
	var out bytes.Buffer
	p := NewProgress(&out)
	p.tty = true
	p.Begin("epoch 1/2", 100, 50)
	for range 5 {
		time.Sleep(110 * time.Millisecond) // the bar is drawn ten times a second
		p.Add(10, Metrics{"loss": .5})
	}
	p.End()
	p.Say("after")
	s := out.String()
	for _, want := range []string{"epoch 1/2  ", "examples/s", "left  loss 0.5", "█", "(70/100)", "\rafter\n"} {
		if !strings.Contains(s, want) {
			t.Errorf("%q lacks %q", s, want)
		}
	}
	if strings.Count(s, "\n") != 1 {
		t.Errorf("the bar takes more than a line: %q", s)
	}
}

func TestCut(t *testing.T) {
	const s = "epoch 1/2  5 examples/s  loss 0.5"
	for width, want := range map[int]string{99: s, len(s): s, len(s) - 1: "epoch 1/2  5 examples/s", 22: "epoch 1/2", 8: "", -5: ""} {
		if got := cut(s, width); got != want {
			t.Errorf("cut to %d: %q, want %q", width, got, want)
		}
	}
}

func TestProgressTerminal(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if NewProgress(f).tty || NewProgress(nil).tty {
		t.Error("a file is taken for a terminal")
	}
	if tty, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0); err == nil {
		defer tty.Close()
		p := NewProgress(tty)
		if !p.tty {
			t.Error("a terminal is not seen as one")
		}
		p.total = 60000
		const s = "epoch 1/1  4323 examples/s  14s left"
		if got := p.fit(s + "  loss 165.2  kl 21.46  reconstruction 143.7"); got != s { // its size is not set
			t.Errorf("a terminal without a size shows %q, want %q", got, s)
		}
	}
}
