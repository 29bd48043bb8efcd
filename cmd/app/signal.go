package app

import (
	"context"
	"os"
	"os/signal"
	"slices"

	"github.com/urfave/cli/v2"
)

// finishing is the action of a command that has something to finish when it is told to stop, such as a checkpoint: its context
// ends at the first signal, and a second one ends the process at once. Any other command is ended by the first.
func finishing(action cli.ActionFunc) cli.ActionFunc {
	return func(c *cli.Context) error {
		ctx, stop := signal.NotifyContext(c.Context, heard()...)
		defer stop()
		context.AfterFunc(ctx, stop) // from then on the signal has its default effect
		c.Context = ctx
		return action(c)
	}
}

// heard are the signals to stop that are not ignored, as nohup has SIGHUP ignored.
func heard() []os.Signal {
	return slices.DeleteFunc(slices.Clone(stopSignals), signal.Ignored)
}
