// Package app is the command line over a set of models: sardonyx itself, and a person's own model program, which calls
// [Main] with its models and has the same commands.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxgo"
)

// The exit codes.
const (
	exitOK    = 0
	exitError = 1 // something went wrong
	exitUsage = 2 // the command line is wrong
)

// Main runs the command line os.Args over the given models and exits. Ctrl-C, SIGTERM and SIGHUP let a command finish what it
// must, such as a checkpoint; a second one ends it at once. Nothing that prints or takes time may stand before Main: the program
// is also its own child process, see [onnxgo.Child].
func Main(ms ...models.Model) {
	onnxgo.Child()
	os.Exit(Run(context.Background(), os.Args, os.Stdout, os.Stderr, ms...))
}

// Run runs the command line args, whose first is the program's name, and returns the exit code.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer, ms ...models.Model) int {
	out := &output{w: stdout}
	a := &app{models: ms, out: out, err: stderr, name: "sardonyx", args: args}
	if len(args) > 0 {
		a.name = strings.TrimSuffix(filepath.Base(args[0]), ".exe")
	}
	err := a.dispatch(ctx, args)
	if err == nil {
		err = out.err
	}
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "%s: %s\nrun %s --help for help\n", a.name, message(err), usage.command)
		return exitUsage
	}
	for _, err := range each(err) {
		fmt.Fprintf(stderr, "%s: %s\n", a.name, message(err))
	}
	return exitError
}

// each is the errors that err joins, if it says no more than they, or err itself.
func each(err error) []error {
	list, ok := err.(interface{ Unwrap() []error })
	if !ok || err.Error() != errors.Join(list.Unwrap()...).Error() {
		return []error{err}
	}
	var all []error
	for _, err := range list.Unwrap() {
		all = append(all, each(err)...)
	}
	return all
}

// app is one run of the command line.
type app struct {
	models   []models.Model
	out, err io.Writer
	name     string
	args     []string // as they were given, the program's name first
}

// dispatch runs the command that args name.
func (a *app) dispatch(ctx context.Context, args []string) error {
	root := a.cli()
	if len(args) > 1 && args[1] == completeWord {
		a.complete(root, args[2:])
		return nil
	}
	return root.RunContext(ctx, flagsFirst(root.Commands, args))
}

// An output remembers its first error, so that the commands need not look at each print's.
type output struct {
	w   io.Writer
	err error
}

// Write writes p.
func (o *output) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	if o.err == nil {
		o.err = err
	}
	return n, err
}

// A usageError is a command line that cannot be understood.
type usageError struct {
	command string // the program's name and the command's
	msg     string
}

// Error says what cannot be understood.
func (e usageError) Error() string { return e.msg }

func usagef(c *cli.Context, format string, args ...any) error {
	return usageError{c.Command.HelpName, fmt.Sprintf(format, args...)}
}

func (a *app) cli() *cli.App {
	root := &cli.App{
		Name:            a.name,
		HelpName:        a.name,
		Usage:           "define models in Go, train them, write ONNX files, and sample them in onnxruntime",
		HideVersion:     true, // the command version says more
		HideHelpCommand: true, // ours reads `help data fetch`
		Flags:           []cli.Flag{cli.HelpFlag},
		Writer:          a.out,
		ErrWriter:       a.err,
		ExitErrHandler:  func(*cli.Context, error) {}, // Run prints it
		OnUsageError:    onUsageError,

		DisableSliceFlagSeparator: true, // names of files may have commas
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return usagef(c, "there is no command %q", c.Args().First())
			}
			return cli.ShowAppHelp(c)
		},
		Commands: []*cli.Command{
			a.modelsCommand(), a.dataCommand(), a.trainCommand(), a.reportCommand(), a.exportCommand(), a.verifyCommand(), a.sampleCommand(),
			a.editCommand(), a.evaluateCommand(), a.benchCommand(), a.scaleCommand(),
			a.runsCommand(), a.watchCommand(), a.runCommand(), a.inspectCommand(), a.runtimeCommand(), a.doctorCommand(), a.initCommand(), a.completionCommand(),
			a.versionCommand(), a.helpCommand(),
		},
	}
	prepare(root.Commands)
	return root
}

