package app

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// resident is the most memory that a process has in which e alone runs what of is of: this program again, for three turns.
func (b *bench) resident(e benchEngine, of benchOf) (int, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	args := []string{"bench", of.Model, "--json", "--rounds", "1", "--turns", "3", "--batch", strconv.Itoa(of.Batch), "--threads", strconv.Itoa(of.Threads)}
	for _, name := range []string{fp16Flag.Name, bf16Flag.Name} {
		if b.c.Bool(name) {
			args = append(args, "--"+name)
		}
	}
	for _, name := range []string{"set", "size"} {
		for _, v := range b.c.StringSlice(name) {
			args = append(args, "--"+name, v)
		}
	}
	cmd := exec.CommandContext(b.c.Context, self, append(args, e.flags...)...)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("--resident: %s: %w\n%s", strings.Join(args, " "), err, strings.TrimSpace(errs.String()))
	}
	var all []benchOf
	if err := json.Unmarshal(out, &all); err != nil || len(all) != 1 || len(all[0].Times) != 1 {
		return 0, fmt.Errorf("--resident: what %s printed is not understood: %q", strings.Join(args, " "), out)
	}
	return all[0].Times[0].Resident, nil
}
