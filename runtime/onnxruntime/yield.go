package onnxruntime

import "time"

// A yielder tells a goroutine that makes native calls, one after another, when to give way to others.
//
// Go's scheduler takes the processor from a goroutine that has not given way for 10 ms, once it is in a native call for more than 20 µs. After
// the call the goroutine gets an idle one, which has not changed hands for as long, so the next call loses that too: each then takes some 10 µs
// more, for threads that are woken. To give way costs as much, but once in some milliseconds.
type yielder struct {
	last  time.Time
	calls int // since it looked at the clock
}

const (
	yieldAfter = 4 * time.Millisecond
	yieldLook  = 8 // calls; short ones do not pay for a look at the clock each
)

// due reports whether it is time to give way. now is asked for the time.
func (y *yielder) due(now func() time.Time) bool {
	if y.calls++; y.calls < yieldLook {
		return false
	}
	y.calls = 0
	t := now()
	if t.Sub(y.last) < yieldAfter {
		return false
	}
	y.last = t
	return true
}
