package train

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sardonyx-ml/sardonyx/runtime/train/report"
)

// Drawing takes some hundredths of a second, and an epoch may take less.
const (
	drawPause = 2 * time.Second // at least so long between drawings
	drawShare = 50              // and so many times as long as the last one took
)

// drawEpoch draws after an epoch, unless that would take a noticeable part of the time.
func (j *Journal) drawEpoch() {
	if time.Since(j.drawn) >= max(drawPause, drawShare*j.drawing) {
		j.draw(false, "")
	}
}

// draw draws the curve and writes the report, with the animation if the process is done with the run. status is what there is to
// say of the run, "" if its position tells. A run does not fail for want of a picture.
func (j *Journal) draw(done bool, status string) {
	began := time.Now()
	defer func() { j.drawn, j.drawing = time.Now(), time.Since(began) }()
	if j.history.Len() > 0 {
		if err := Curve(j.prog.Name(), j.history.Records()).Write(j.dir.Curve()); err != nil {
			j.say("%v", err)
		}
	}
	if j.noReport {
		return
	}
	s := story{dir: j.dir, setup: j.setup, records: j.history.Records(), params: j.prog.Params(), best: j.Position.Best, epochs: j.Position.Epoch, step: j.Position.Step,
		early: j.setup.Patience > 0 && j.Position.Stale >= j.setup.Patience, live: !done && status == "", status: status}
	if err := s.write(done); err != nil {
		j.say("%v", err)
	}
}

// A sampled is what a callback has left of an epoch.
type sampled struct {
	epoch int
	path  string
}

// samples are the files of samples of the first so many epochs, in their order: one of each epoch, a picture if there is one.
func (f Folder) samples(epochs int) ([]sampled, error) {
	dir := filepath.Dir(f.Samples(1))
	files, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	of := map[int]sampled{}
	for _, e := range files {
		name, epoch := strings.CutPrefix(e.Name(), "epoch-")
		ext := filepath.Ext(name)
		n, err := strconv.Atoi(strings.TrimSuffix(name, ext))
		if !epoch || err != nil || n < 1 || n > epochs || fmt.Sprintf("%03d", n)+ext != name {
			continue
		}
		if _, twice := of[n]; !twice || ext == ".png" {
			of[n] = sampled{n, filepath.Join(dir, e.Name())}
		}
	}
	var list []sampled
	for _, s := range of {
		list = append(list, s)
	}
	slices.SortFunc(list, func(a, b sampled) int { return a.epoch - b.epoch })
	return list, nil
}

// animate makes the animation of the pictures among list, if there are two.
func (f Folder) animate(list []sampled) (made bool, err error) {
	var pictures []string
	for _, s := range list {
		if filepath.Ext(s.path) == ".png" {
			pictures = append(pictures, s.path)
		}
	}
	if len(pictures) < 2 {
		return false, nil
	}
	return true, report.Animate(f.Animation(), pictures)
}
