//go:build !linux && !darwin

package runtime

// Memory is how many bytes of memory this machine has, or 0 where that is not known.
func Memory() uint64 { return 0 }

// PeakResident is the most memory that this process had so far, in bytes, its libraries among it; 0 where that is not known.
func PeakResident() int { return 0 }
