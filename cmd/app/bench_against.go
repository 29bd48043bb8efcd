package app

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
)

// A reference is a command of --against.
type reference struct {
	name, command string

	cmd    *exec.Cmd // of one that stays
	in     io.WriteCloser
	out    *bufio.Reader
	errs   *tail
	unused *said // of one that does not, what it said when it was tried
	last   said
}

// said is what a command says in a line of JSON.
type said struct {
	Ready    bool     `json:"ready"`
	MS       *float64 `json:"ms"`
	Bytes    int      `json:"bytes"`
	Resident int      `json:"resident"`
	P50      float64  `json:"p50_ms"`
	P99      float64  `json:"p99_ms"`
	Version  string   `json:"version"`
}

// named is what begins a command of --against that has a name, a word or several with commas between them, unless it is an assignment, of a
// variable to the command's environment. What else has a = after a space, as env A=1 python3, is a command.
var (
	named      = regexp.MustCompile(`^[\pL\pN][\pL\pN_.+-]*(, *[\pL\pN_.+-]+)*=`)
	assignment = regexp.MustCompile(`^[A-Z_][A-Z0-9_]*=`)
)

// references are the commands that --against names.
func references(c *cli.Context) ([]reference, error) {
	var list []reference
	for _, text := range c.StringSlice("against") {
		r := reference{name: "against", command: text}
		if n := len(named.FindString(text)); n > 0 && !assignment.MatchString(text) {
			r.name, r.command = text[:n-1], text[n:]
		}
		if strings.TrimSpace(r.command) == "" {
			return nil, usagef(c, "--against %s: want a command, or NAME=COMMAND", text)
		}
		for _, other := range list {
			if other.name == r.name {
				return nil, usagef(c, "--against: two commands are called %s: name them, NAME=COMMAND", r.name)
			}
		}
		r.command = strings.ReplaceAll(r.command, "{turns}", strconv.Itoa(c.Int("turns")))
		list = append(list, r)
	}
	return list, nil
}

// with is r with words of its command replaced.
func (r reference) with(replace map[string]string) *reference {
	for word, value := range replace {
		r.command = strings.ReplaceAll(r.command, word, value)
	}
	return &r
}

// start runs the command until it is ready, or to its end.
func (r *reference) start(ctx context.Context) error {
	r.errs = new(tail)
	r.cmd = exec.CommandContext(ctx, "sh", "-c", r.command)
	r.cmd.Stderr, r.cmd.WaitDelay = r.errs, time.Second
	withChildren(r.cmd)
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		return r.fail("%w", err)
	}
	if r.in, err = r.cmd.StdinPipe(); err != nil {
		return r.fail("%w", err)
	}
	if err := r.cmd.Start(); err != nil {
		return r.fail("%w", err)
	}
	r.out = bufio.NewReader(out)
	last := ""
	for {
		line, err := r.line()
		if errors.Is(err, errLongLine) {
			r.cmd.Cancel()
			r.close()
			return r.fail("%w", err)
		}
		if line != "" {
			last = line
			if s, ok := r.said(last); ok && s.Ready {
				return nil
			}
		}
		if err != nil {
			break
		}
	}
	err = r.close()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil {
		return r.fail("%w%s", err, r.complaint())
	}
	r.unused, err = r.result(last)
	return err
}

// maxSaid bounds the lines of a command, and what is kept of its standard error.
const maxSaid = 1 << 20

var errLongLine = fmt.Errorf("it printed a line of more than %d bytes", maxSaid)

// line reads a line, without the space around it.
func (r *reference) line() (string, error) {
	var line []byte
	for {
		part, err := r.out.ReadSlice('\n')
		if line = append(line, part...); len(line) > maxSaid {
			return "", errLongLine
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return strings.TrimSpace(string(line)), err
		}
	}
}

// A tail keeps the last of what is written to it.
type tail struct{ kept []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.kept = append(t.kept, p...)
	if over := len(t.kept) - maxSaid; over > maxSaid {
		t.kept = append(t.kept[:0], t.kept[over:]...)
	}
	return len(p), nil
}

// said reads a line, if it is what a command says.
func (r *reference) said(line string) (*said, bool) {
	s := new(said)
	return s, json.Unmarshal([]byte(line), s) == nil
}

// result reads the line with a measurement.
func (r *reference) result(line string) (*said, error) {
	s, ok := r.said(line)
	if !ok || s.MS == nil || !(*s.MS > 0) || math.IsInf(*s.MS, 0) || s.Bytes < 0 || s.Resident < 0 || s.P50 < 0 || s.P99 < 0 {
		return nil, r.fail("the last line of what it printed is %q: want a JSON object with \"ms\", the milliseconds of a turn, above 0", line)
	}
	return s, nil
}

// maxComplaint bounds what an error repeats of a command's.
const maxComplaint = 4 << 10

// complaint is the end of what the command has written to its standard error, on lines of its own.
func (r *reference) complaint() string {
	if text := strings.TrimSpace(string(r.errs.kept[max(0, len(r.errs.kept)-maxComplaint):])); text != "" {
		return "\n" + text
	}
	return ""
}

func (r *reference) fail(format string, args ...any) error {
	return complaintError{fmt.Errorf("--against: %s: %w", plain(r.command), fmt.Errorf(format, args...))}
}

// turns measures once more; how many turns that has is up to the command.
func (r *reference) turns(ctx context.Context, _ int) (float64, error) {
	if r.cmd == nil && r.unused == nil {
		if err := r.start(ctx); err != nil {
			return 0, err
		}
	}
	s := r.unused
	if r.unused = nil; s == nil {
		line, err := "", error(nil)
		if _, err = io.WriteString(r.in, "\n"); err == nil {
			line, err = r.line()
		}
		if err != nil {
			if errors.Is(err, errLongLine) {
				r.cmd.Cancel()
				r.close()
				return 0, r.fail("%w", err)
			}
			ended := r.close()
			if ctx.Err() != nil {
				return 0, ctx.Err()
			}
			return 0, r.fail("it ended between two rounds: %w%s", cmp.Or(ended, err), r.complaint())
		}
		if s, err = r.result(line); err != nil {
			return 0, err
		}
	}
	r.last = *s
	return *s.MS, nil
}

// close ends a command: it reads to the end of what it is asked, and has some seconds to do so.
func (r *reference) close() error {
	if r.cmd == nil {
		return nil
	}
	cmd := r.cmd
	r.cmd = nil
	r.in.Close()
	late := time.AfterFunc(5*time.Second, func() { cmd.Cancel() })
	defer late.Stop()
	return cmd.Wait()
}
