package train

import (
	"encoding/json"
	"path/filepath"
	"time"

	"github.com/sardonyx-ml/sardonyx/runtime/atomicfile"
	"github.com/sardonyx-ml/sardonyx/runtime/filelock"
	"github.com/sardonyx-ml/sardonyx/runtime/regularfile"
)

// beatPause is the least time between two writings of progress.json.
const beatPause = time.Second

// Live is how far a run is within its epoch: the content of progress.json, which the process that trains writes from its
// beginning, about every second, and removes when it ends.
type Live struct {
	Phase   string    `json:"phase"` // "epoch 2/10", "epoch 2/10 validation"
	Done    int       `json:"done"`  // examples
	Total   int       `json:"total"` // 0 if it is not known
	Rate    float64   `json:"examples_per_second"`
	Metrics Metrics   `json:"metrics"` // of the last batch
	Time    time.Time `json:"time"`
	Place   string    `json:"place"` // where the process runs, as [filelock.Place] has it
}

// Progress is the file of how far the run is within its epoch.
func (f Folder) Progress() string { return filepath.Join(string(f), "progress.json") }

// live reads progress.json; nil if there is none, or none that can be read.
func (f Folder) live() *Live {
	b, err := regularfile.Read(f.Progress(), maxConfig)
	var l Live
	if err != nil || json.Unmarshal(b, &l) != nil || l.Done < 0 || l.Total < 0 {
		return nil
	}
	return &l
}

// alive writes the first progress.json, before there is progress: where it is, a process trains or was killed.
func (j *Journal) alive() { j.write(Live{Phase: "beginning"}) }

// write writes progress.json. A run does not fail for want of it.
func (j *Journal) write(l Live) {
	l.Time, l.Place = time.Now().UTC().Round(time.Millisecond), filelock.Place()
	if b, err := json.Marshal(l); err == nil {
		j.beats = true
		_ = atomicfile.WriteSoon(j.dir.Progress(), b)
	}
}

// beat writes progress.json, unless that was done a moment ago.
func (j *Journal) beat(live func() Live) {
	now := time.Now()
	if j.beaten.IsZero() {
		j.beaten = now
	}
	if j.history != nil && now.Sub(j.beaten) >= beatPause {
		j.beaten = now
		j.write(live())
	}
}
