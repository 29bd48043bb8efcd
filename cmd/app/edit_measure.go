package app

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/data"
	"github.com/sardonyx-ml/sardonyx/runtime/onnxruntime"
)

// The probabilities between which an attribute is neither there nor not.
const (
	absent  = .2
	present = .8
)

// measuredEdit is what edit --measure found.
type measuredEdit struct {
	Run           string      `json:"run"`
	Data          string      `json:"data"`
	Vectors       string      `json:"vectors"`
	Add           []string    `json:"add"`
	Classifier    string      `json:"classifier"`
	Without       int         `json:"without"`  // held-out examples that the data say have none of what is added
	Examples      int         `json:"examples"` // those of them for which the classifier says so too: the ones that are edited
	Changed       []changedOf `json:"changed"`
	Kept          []keptOf    `json:"kept"`
	KeptMean      *number     `json:"kept_mean,omitempty"`
	KeptLeast     *number     `json:"kept_least,omitempty"`
	KeptAll       *number     `json:"kept_all,omitempty"`
	Least         string      `json:"least,omitempty"` // which attribute that is
	UntouchedMean *number     `json:"untouched_mean,omitempty"`
	columns       []int       // of the classifier, for each of Add
}

// changedOf is what became of what was added.
type changedOf struct {
	Column   string `json:"column"`
	Before   number `json:"before"`  // its mean probability in the images
	Rebuilt  number `json:"rebuilt"` // in their reconstructions
	After    number `json:"after"`   // in the edited images
	Raised   number `json:"raised"`  // the share in which it rises from below .2 to above .8, or falls the other way if it is taken away
	Removing bool   `json:"removing"`
}

// keptOf is the share of edited images in which the classifier calls another attribute as it did in the image.
type keptOf struct {
	Attribute string `json:"attribute"`
	Rebuilt   number `json:"rebuilt"` // of unedited reconstructions: what the model alone loses
	Kept      number `json:"kept"`
	Untouched number `json:"untouched"` // the share in which the classifier calls it as in the unedited reconstruction: what the edit alone leaves
}

// measureEdit measures, by a classifier trained on real examples, what adding attributes to held-out ones does.
func (a *app) measureEdit(c *cli.Context, e *editor, adds []addition, o onnxruntime.Options) error {
	set, err := e.heldOut(c)
	if err != nil {
		return err
	}
	if err := e.attributed(set); err != nil {
		return err
	}
	by, err := openLabeller(c, o, e.shape, set)
	if err != nil {
		return err
	}
	defer by.session.Close()
	vectors, err := a.vectors(c, e, adds)
	if err != nil {
		return err
	}
	step, err := sum(adds, vectors, e.size)
	if err != nil {
		return err
	}
	r := measuredEdit{Run: c.Path("run"), Data: e.from, Vectors: c.String("vectors"), Classifier: c.Path("classifier")}
	for _, s := range adds {
		i := slices.Index(by.columns, s.column())
		if i < 0 || !by.named(i) {
			return fmt.Errorf("--add %s: %s is a number, and the classifier judges what an example has or has not", s.text, s.column())
		}
		r.Add = append(r.Add, s.text)
		r.columns = append(r.columns, i)
		r.Changed = append(r.Changed, changedOf{Column: s.column(), Removing: s.given && s.k < 0})
	}
	before, rebuilt, after, err := by.scores(c.Context, e, set, step, &r)
	if err != nil {
		return err
	}
	if r.Examples == 0 {
		return fmt.Errorf("none of the %d held-out examples of %s begins without what is added: %d by the data, and of those none by the classifier", set.Len(), e.from, r.Without)
	}
	r.compare(by, before, rebuilt, after)
	if c.Bool("json") {
		return a.writeJSON(r)
	}
	return a.printEdit(r)
}

// A labeller is a classifier of all attributes.
type labeller struct {
	session *onnxruntime.Session
	in, out string
	columns []string         // of the data's field "attributes"
	groups  map[string][]int // the places of each attribute that has values
}

