package app

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/data"
	"github.com/sardonyx-ml/sardonyx/runtime/train/report"
)

// dataShowCommand shows examples of a data set.
func (a *app) dataShowCommand() *cli.Command {
	return &cli.Command{
		Name: "show", Usage: "show examples of a data set: a grid of the images, a table of labels and attributes", ArgsUsage: "NAME|PATH[:PART]",
		Description: "The part is train, validation or test; train if none is named." +
			a.example("data show portraits --png grid.png", "data show mnist:test --count 25 --seed 3 --png grid.png"),
		Flags: []cli.Flag{
			&cli.PathFlag{Name: "png", Usage: "write a grid of the images to `FILE`"},
			&cli.IntFlag{Name: "count", Aliases: []string{"n"}, Value: 16, Usage: "how many", DefaultText: "16, or all of fewer"},
			&cli.Uint64Flag{Name: "seed", Usage: "choose them by chance; the first ones if it is not given", DefaultText: "none"},
			&cli.StringFlag{Name: "field", Value: "image", Usage: "the field with the images"},
			dataDirFlag,
		},
		Action: func(c *cli.Context) error {
			from, err := oneArg(c, "the data set's name")
			if err != nil {
				return err
			}
			if n := c.Int("count"); n < 1 {
				return usagef(c, "--count %d: want 1 or more", n)
			}
			if err := writable("png", c.Path("png")); err != nil {
				return err
			}
			if _, part := cutPart(from); part == "" {
				from += ":" + parts[0]
			}
			e := &examples{from: from}
			if err := e.open(c, data.ImageOptions{}); err != nil {
				return err
			}
			n := c.Int("count")
			if !c.IsSet("count") {
				n = min(n, e.set.Len())
			}
			if n > e.set.Len() {
				return fmt.Errorf("--count %d: %v has %d examples", n, e, e.set.Len())
			}
			rows := rowsFrom(0, n)
			if c.IsSet("seed") {
				rows = pick(n, e.set.Len(), c.Uint64("seed"), 0)
			}
			if path := c.Path("png"); path != "" {
				if err := drawExamples(path, e, c.String("field"), rows); err != nil {
					return err
				}
			}
			return a.tellExamples(e.set, rows)
		},
	}
}

// drawExamples writes a grid of the images of rows.
func drawExamples(path string, e *examples, field string, rows []int) error {
	if err := e.choose(field, ""); err != nil {
		return err
	}
	cols := int(math.Ceil(math.Sqrt(float64(len(rows)))))
	if err := report.CheckGrid(append([]int{len(rows)}, e.field.Shape...), cols); err != nil {
		return fmt.Errorf("the field %v of %v: %w", e.field, e, err)
	}
	set, err := e.set.Select(e.field.Name)
	if err != nil {
		return err
	}
	images, err := set.Take(rows...)
	if err != nil {
		return err
	}
	return report.Grid(path, images[e.field.Name], cols)
}

// tellExamples prints what the data set is, and of rows what each example has that is one number or one name.
func (a *app) tellExamples(set *data.Dataset, rows []int) error {
	fmt.Fprintf(a.out, "%v\n", plain(set.String()))
	if len(set.Attributes) > 0 {
		list := make([]string, len(set.Attributes))
		for i, t := range set.Attributes {
			list[i] = t.String()
		}
		fmt.Fprintf(a.out, "attributes: %s\n", plain(strings.Join(list, ", ")))
	}
	var names []string
	for _, s := range set.Fields() {
		if len(s.Shape) == 0 {
			names = append(names, s.Name)
		}
	}
	if len(names) == 0 {
		return nil
	}
	scalars, err := set.Select(names...)
	if err != nil {
		return err
	}
	values, err := scalars.Take(rows...)
	if err != nil {
		return err
	}
	out := [][]string{append([]string{"example"}, names...)}
	for i, row := range rows {
		line := []string{strconv.Itoa(row)}
		for _, name := range names {
			line = append(line, valueName(set, name, values[name], i))
		}
		out = append(out, line)
	}
	return a.table(out)
}

// valueName is element i of the field called name, in words if there are any for it.
func valueName(set *data.Dataset, name string, x *tensor.Tensor, i int) string {
	words := set.Values[name]
	if words == nil && name == "label" {
		words = set.Classes
	}
	if !x.DType().Integer() {
		return strconv.FormatFloat(x.At(i), 'g', 4, 64)
	}
	if k := x.Int(i); k >= 0 && k < int64(len(words)) {
		return words[k]
	}
	return x.Text(i)
}
