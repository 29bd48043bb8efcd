package blas

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gonum.org/v1/gonum/blas"
)

// slowed is pure Go's BLAS, called name, that takes its time and may be wrong.
type slowed struct {
	Impl
	name  string
	pause time.Duration
	off   float32 // added to the first element of a product
	calls *int
}

func (s slowed) Name() string { return s.name }

func (s slowed) Sgemm(tA, tB blas.Transpose, m, n, k int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	*s.calls++
	time.Sleep(s.pause)
	s.Impl.Sgemm(tA, tB, m, n, k, alpha, a, lda, b, ldb, beta, c, ldc)
	c[0] += s.off
}

// fakes is the list of a pure Go BLAS and of a library, in a file that exists.
func fakes(t *testing.T, goPause, libPause time.Duration, off float32) (list []Candidate, calls *int) {
	t.Helper()
	calls = new(int)
	path := filepath.Join(t.TempDir(), "libfake.so")
	if err := os.WriteFile(path, []byte("a library"), 0o600); err != nil {
		t.Fatal(err)
	}
	return []Candidate{
		{Impl: slowed{Go(), "go", goPause, 0, calls}},
		{Impl: slowed{Go(), "library", libPause, off, calls}, Path: path},
	}, calls
}

func candidateNames(list []Candidate) []string {
	var names []string
	for _, c := range list {
		names = append(names, c.Name())
	}
	return names
}

// TestFastestIsTaken has libraries that are faster, slower and wrong.
func TestFastestIsTaken(t *testing.T) {
	for _, c := range []struct {
		name              string
		goPause, libPause time.Duration
		off               float32
		want              []string
	}{
		{"faster library", 10 * time.Millisecond, 0, 0, []string{"library", "go"}},
		{"slower library", 0, 10 * time.Millisecond, 0, []string{"go", "library"}},
		{"fast but wrong", 10 * time.Millisecond, 0, 1, []string{"go", "library"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			list, calls := fakes(t, c.goPause, c.libPause, c.off)
			got := rank(list, "", measure)
			if !slices.Equal(candidateNames(got), c.want) {
				t.Errorf("taken: %+v, want %v", got, c.want)
			}
			if (got[1].Err != nil) != (c.off != 0) {
				t.Errorf("the error of the one that multiplies wrongly is %v", got[1].Err)
			}
			if most := 2 * len(measured) * (measuredRounds + 1); *calls > most {
				t.Errorf("%d products were measured, %d at most", *calls, most)
			}
		})
	}
}

// TestAlike sees that a library must be clearly faster, whatever a measurement's luck.
func TestAlike(t *testing.T) {
	for rate, want := range map[float64]string{90: "go", 105: "go", 115: "library"} {
		list, _ := fakes(t, 0, 0, 0)
		got := rank(list, "", func(list []Candidate) { list[0].Rate, list[1].Rate = 100, rate })
		if got[0].Name() != want {
			t.Errorf("a library of %v GFLOP/s beside 100 of pure Go: taken is %s, want %s", rate, got[0].Name(), want)
		}
	}
}

