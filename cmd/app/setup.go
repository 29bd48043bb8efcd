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
			Description: "It comes from npm's package onnxruntime-node where there is an npm client, else from the official release archive. With\n" +
				"--cuda the CUDA provider of the same version is put beside it (linux/amd64; CUDA 13 and cuDNN 9; 180 MB to fetch, 230 MB on disk), and\n" +
				"what the machine lacks besides is said." +
				a.example("runtime install", "runtime install --cuda"),
			Flags: []cli.Flag{
				&cli.BoolFlag{Name: "cuda", Usage: "install the CUDA provider too; --from is then the file of its package"},
				&cli.PathFlag{Name: "from", Usage: "install from `FILE` instead of fetching: the package or archive as downloaded, or the library itself"},
				&cli.BoolFlag{Name: "force", Usage: "fetch it even if it is in the cache"},
			},
			Action: finishing(func(c *cli.Context) error {
				if err := noArgs(c); err != nil {
					return err
				}
				last := ""
				lib, fresh, err := onnxruntime.Install(c.Context, onnxruntime.InstallOptions{From: c.Path("from"), Force: c.Bool("force") || c.IsSet("from"), CUDA: c.Bool("cuda"), Progress: func(stage string, done, total int64) {
					if stage != last {
						fmt.Fprintln(a.err, stage)
						last = stage
					}
				}})
				if err != nil {
					return err
				}
				what := "already there"
				if fresh {
					what = "installed"
				}
				if !c.Bool("cuda") {
					fmt.Fprintf(a.out, "%s: %v\n", what, lib)
					return nil
				}
				fmt.Fprintf(a.out, "%s: the CUDA provider, beside %v\n", what, lib)
				if used, err := onnxruntime.Find(""); err == nil && used.Path != lib.Path {
					fmt.Fprintf(a.err, "note: %v is used, and the provider must lie beside it\n", used)
				}
				for _, lacks := range onnxruntime.CUDALacks(lib) {
					fmt.Fprintf(a.err, "note: the device cuda cannot be used yet: %s\n", lacks)
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
