package app

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"text/template"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/exporters/regularfile"
)

//go:embed project/*.tmpl
var project embed.FS

var projectName = regexp.MustCompile(`^[a-z][a-z0-9_-]*$`)

// initCommand writes a small project.
func (a *app) initCommand() *cli.Command {
	return &cli.Command{
		Name: "init", Usage: "write a small project whose own model has all these commands", ArgsUsage: "DIR",
		Description: "The project is a Go module of its own, called after the folder: a variational autoencoder to change, and a main that\n" +
			"gives it the commands of this program." +
			a.example("init digits"),
		Flags: []cli.Flag{&cli.PathFlag{Name: "replace", Usage: "use the Sardonyx sources in `DIR` (default: those that this program was built from, if they are there)"}},
		Action: func(c *cli.Context) error {
			dir, err := oneArg(c, "the folder")
			if err != nil {
				return err
			}
			return a.initProject(dir, c.Path("replace"))
		},
	}
}

func (a *app) initProject(dir, replace string) error {
	full, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	name := filepath.Base(full)
	if !projectName.MatchString(name) {
		return fmt.Errorf("init %s: the folder's name becomes the module's and the model's: want lower-case letters, digits, - and _, a letter first", dir)
	}
	if entries, err := os.ReadDir(full); err == nil && len(entries) > 0 {
		return fmt.Errorf("init %s: the folder is not empty", dir)
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("init %s: %w", dir, err)
	}
	v, published := version()
	if replace == "" && !published {
		if replace = sources(); replace == "" {
			return errors.New("init: this program was built from sources that are no longer there: say where they are, with --replace DIR")
		}
	}
	if replace != "" {
		if replace, err = filepath.Abs(replace); err != nil {
			return err
		}
		if !isSources(replace) {
			return fmt.Errorf("init: --replace %s: the folder has no go.mod of %s", replace, modulePath)
		}
		v = "v0.0.0"
	}
	if err := os.MkdirAll(full, 0o755); err != nil {
		return fmt.Errorf("init %s: %w", dir, err)
	}
	t, err := template.ParseFS(project, "project/*.tmpl")
	if err != nil {
		return err
	}
	for _, t := range t.Templates() {
		var text strings.Builder
		if err := t.Execute(&text, map[string]string{"Name": name, "Module": modulePath, "Version": v, "Replace": replace}); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(full, strings.TrimSuffix(t.Name(), ".tmpl")), []byte(text.String()), 0o644); err != nil {
			return err
		}
	}
	fmt.Fprintf(a.out, "wrote a project to %s; next, as its README.md says:\n  cd %s\n  go mod tidy\n  go run . data fetch mnist\n  go run . train --out out\n", dir, dir)
	return nil
}

// sources is the folder of this module's sources as they were at build time, if it is still there.
func sources() string {
	_, file, _, ok := runtime.Caller(0)
	if !ok {
		return ""
	}
	root := filepath.Dir(filepath.Dir(filepath.Dir(file)))
	if !isSources(root) {
		return ""
	}
	return root
}

// isSources reports whether dir holds this module.
func isSources(dir string) bool {
	text, err := regularfile.Read(filepath.Join(dir, "go.mod"), 1<<20)
	return err == nil && strings.HasPrefix(string(text), "module "+modulePath+"\n")
}
