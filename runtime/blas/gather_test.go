package blas

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/blas"
)

// A scattered product is one of m×k by k×n, its left operand at places that are drawn.
type scattered struct {
	m, n, k    int
	x, b       []float32 // b row by row
	rows, cols []int
}

func scatter(r *rand.Rand, m, n, k int) scattered {
	s := scattered{m: m, n: n, k: k, rows: make([]int, m), cols: make([]int, k)}
	for i := range s.rows {
		s.rows[i] = r.IntN(100) - 20
	}
	for l := range s.cols {
		s.cols[l] = 20 + r.IntN(100)
	}
	s.x, s.b = single(random(r, slices.Max(s.rows)+slices.Max(s.cols)+1)), single(random(r, k*n))
	return s
}

// want is the product by plain loops, in the order of k, added to c or not.
func (s scattered) want(c []float32, ldc int, add bool) {
	for i := range s.m {
		for j := range s.n {
			sum := float32(0)
			for l := range s.k {
				sum = fma32(s.x[s.rows[i]+s.cols[l]], s.b[l*s.n+j], sum)
			}
			if add {
				sum += c[i*ldc+j]
			}
			c[i*ldc+j] = sum
		}
	}
}

// TestGather multiplies, on every level, matrices about a tile large in each direction, packed at once or by parts, as they are or
// transposed: the bits must be those of plain loops.
func TestGather(t *testing.T) {
	if len(levels) == 0 {
		t.Skip("this machine has no vector loops")
	}
	r := rand.New(rand.NewPCG(5, 6))
	sizes := [][3]int{{1, 1, 1}, {100, 130, 300}}
	for m := 1; m < 18; m++ {
		sizes = append(sizes, [3]int{m, 40, 5})
	}
	for n := 1; n < 150; n += 1 + n/20 {
		sizes = append(sizes, [3]int{9, n, 7})
	}
	for _, size := range sizes {
		s := scatter(r, size[0], size[1], size[2])
		for _, v := range levels {
			g := vectorGo{level: v}
			columns := g.Scolumns(s.n)
			ldc := columns + r.IntN(3)
			start := single(random(r, s.m*ldc))
			packed := slices.Repeat([]float32{float32(math.NaN())}, s.k*columns)
			turned := make([]float32, len(s.b))
			for l := range s.k {
				for j := range s.n {
					turned[j*s.k+l] = s.b[l*s.n+j]
				}
			}
			for kind := range 4 {
				trans, add := kind&1 != 0, kind&2 != 0
				cut := r.IntN(s.k)
				for _, part := range [][2]int{{cut, s.k}, {0, cut}} {
					if trans {
						g.Spack(packed, s.k, part[0], blas.Trans, part[1]-part[0], s.n, turned[part[0]:], s.k)
					} else {
						g.Spack(packed, s.k, part[0], blas.NoTrans, part[1]-part[0], s.n, s.b[part[0]*s.n:], s.n)
					}
				}
				got, want := slices.Clone(start), slices.Clone(start)
				g.Sgather(s.n, s.x, s.rows, s.cols, packed, add, got, ldc)
				s.want(want, ldc, add)
				for i := range s.m {
					for j := range ldc {
						at := i*ldc + j
						if (j < s.n || j >= columns) && math.Float32bits(got[at]) != math.Float32bits(want[at]) {
							t.Fatalf("%s: %v, transposed %v, added %v: element (%d, %d) is %v, want %v", v.name, size, trans, add, i, j, got[at], want[at])
						}
					}
				}
			}
		}
	}
}

// TestGatherFits wants a panic, not memory of others, where an operand is too short.
func TestGatherFits(t *testing.T) {
	for _, v := range levels {
		g := vectorGo{level: v}
		const n, k = 20, 9
		columns := g.Scolumns(n)
		of := func(n int) []float32 { return make([]float32, n) }
		gather := func(x int, rows []int, packed, c int) func() {
			return func() { g.Sgather(n, of(x), rows, []int{1, 8}, of(packed), false, of(c), columns) }
		}
		pack := func(packed, at int, t blas.Transpose, b, ldb int) func() {
			return func() { g.Spack(of(packed), k, at, t, k, n, of(b), ldb) }
		}
		gather(13, []int{0, 4}, 2*columns, 2*columns)() // fits
		pack(k*columns, 0, blas.NoTrans, k*n, n)()
		pack(k*columns, 0, blas.Trans, k*n, k)()
		for name, do := range map[string]func(){
			"x": gather(12, []int{0, 4}, 2*columns, 2*columns), "rows": gather(13, []int{-2, 4}, 2*columns, 2*columns),
			"packed": gather(13, []int{0, 4}, 2*columns-1, 2*columns), "c": gather(13, []int{0, 4}, 2*columns, 2*columns-1),
			"no rows": gather(13, nil, 2*columns, 2*columns), "depth": pack(k*columns, 1, blas.NoTrans, k*n, n),
			"to": pack(k*columns-1, 0, blas.NoTrans, k*n, n), "from": pack(k*columns, 0, blas.NoTrans, k*n-1, n),
			"turned": pack(k*columns, 0, blas.Trans, k*n-1, k),
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s: no panic for %s", v.name, name)
					}
				}()
				do()
			}()
		}
	}
}
