//go:build !unix

package regularfile

// nonBlocking is no flag where pipes have no place among files.
const nonBlocking = 0
