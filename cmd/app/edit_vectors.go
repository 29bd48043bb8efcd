package app

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/exporters/numpy"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/data"
	"github.com/sardonyx-ml/sardonyx/runtime/latent"
)

// maxStrength is the largest K: latents are a few units long.
const maxStrength = 1000

// An addition is one --add: so much of an attribute, or of one of its values.
type addition struct {
	text        string // as it was given
	name, value string // value is "" if there is none
	k           float64
	given       bool // K was
}

// column is what the vector is called.
func (s addition) column() string {
	if s.value == "" {
		return s.name
	}
	return s.name + "=" + s.value
}

// readAdds reads --add NAME=K, NAME=VALUE and NAME=VALUE:K. What is a number is K.
func readAdds(c *cli.Context) ([]addition, error) {
	var all []addition
	for _, text := range c.StringSlice("add") {
		name, rest, ok := strings.Cut(text, "=")
		if !ok || name == "" || rest == "" {
			return nil, usagef(c, "--add %s: want NAME=K, NAME=VALUE or NAME=VALUE:K", text)
		}
		s := addition{text: text, name: name}
		k, isNumber := strength(rest)
		if !isNumber {
			s.value = rest
			if i := strings.LastIndex(rest, ":"); i > 0 {
				if k, isNumber = strength(rest[i+1:]); !isNumber {
					return nil, usagef(c, "--add %s: %q is no number", text, rest[i+1:])
				}
				s.value = rest[:i]
			}
		}
		if s.k, s.given = k, isNumber; s.given && !(math.Abs(k) <= maxStrength) {
			return nil, usagef(c, "--add %s: want a number from -%d to %d", text, maxStrength, maxStrength)
		}
		if slices.ContainsFunc(all, func(o addition) bool { return o.column() == s.column() }) {
			return nil, usagef(c, "--add %s: %s is added twice", text, s.column())
		}
		all = append(all, s)
	}
	return all, nil
}

// strength reads a number, also one that is too large.
func strength(s string) (float64, bool) {
	k, err := strconv.ParseFloat(s, 64)
	return k, err == nil || errors.Is(err, strconv.ErrRange)
}

// sum is what all additions together add to a latent.
func sum(adds []addition, vectors map[string][]float64, size int) ([]float64, error) {
	out := make([]float64, size)
	if err := known(adds, sortedKeys(vectors)); err != nil {
		return nil, err
	}
	for _, s := range adds {
		v := vectors[s.column()]
		if latent.Unit(v) == nil {
			return nil, fmt.Errorf("--add %s: the model tells nothing apart by %s: its direction has no length", s.text, s.column())
		}
		if s.given {
			v = latent.Unit(v)
		} else {
			s.k = 1
		}
		for i := range v {
			out[i] += s.k * v[i]
		}
	}
	return out, nil
}

// known says which of the additions are of none of the columns of the data's attributes.
func known(adds []addition, columns []string) error {
	for _, s := range adds {
		if err := s.among(columns); err != nil {
			return fmt.Errorf("--add %s: %w", s.text, err)
		}
	}
	return nil
}

// among says why the addition is of none of the columns.
func (s addition) among(columns []string) error {
	if slices.Contains(columns, s.column()) {
		return nil
	}
	var names, values []string
	for _, column := range columns {
		name, value, _ := strings.Cut(column, "=")
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
		if name == s.name && value != "" {
			values = append(values, value)
		}
	}
	switch {
	case !slices.Contains(names, s.name):
		return fmt.Errorf("the data have no attribute %q, or all of them alike: they have %s", s.name, strings.Join(names, ", "))
	case values == nil:
		return fmt.Errorf("%q is no number, and %s has no values to name: want %s=K", s.value, s.name, s.name)
	case s.value == "":
		return fmt.Errorf("%s has several values: say which, %s=%s or another of %s", s.name, s.name, values[0], strings.Join(values, ", "))
	}
	return fmt.Errorf("%s has no value %q: it has %s", s.name, s.value, strings.Join(values, ", "))
}

