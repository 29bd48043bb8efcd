package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/graph"
	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/data"
)

// An Update is what a training loop does with a batch: it runs one Step or several, and returns the metrics. step is the
// number of updates done before, and in has the fields of the data set, under the names of the inputs that they feed.
// Whatever it decides by must come from step, in and the state, or a resumed run will differ from an unbroken one.
type Update func(ctx context.Context, x runtime.Executable, step int64, in map[string]*tensor.Tensor) (Metrics, error)

// errNoFunc is the error of a nil Step or Func, which is what a Program gives for a name that it does not have.
var errNoFunc = errors.New("train: the Step or Func to run is nil: does the program have one of that name? Program.Entry tells")

// Run runs the Step or Func f once, on those of in that are its inputs, and returns its scalar outputs, all that it fetches. An input that
// is the size of a draw, which in need not have, is the number of examples.
func Run(ctx context.Context, x runtime.Executable, f *graph.Func, in map[string]*tensor.Tensor) (Metrics, error) {
	if f == nil {
		return nil, errNoFunc
	}
	c, err := do(ctx, x, f, in)
	if err != nil {
		return nil, err
	}
	return Scalars(c)
}

// do runs f once, on those of in that are its inputs.
func do(ctx context.Context, x runtime.Executable, f *graph.Func, in map[string]*tensor.Tensor) (runtime.Call, error) {
	args := make(map[string]*tensor.Tensor, len(f.Inputs)+1)
	for _, v := range f.Inputs {
		t := in[v.Name]
		if t == nil && v.IsSize() {
			t = examples(in)
		}
		if t == nil {
			return nil, fmt.Errorf("%s: there is nothing for its input %q: the batch has %s", f.Name, v.Name, strings.Join(slices.Sorted(maps.Keys(in)), ", "))
		}
		args[v.Name] = t
	}
	if t := in[graph.RandomState]; t != nil {
		args[graph.RandomState] = t
	}
	return runtime.Do(ctx, x, f.Name, args)
}

// examples is how many a batch has, for a Step that only wants to know: nil if nothing tells.
func examples(in map[string]*tensor.Tensor) *tensor.Tensor {
	for _, name := range slices.Sorted(maps.Keys(in)) {
		if t := in[name]; name != graph.RandomState && t.Rank() > 0 {
			return tensor.Scalar(int64(t.Dim(0)))
		}
	}
	return nil
}

// RunStep is the Update that runs one Step.
func RunStep(f *graph.Func) Update {
	return func(ctx context.Context, x runtime.Executable, _ int64, in map[string]*tensor.Tensor) (Metrics, error) {
		return Run(ctx, x, f, in)
	}
}

// RunRhythm is the Update that runs the Steps of a Rhythm: those that are due on the batch, which the number of updates done
// before tells. Where they are several, the loss of the Step critic is the metric critic, and its other outputs are critic.penalty
// and so on; of several runs on one batch it is the average.
func RunRhythm(prog *compiler.Program, r models.Rhythm) Update {
	steps, batches := r.Steps(), r.Batches()
	if len(steps) == 1 && len(batches) == 1 && len(batches[0]) == 1 {
		return RunStep(prog.Step(steps[0]))
	}
	return func(ctx context.Context, x runtime.Executable, step int64, in map[string]*tensor.Tensor) (Metrics, error) {
		var mean Mean
		for _, name := range batches[step%int64(len(batches))] {
			m, err := Run(ctx, x, prog.Step(name), in)
			if err != nil {
				return nil, err
			}
			named := make(Metrics, len(m))
			for metric, v := range m {
				named[stepMetric(steps, name, metric)] = v
			}
			mean.Add(named, 1)
		}
		return mean.Metrics(), nil
	}
}

// stepMetric is what a metric of the Step called name is called where these are the Steps.
func stepMetric(steps []string, name, metric string) string {
	switch {
	case len(steps) == 1:
		return metric
	case metric == Loss:
		return name
	}
	return name + "." + metric
}

// Evaluation says what [Evaluate] runs on what.
type Evaluation struct {
	Func   *graph.Func // for inference, with scalar outputs
	Data   *data.Dataset
	Batch  int
	Inputs Inputs
	// Augment is what the data are trained with: fields that it binarises are binarised here too, always alike, and the rest is left.
	Augment []data.Augmentation
	// Each, if not nil, is told of each batch when it is done.
	Each func(examples int, m Metrics)
}

// evaluationSeed is what Evaluate draws random numbers from: others in each batch, the same ones in each evaluation, so
// that the epochs of a run can be compared.
const evaluationSeed = -1

// Evaluate runs a Func on a data set, in its order, and returns its outputs averaged over the examples. An output that is
// NaN or Inf ends it with the engine's [runtime.NonFiniteError].
func Evaluate(ctx context.Context, x runtime.Executable, e Evaluation) (Metrics, error) {
	if e.Func == nil {
		return nil, errNoFunc
	}
	l, err := data.NewLoader(e.Data, data.LoaderOptions{Batch: e.Batch, Epochs: 1, Augment: binarising(e.Augment)})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", e.Func.Name, err)
	}
	defer l.Close()
	var mean Mean
	for batch := int64(0); ; batch++ {
		b, err := l.Next(ctx)
		if errors.Is(err, io.EOF) {
			return mean.Metrics(), nil
		}
		if err != nil {
			return nil, err
		}
		in := e.Inputs.Name(b.Tensors)
		if e.Func.Lookup(graph.RandomState) != nil {
			in[graph.RandomState] = tensor.Of([]int64{evaluationSeed, batch}, 2)
		}
		c, err := do(ctx, x, e.Func, in)
		if err != nil {
			return nil, err
		}
		m, err := Scalars(c)
		if err != nil {
			return nil, err
		}
		for _, v := range m {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return nil, c.Explain()
			}
		}
		mean.Add(m, b.Size)
		if e.Each != nil {
			e.Each(b.Size, m)
		}
	}
}

