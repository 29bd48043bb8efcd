package app

import (
	"fmt"
	"runtime"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
)

// runtimeCommand installs onnxruntime.
func (a *app) runtimeCommand() *cli.Command {
	return &cli.Command{
		Name: "runtime", Usage: "manage the native onnxruntime library",
		Subcommands: []*cli.Command{{
			Name: "install", Usage: "fetch onnxruntime " + onnxruntime.PinnedVersion + " for this platform into the cache, hash-checked", ArgsUsage: " ",
			Description: "It comes from npm's package onnxruntime-node where there is an npm client, else from the official release archive." +
				a.example("runtime install"),
			Flags: []cli.Flag{
				&cli.PathFlag{Name: "from", Usage: "install from `FILE` instead of fetching: the package or archive as downloaded, or the library itself"},
				&cli.BoolFlag{Name: "force", Usage: "fetch it even if it is in the cache"},
			},
			Action: finishing(func(c *cli.Context) error {
				if err := noArgs(c); err != nil {
					return err
				}
				last := ""
				lib, fresh, err := onnxruntime.Install(c.Context, onnxruntime.InstallOptions{From: c.Path("from"), Force: c.Bool("force") || c.IsSet("from"), Progress: func(stage string, done, total int64) {
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
			}),
		}},
	}
}

// versionCommand prints versions.
func (a *app) versionCommand() *cli.Command {
	return &cli.Command{
		Name: "version", Usage: "print the versions of Sardonyx, Go, and the onnxruntime it installs", ArgsUsage: " ", Flags: []cli.Flag{jsonFlag},
		Action: func(c *cli.Context) error {
			if err := noArgs(c); err != nil {
				return err
			}
			ours, _ := version()
			v := map[string]string{"sardonyx": ours, "go": runtime.Version(), "platform": runtime.GOOS + "/" + runtime.GOARCH, "onnxruntime": onnxruntime.PinnedVersion}
			if c.Bool("json") {
				return a.writeJSON(v)
			}
			fmt.Fprintf(a.out, "Sardonyx %s, %s, %s; installs onnxruntime %s\n", v["sardonyx"], v["go"], v["platform"], v["onnxruntime"])
			return nil
		},
	}
}