// vectors are the directions of the attributes, by columns, for the additions: those in the run's folder, or measured now and left
// there.
func (a *app) vectors(c *cli.Context, e *editor, adds []addition) (map[string][]float64, error) {
	if e.from == "" {
		return nil, usagef(c, "the run does not say what it was trained on: name data with attributes, --data NAME or --data PATH")
	}
	method, most := c.String("vectors"), c.Int("examples")
	key := sha256.New()
	meta := e.metadata()
	for _, k := range sortedKeys(meta) {
		fmt.Fprintf(key, "%q=%q\n", k, meta[k])
	}
	of, err := e.contents()
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(key, "%q %q %q %d\n", e.from, of, method, most)
	file := filepath.Join(c.Path("run"), fmt.Sprintf("vectors-%s-%s.npz", method, hex.EncodeToString(key.Sum(nil)[:6])))

	switch arrays, err := numpy.ReadNPZ(file); {
	case err == nil:
		vectors := map[string][]float64{}
		for name, x := range arrays {
			if x.Rank() != 1 || x.Len() != e.size || !x.DType().Native() {
				return nil, fmt.Errorf("%s: %s is %v, want a float vector of %d: delete the file, and it is made anew", file, name, x, e.size)
			}
			vectors[name] = x.Float64s()
		}
		return vectors, nil
	case !errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%w: delete the file, and it is made anew", err)
	}

	splits, err := e.splits(c)
	if err != nil {
		return nil, err
	}
	set := splits.Train
	if err := e.attributed(set); err != nil {
		return nil, err
	}
	if err := known(adds, set.Columns()); err != nil { // before the work
		return nil, err
	}
	if n := min(most, set.Len()); n < set.Len() {
		if set, err = set.Subset(0, n); err != nil {
			return nil, err
		}
	}
	fmt.Fprintf(a.err, "measuring attributes over %d examples of %s\n", set.Len(), e.from)
	z, columns, err := e.encodeAll(c, set)
	if err != nil {
		return nil, err
	}
	vectors, err := latent.Directions(z, columns, latent.Method(method))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.from, err)
	}
	arrays := map[string]*tensor.Tensor{}
	for name, v := range vectors {
		arrays[name] = tensor.Of(v, len(v))
	}
	if err := numpy.WriteNPZ(file, arrays); err != nil {
		fmt.Fprintf(a.err, "note: they are not kept: %v\n", err)
	} else {
		fmt.Fprintf(a.err, "kept in %s\n", file)
	}
	return vectors, nil
}

// contents tells what the data hold apart from what they held before. What is published, drawn or generated is known by its name.
func (e *editor) contents() (string, error) {
	if _, err := os.Stat(e.from); err != nil || slices.Contains(data.Names(), e.from) {
		return "", nil
	}
	return data.FilesHash(e.from)
}

// splits are the data with attributes.
func (e *editor) splits(c *cli.Context) (data.Splits, error) {
	if e.splitsNow != nil {
		return *e.splitsNow, nil
	}
	splits, err := openRunData(c, e.model, e.setup, "data", e.from, e.imageOptions())
	if err != nil {
		return splits, err
	}
	i := slices.IndexFunc(splits.Train.Fields(), func(s data.Spec) bool { return s.Name == e.field() })
	if i < 0 {
		return splits, fmt.Errorf("%s has no field %q with images: it is %v", e.from, e.field(), splits.Train)
	}
	if s := splits.Train.Fields()[i]; !slices.Equal(s.Shape, e.shape) || s.DType != tensor.F32 {
		return splits, fmt.Errorf("an example of %s is %s, and %s takes f32%v: --data names the data that the run was trained on", e.from, typeOf(s), e.model.Name, e.shape)
	}
	e.splitsNow = &splits
	return splits, nil
}

// attributed refuses data without attributes.
func (e *editor) attributed(set *data.Dataset) error {
	if len(set.Attributes) == 0 {
		return fmt.Errorf("%s has no attributes: name data that have, --data NAME or --data PATH", e.from)
	}
	return nil
}

// heldOut is the part of the data that no model was trained on.
func (e *editor) heldOut(c *cli.Context) (*data.Dataset, error) {
	if e.from == "" {
		return nil, usagef(c, "the run does not say what it was trained on: --data NAME or --data PATH")
	}
	splits, err := e.splits(c)
	if err != nil {
		return nil, err
	}
	for _, set := range []*data.Dataset{splits.Test, splits.Validation} {
		if set != nil {
			return set, nil
		}
	}
	return nil, fmt.Errorf("%s has no part that was held out, a test or a validation one", e.from)
}

// pictured are the examples of a set with no other fields than the images, and the attributes if it has some.
func (e *editor) pictured(set *data.Dataset) (*data.Dataset, error) {
	fields := []string{e.field()}
	if len(set.Attributes) > 0 {
		fields = append(fields, data.AttributesField)
	}
	return set.Select(fields...)
}

// encodeAll encodes a data set, and gives its attributes in columns.
func (e *editor) encodeAll(c *cli.Context, set *data.Dataset) (*tensor.Tensor, []latent.Column, error) {
	names := set.Columns()
	columns := make([]latent.Column, len(names))
	for k, name := range names {
		columns[k] = latent.Column{Name: name, X: make([]float64, set.Len())}
	}
	z := tensor.New(tensor.F32, set.Len(), e.size)
	set, err := e.pictured(set)
	if err != nil {
		return nil, nil, err
	}
	err = models.EachBatch(c.Context, set, 512, func(first, n int, x map[string]*tensor.Tensor) error {
		part, err := e.encode(c.Context, x[e.field()])
		if err != nil {
			return err
		}
		copy(tensor.Data[float32](z)[first*e.size:], tensor.Data[float32](part))
		has := x[data.AttributesField]
		for i := range n {
			for k := range names {
				columns[k].X[first+i] = has.At(i*len(names) + k)
			}
		}
		return nil
	})
	return z, columns, err
}

// rowsFrom are lo to hi, without hi.
func rowsFrom(lo, hi int) []int {
	rows := make([]int, hi-lo)
	for i := range rows {
		rows[i] = lo + i
	}
	return rows
}
