package kernel

import (
	"sync"
	"sync/atomic"
	"time"
)

// A job is one cut: parts of a range that goroutines claim one after another. It may be begun again when it has no users.
type job struct {
	n, parts int
	task     Task
	own      []*Context   // by part
	next     atomic.Int32 // the first part that nobody has claimed
	left     atomic.Int32 // parts that are not done
	users    atomic.Int32 // helpers that have it or may take it

	mu     sync.Mutex
	failed any // what the task panicked with
}

func (j *job) begin(t Task, own []*Context, n, parts int) {
	j.task, j.own, j.n, j.parts = t, own, n, parts
	j.next.Store(0)
	j.left.Store(int32(parts))
}

// run does parts until none is left to claim.
func (j *job) run() {
	for {
		p := int(j.next.Add(1)) - 1
		if p >= j.parts {
			return
		}
		j.part(p)
	}
}

func (j *job) part(p int) {
	defer func() {
		if r := recover(); r != nil {
			j.mu.Lock()
			j.failed = r
			j.mu.Unlock()
		}
		j.left.Add(-1)
	}()
	j.task.Part(j.own[p], p*j.n/j.parts, (p+1)*j.n/j.parts)
}

// wait returns when every part is done.
func (j *job) wait() {
	for tries := 0; !spin(func() bool { return j.left.Load() == 0 }); tries++ {
		if tries >= patience {
			yield()
		}
	}
}

// A helper is a goroutine that shares the jobs of one caller. It ends soon after its last job, so that nobody has to stop
// it, and is started again when needed.
type helper struct {
	job   atomic.Pointer[job]
	alive atomic.Bool
}

// patience is how many times a caller that has no more to do spins before it lets others run: some tens of microseconds, since a helper is
// mostly about to be done. It would get the CPU back late where many want it.
const patience = 10

// linger is how long a helper looks out for its next job before it ends. Between the ops of a graph pass some
// microseconds; to wake a sleeping thread takes tens of them, on virtual machines hundreds.
const linger = time.Millisecond

// give offers j to h. If h comes late, the caller has done it all.
func (h *helper) give(j *job) {
	j.users.Add(1)
	h.job.Store(j)
	if h.alive.CompareAndSwap(false, true) {
		go h.work()
	}
}

// takeBack withdraws j, if h has not come to take it.
func (h *helper) takeBack(j *job) {
	if h.job.CompareAndSwap(j, nil) {
		j.users.Add(-1)
	}
}

func (h *helper) work() {
	for end := time.Now().Add(linger); ; {
		switch j := h.job.Swap(nil); {
		case j != nil:
			j.run()
			j.users.Add(-1)
			end = time.Now().Add(linger)
		case spin(func() bool { return h.job.Load() != nil }):
		case time.Now().After(end):
			h.alive.Store(false)
			if h.job.Load() == nil || !h.alive.CompareAndSwap(false, true) { // a job given meanwhile
				return
			}
		default:
			yield() // others come first
		}
	}
}

// spin looks a few times whether done has come true.
func spin(done func() bool) bool {
	for range 100 {
		if done() {
			return true
		}
		pause()
	}
	return false
}
