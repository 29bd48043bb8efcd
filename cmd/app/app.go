// Package app is the command line over a set of models: sardonyx itself, and a person's own model program, which calls
// [Main] with its models and has the same commands.
package app

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/compiler/models"
)

// The exit codes.
const (
	exitOK    = 0
	exitError = 1 // something went wrong
	exitUsage = 2 // the command line is wrong
)

// Main runs the command line os.Args over the given models and exits. Ctrl-C lets the command finish what it must, such
// as a checkpoint; a second one ends it at once.
func Main(ms ...models.Model) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // from then on the signal has its default effect
	os.Exit(Run(ctx, os.Args, os.Stdout, os.Stderr, ms...))
}

// Run runs the command line args, whose first is the program's name, and returns the exit code.
func Run(ctx context.Context, args []string, stdout, stderr io.Writer, ms ...models.Model) int {
	a := &app{models: ms, out: stdout, err: stderr, name: "sardonyx"}
	if len(args) > 0 {
		a.name = strings.TrimSuffix(filepath.Base(args[0]), ".exe")
	}
	root := a.cli()
	err := root.RunContext(ctx, flagsFirst(root.Commands, args))
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &usage):
		fmt.Fprintf(stderr, "%s: %v\n", a.name, err)
		fmt.Fprintf(stderr, "run %s for help\n", strings.Join(strings.Fields(a.name+" "+usage.command+" --help"), " "))
		return exitUsage
	}
	fmt.Fprintf(stderr, "%s: %v\n", a.name, err)
	return exitError
}

// app is one run of the command line.
type app struct {
	models   []models.Model
	out, err io.Writer
	name     string
}

// A usageError is a command line that cannot be understood.
type usageError struct {
	command string
	msg     string
}

func (e usageError) Error() string { return e.msg }

func usagef(c *cli.Context, format string, args ...any) error {
	name := ""
	if c.Command != nil && c.Command.Name != c.App.Name {
		name = c.Command.FullName()
	}
	return usageError{name, fmt.Sprintf(format, args...)}
}

func (a *app) cli() *cli.App {
	root := &cli.App{
		Name:                 a.name,
		HelpName:             a.name,
		Usage:                "define models in Go, train them, write ONNX files, and sample them in onnxruntime",
		Version:              version(),
		HideVersion:          true, // the command version says more
		Writer:               a.out,
		ErrWriter:            a.err,
		EnableBashCompletion: true,
		ExitErrHandler:       func(*cli.Context, error) {}, // Run prints it
		OnUsageError:         onUsageError,
		Action: func(c *cli.Context) error {
			if c.Args().Present() {
				return usagef(c, "there is no command %q", c.Args().First())
			}
			return cli.ShowAppHelp(c)
		},
		Commands: []*cli.Command{
			a.modelsCommand(), a.dataCommand(), a.trainCommand(), a.exportCommand(), a.verifyCommand(), a.sampleCommand(),
			a.runCommand(), a.inspectCommand(), a.runtimeCommand(), a.doctorCommand(), a.initCommand(), a.completionCommand(), a.versionCommand(),
		},
	}
	setUsageErrors(root.Commands)
	return root
}

func onUsageError(c *cli.Context, err error, _ bool) error { return usagef(c, "%v", err) }

// setUsageErrors makes every command report wrong flags, and unknown subcommands, as usage errors.
func setUsageErrors(commands []*cli.Command) {
	for _, c := range commands {
		c.OnUsageError = onUsageError
		if len(c.Subcommands) > 0 && c.Action == nil {
			c.Action = func(c *cli.Context) error {
				if c.Args().Present() {
					return usagef(c, "there is no command %q", c.Args().First())
				}
				return usagef(c, "a subcommand is missing")
			}
		}
		setUsageErrors(c.Subcommands)
	}
}

// version is this module's version in the running program.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, m := range append([]*debug.Module{&info.Main}, info.Deps...) {
		if m.Path == modulePath {
			if m.Version == "" || m.Version == "(devel)" {
				return "devel"
			}
			return m.Version
		}
	}
	return "devel"
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
	switch c.NArg() {
	case 0:
		return "", usagef(c, "%s is missing", what)
	case 1:
		return c.Args().First(), nil
	}
	return "", usagef(c, "unexpected argument %q", c.Args().Get(1))
}

// writeJSON prints v for a script.
func (a *app) writeJSON(v any) error {
	e := json.NewEncoder(a.out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// A number is a float that JSON can hold: NaN and the infinities are strings.
type number float64

// MarshalJSON writes the number.
func (n number) MarshalJSON() ([]byte, error) {
	if v := float64(n); math.IsNaN(v) || math.IsInf(v, 0) {
		return json.Marshal(fmt.Sprint(v))
	}
	return json.Marshal(float64(n))
}

var jsonFlag = &cli.BoolFlag{Name: "json", Usage: "print JSON, for scripts"}
