package app

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/data"
)

// examples are one part of a data set that a flag of evaluate names.
type examples struct {
	flag, from string // --real, mnist:test
	set        *data.Dataset
	field      data.Spec
	labels     string                   // the field of labels, "" if there is none
	others     map[string]*data.Dataset // the other parts, by what would name them
	prefer     []string                 // which part is meant where from names none: the first of these that there is
}

// String is the flag with its value, or the value of what is no flag.
func (e *examples) String() string {
	if e.flag == "" {
		return e.from
	}
	return "--" + e.flag + " " + e.from
}

// The parts of data sets.
var parts = []string{"train", "validation", "test"}

// cutPart cuts the part's name off what a flag names: mnist:test. What exists as it stands has none.
func cutPart(from string) (base, part string) {
	i := strings.LastIndex(from, ":")
	if _, err := os.Stat(from); err == nil || i < 0 || !slices.Contains(parts, from[i+1:]) {
		return from, ""
	}
	return from[:i], from[i+1:]
}

// openExamples opens what flags name, in their order, "" being nothing. Pictures in folders get the size and colours of opt, or,
// if that says nothing, of what is no folder.
func openExamples(c *cli.Context, opt data.ImageOptions, flags ...string) ([]*examples, error) {
	out := make([]*examples, len(flags))
	for _, folders := range []bool{false, true} {
		for i, flag := range flags {
			base, _ := cutPart(c.String(flag))
			info, err := os.Stat(base)
			folder := err == nil && info.IsDir() && !slices.Contains(data.Names(), base)
			if base == "" || folder != folders {
				continue
			}
			e, err := openPart(c, flag, opt)
			if err != nil {
				return nil, err
			}
			if s := e.field.Shape; opt == (data.ImageOptions{}) && len(s) == 3 && (s[0] == 1 || s[0] == 3) {
				opt = data.ImageOptions{Height: s[1], Width: s[2], Grey: s[0] == 1}
			}
			out[i] = e
		}
	}
	return out, nil
}

// openPart opens what one flag names.
func openPart(c *cli.Context, flag string, opt data.ImageOptions) (*examples, error) {
	e := &examples{flag: flag, from: c.String(flag)}
	if err := e.open(c, opt); err != nil {
		return nil, err
	}
	if err := e.choose(c.String("field"), c.String("labels")); err != nil {
		return nil, err
	}
	if c.IsSet("labels") && e.labels == "" && flag == "real" {
		return nil, fmt.Errorf("--labels %s: %v has no such field of whole numbers, one an example: it is %v", c.String("labels"), e, e.set)
	}
	return e, nil
}

// open opens the part of a data set that e.from names.
func (e *examples) open(c *cli.Context, opt data.ImageOptions) error {
	base, _ := cutPart(e.from)
	splits, err := openData(c, e.flag, base, opt)
	if err != nil {
		return err
	}
	return e.cut(splits)
}

// cut takes the part of splits that e.from names.
func (e *examples) cut(splits data.Splits) error {
	e.others = map[string]*data.Dataset{}
	base, part := cutPart(e.from)
	sets := []*data.Dataset{splits.Train, splits.Validation, splits.Test}
	for _, p := range e.prefer {
		if part == "" && sets[slices.Index(parts, p)] != nil {
			part, e.from = p, base+":"+p
		}
	}
	var have []string
	for i, set := range sets {
		if set == nil {
			continue
		}
		have = append(have, base+":"+parts[i])
		if parts[i] == part {
			e.set = set
		} else {
			e.others[base+":"+parts[i]] = set
		}
	}
	switch {
	case part == "" && e.prefer != nil:
		return fmt.Errorf("%v has no part %s: there is %s", e, strings.Join(e.prefer, " or "), strings.Join(have, ", "))
	case part == "" && len(have) == 1:
		e.set, e.others = e.others[have[0]], nil
	case part == "":
		return fmt.Errorf("%v has several parts: say which, %s", e, strings.Join(have, " or "))
	case e.set == nil:
		return fmt.Errorf("%v: there is no such part: there is %s", e, strings.Join(have, ", "))
	}
	return nil
}