// binarising is what of list binarises.
func binarising(list []data.Augmentation) []data.Augmentation {
	var out []data.Augmentation
	for _, a := range list {
		if a.Binarise {
			out = append(out, data.Augmentation{Field: a.Field, Binarise: true})
		}
	}
	return out
}

// Inputs says which field of the data set feeds which input: input name to field name. An input that is not named is fed
// by the field of its own name.
type Inputs map[string]string

// Name returns the fields of a batch under their own names and those of the inputs that they feed.
func (i Inputs) Name(fields map[string]*tensor.Tensor) map[string]*tensor.Tensor {
	out := maps.Clone(fields)
	for input, field := range i {
		if t := fields[field]; t != nil {
			out[input] = t
		}
	}
	return out
}

// checkFeed reports whether f can run on batches of d: its inputs are there, in their dtypes and shapes, and what it
// returns are scalars.
func checkFeed(f *graph.Func, d *data.Dataset, batch int, dropLast bool, inputs Inputs) error {
	for _, o := range f.Outputs {
		if o.Value.Rank() != 0 {
			return fmt.Errorf("%q returns %s, %v: metrics are scalars; reduce it, with .Mean() for one", f.Name, o.Name, o.Value.Type)
		}
	}
	for _, field := range inputs {
		if !slices.ContainsFunc(d.Fields(), func(s data.Spec) bool { return s.Name == field }) {
			return fmt.Errorf("the data set has no field %q; it is %v: fields are called as the columns of a .csv file, the arrays in a .npz file, or a .npy file", field, d)
		}
	}
	if d.Len() == 0 {
		return fmt.Errorf("the data set has no examples")
	}
	sizes := []int{min(batch, d.Len())}
	if rest := d.Len() % batch; rest > 0 && !dropLast {
		sizes = append(sizes, rest)
	}
	for _, n := range sizes {
		rows := make([]int, n)
		for i := range rows {
			rows[i] = i
		}
		fields, err := d.Take(rows...)
		if err != nil {
			return err
		}
		named := inputs.Name(fields)
		in := map[string]*tensor.Tensor{}
		for _, v := range f.Inputs {
			if v.IsSize() && named[v.Name] == nil {
				named[v.Name] = examples(fields)
			}
			if named[v.Name] == nil {
				return fmt.Errorf("no field of the data set feeds the input %q of %q; it is %v", v.Name, f.Name, d)
			}
			if t := named[v.Name]; t.DType() != v.DType() {
				return fmt.Errorf("the input %q of %q is %v, and the field that feeds it is %v: store the array as %v (of pixels, divided by 255)",
					v.Name, f.Name, v.DType(), t, v.DType())
			}
			if err := checkSize(f, v, named[v.Name]); err != nil {
				return err
			}
			in[v.Name] = named[v.Name]
		}
		_, err = f.Bind(in)
		if err == nil {
			err = checkAsserts(f, in)
		}
		if err != nil {
			return fmt.Errorf("%q cannot run on a batch of %d examples of %v: %w", f.Name, n, d, err)
		}
	}
	return nil
}

// checkAsserts runs those of f's Asserts that nothing but the sizes of the inputs in decide, such as how many examples a batch needs:
// the others wait for the data.
func checkAsserts(f *graph.Func, in map[string]*tensor.Tensor) error {
	sized := make([]bool, len(f.Values))
	var asserted []*graph.Value
	for _, n := range f.Nodes {
		switch n.Op.(type) {
		case graph.Input, graph.Param:
			continue
		}
		known := !slices.ContainsFunc(n.Args, func(a *graph.Value) bool { return a != nil && !sized[a.ID] })
		for _, v := range n.Results {
			sized[v.ID] = known
		}
		if _, ok := n.Op.(graph.Assert); ok && known {
			asserted = append(asserted, n.Results[0])
		}
	}
	if asserted == nil {
		return nil
	}
	_, err := graph.Evaluate(kernel.NewContext(nil, 1), graph.Extract(f, asserted...), in)
	return err
}

// checkSize refuses a batch of examples that are of another size than the input v of f, whatever its symbols are.
func checkSize(f *graph.Func, v *graph.Value, t *tensor.Tensor) error {
	same := len(v.Shape()) == t.Rank()
	for i := 0; same && i < t.Rank(); i++ {
		d := v.Shape()[i]
		same = d.Symbolic() || int(d) == t.Dim(i)
	}
	if same {
		return nil
	}
	return fmt.Errorf("the input %q of %q is %v, and a batch of the field that feeds it is %v: take data of that size, or settings of the model for this one", v.Name, f.Name, v.Type, t)
}
