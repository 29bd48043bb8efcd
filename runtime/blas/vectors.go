package blas

import "golang.org/x/sys/cpu"

// Vectors is the level of vector instructions that pure Go products use here: "AVX-512", "AVX2", or "no vectors".
func Vectors() string {
	switch {
	case !cpu.X86.HasAVX2 || !cpu.X86.HasFMA:
		return "no vectors"
	case cpu.X86.HasAVX512F:
		return "AVX-512"
	}
	return "AVX2"
}
