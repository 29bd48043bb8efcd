package onnxgo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/train/safetensors"
)

// errHook is the error of a program that could not be its own child.
var errHook = errors.New("onnx-go runs in a child process, which is this program again: call onnxgo.Child() before all else in main and TestMain")

// runChild runs a model in a child process on inputs in the model's order, and returns outputs in the model's order, no
// more than most bytes of them.
func runChild(ctx context.Context, model []byte, inputs []*tensor.Tensor, outputs int, most int64, o Options) ([]*tensor.Tensor, error) {
	if !hooked.Load() || os.Getenv(childEnv) != "" {
		return nil, errHook
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, err
	}
	limited, stop := context.WithTimeout(ctx, o.Timeout)
	defer stop()
	cmd := exec.CommandContext(limited, exe)
	cmd.Env = append(os.Environ(), childEnv+"="+strconv.FormatInt(o.Memory, 10), "GOTRACEBACK=none")
	cmd.WaitDelay = time.Second // pipes of a killed child are not waited for
	dieWithParent(cmd)
	var complaint head
	cmd.Stderr = &complaint
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	// The kernel ends the child with the thread that started it: the thread must last.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the child process: %w", err)
	}
	go send(in, model, inputs) // what goes wrong here shows in the answer
	got, refused, err := receive(out, outputs, most)
	if err == nil && refused == nil {
		in.Close() // only now: the child ends when this pipe does
	} else {
		stop()
	}
	ended := cmd.Wait()
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case refused != nil:
		return nil, refused
	case err == nil:
		return got, nil
	case errors.Is(limited.Err(), context.DeadlineExceeded):
		return nil, fmt.Errorf("its child process was ended: it took longer than %v", o.Timeout)
	}
	return nil, fmt.Errorf("its child process, which may have %d MiB of memory, broke off: %s", o.Memory>>20, cause(ended, complaint.text(), err))
}

// send writes the request and leaves the pipe open.
func send(in io.Writer, model []byte, inputs []*tensor.Tensor) {
	named := make(map[string]*tensor.Tensor, len(inputs))
	for i, t := range inputs {
		named[strconv.Itoa(i)] = t
	}
	if err := writeFrame(in, model); err != nil {
		return
	}
	_ = writeTensors(in, named)
}

// receive reads the answer: outputs, or the error that the child answered with.
func receive(out io.Reader, n int, most int64) (outputs []*tensor.Tensor, refused, err error) {
	const header = 1 << 20 // the JSON of names and shapes, and the text of an error
	message, err := readFrame(out, header)
	if err != nil {
		return nil, nil, err
	}
	if len(message) > 0 {
		return nil, errors.New(oneLine(string(message))), nil
	}
	encoded, err := readFrame(out, most+header)
	if err != nil {
		return nil, nil, err
	}
	named, err := safetensors.Decode(encoded)
	if err != nil {
		return nil, nil, err
	}
	if len(named) != n {
		return nil, nil, fmt.Errorf("%d outputs came back, not %d", len(named), n)
	}
	for i := range n {
		outputs = append(outputs, named[strconv.Itoa(i)])
	}
	return outputs, nil, nil
}

// cause says in one line why the child ended: what the Go runtime complained of, or else how the process ended.
func cause(ended error, complaint string, err error) string {
	for _, mark := range []string{"fatal error: ", "panic: ", ""} {
		for line := range strings.Lines(complaint) {
			if line = strings.TrimSpace(line); line != "" && strings.Contains(line, mark) {
				return oneLine(line)
			}
		}
	}
	if ended != nil {
		return ended.Error()
	}
	return err.Error()
}

// oneLine is s on one line, cut where it is long: errors of onnx-go may have whole tensors in them.
func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	const most = 300
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return s
}

// A head keeps the beginning of what is written to it.
type head struct{ b bytes.Buffer }

const headSize = 64 << 10

func (h *head) Write(p []byte) (int, error) {
	h.b.Write(p[:min(len(p), headSize-h.b.Len())])
	return len(p), nil
}

func (h *head) text() string { return h.b.String() }
