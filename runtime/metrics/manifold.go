package metrics

import (
	"fmt"
	"math"
	"slices"

	"github.com/sardonyx-ml/sardonyx/graph/kernel"
	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// The numbers of neighbours that the papers use.
const (
	PrecisionK = 3 // of [PrecisionRecall]
	DensityK   = 5 // of [DensityCoverage]
)

// PrecisionRecall is improved precision and recall (Kynkäänniemi et al. 2019, "Improved Precision and Recall Metric for Assessing
// Generative Models", equations 1 and 2). A set's manifold is the union of the balls around its examples that reach to the k-th
// nearest other one, borders included. Precision is the share of fake examples in the manifold of the real ones, recall the share
// of real ones in that of the fake; both are from 0 to 1, the best. Take sets of one size. Fewer than k+1 examples are an error.
func PrecisionRecall(c *kernel.Context, real, fake *tensor.Tensor, k int) (precision, recall float64, err error) {
	x, y, err := manifolds("precision and recall", k, real, fake, k+1)
	if err != nil {
		return 0, 0, err
	}
	precision = share(within(c, y, x, radii(c, x, k)))
	recall = share(within(c, x, y, radii(c, y, k)))
	return precision, recall, nil
}

// DensityCoverage is density and coverage (Naeem et al. 2020, "Reliable Fidelity and Diversity Metrics for Generative Models",
// section 3.2), over the balls around real examples that reach to the k-th nearest other one, borders included. Density
// is in how many of them a fake example lies, divided by k: 1 is expected of the real distribution, and more is possible.
// Coverage is the share of balls with a fake example in them, from 0 to 1, the best. Fewer than k+1 real examples, or no fake
// one, are an error.
//
// The authors' program leaves borders out, which makes a difference where distances are equal: among copies.
func DensityCoverage(c *kernel.Context, real, fake *tensor.Tensor, k int) (density, coverage float64, err error) {
	x, y, err := manifolds("density and coverage", k, real, fake, 1)
	if err != nil {
		return 0, 0, err
	}
	balls := radii(c, x, k)
	for _, n := range within(c, y, x, balls) {
		density += float64(n)
	}
	covered := 0
	for i, e := range nearest(c, x, y, 1, false) {
		if e.squared <= balls[i] {
			covered++
		}
	}
	return density / float64(k*y.n()), float64(covered) / float64(x.n()), nil
}

// manifolds are the two sets' points, once checked.
func manifolds(measure string, k int, real, fake *tensor.Tensor, leastFake int) (x, y points, err error) {
	if k < 1 {
		return x, y, fmt.Errorf("%s: of the %d nearest neighbours: want 1 or more", measure, k)
	}
	a, b := set{"real features", real}, set{"fake features", fake}
	if err := a.check(measure, k+1); err != nil {
		return x, y, err
	}
	if err := b.check(measure, leastFake); err != nil {
		return x, y, err
	}
	if err := check(measure, 1, a, b); err != nil {
		return x, y, err
	}
	p := prepare(a, b)
	return p[0], p[1], nil
}

// share is the share of counts that are not 0.
func share(counts []int) float64 {
	n := 0
	for _, v := range counts {
		if v > 0 {
			n++
		}
	}
	return float64(n) / float64(len(counts))
}

// A Copying says whether samples lie nearer to the training set than other examples of its distribution do.
type Copying struct {
	Share         float64 // of pairs of a sample and a held-out example in which the sample is the nearer; a tie counts half
	Z             float64 // standard deviations of Share above 1/2, had both one distribution; above 3 is beyond chance
	Fake, HeldOut int     // examples
}

// Memorisation compares the distances of fake and of held-out examples from their nearest training examples (Meehan et al. 2020,
// "A Non-Parametric Test to Detect Data-Copying in Generative Models", over the whole space as one cell: Share is 1 - Δ, and Z is
// -Z_U, of the Mann-Whitney U test, corrected for ties). A share of 1/2 is expected of samples from the distribution
// itself, 1 of copies, and less than 1/2 of samples that lie off it. Each set needs an example, and Z two distances that differ, without
// which it is 0.
func Memorisation(c *kernel.Context, train, heldOut, fake *tensor.Tensor) (Copying, error) {
	t, h, f := set{"training features", train}, set{"held-out features", heldOut}, set{"fake features", fake}
	if err := check("memorisation", 1, t, h, f); err != nil {
		return Copying{}, err
	}
	p := prepare(t, h, f)
	return copying(nearest(c, p[1], p[0], 1, false), nearest(c, p[2], p[0], 1, false)), nil
}

// copying is the Mann-Whitney U test of two lists of distances.
func copying(heldOut, fake []near) Copying {
	type one struct {
		squared float64
		fake    bool
	}
	var all []one
	for _, e := range heldOut {
		all = append(all, one{e.squared, false})
	}
	for _, e := range fake {
		all = append(all, one{e.squared, true})
	}
	slices.SortFunc(all, func(a, b one) int {
		switch {
		case a.squared < b.squared:
			return -1
		case a.squared > b.squared:
			return 1
		}
		return 0
	})
	m, n := float64(len(heldOut)), float64(len(fake))
	u, ties, before := 0.0, 0.0, 0.0 // pairs, Σ(t³-t) over groups of equals, and fake examples so far
	for lo := 0; lo < len(all); {
		hi, fakes := lo, 0.0
		for ; hi < len(all) && all[hi].squared == all[lo].squared; hi++ {
			if all[hi].fake {
				fakes++
			}
		}
		t := float64(hi - lo)
		u += (t - fakes) * (before + fakes/2)
		ties += t*t*t - t
		before += fakes
		lo = hi
	}
	out := Copying{Share: u / (m * n), Fake: len(fake), HeldOut: len(heldOut)}
	if variance := m * n / 12 * (m + n + 1 - ties/((m+n)*(m+n-1))); variance > 0 {
		out.Z = (u - m*n/2) / math.Sqrt(variance)
	}
	return out
}