func onUsageError(c *cli.Context, err error, _ bool) error { return usagef(c, "%v", err) }

// prepare gives commands what all have: wrong flags and unknown subcommands are usage errors, and a switch's default needs no
// words.
func prepare(commands []*cli.Command) {
	for _, c := range commands {
		c.OnUsageError = onUsageError
		c.HideHelpCommand = true
		for _, f := range c.Flags {
			if b, ok := f.(*cli.BoolFlag); ok {
				b.DisableDefaultText = true
			}
		}
		if len(c.Subcommands) > 0 && c.Action == nil {
			c.Action = func(c *cli.Context) error {
				if c.Args().Present() {
					return usagef(c, "there is no command %q", c.Args().First())
				}
				return usagef(c, "a subcommand is missing")
			}
		}
		prepare(c.Subcommands)
	}
}

// helpCommand shows the help of a command.
func (a *app) helpCommand() *cli.Command {
	return &cli.Command{
		Name: "help", Aliases: []string{"h"}, Usage: "show the help of a command", ArgsUsage: "[COMMAND]",
		Action: func(c *cli.Context) error {
			return a.dispatch(c.Context, append(append([]string{a.name}, c.Args().Slice()...), "--help"))
		},
	}
}

// example is the part of a command's help that shows it in use: args, after the program's name.
func (a *app) example(args ...string) string {
	text := "\n\nFor example:"
	for _, s := range args {
		if s != "" {
			text += "\n  " + a.name + " " + s
		}
	}
	return text
}

// modelUsage is how help names the argument that [app.modelArg] reads.
func (a *app) modelUsage() string {
	if len(a.models) == 1 {
		return "[MODEL]"
	}
	return "MODEL"
}

// exampleModel is the model that examples name: the first that is trained step by step.
func (a *app) exampleModel() string {
	return a.exampleOf("MODEL", func(m models.Model) bool { return m.Train.Fit == nil })
}

// exampleOf is text with the name of the first model that can do what it says in place of MODEL, or "" if none can.
func (a *app) exampleOf(text string, can func(m models.Model) bool) string {
	if len(a.models) == 0 {
		return text
	}
	if i := slices.IndexFunc(a.models, can); i >= 0 {
		return strings.ReplaceAll(text, "MODEL", a.models[i].Name)
	}
	return ""
}

// table prints rows in columns, without blanks at the ends of lines.
func (a *app) table(rows [][]string) error {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 4, 2, ' ', 0)
	for _, r := range rows {
		cells := make([]string, len(r))
		for i, c := range r {
			cells[i] = plain(c)
		}
		fmt.Fprintln(w, strings.Join(cells, "\t"))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for line := range strings.Lines(b.String()) {
		fmt.Fprintln(a.out, strings.TrimRight(line, " \n"))
	}
	return nil
}

// version is this module's version in the running program, and whether it was built from that published version: a version
// made up from a checkout's history cannot be fetched.
func version() (v string, published bool) {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel", false
	}
	for _, m := range append([]*debug.Module{&info.Main}, info.Deps...) {
		if m.Path == modulePath && m.Replace == nil && m.Version != "" && m.Version != "(devel)" {
			return m.Version, m.Sum != ""
		}
	}
	return "devel", false
}

const modulePath = "github.com/sardonyx-ml/sardonyx"

// noArgs refuses arguments.
func noArgs(c *cli.Context) error {
	if c.Args().Present() {
		return usagef(c, "unexpected argument %q", c.Args().First())
	}
	return nil
}

// oneArg is the only argument, which is a what.
func oneArg(c *cli.Context, what string) (string, error) {
	if c.NArg() > 1 {
		return "", usagef(c, "unexpected argument %q", c.Args().Get(1))
	}
	if c.Args().First() == "" {
		return "", usagef(c, "%s is missing", what)
	}
	return c.Args().First(), nil
}
