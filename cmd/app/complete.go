package app

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/runtime/data"
	"github.com/sardonyx-ml/sardonyx/runtime/latent"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
	"github.com/sardonyx-ml/sardonyx/runtime/train"
)

// completionCommand prints a shell's completion script.
func (a *app) completionCommand() *cli.Command {
	return &cli.Command{
		Name: "completion", Usage: "print the completion script of a shell", ArgsUsage: strings.Join(shells, "|"),
		Description: "Completes commands, flags, and the names of models, functions, settings and data sets. For the shell at hand:\n" +
			"  bash: source <(" + a.name + " completion bash)\n" +
			"  zsh:  source <(" + a.name + " completion zsh)",
		Action: func(c *cli.Context) error {
			shell, err := oneArg(c, "the shell")
			if err != nil {
				return err
			}
			script := ""
			switch shell {
			case "bash":
				script = bashCompletion
			case "zsh":
				script = zshCompletion
			default:
				return usagef(c, "there is no completion for %q: there is one for %s", shell, strings.Join(shells, " and "))
			}
			fmt.Fprint(a.out, strings.NewReplacer("PROG", a.name, "ASK", completeWord).Replace(script))
			return nil
		},
	}
}

var shells = []string{"bash", "zsh"}

// completeWord is the first word of a command line that asks for completions of the last of the words after it.
const completeWord = "__complete"

// Both scripts ask the program itself; where it has nothing to say, the shell completes files.
const bashCompletion = `_PROG() {
	local IFS=$'\n' cur="${COMP_WORDS[COMP_CWORD]}"
	COMPREPLY=($(compgen -W "$("${COMP_WORDS[0]}" ASK "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "$cur"))
	[[ ${#COMPREPLY[@]} -eq 1 && "${COMPREPLY[0]}" == *= ]] && compopt -o nospace 2>/dev/null
}
complete -o default -F _PROG PROG
`

const zshCompletion = `#compdef PROG
_PROG() {
	local -a found
	found=("${(@f)$("${words[1]}" ASK "${(@)words[2,CURRENT]}" 2>/dev/null)}")
	found=("${(@M)found:#${PREFIX}*}")
	if [[ -z "${found[1]}" ]]; then
		_files
	elif [[ "${found[1]}" == *= ]]; then
		compadd -S '' -- "${found[@]}"
	else
		compadd -- "${found[@]}"
	fi
}
compdef _PROG PROG
`

// complete prints, one a line, what could stand in the place of the last of words.
func (a *app) complete(root *cli.App, words []string) {
	if len(words) == 0 {
		return
	}
	before, last := words[:len(words)-1], words[len(words)-1]
	commands := root.Commands
	var command *cli.Command
	var flags []cli.Flag
	args, value := 0, "" // arguments so far, and the flag whose value the last word is
	for _, w := range before {
		switch name := strings.TrimLeft(w, "-"); {
		case value != "":
			value = ""
		case name != w:
			if takesValue(flags, name) {
				value = name
			}
		default:
			k := slices.IndexFunc(commands, func(c *cli.Command) bool { return c.HasName(w) })
			if k < 0 {
				commands = nil
				args++
				continue
			}
			command = commands[k]
			flags, commands = command.Flags, command.Subcommands
		}
	}
	var found []string
	switch {
	case value != "":
		found = a.flagValues(value)
	case strings.HasPrefix(last, "-"):
		for _, f := range flags {
			found = append(found, "--"+f.Names()[0])
		}
		found = append(found, "--help")
	case args == 0:
		for _, c := range commands {
			found = append(found, c.Name)
		}
		if command != nil {
			found = append(found, a.arguments(root, command)...)
		}
	}
	for _, s := range found {
		if strings.HasPrefix(s, last) {
			fmt.Fprintln(a.out, s)
		}
	}
}

// flagValues are the values of the flag called name, if they can be listed.
func (a *app) flagValues(name string) []string {
	var list []string
	switch name {
	case "device":
		return onnxruntime.Devices()
	case "vectors":
		for _, m := range latent.Methods {
			list = append(list, string(m))
		}
	case "checkpoint":
		return []string{string(train.Best), string(train.Last)}
	case "random":
		return []string{randomInputs, randomSeed, randomNative}
	case "blas":
		return []string{"go", "openblas"}
	case "data":
		return data.Names()
	case "real", "fake", "train":
		for _, name := range data.Names() {
			list = append(list, name+":train", name+":test")
		}
	case "set":
		for _, m := range a.models {
			for _, s := range sortedKeys(m.Settings) {
				list = append(list, s+"=")
			}
		}
	case "func":
		for _, m := range a.models {
			if prog, err := define(m, m.Settings); err == nil {
				list = append(list, names(prog.Funcs())...)
			}
		}
	}
	return list
}

// arguments are what can stand as the command's argument, if that can be listed.
func (a *app) arguments(root *cli.App, c *cli.Command) []string {
	var list []string
	switch {
	case strings.Contains(c.ArgsUsage, "MODEL"):
		for _, m := range a.models {
			list = append(list, m.Name)
		}
	case c.Name == "fetch" || c.Name == "show":
		return data.Names()
	case c.Name == "completion":
		return shells
	case c.Name == "help":
		for _, c := range root.Commands {
			list = append(list, c.Name)
		}
	}
	return list
}
