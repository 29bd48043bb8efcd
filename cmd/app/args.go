package app

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// completionFlag is the last word of a command line for which a shell wants completions.
const completionFlag = "--generate-bash-completion"

// flagsFirst moves the flags of a command line before its arguments: urfave/cli reads none after the first argument, and
// people write `train vae --epochs 3`. What follows -- stays as it is.
func flagsFirst(commands []*cli.Command, args []string) []string {
	if len(args) > 0 && args[len(args)-1] == completionFlag {
		return args // a shell asks what could stand here
	}
	var out, rest []string
	var flags []cli.Flag
	for i := 1; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			rest = append(rest, args[i:]...)
			break
		}
		if !strings.HasPrefix(arg, "-") || arg == "-" {
			k := slices.IndexFunc(commands, func(c *cli.Command) bool { return c.HasName(arg) })
			if k < 0 || len(rest) > 0 {
				rest = append(rest, arg)
				commands = nil
				continue
			}
			out = append(out, arg)
			flags, commands = commands[k].Flags, commands[k].Subcommands
			continue
		}
		out = append(out, arg)
		if !strings.Contains(arg, "=") && takesValue(flags, strings.TrimLeft(arg, "-")) && i+1 < len(args) {
			i++
			out = append(out, args[i])
		}
	}
	return slices.Concat(args[:min(1, len(args))], out, rest)
}

// takesValue reports whether the flag called name is followed by a value.
func takesValue(flags []cli.Flag, name string) bool {
	for _, f := range flags {
		if slices.Contains(f.Names(), name) {
			d, ok := f.(cli.DocGenerationFlag)
			return ok && d.TakesValue()
		}
	}
	return false
}
