package app

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
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
	errs   *strings.Builder
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
	r.errs = new(strings.Builder)
	r.cmd = exec.CommandContext(ctx, "sh", "-c", r.command)
	r.cmd.Stderr, r.cmd.WaitDelay = r.errs, time.Second
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
		line, err := r.out.ReadString('\n')
		if strings.TrimSpace(line) != "" {
			last = strings.TrimSpace(line)
			if s, ok := r.said(last); ok && s.Ready {
				return nil
			}
		}
		if err != nil {
			break
		}
	}
	r.in.Close()
	err = r.cmd.Wait()
	if r.cmd = nil; err != nil {
		return r.fail("%w%s", err, r.complaint())
	}
	r.unused, err = r.result(last)
	return err
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

// complaint is what the command has written to its standard error, on lines of its own.
func (r *reference) complaint() string {
	if text := strings.TrimSpace(r.errs.String()); text != "" {
		return "\n" + text
	}
	return ""
}

func (r *reference) fail(format string, args ...any) error {
	return fmt.Errorf("--against: %s: %w", r.command, fmt.Errorf(format, args...))
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
			line, err = r.out.ReadString('\n')
		}
		if err != nil {
			ended := r.cmd.Wait()
			r.cmd = nil
			return 0, r.fail("it ended between two rounds: %w%s", cmp.Or(ended, err), r.complaint())
		}
		if s, err = r.result(strings.TrimSpace(line)); err != nil {
			return 0, err
		}
	}
	r.last = *s
	return *s.MS, nil
}

// close ends a command that stays: it reads to the end of what it is asked, and has some seconds to do so.
func (r *reference) close() error {
	if r.cmd == nil {
		return nil
	}
	cmd := r.cmd
	r.cmd = nil
	r.in.Close()
	late := time.AfterFunc(5*time.Second, func() { cmd.Process.Kill() })
	defer late.Stop()
	return cmd.Wait()
}