// TestRemember measures once, and again only if what was measured is not what is there.
func TestRemember(t *testing.T) {
	for _, c := range []struct {
		name    string
		change  func(t *testing.T, file string, list []Candidate)
		measure bool // again
	}{
		{"nothing changed", func(*testing.T, string, []Candidate) {}, false},
		{"no file", func(t *testing.T, file string, _ []Candidate) { must(t, os.Remove(file)) }, true},
		{"cut", func(t *testing.T, file string, _ []Candidate) { must(t, os.Truncate(file, 20)) }, true},
		{"empty", func(t *testing.T, file string, _ []Candidate) { must(t, os.Truncate(file, 0)) }, true},
		{"not JSON", func(t *testing.T, file string, _ []Candidate) { must(t, os.WriteFile(file, []byte("hello"), 0o600)) }, true},
		{"large", func(t *testing.T, file string, _ []Candidate) {
			must(t, os.WriteFile(file, []byte(strings.Repeat(" ", memoBytes)+`{}`), 0o600))
		}, true},
		{"another machine", edit(func(m *memo) { m.Machine = "0123456789abcdef" }), true},
		{"another program", edit(func(m *memo) { m.Program += "+" }), true},
		{"another library of that name", func(t *testing.T, _ string, list []Candidate) {
			must(t, os.WriteFile(list[1].Path, []byte("another library"), 0o600))
		}, true},
		{"a younger library", func(t *testing.T, _ string, list []Candidate) {
			must(t, os.Chtimes(list[1].Path, time.Time{}, time.Now().Add(time.Hour)))
		}, true},
		{"its code for another CPU", edit(func(m *memo) { m.List[1].Name += " for Prescott" }), true},
		{"a library more", edit(func(m *memo) { m.List = append(m.List, m.List[1]) }), true},
		{"none before", edit(func(m *memo) { m.List = m.List[:1] }), true},
		{"another order", edit(func(m *memo) { slices.Reverse(m.List) }), true},
		{"no rate", edit(func(m *memo) { m.List[0].Rate = 0 }), true},
		{"a negative rate", edit(func(m *memo) { m.List[0].Rate = -3 }), true},
		{"an absurd rate", edit(func(m *memo) { m.List[0].Rate = 1e300 }), true},
		{"the other rates", edit(func(m *memo) { m.List[0].Rate, m.List[1].Rate = 1, 2 }), false},
	} {
		t.Run(c.name, func(t *testing.T) {
			list, _ := fakes(t, 0, 0, 0)
			file := filepath.Join(t.TempDir(), "new", "blas.json")
			count := 0
			by := func(list []Candidate) {
				count++
				for i := range list {
					list[i].Rate, list[i].When = float64(100*(i+1)), time.Unix(1e9, 0)
				}
			}
			first := rank(list, file, by)
			c.change(t, file, list)
			second := rank(list, file, by)
			if want := map[bool]int{true: 2, false: 1}[c.measure]; count != want {
				t.Errorf("measured %d times, want %d", count, want)
			}
			if !slices.Equal(candidateNames(first), candidateNames(second)) || second[0].Rate <= 0 || !first[0].When.Equal(second[0].When) {
				t.Errorf("first %+v, then %+v", first, second)
			}
		})
	}
}

// TestRememberError remembers what multiplies wrongly too.
func TestRememberError(t *testing.T) {
	list, _ := fakes(t, 0, 0, 0)
	file := filepath.Join(t.TempDir(), "blas.json")
	rank(list, file, func(list []Candidate) { list[0].Rate, list[1].Err = 50, errors.New("it multiplies wrongly") })
	got := rank(list, file, func([]Candidate) { t.Error("measured again") })
	if got[1].Name() != "library" || got[1].Err == nil || got[1].Err.Error() != "it multiplies wrongly" {
		t.Errorf("%+v", got)
	}
}

// TestUnwritable measures each time where nothing can be remembered, and leaves nothing behind.
func TestUnwritable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	must(t, os.WriteFile(file, []byte("a file"), 0o600))
	for _, at := range []string{"", filepath.Join(file, "blas.json")} {
		list, _ := fakes(t, 0, 0, 0)
		for range 2 {
			count := 0
			rank(list, at, func(list []Candidate) { count++; list[0].Rate, list[1].Rate = 1, 2 })
			if count != 1 {
				t.Errorf("%q: measured %d times", at, count)
			}
		}
	}
}

// TestFound is of this machine's own: all usable, pure Go among them, sorted.
func TestFound(t *testing.T) {
	list := Candidates()
	if !slices.ContainsFunc(list, func(c Candidate) bool { return c.Name() == Go().Name() }) {
		t.Errorf("pure Go is missing in %+v", list)
	}
	for _, c := range list {
		if c.Err != nil || c.Rate < .1 || c.Rate > 1e4 || c.When.IsZero() {
			t.Errorf("%s: %+v", c.Name(), c)
		}
		if _, err := os.Stat(c.Path); c.Path != "" && filepath.IsAbs(c.Path) && err != nil {
			t.Error(err)
		}
	}
	if b, err := Find(""); err != nil || b.Name() != list[0].Name() {
		t.Errorf("taken is %v, %v, want %s", b, err, list[0].Name())
	}
}

// BenchmarkMeasure is what the first start costs.
func BenchmarkMeasure(b *testing.B) {
	list := found()
	for b.Loop() {
		measure(list)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// edit changes a remembered measurement.
func edit(change func(*memo)) func(*testing.T, string, []Candidate) {
	return func(t *testing.T, file string, _ []Candidate) {
		t.Helper()
		b, err := os.ReadFile(file)
		must(t, err)
		var m memo
		must(t, json.Unmarshal(b, &m))
		change(&m)
		b, err = json.Marshal(m)
		must(t, err)
		must(t, os.WriteFile(file, b, 0o600))
	}
}