// openLabeller opens --classifier, whose output has a probability for each column of the data's attributes.
func openLabeller(c *cli.Context, o onnxruntime.Options, shape []int, set *data.Dataset) (*labeller, error) {
	file := c.Path("classifier")
	s, err := onnxruntime.Open(file, o)
	if err != nil {
		return nil, err
	}
	l := &labeller{session: s, columns: set.Columns(), groups: map[string][]int{}}
	at := 0
	for _, x := range set.Attributes {
		width := 1
		if x.Values != nil && !x.Binary() {
			width = len(x.Values)
		}
		if x.Values != nil {
			l.groups[x.Name] = rowsFrom(at, at+width)
		}
		at += width
	}
	var fits []string
	for _, out := range s.Outputs() {
		if len(out.Shape) == 2 && out.DType == tensor.F32 && (out.Shape[1].Size == int64(len(l.columns)) || out.Shape[1].Size < 0) {
			fits = append(fits, out.Name)
		}
	}
	inputs := s.Inputs()
	switch {
	case len(inputs) != 1:
		err = fmt.Errorf("it has the inputs %s: want one, the images", infos(inputs))
	case len(fits) != 1:
		err = fmt.Errorf("it has the outputs %s: want one of f32[batch %d], a probability for each of the data's columns (%s)", infos(s.Outputs()), len(l.columns), strings.Join(l.columns, ", "))
	default:
		l.in, l.out = inputs[0].Name, fits[0]
		in := inputs[0]
		ok := len(in.Shape) == 4 && in.DType == tensor.F32
		for i, d := range shape {
			ok = ok && (in.Shape[i+1].Size < 0 || in.Shape[i+1].Size == int64(d))
		}
		if !ok {
			err = fmt.Errorf("its input is %v, and the images are f32%v", in, shape)
		}
	}
	if err != nil {
		s.Close()
		return nil, fmt.Errorf("--classifier %s: %w", file, err)
	}
	return l, nil
}

// named reports whether column i is one that an example has or has not, and no number.
func (l *labeller) named(i int) bool {
	for _, at := range l.groups {
		if slices.Contains(at, i) {
			return true
		}
	}
	return false
}

// score gives the probabilities [n columns].
func (l *labeller) score(ctx context.Context, x *tensor.Tensor) (*tensor.Tensor, error) {
	p, err := inBatches(ctx, l.session, l.in, x, l.out, []int{len(l.columns)})
	if err != nil {
		return nil, fmt.Errorf("the classifier: %w", err)
	}
	for _, v := range tensor.Data[float32](p) {
		if !(v >= 0 && v <= 1) {
			return nil, fmt.Errorf("the classifier's output %q has a %v, and probabilities are from 0 to 1", l.out, v)
		}
	}
	return p, nil
}

// measureBatch is how many held-out examples are in memory at once.
const measureBatch = 128

// scores are those of the held-out examples that begin without what is added, of their reconstructions, and of what step makes of them.
func (l *labeller) scores(ctx context.Context, e *editor, set *data.Dataset, step []float64, r *measuredEdit) (before, rebuilt, after *tensor.Tensor, err error) {
	var all [3][]float32
	if set, err = e.pictured(set); err != nil {
		return nil, nil, nil, err
	}
	err = models.EachBatch(ctx, set, measureBatch, func(_, _ int, x map[string]*tensor.Tensor) error {
		images, scores, err := l.chosen(ctx, e, x, r)
		if err != nil || images == nil {
			return err
		}
		z, err := e.encode(ctx, images)
		if err != nil {
			return err
		}
		moved := tensor.New(tensor.F32, z.Shape()...)
		for i := range z.Len() {
			moved.Set(i, z.At(i)+step[i%e.size])
		}
		all[0] = append(all[0], tensor.Data[float32](scores)...)
		for i, z := range []*tensor.Tensor{z, moved} {
			x, err := e.decode(ctx, z)
			if err != nil {
				return err
			}
			if scores, err = l.score(ctx, x); err != nil {
				return err
			}
			all[1+i] = append(all[1+i], tensor.Data[float32](scores)...)
		}
		return nil
	})
	if err != nil {
		return nil, nil, nil, err
	}
	of := func(i int) *tensor.Tensor { return tensor.Of(all[i], r.Examples, len(l.columns)) }
	return of(0), of(1), of(2), nil
}

// chosen are those of the examples x that begin without what is added, or with what is taken away, by the data and by the classifier,
// with their scores; nil if none do. They are counted.
func (l *labeller) chosen(ctx context.Context, e *editor, x map[string]*tensor.Tensor, r *measuredEdit) (images, scores *tensor.Tensor, err error) {
	p, err := l.score(ctx, x[e.field()])
	if err != nil {
		return nil, nil, err
	}
	var all, ps []float32
	has, n := x[data.AttributesField], p.Dim(0)
	size, count := x[e.field()].Len()/n, 0
	for i := range n {
		begins, called := true, true
		for a, column := range r.columns {
			at := i*len(l.columns) + column
			if r.Changed[a].Removing {
				begins, called = begins && has.At(at) == 1, called && p.At(at) > present
			} else {
				begins, called = begins && has.At(at) == 0, called && p.At(at) < absent
			}
		}
		if begins {
			r.Without++
		}
		if begins && called {
			count++
			all = append(all, tensor.Data[float32](x[e.field()])[i*size:(i+1)*size]...)
			ps = append(ps, tensor.Data[float32](p)[i*len(l.columns):(i+1)*len(l.columns)]...)
		}
	}
	if r.Examples += count; count == 0 {
		return nil, nil, nil
	}
	return tensor.Of(all, append([]int{count}, e.shape...)...), tensor.Of(ps, count, len(l.columns)), nil
}