// choose finds the fields of the examples and of their labels. A set with one field is that field, whatever its name.
func (e *examples) choose(field, labels string) error {
	fields := e.set.Fields()
	i := slices.IndexFunc(fields, func(s data.Spec) bool { return s.Name == field })
	if i < 0 && len(fields) == 1 {
		i = 0
	}
	if i < 0 {
		return fmt.Errorf("%v has no field %q: it is %v; --field names another", e, field, e.set)
	}
	e.field = fields[i]
	for _, s := range fields {
		if s.Name == labels && s.Name != e.field.Name && s.DType.Integer() && len(s.Shape) == 0 {
			e.labels = labels
		}
	}
	return nil
}

// like refuses examples that cannot be compared with those of to.
func (e *examples) like(to *examples) error {
	real := tensor.DType.Float
	a, b := to.field, e.field
	if !slices.Equal(a.Shape, b.Shape) || a.DType != b.DType && !(real(a.DType) && real(b.DType)) {
		return fmt.Errorf("an example of %v is %v, one of %v is %v: they cannot be compared", to, typeOf(a), e, typeOf(b))
	}
	return nil
}

// typeOf is the dtype and shape of an example, f32[1 28 28].
func typeOf(s data.Spec) string { return fmt.Sprintf("%v%v", s.DType, s.Shape) }

// pick draws n rows of a set of this size, in order, none twice; what is drawn depends on the seed and salt alone.
func pick(n, size int, seed, salt uint64) []int {
	rows := rand.New(rand.NewPCG(seed, salt)).Perm(size)[:n]
	slices.Sort(rows)
	return rows
}

// A drawn is what measures take of some examples.
type drawn struct {
	features *tensor.Tensor // [n d]
	scores   *tensor.Tensor // [n classes]; nil without a classifier
	labels   []int64        // nil if there are none
}

// maxFeatures is how many numbers are kept of a set, 4 GB of f32.
const maxFeatures = 1 << 30

// draw reads rows, and runs the network over them, or without one takes the examples themselves.
func (e *examples) draw(ctx context.Context, rows []int, net *network) (drawn, error) {
	var out drawn
	fields := []string{e.field.Name}
	if e.labels != "" {
		fields = append(fields, e.labels)
	}
	set, err := e.set.Select(fields...)
	if err != nil {
		return out, err
	}
	size := net.batch()
	for lo := 0; lo < len(rows); lo += size {
		if err := ctx.Err(); err != nil {
			return out, err
		}
		batch := rows[lo:min(lo+size, len(rows))]
		got, err := set.Take(batch...)
		if err != nil {
			return out, err
		}
		x := got[e.field.Name]
		features, scores := x.Reshape(len(batch), x.Len()/len(batch)), (*tensor.Tensor)(nil)
		if net != nil {
			if features, scores, err = net.run(ctx, x); err != nil {
				return out, err
			}
		}
		if err := place(&out.features, features, len(batch), lo, len(rows)); err != nil {
			return out, err
		}
		if scores != nil {
			// Of stacked examples there are several rows each.
			k := scores.Dim(0) / len(batch)
			if err := place(&out.scores, scores, len(batch)*k, lo*k, len(rows)*k); err != nil {
				return out, err
			}
		}
		if l := got[e.labels]; l != nil {
			out.labels = append(out.labels, tensor.Data[int64](l.Cast(tensor.I64))...)
		}
	}
	return out, nil
}

// place copies the first k rows of from into an array of n such rows, made when the first come, as f64 if they are so and else
// as f32.
func place(to **tensor.Tensor, from *tensor.Tensor, k, at, n int) error {
	d := from.Dim(1)
	if *to == nil {
		if d > maxFeatures/n {
			return fmt.Errorf("%d examples with %d features take %.1f GB, and at most %.1f are kept: take fewer (--count), or a network with fewer features (--features)",
				n, d, 4*float64(n)*float64(d)/1e9, 4*float64(maxFeatures)/1e9)
		}
		t := tensor.F32
		if from.DType() == tensor.F64 {
			t = tensor.F64
		}
		*to = tensor.New(t, n, d)
	}
	if (*to).Dim(1) != d {
		return fmt.Errorf("some examples have %d features, others %d", (*to).Dim(1), d)
	}
	switch all := (*to).Raw().(type) {
	case []float32:
		copy(all[at*d:(at+k)*d], tensor.Data[float32](from.Cast(tensor.F32)))
	case []float64:
		copy(all[at*d:(at+k)*d], tensor.Data[float64](from.Cast(tensor.F64)))
	}
	return nil
}
