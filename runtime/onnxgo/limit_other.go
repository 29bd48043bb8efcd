//go:build !linux

package onnxgo

import "os/exec"

func limitAddressSpace(int64) error { return nil }

func dieWithParent(*exec.Cmd) {}
