package app

import (
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/runtime/train"
)

// reportCommand writes a run's report anew.
func (a *app) reportCommand() *cli.Command {
	return &cli.Command{
		Name: "report", Usage: "write the report of a training run anew, from what is in its folder", ArgsUsage: "DIR",
		Description: "Training keeps report.html and, of pictures, samples.gif up to date by itself, but with --no-report; this is for runs\n" +
			"without them. The page needs nothing outside itself: any browser opens it, offline too." +
			a.example("report runs/"+a.exampleModel()),
		Action: func(c *cli.Context) error {
			arg, err := oneArg(c, "the run's folder")
			if err != nil {
				return err
			}
			dir := train.Folder(arg)
			setup, err := dir.Setup()
			if err != nil {
				return err
			}
			var prog *compiler.Program // its layers are left out where its model is not one of this program's, or not any more
			if i := slices.IndexFunc(a.models, func(m models.Model) bool { return m.Name == setup.Program }); i >= 0 {
				if _, prog, err = defineAs(a.models[i], setup); err != nil {
					fmt.Fprintf(a.err, "note: the layers are left out: %v\n", err)
				}
			}
			if err := train.WriteReport(dir, prog); err != nil {
				return err
			}
			fmt.Fprintf(a.out, "the report is in %s\n", dir.Report())
			return nil
		},
	}
}
