package latent

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// world draws latents z = Σ attribute·its direction + noise, whose directions are the axes, of attributes that are not independent:
// hats are worn by those who smile, a mouth is nearly a smile, and hair has three values.
func world(n int) (*tensor.Tensor, []Column) {
	r := rand.New(rand.NewPCG(1, 2))
	names := []string{"smile", "hat", "mouth", "hair=black", "hair=red", "hair=grey", "age", "alive"}
	columns := make([]Column, len(names))
	for k, name := range names {
		columns[k] = Column{name, make([]float64, n)}
	}
	z := tensor.New(tensor.F32, n, 6)
	has := func(p float64) float64 {
		if r.Float64() < p {
			return 1
		}
		return 0
	}
	for i := range n {
		smile := has(.5)
		hat := has(.2 + .6*smile)
		hair := []int{0, 0, 1, 2}[r.IntN(4)]
		age := 20 + 40*r.Float64()
		mouth := 2*smile - 1 + .3*r.NormFloat64()
		for k, v := range []float64{smile, hat, mouth, 0, 0, 0, age, 1} {
			columns[k].X[i] = v
		}
		columns[3+hair].X[i] = 1
		for j, v := range []float64{smile + mouth/2, 3 * hat, []float64{0, 1, 0}[hair], []float64{0, 0, 4}[hair], age / 10, 0} {
			z.Set(i*6+j, v+.1*r.NormFloat64())
		}
	}
	return z, columns
}

// TestDirections compares directions with those that the latents were made of: the regression's are clean of what is correlated, and
// the difference of means has the share that follows from the probabilities.
func TestDirections(t *testing.T) {
	z, columns := world(20000)
	for _, test := range []struct {
		method Method
		column string
		want   []float64
	}{
		{Regression, "smile", []float64{2, 0, 0, 0, 0, 0}},
		{Regression, "hat", []float64{0, 3, 0, 0, 0, 0}},
		{Regression, "hair=red", []float64{0, 0, 1, -4. / 3, 0, 0}},  // from black and grey, two to one
		{Regression, "hair=grey", []float64{0, 0, -1. / 3, 4, 0, 0}}, // from black and red
		{Regression, "age", []float64{0, 0, 0, 0, .1, 0}},            // of a year
		{Means, "smile", []float64{2, 3 * .6, 0, 0, 0, 0}},           // P(hat|smile) − P(hat|none) is .6
		{Means, "hat", []float64{2 * .6, 3, 0, 0, 0, 0}},
		{Means, "hair=grey", []float64{0, 0, -1. / 3, 4, 0, 0}},
		{Means, "age", []float64{0, 0, 0, 0, 2, 0}}, // from 20 to 40 years to 40 to 60
	} {
		got, err := Directions(z, columns, test.method)
		if err != nil {
			t.Fatal(err)
		}
		v := got[test.column]
		for j, want := range test.want {
			if len(v) != len(test.want) || !(math.Abs(v[j]-want) <= .06) {
				t.Errorf("%s by %s is %.3f, want %.3f", test.column, test.method, v, test.want)
				break
			}
		}
		if _, ok := got["alive"]; ok {
			t.Errorf("%s: what all have has a direction", test.method)
		}
	}
}

// TestUnit holds the length of directions to 1, also of very long and short ones.
func TestUnit(t *testing.T) {
	if got := Unit([]float64{3, 0, -4}); got[0] != .6 || got[1] != 0 || got[2] != -.8 {
		t.Errorf("the unit of (3, 0, -4) is %v", got)
	}
	for _, v := range [][]float64{{0, 0}, {math.NaN(), 1}, {math.Inf(1), 1}} {
		if got := Unit(v); got != nil {
			t.Errorf("%v has the unit %v", v, got)
		}
	}
}

// TestNoDirections has examples that agree in all: there is no direction, by any method.
func TestNoDirections(t *testing.T) {
	for _, method := range Methods {
		got, err := Directions(tensor.New(tensor.F32, 3, 2), []Column{{"smile", []float64{1, 1, 1}}}, method)
		if err != nil || len(got) > 0 {
			t.Errorf("%s: %v, %v, want none", method, got, err)
		}
	}
}

// TestDirectionsErrors refuses what does not fit together.
func TestDirectionsErrors(t *testing.T) {
	z, columns := world(10)
	for want, f := range map[string]func() error{
		"want [n size]": func() error { _, err := Directions(tensor.New(tensor.F32, 10), columns, Means); return err },
		"9 values for 10 latents": func() error {
			_, err := Directions(z, []Column{{"smile", make([]float64, 9)}}, Means)
			return err
		},
		`no method is called "frob"`: func() error { _, err := Directions(z, columns, "frob"); return err },
	} {
		if err := f(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want %s", err, want)
		}
	}
}
