package app

import (
	"fmt"
	"runtime"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/runtime/blas"
	"github.com/sardonyx-ml/sardonyx/runtime/cache"
	"github.com/sardonyx-ml/sardonyx/runtime/data"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
)

// runtimeCommand installs onnxruntime.
func (a *app) runtimeCommand() *cli.Command {
	return &cli.Command{
		Name: "runtime", Usage: "manage the native onnxruntime library",
		Subcommands: []*cli.Command{{
			Name: "install", Usage: "fetch onnxruntime " + onnxruntime.PinnedVersion + " for this platform into the cache, hash-checked", ArgsUsage: " ",
			Description: "It comes from npm's package onnxruntime-node where there is an npm client, else from the official release archive.",
			Flags: []cli.Flag{
				&cli.PathFlag{Name: "from", Usage: "install from `FILE` instead of fetching: the package or archive as downloaded, or the library itself"},
				&cli.BoolFlag{Name: "force", Usage: "fetch it even if it is in the cache"},
			},
			Action: func(c *cli.Context) error {
				if err := noArgs(c); err != nil {
					return err
				}
				last := ""
				lib, fresh, err := onnxruntime.Install(c.Context, onnxruntime.InstallOptions{From: c.Path("from"), Force: c.Bool("force"), Progress: func(stage string, done, total int64) {
					if stage != last {
						fmt.Fprintln(a.err, stage)
						last = stage
					}
				}})
				if err != nil {
					return err
				}
				if fresh {
					fmt.Fprintf(a.out, "installed %v\n", lib)
				} else {
					fmt.Fprintf(a.out, "already there: %v\n", lib)
				}
				return nil
			},
		}},
	}
}

// A finding is one line of doctor.
type finding struct {
	What string `json:"what"`
	OK   bool   `json:"ok"`
	Text string `json:"text"`
}

// doctorCommand tells what was found on this machine.
func (a *app) doctorCommand() *cli.Command {
	return &cli.Command{
		Name: "doctor", Usage: "tell what was found on this machine: onnxruntime, BLAS, data", ArgsUsage: " ",
		Flags: []cli.Flag{jsonFlag, dataDirFlag, &cli.PathFlag{Name: "onnxruntime", Usage: "onnxruntime's shared library `FILE`", EnvVars: []string{"ONNXRUNTIME_SHARED_LIBRARY_PATH"}}},
		Action: func(c *cli.Context) error {
			if err := noArgs(c); err != nil {
				return err
			}
			list, err := examine(c)
			if err != nil {
				return err
			}
			if c.Bool("json") {
				return a.writeJSON(list)
			}
			w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
			for _, f := range list {
				mark := "ok"
				if !f.OK {
					mark = "--"
				}
				fmt.Fprintf(w, "%s\t%s\t%s\n", mark, f.What, strings.ReplaceAll(f.Text, "\n", "\n\t\t"))
			}
			return w.Flush()
		},
	}
}

func examine(c *cli.Context) ([]finding, error) {
	list := []finding{{"version", true, fmt.Sprintf("%s, %s, %s/%s, %d CPUs", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())}}
	add := func(what string, err error, text string) {
		if err != nil {
			text = err.Error()
		}
		list = append(list, finding{what, err == nil, text})
	}
	dir, err := cache.Dir()
	add("cache", err, dir)
	b, err := blas.Default()
	if err != nil {
		add("blas", err, "")
	} else {
		note := ""
		if b.Name() == blas.Go().Name() {
			note = ": training is several times faster with OpenBLAS (Debian: libopenblas0-pthread)"
		}
		add("blas", nil, b.Name()+note)
	}
	lib, err := onnxruntime.Find(c.Path("onnxruntime"))
	add("onnxruntime", err, lib.String())
	if err == nil {
		providers, err := onnxruntime.Providers(c.Path("onnxruntime"))
		if err != nil {
			add("providers", err, "")
		}
		for _, p := range providers {
			add("device "+strings.ToLower(p.Device), p.Err, p.Name)
		}
	}
	sets, err := data.List(c.Path("data-dir"))
	if err != nil {
		return nil, err
	}
	for _, s := range sets {
		text := s.Path
		if text == "" {
			text = "absent: " + s.Get
		}
		list = append(list, finding{"data " + s.Name, s.Path != "", text})
	}
	return list, nil
}

// versionCommand prints versions.
func (a *app) versionCommand() *cli.Command {
	return &cli.Command{
		Name: "version", Usage: "print the versions of this program, Go, and the onnxruntime it installs", ArgsUsage: " ", Flags: []cli.Flag{jsonFlag},
		Action: func(c *cli.Context) error {
			if err := noArgs(c); err != nil {
				return err
			}
			v := map[string]string{"sardonyx": version(), "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH, "onnxruntime": onnxruntime.PinnedVersion}
			if c.Bool("json") {
				return a.writeJSON(v)
			}
			fmt.Fprintf(a.out, "%s %s, %s, %s; installs onnxruntime %s\n", a.name, v["sardonyx"], v["go"], v["platform"], v["onnxruntime"])
			return nil
		},
	}
}

// completionCommand prints a shell's completion script.
func (a *app) completionCommand() *cli.Command {
	return &cli.Command{
		Name: "completion", Usage: "print the completion script of a shell", ArgsUsage: "bash|zsh",
		Description: "bash: source <(" + a.name + " completion bash)\nzsh:  source <(" + a.name + " completion zsh)",
		Action: func(c *cli.Context) error {
			shell, err := oneArg(c, "the shell")
			if err != nil {
				return err
			}
			script, ok := map[string]string{"bash": bashCompletion, "zsh": zshCompletion}[shell]
			if !ok {
				return usagef(c, "there is no completion for %q: bash and zsh have one", shell)
			}
			_, err = fmt.Fprint(a.out, strings.ReplaceAll(script, "PROG", a.name))
			return err
		},
	}
}

// Both scripts ask the program itself, with --generate-bash-completion as the last word.
const bashCompletion = `_PROG() {
	local words=("${COMP_WORDS[@]:0:$COMP_CWORD}")
	local cur="${COMP_WORDS[COMP_CWORD]}"
	[[ "$cur" == -* ]] && words+=("$cur")
	COMPREPLY=($(compgen -W "$("${words[@]}" --generate-bash-completion 2>/dev/null)" -- "$cur"))
	[[ ${#COMPREPLY[@]} -eq 0 ]] && COMPREPLY=($(compgen -f -- "$cur"))
}
complete -F _PROG PROG
`

const zshCompletion = `#compdef PROG
_PROG() {
	local -a opts
	local cur=${words[-1]}
	if [[ "$cur" == -* ]]; then
		opts=("${(@f)$(${words[@]:0:#words[@]-1} ${cur} --generate-bash-completion 2>/dev/null)}")
	else
		opts=("${(@f)$(${words[@]:0:#words[@]-1} --generate-bash-completion 2>/dev/null)}")
	fi
	if [[ "${opts[1]}" != "" ]]; then _describe 'values' opts; else _files; fi
}
compdef _PROG PROG
`
