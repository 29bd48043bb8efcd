package app

import (
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// flagsFirst moves the flags of a command line before its arguments: urfave/cli reads none after the first argument, and
// people write `train vae --epochs 3`. A request for help leaves only the command, since the library takes the argument of
// `train vae --help` for a topic. What follows -- stays as it is.
func flagsFirst(commands []*cli.Command, args []string) []string {
	if len(args) == 0 {
		return nil
	}
	path, out := args[:1:1], args[:1:1] // the commands alone, and with their flags
	var rest []string
	var flags []cli.Flag
	for i := 1; i < len(args); i++ {
		arg := args[i]
		switch {
		case arg == "--":
			return slices.Concat(out, rest, args[i:])
		case (arg == "--help" || arg == "-h") && len(path) == 1:
			return append(path, append(rest, arg)[0]) // the whole program's help, unless rest begins with an unknown command
		case arg == "--help" || arg == "-h":
			return append(path, arg)
		case strings.HasPrefix(arg, "-") && arg != "-":
			out = append(out, arg)
			if !strings.Contains(arg, "=") && takesValue(flags, strings.TrimLeft(arg, "-")) {
				i++
				if i == len(args) {
					return out // the arguments would be taken for its value
				}
				out = append(out, args[i])
			}
		default:
			k := slices.IndexFunc(commands, func(c *cli.Command) bool { return c.HasName(arg) })
			if k < 0 || len(rest) > 0 {
				rest = append(rest, arg)
				commands = nil
				continue
			}
			path, out = append(path, arg), append(out, arg)
			flags, commands = commands[k].Flags, commands[k].Subcommands
		}
	}
	return slices.Concat(out, rest)
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
