//go:build race

// Package racetest tells a test whether the race detector is on. It then leaves out what the detector makes false or far too
// slow: the detector empties pools at random, so that allocations are not to be counted, a child process takes ten times as long
// to start, and loops of plain arithmetic, which are no concern of it, run at a tenth of their speed.
package racetest

// Enabled says that the race detector is on.
const Enabled = true
