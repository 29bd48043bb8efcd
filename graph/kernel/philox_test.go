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

// TestNormal32 compares the f32 numbers with the f64 ones, at the ends of both words and in between.
func TestNormal32(t *testing.T) {
	words := []uint32{0, 1 << 8, 2 << 8, math.MaxUint32, math.MaxUint32 - 1<<8}
	for i := range uint32(1 << 12) {
		words = append(words, i<<20, i<<20-1, Philox([4]uint32{i}, [2]uint32{})[0])
	}
	for i, b := range words {
		for _, a := range []uint32{words[0], words[1], words[2], words[3], words[4], words[(i*7+3)%len(words)]} {
			x, y := normal32(a, b)
			wantX, wantY := normal64(a, b)
			if !(math.Abs(float64(x)-wantX) < 4e-7 && math.Abs(float64(y)-wantY) < 4e-7) {
				t.Fatalf("words %#x and %#x: %v and %v, want %v and %v", a, b, x, y, wantX, wantY)
			}
			if r := math.Hypot(wantX, wantY); !(r > 0 && r < 5.9) {
				t.Fatalf("words %#x and %#x: radius %v", a, b, r)
			}
		}
	}
}

// TestDrawParts checks that a short draw is the beginning of a long one, and that f32 and f64 draw the same numbers.
func TestDrawParts(t *testing.T) {
	d := Draw{Seed: 1 << 40, Step: 1 << 33, Stream: 5}
	for _, n := range []int{0, 1, 2, 3, 4, 5, 4*randomGrain*3 + 3} {
		c := NewContext(nil, 3)
		long, short, double := make([]float32, n+9), make([]float32, n), make([]float64, n)
		Uniform(c, d, long)
		Uniform(c, d, short)
		Uniform(c, d, double)
		for i, v := range short {
			if v != long[i] || float64(v) != double[i] || v < 0 || v >= 1 {
				t.Fatalf("uniform %d of %d: %v, in a longer draw %v, in f64 %v", i, n, v, long[i], double[i])
			}
		}
		Normal(c, d, long)
		Normal(c, d, short)
		Normal(c, d, double)
		for i, v := range short {
			if v != long[i] || math.Abs(float64(v)-double[i]) > 4e-7 {
				t.Fatalf("normal %d of %d: %v, in a longer draw %v, in f64 %v", i, n, v, long[i], double[i])
			}
		}
	}
}

// TestDrawsDiffer checks that seed, step and stream each change the numbers, all of their bits included.
func TestDrawsDiffer(t *testing.T) {
	seen := map[float64]Draw{}
	draws := []Draw{{}}
	for i := range 64 {
		draws = append(draws, Draw{Seed: 1 << i})
	}
	for i := range 48 {
		draws = append(draws, Draw{Step: 1 << i})
	}
	for i := range 16 {
		draws = append(draws, Draw{Stream: 1 << i})
	}
	for _, d := range draws {
		x := make([]float64, 2)
		Uniform(NewContext(nil, 1), d, x)
		if old, ok := seen[x[0]+x[1]*(1<<24)]; ok {
			t.Errorf("%+v and %+v draw the same", old, d)
		}
		seen[x[0]+x[1]*(1<<24)] = d
	}
}

// TestDrawCounter holds each element to the counter that it is drawn with, which files of old runs rely on: the block of four
// elements in the first 64 bits, the stream in the next 16, the step in the rest; the seed is the key.
func TestDrawCounter(t *testing.T) {
	d := Draw{Seed: 0x0123456789abcdef, Step: 0xfedcba987654, Stream: 0x3210}
	for _, n := range []int{1, 3, 4, 5, 4097} {
		c := NewContext(nil, 3)
		c.Grain = 1
		x := make([]float64, n)
		Uniform(c, d, x)
		for i, got := range x {
			words := Philox([4]uint32{uint32(i / 4), 0, 0x76543210, 0xfedcba98}, [2]uint32{0x89abcdef, 0x01234567})
			if want := float64(words[i%4]>>8) / (1 << 24); got != want {
				t.Fatalf("element %d of %d is %v, want %v", i, n, got, want)
			}
		}
	}
}

func BenchmarkRandom(b *testing.B) {
	c := NewContext(nil, 1)
	out32, out64 := make([]float32, 1<<14), make([]float64, 1<<14)
	for _, bm := range []struct {
		name string
		fill func()
	}{
		{"Uniform/f32", func() { Uniform(c, Draw{Seed: 1}, out32) }},
		{"Uniform/f64", func() { Uniform(c, Draw{Seed: 1}, out64) }},
		{"Normal/f32", func() { Normal(c, Draw{Seed: 1}, out32) }},
		{"Normal/f64", func() { Normal(c, Draw{Seed: 1}, out64) }},
	} {
		b.Run(bm.name, func(b *testing.B) {
			for range b.N {
				bm.fill()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(out32)), "ns/element")
		})
	}
}
