package onnxruntime

import (
	"testing"
	"time"
)

// TestYield: calls one after another give way each few milliseconds, whatever they take, and short ones look at the clock now and then only.
func TestYield(t *testing.T) {
	for _, c := range []struct {
		call        time.Duration
		least, most int // times to give way in a second
		looks       int // at the clock
	}{
		{time.Microsecond, 240, 251, 125_000},
		{100 * time.Microsecond, 200, 251, 1250},
		{300 * time.Microsecond, 200, 251, 417},
	} {
		now := time.Unix(1, 0)
		y, yields, looks := yielder{}, 0, 0
		var last time.Time
		for calls := range int(time.Second / c.call) {
			due := y.due(func() time.Time { looks++; return now })
			if due {
				if gap := now.Sub(last); calls > 2*yieldLook && gap > 10*time.Millisecond {
					t.Errorf("calls of %v: %v without giving way", c.call, gap)
				}
				yields++
				last = now
			}
			now = now.Add(c.call)
		}
		if yields < c.least || yields > c.most || looks > c.looks {
			t.Errorf("calls of %v give way %d times in a second, want %d to %d, and look at the clock %d times", c.call, yields, c.least, c.most, looks)
		}
	}
}