// called is the value of an attribute at some columns of example i: 0 or 1, or which is the most probable.
func (l *labeller) called(p *tensor.Tensor, i int, at []int) int {
	if len(at) == 1 {
		return int(math.Round(p.At(i*len(l.columns) + at[0])))
	}
	best := 0
	for k := range at {
		if p.At(i*len(l.columns)+at[k]) > p.At(i*len(l.columns)+at[best]) {
			best = k
		}
	}
	return best
}

// compare fills in what became of the examples, by their scores before, rebuilt and after.
func (r *measuredEdit) compare(l *labeller, before, rebuilt, after *tensor.Tensor) {
	n := float64(r.Examples)
	var edited []string
	for a, column := range r.columns {
		x := &r.Changed[a]
		name, _, _ := strings.Cut(x.Column, "=")
		edited = append(edited, name)
		for i := range r.Examples {
			at := i*len(l.columns) + column
			x.Before += number(before.At(at) / n)
			x.Rebuilt += number(rebuilt.At(at) / n)
			x.After += number(after.At(at) / n)
			if v := after.At(at); x.Removing && v < absent || !x.Removing && v > present {
				x.Raised++
			}
		}
		x.Raised /= number(n)
	}
	all := make([]bool, r.Examples)
	for i := range all {
		all[i] = true
	}
	for _, name := range sortedKeys(l.groups) {
		if slices.Contains(edited, name) {
			continue
		}
		k := keptOf{Attribute: name}
		for i := range r.Examples {
			was := l.called(before, i, l.groups[name])
			if l.called(rebuilt, i, l.groups[name]) == was {
				k.Rebuilt++
			}
			now := l.called(after, i, l.groups[name])
			if now == was {
				k.Kept++
			} else {
				all[i] = false
			}
			if now == l.called(rebuilt, i, l.groups[name]) {
				k.Untouched++
			}
		}
		k.Rebuilt, k.Kept, k.Untouched = k.Rebuilt/number(n), k.Kept/number(n), k.Untouched/number(n)
		r.Kept = append(r.Kept, k)
	}
	if len(r.Kept) == 0 {
		return
	}
	mean, whole, untouched := number(0), number(0), number(0)
	for _, k := range r.Kept {
		mean += k.Kept / number(len(r.Kept))
		untouched += k.Untouched / number(len(r.Kept))
	}
	for _, ok := range all {
		if ok {
			whole++
		}
	}
	whole /= number(n)
	least := slices.MinFunc(r.Kept, func(a, b keptOf) int { return cmp.Compare(a.Kept, b.Kept) })
	r.KeptMean, r.KeptLeast, r.KeptAll, r.Least, r.UntouchedMean = &mean, &least.Kept, &whole, least.Attribute, &untouched
}

// printEdit prints r for a person.
func (a *app) printEdit(r measuredEdit) error {
	fmt.Fprintf(a.out, "%d held-out examples of %s that begin otherwise, of %d; vectors by %s\n\n", r.Examples, r.Data, r.Without, r.Vectors)
	rows := [][]string{{"ADDED", "BEFORE", "REBUILT", "AFTER", "CHANGED"}}
	for _, x := range r.Changed {
		rows = append(rows, []string{x.Column, fmt.Sprintf("%.3f", x.Before), fmt.Sprintf("%.3f", x.Rebuilt), fmt.Sprintf("%.3f", x.After), fmt.Sprintf("%.1f%%", 100*x.Raised)})
	}
	if err := a.table(rows); err != nil {
		return err
	}
	fmt.Fprintln(a.out)
	percent := func(v number) string { return fmt.Sprintf("%.1f%%", 100*v) }
	rows = [][]string{{"OTHERS", "REBUILT", "KEPT", "BY THE EDIT ALONE"}}
	for _, k := range r.Kept {
		rows = append(rows, []string{k.Attribute, percent(k.Rebuilt), percent(k.Kept), percent(k.Untouched)})
	}
	if r.KeptMean != nil {
		rows = append(rows, []string{"their mean", "", percent(*r.KeptMean), percent(*r.UntouchedMean)}, []string{"all at once", "", percent(*r.KeptAll)})
	}
	return a.table(rows)
}
