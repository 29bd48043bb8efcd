package onnxgo

import (
	"bytes"
	"fmt"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/sardonyx-ml/sardonyx/runtime/regularfile"
)

// headroom is address space beyond the memory that a process may have: the Go runtime reserves more than it uses, and so do
// threads and C's allocator.
const headroom = 512 << 20

// limitAddressSpace lets this process have n bytes, and the headroom, beyond the address space that it has now: Go's runtime
// begins with more than a gigabyte. (A limit on data alone does not hold Go's heap: it grows into space already reserved.)
func limitAddressSpace(n int64) error {
	status, err := regularfile.Read("/proc/self/status", 1<<20)
	if err != nil {
		return err
	}
	var now int64
	_, line, _ := bytes.Cut(status, []byte("\nVmSize:"))
	if _, err := fmt.Sscanf(string(line), "%d kB", &now); err != nil {
		return fmt.Errorf("/proc/self/status: %w", err)
	}
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_AS, &old); err != nil {
		return err
	}
	limit := min(uint64(now<<10)+uint64(n)+headroom, old.Cur) // a limit that is there may be lowered only
	return unix.Setrlimit(unix.RLIMIT_AS, &unix.Rlimit{Cur: limit, Max: limit})
}

// dieWithParent has the kernel end the child when the thread that starts it ends.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
