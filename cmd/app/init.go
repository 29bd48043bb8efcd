package app

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"text/template"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/runtime/atomicfile"
	"github.com/sardonyx-ml/sardonyx/runtime/regularfile"
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
	files, err := projectFiles(map[string]string{"Name": name, "Module": modulePath, "Version": v, "Replace": replace})
	if err == nil {
		err = writeProject(full, files)
	}
	if err != nil {
		return fmt.Errorf("init %s: %w", dir, err)
	}
	fmt.Fprintf(a.out, "wrote a project to %s; next, as its README.md says:\n  cd %s\n  go mod tidy\n  go run . data fetch mnist\n  go run . train --out out\n", dir, dir)
	return nil
}

// projectFiles are the files of a project, by name.
func projectFiles(values map[string]string) (map[string]string, error) {
	t, err := template.ParseFS(project, "project/*.tmpl")
	if err != nil {
		return nil, err
	}
	files := map[string]string{}
	for _, t := range t.Templates() {
		var text strings.Builder
		if err := t.Execute(&text, values); err != nil {
			return nil, err
		}
		files[strings.TrimSuffix(t.Name(), ".tmpl")] = text.String()
	}
	return files, nil
}

// writeProject writes the files into dir, which must be empty, not there, or what a writeProject left that was killed. If it
// fails, dir is as it was before.
func writeProject(dir string, files map[string]string) (err error) {
	if err := atomicfile.Clean(dir); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	made := err != nil
	missing := maps.Clone(files)
	for _, e := range entries {
		name := e.Name()
		if text, err := regularfile.Read(filepath.Join(dir, name), 1<<20); err != nil || string(text) != files[name] {
			return errors.New("the folder is not empty")
		}
		delete(missing, name)
	}
	if len(missing) == 0 {
		return errors.New("the folder is not empty")
	}
	if err := atomicfile.MkdirAll(dir); err != nil {
		return err
	}
	var written []string
	defer func() {
		if err == nil {
			return
		}
		for _, path := range written {
			err = errors.Join(err, atomicfile.Remove(path))
		}
		if made {
			os.Remove(dir) // if it is empty
		}
	}()
	for _, name := range sortedKeys(missing) {
		path := filepath.Join(dir, name)
		written = append(written, path)
		if err := atomicfile.Write(path, func(w io.Writer) error {
			_, err := io.WriteString(w, files[name])
			return err
		}); err != nil {
			return err
		}
	}
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
