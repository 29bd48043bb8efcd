package app

import (
	"fmt"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/runtime/data"
)

var dataDirFlag = &cli.PathFlag{Name: "data-dir", Usage: "look for data sets in `DIR` first", EnvVars: []string{"SARDONYX_DATA"}}

// dataCommand lists and fetches data sets.
func (a *app) dataCommand() *cli.Command {
	list := func(c *cli.Context) error {
		if c.Args().Present() {
			return usagef(c, "there is no command %q", c.Args().First())
		}
		sets, err := data.List(c.Path("data-dir"))
		if err != nil {
			return err
		}
		if c.Bool("json") {
			return a.writeJSON(sets)
		}
		w := tabwriter.NewWriter(a.out, 0, 4, 2, ' ', 0)
		fmt.Fprintln(w, "NAME\tWHERE\tWHAT")
		for _, s := range sets {
			where := s.Path
			if where == "" {
				where = "absent: " + s.Get
			}
			fmt.Fprintf(w, "%s\t%s\t%s (%s)\n", s.Name, where, s.About, s.Licence)
		}
		return w.Flush()
	}
	return &cli.Command{
		Name: "data", Usage: "list the data sets, or fetch one", Flags: []cli.Flag{dataDirFlag, jsonFlag}, Action: list, ArgsUsage: " ",
		Subcommands: []*cli.Command{
			{Name: "list", Usage: "list the data sets, with where they are or how to get them", ArgsUsage: " ", Flags: []cli.Flag{dataDirFlag, jsonFlag}, Action: list},
			{
				Name: "fetch", Usage: "put a data set into the cache, hash-checked", ArgsUsage: "NAME",
				Action: func(c *cli.Context) error {
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
				},
			},
		},
	}
}
