package app

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/runtime/gorgonia"
	"github.com/sardonyx-ml/sardonyx/runtime/profile"
)

// profileSkip is how many runs of each entry point a profile leaves out: they make plans, and fill caches.
const profileSkip = 3

// profileFlags ask for a profile; what is a run of that which is profiled.
func profileFlags(what string) []cli.Flag {
	return []cli.Flag{
		&cli.PathFlag{Name: "profile", Usage: "print what each op and each layer takes, and write it as `FILE`.json, a trace for ui.perfetto.dev or chrome://tracing"},
		&cli.IntFlag{Name: "profile-runs", Value: 20, Usage: fmt.Sprintf("how many %s a profile is of, after %d that warm up", what, profileSkip)},
	}
}

// recorder is what --profile asks for, nil if it does not.
func recorder(c *cli.Context, engine string) (*profile.Recorder, error) {
	path := c.Path("profile")
	if path == "" {
		if c.IsSet("profile-runs") {
			return nil, usagef(c, "--profile-runs is of --profile FILE.json")
		}
		return nil, nil
	}
	if ext := filepath.Ext(path); ext != ".json" {
		return nil, usagef(c, "--profile %s: want the name of a .json file", path)
	}
	if n := c.Int("profile-runs"); n < 1 {
		return nil, usagef(c, "--profile-runs %d: want 1 or more", n)
	}
	if err := writable("profile", path); err != nil {
		return nil, err
	}
	rec := profile.New(engine)
	rec.Skip = profileSkip
	return rec, nil
}

// observed are options with which gorgonia tells rec, if that is not nil, of all that it runs.
func observed(o gorgonia.Options, rec *profile.Recorder) gorgonia.Options {
	if rec != nil {
		o.Observe = rec.Observe
	}
	return o
}

// endProfile writes what rec has recorded and, without --json, prints it.
func (a *app) endProfile(c *cli.Context, rec *profile.Recorder) error {
	p := rec.Profile()
	path := c.Path("profile")
	if len(p.Events) == 0 {
		return fmt.Errorf("--profile %s: nothing was recorded after the first %d runs", path, profileSkip)
	}
	if err := p.WriteTrace(path); err != nil {
		return err
	}
	if c.Bool("json") {
		return nil
	}
	for _, s := range p.Summaries() {
		if err := a.printSummary(s); err != nil {
			return err
		}
	}
	fmt.Fprintf(a.out, "wrote the profile %s\n\n", path)
	return nil
}

// profileRows is how many rows a table of a profile has at most.
const profileRows = 15

// printSummary prints what a run of an entry point takes, by op and by layer.
func (a *app) printSummary(s profile.Summary) error {
	fmt.Fprintf(a.out, "%s: %d runs, %s ms each, %s GFLOP/s in products and convolutions, %s ms between ops\n\n", s.Entry, s.Runs, digits(s.MS),
		digits(2*s.MultiplyAdds/s.MS/1e6), digits(s.Between))
	for _, t := range []struct {
		title string
		rows  []profile.Row
	}{{"OP", s.Ops}, {"LAYER", s.Layers}} {
		rows := [][]string{{t.title, "CALLS", "MS", "SHARE", "GFLOP/S", "GB/S", "BYTES", "LINE"}}
		for _, r := range shortened(t.rows) {
			row := []string{shortName(r.Name), digits(r.Calls), digits(r.MS), fmt.Sprintf("%.1f%%", 100*r.Share), "", digits(r.Bandwidth()), size(int64(r.Bytes)), r.Place()}
			if r.MultiplyAdds > 0 {
				row[4] = digits(r.Rate())
			}
			rows = append(rows, row)
		}
		if err := a.table(rows); err != nil {
			return err
		}
		fmt.Fprintln(a.out)
	}
	return nil
}

// shortName is a name of a row, of a long fused op its beginning.
func shortName(name string) string {
	if most := 48; len(name) > most && strings.HasPrefix(name, "Fused(") {
		cut := strings.LastIndexByte(name[:most], ',')
		return name[:cut] + fmt.Sprintf(", %d more)", strings.Count(name[cut:], ","))
	}
	return name
}

// shortened are the first of rows, and one of all others.
func shortened(rows []profile.Row) []profile.Row {
	if len(rows) <= profileRows {
		return rows
	}
	rest := profile.Row{Name: fmt.Sprintf("%d others", len(rows)-profileRows+1)}
	for _, r := range rows[profileRows-1:] {
		rest.Calls += r.Calls
		rest.MS += r.MS
		rest.Share += r.Share
		rest.MultiplyAdds += r.MultiplyAdds
		rest.Bytes += r.Bytes
	}
	return append(rows[:profileRows-1:profileRows-1], rest)
}
