package kernel

import (
	"math"
	"testing"
)

// TestPhilox compares with the known answers published with Random123.
func TestPhilox(t *testing.T) {
	const f = math.MaxUint32
	for _, c := range []struct {
		counter [4]uint32
		key     [2]uint32
		want    [4]uint32
	}{
		{[4]uint32{}, [2]uint32{}, [4]uint32{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
		{[4]uint32{f, f, f, f}, [2]uint32{f, f}, [4]uint32{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
		{[4]uint32{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, [2]uint32{0xa4093822, 0x299f31d0}, [4]uint32{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
	} {
		if got := Philox(c.counter, c.key); got != c.want {
			t.Errorf("Philox(%x, %x) = %x, want %x", c.counter, c.key, got, c.want)
		}
	}
}

// TestDistributions checks the first moments and the largest gap to the distribution function (Kolmogorov and Smirnov).
func TestDistributions(t *testing.T) {
	const n = 1 << 18
	c := NewContext(nil, 2)
	phi := func(x float64) float64 { return .5 * math.Erfc(-x/math.Sqrt2) }
	for _, d := range []struct {
		name           string
		fill           func(*Context, Draw, []float32)
		cdf            func(float64) float64
		mean, variance float64
	}{{"uniform", Uniform[float32], func(x float64) float64 { return x }, .5, 1. / 12}, {"normal", Normal[float32], phi, 0, 1}} {
		x, again, other := make([]float32, n), make([]float32, n), make([]float32, n)
		d.fill(c, Draw{Seed: 1, Step: 7, Stream: 2}, x)
		d.fill(NewContext(nil, 1), Draw{Seed: 1, Step: 7, Stream: 2}, again)
		d.fill(c, Draw{Seed: 1, Step: 8, Stream: 2}, other)
		const bins = 100
		var sum, square, both float64
		var hist [bins]int
		for i, v := range x {
			if v != again[i] {
				t.Fatalf("%s: element %d depends on the threads", d.name, i)
			}
			if v != v || math.IsInf(float64(v), 0) {
				t.Fatalf("%s: element %d is %v", d.name, i, v)
			}
			sum += float64(v)
			square += float64(v) * float64(v)
			both += (float64(v) - d.mean) * (float64(other[i]) - d.mean)
			hist[min(bins-1, int(d.cdf(float64(v))*bins))]++
		}
		mean := sum / n
		if dm, dv := mean-d.mean, square/n-mean*mean-d.variance; math.Abs(dm) > 4*math.Sqrt(d.variance/n) || math.Abs(dv) > 8*d.variance/math.Sqrt(n) {
			t.Errorf("%s: mean off by %v, variance by %v", d.name, dm, dv)
		}
		if r := both / n / d.variance; math.Abs(r) > 4/math.Sqrt(n) {
			t.Errorf("%s: two steps correlate by %v", d.name, r)
		}
		gap, seen := 0.0, 0
		for i, h := range hist {
			seen += h
			gap = max(gap, math.Abs(float64(seen)/n-float64(i+1)/bins))
		}
		if gap > 1.95/math.Sqrt(n) { // one in a thousand
			t.Errorf("%s: the distribution function is off by %v", d.name, gap)
		}
	}
}

func BenchmarkNormal(b *testing.B) {
	out := make([]float32, 1<<14)
	c := NewContext(nil, 1)
	for range b.N {
		Normal(c, Draw{Seed: 1}, out)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(out)), "ns/element")
}
