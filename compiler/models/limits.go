package models

import (
	"fmt"
	"maps"
	"math"
	"slices"
)

// A Limit is what a setting may be: a number from Min to Max.
type Limit struct {
	Min, Max float64
	Step     float64 // only Min, Min + Step, Min + 2·Step and so on: 1 for whole numbers; 0 for all
	Want     string  // the same for people: "a whole number from 1 to 64"
}

// Whole is the limit of whole numbers from min to max.
func Whole(min, max int) Limit {
	return Limit{float64(min), float64(max), 1, fmt.Sprintf("a whole number from %d to %d", min, max)}
}

// Rows is the limit of the rows and columns of square images that networks halve: multiples of a number, which is also the least.
func Rows(multiple, max int) Limit {
	return Limit{float64(multiple), float64(max), float64(multiple), fmt.Sprintf("the rows of an image: a multiple of %d from %d to %d", multiple, multiple, max)}
}

// Limits are what settings may be, by their names. They keep out what makes no model, with an error that says what does, and sizes that
// would take all memory.
type Limits map[string]Limit

// Usual are the limits of settings that have these names in the zoo.
var Usual = Limits{
	"channels":  {1, 3, 2, "1 or 3"},
	"size":      Whole(1, 512),
	"side":      Whole(1, 512),
	"latent":    Whole(1, math.MaxInt32),
	"hidden":    Whole(1, math.MaxInt32),
	"width":     Whole(1, 1<<12),
	"first":     Whole(1, 1<<12),
	"filters":   {0, 1024, 1, "the filters of the first convolution, to 1024, or 0 for a multi-layer perceptron"},
	"conv":      {0, 1, 1, "1 for convolutional networks or 0 for perceptrons"},
	"dropout":   {0, 1 - 1e-9, 0, "a number from 0, for none, to below 1"},
	"classes":   Whole(2, maxRuns), // what [Model.With] takes too
	"columns":   Whole(1, 10000),
	"levels":    Whole(2, 256),
	"smoothing": {0, math.MaxFloat64, 0, "0 or more"},

	"lr":    {math.SmallestNonzeroFloat64, 1, 0, "a number above 0 and at most 1"},
	"ttur":  {1e-6, 1e6, 0, "a number above 0: how many times the generator's learning rate the critic's is"},
	"decay": {0, 1, 0, "a number from 0, for none, to 1"},
	"steps": {0, math.MaxInt32, 1, "the number of batches of the whole training"},
	"ratio": {1, 1000, 1, "a whole number from 1 to 1000: the critic's steps for one of the generator"},
	"ema":   {0, 1 - 1e-9, 0, "a number from 0, for none, to below 1, such as 0.999"},

	"pac":    {1, 64, 1, "a whole number from 1 to 64: how many images the critic sees at once"},
	"smooth": {0, 1 - 1e-9, 0, "a number from 0, for none, to below 1, such as 0.1"},
	"lambda": {0, math.MaxFloat64, 0, "a number from 0"},
	"clip":   {1e-12, math.MaxFloat64, 0, "a number above 0, such as 0.01"},
	"beta":   {0, math.MaxFloat64, 0, "the weight of the divergence, 0 or more"},
	"free":   {0, math.MaxFloat64, 0, "nats for each number of the latent that cost nothing, 0 or more"},
	"sigma":  {0, math.MaxFloat64, 0, "the standard deviation of a pixel under a Gaussian, or 0 to learn it"},
	"weight": {1e-12, math.MaxFloat64, 0, "a number above 0: what a squared error weighs beside a nat"},
}

// With is l with changes.
func (l Limits) With(changes Limits) Limits {
	out := maps.Clone(l)
	maps.Copy(out, changes)
	return out
}

// Check says which setting is beyond its limit. Settings without one may be anything.
func (l Limits) Check(s Settings) error {
	for _, name := range slices.Sorted(maps.Keys(s)) {
		limit, ok := l[name]
		v := s[name]
		if ok && (!(v >= limit.Min && v <= limit.Max) || limit.Step > 0 && math.Mod(v-limit.Min, limit.Step) != 0) {
			return fmt.Errorf("setting %s is %v, want %s", name, v, limit.Want)
		}
	}
	return nil
}
