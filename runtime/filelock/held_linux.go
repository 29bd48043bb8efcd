package filelock

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/sardonyx-ml/sardonyx/runtime/regularfile"
)

// maxLocks bounds the kernel's list of locks, in bytes.
const maxLocks = 16 << 20

// Held reports whether a process holds the lock of the file path, without touching the lock: one that is about to take it must not
// meet another. known is false where that cannot be told.
func Held(path string) (held, known bool) {
	info, err := os.Stat(path)
	if err != nil {
		return false, os.IsNotExist(err)
	}
	stat, ok := info.Sys().(*syscall.Stat_t)
	list, err := regularfile.Read("/proc/locks", maxLocks)
	if !ok || err != nil {
		return false, false
	}
	for _, h := range holders(list, stat.Ino) {
		if holds(h, info) {
			return true, true
		}
	}
	return false, true
}

// Place tells apart where processes run: [Held] knows of the locks of those in one place, a machine and its namespace of processes, such
// as a container's. It is "" where that cannot be told.
func Place() string {
	namespace, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	host, err := os.Hostname()
	if err != nil {
		return ""
	}
	machine, _ := regularfile.Read("/etc/machine-id", 1<<10) // containers have none, and names of their own
	sum := sha256.Sum256([]byte(namespace + " " + host + " " + string(machine)))
	return hex.EncodeToString(sum[:8])
}

// holders are the processes that hold a lock by flock on a file of that number, of the lines of /proc/locks:
//
//	1: FLOCK  ADVISORY  WRITE 10161 fe:00:5350869 0 EOF
//
// The device there need not be the one that stat tells, as on btrfs.
func holders(locks []byte, inode uint64) (pids []string) {
	lines := bufio.NewScanner(bytes.NewReader(locks))
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) < 6 || f[1] != "FLOCK" { // a process that waits has an arrow there
			continue
		}
		if file := f[5]; file[strings.LastIndex(file, ":")+1:] == strconv.FormatUint(inode, 10) {
			pids = append(pids, f[4])
		}
	}
	return pids
}

// holds reports whether the process has the file open; if it may not be looked at, the number of the file is enough.
func holds(pid string, file os.FileInfo) bool {
	links, err := filepath.Glob(filepath.Join("/proc", pid, "fd", "*"))
	if err != nil || len(links) == 0 {
		return true
	}
	for _, l := range links {
		if open, err := os.Stat(l); err == nil && os.SameFile(open, file) {
			return true
		}
	}
	return false
}
