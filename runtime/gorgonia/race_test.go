//go:build race

package gorgonia_test

// underRace says that the race detector is on, which empties pools at random.
const underRace = true
