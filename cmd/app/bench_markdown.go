package app

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/runtime/atomicfile"
	"github.com/sardonyx-ml/sardonyx/runtime/blas"
	"github.com/sardonyx-ml/sardonyx/runtime/regularfile"
	"github.com/sardonyx-ml/sardonyx/runtime/train"
)

// maxPage bounds the Markdown file that a table is put into.
const maxPage = 16 << 20

// A page is a Markdown file with a place for a table: between two lines that name it.
type page struct {
	path, name    string
	before, after []byte // the lines themselves among them
}

// benchPage reads the page that --markdown FILE#NAME names; nil if there is no such flag.
func benchPage(c *cli.Context) (*page, error) {
	text := c.Path("markdown")
	if text == "" {
		return nil, nil
	}
	p := &page{path: text, name: "steps"}
	if c.Bool("infer") {
		p.name = "functions"
	}
	if i := strings.LastIndexByte(text, '#'); i >= 0 {
		p.path, p.name = text[:i], text[i+1:]
	}
	begin, end := fmt.Sprintf("<!-- bench %s -->\n", p.name), fmt.Sprintf("<!-- end of bench %s -->\n", p.name)
	b, err := regularfile.Read(p.path, maxPage)
	if err != nil {
		return nil, fmt.Errorf("--markdown: %w", err)
	}
	from, to := bytes.Index(b, []byte(begin)), bytes.Index(b, []byte(end))
	if from < 0 || to < from {
		return nil, usagef(c, "--markdown %s: the page has no place for the table %s: two lines, %q and %q", text, p.name, begin[:len(begin)-1], end[:len(end)-1])
	}
	p.before, p.after = b[:from+len(begin)], b[to:]
	return p, writable("markdown", p.path)
}

// write puts text into the place.
func (p *page) write(text string) error {
	return atomicfile.Write(p.path, func(w io.Writer) error {
		_, err := w.Write(slices.Concat(p.before, []byte(text), p.after))
		return err
	})
}

// machine says what the figures are of: day, CPU, system and versions.
func machine() string {
	env := train.Environment()
	return fmt.Sprintf("%s, %s CPUs %s, %s, %s, Sardonyx %s, %s", time.Now().Format(time.DateOnly), env["cpus"], cmp.Or(env["cpu"], "of an unknown name"),
		blas.Vectors(), env["platform"], env["sardonyx"], env["go"])
}

// commandLine is how the program was called, with what Go was told of the CPU.
func (a *app) commandLine() string {
	line := shellWords(append([]string{a.name}, a.args[1:]...))
	if debug := os.Getenv("GODEBUG"); debug != "" {
		line = "GODEBUG=" + shellWords([]string{debug}) + " " + line
	}
	return line
}

// A column of a table has a cell for each row.
type column struct {
	name string
	cell func(t timesOf) string
}

// rare is the column of what one of a hundred calls takes.
const rare = "one in a hundred"

// markdownBench is the table of all in Markdown.
func (a *app) markdownBench(all []benchOf, picture, from string) string {
	var b strings.Builder
	threads := sameThreads(all)
	each := ""
	if threads > 0 {
		each = fmt.Sprintf("; %s each", counted(threads, "thread"))
	}
	fmt.Fprintf(&b, "\n%s%s.\n\n    %s\n\n", machine(), each, a.commandLine())
	columns := []column{
		{"", func(t timesOf) string { return strings.ReplaceAll(plain(cmp.Or(t.Version, t.Name)), "|", `\|`) }},
		{"ms", func(t timesOf) string { return digits(t.Median) }},
		{"spread", func(t timesOf) string { return fmt.Sprintf("±%.0f%%", 100*t.Spread) }},
		{rare, func(t timesOf) string { return digitsOr(t.P99) }},
		{"ratio", func(t timesOf) string {
			if t.Reference {
				return fmt.Sprintf("%.2f", float64(t.Ratio))
			}
			return fmt.Sprintf("**%.2f**", float64(t.Ratio))
		}},
		{"share of the peak", func(t timesOf) string { return fmt.Sprintf("%.0f%%", 100*t.OfPeak) }},
		{"examples/s", func(t timesOf) string { return digits(t.PerSecond) }},
		{"memory besides the state", func(t timesOf) string { return sizeOr(t.Memory) }},
		{"of it new state", func(t timesOf) string { return sizeOr(t.NewState) }},
		{"resident", func(t timesOf) string { return sizeOr(t.Resident) }},
	}
	columns = slices.DeleteFunc(columns, func(c column) bool {
		if c.name == rare && all[0].Func == "" {
			return true // of long turns it is the longest
		}
		for _, of := range all {
			if slices.ContainsFunc(of.Times, func(t timesOf) bool { return c.cell(t) != "" }) {
				return false
			}
		}
		return true
	})
	row := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	head := []string{map[bool]string{false: "step", true: "function"}[all[0].Func != ""]}
	for _, c := range columns {
		head = append(head, c.name)
	}
	row(head)
	fmt.Fprintln(&b, strings.Repeat("|---", len(head))+"|")
	for _, of := range all {
		what := fmt.Sprintf("`%s`, batch %d", of.title(), of.Batch)
		if threads == 0 {
			what += ", " + counted(of.Threads, "thread")
		}
		for _, t := range of.Times {
			cells := []string{what}
			for _, c := range columns {
				cells = append(cells, c.cell(t))
			}
			row(cells)
			what = ""
		}
		for _, floor := range [][2]string{
			{fmt.Sprintf("floor: the products alone, at %s GFLOP/s", digits(of.PeakRate)), digits(of.Floor)},
			{fmt.Sprintf("what ops move, %s, at %s GB/s", size(int64(of.Moved)), digits(of.Bandwidth)), digits(of.MovedFloor)},
		} {
			row(append([]string{"", floor[0], floor[1]}, make([]string, len(columns)-2)...))
		}
	}
	if picture != "" {
		if rel, err := filepath.Rel(filepath.Dir(from), picture); err == nil {
			picture = filepath.ToSlash(rel)
		}
		fmt.Fprintf(&b, "\n![ratios](%s)\n", picture)
	}
	return b.String() + "\n"
}
