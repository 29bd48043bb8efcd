//go:build !linux && !darwin

package runtime

// Memory is how many bytes of memory this machine has, or 0 where that is not known.
func Memory() uint64 { return 0 }
