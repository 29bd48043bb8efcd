//go:build !race

package gorgonia_test

const underRace = false
