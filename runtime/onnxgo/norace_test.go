//go:build !race

package onnxgo

const raceDetector = false
