//go:build race

package onnxgo

// raceDetector says that the race detector is on: a child process then takes ten times as long to start, and what it computes is
// no concern of the detector.
const raceDetector = true
