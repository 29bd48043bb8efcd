package data

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/data/portraits"
)

// The portraits: their seed, and how many there are to train on and to test with.
const (
	portraitSeed   = 1
	trainPortraits = 20000
	testPortraits  = 2000
)

// drawPortraits is the function that makes the data set of portraits with size pixels on a side.
func drawPortraits(size int) func() (Splits, error) {
	return func() (s Splits, err error) {
		if s.Train, err = portraitsFrom(0, trainPortraits, size); err != nil {
			return Splits{}, err
		}
		s.Test, err = portraitsFrom(trainPortraits, testPortraits, size)
		return s, err
	}
}

// portraitsFrom is the data set of portraits first to first+n.
func portraitsFrom(first, n, size int) (*Dataset, error) {
	named := func(name string, values []string, of func(portraits.Portrait) int) (attributeColumn, func(portraits.Portrait) float32) {
		return attributeColumn{Attribute: Attribute{Name: name, Values: values}}, func(p portraits.Portrait) float32 { return float32(of(p)) }
	}
	has := func(name string, of func(portraits.Portrait) bool) (attributeColumn, func(portraits.Portrait) float32) {
		return named(name, noYes, func(p portraits.Portrait) int {
			if of(p) {
				return 1
			}
			return 0
		})
	}
	number := func(name string, of func(portraits.Portrait) float64) (attributeColumn, func(portraits.Portrait) float32) {
		return attributeColumn{Attribute: Attribute{Name: name}}, func(p portraits.Portrait) float32 { return float32(of(p)) }
	}
	var columns []attributeColumn
	var values []func(portraits.Portrait) float32
	add := func(c attributeColumn, value func(portraits.Portrait) float32) {
		c.x = make([]float32, n)
		columns, values = append(columns, c), append(values, value)
	}
	add(has("smile", func(p portraits.Portrait) bool { return p.Smile }))
	add(has("glasses", func(p portraits.Portrait) bool { return p.Glasses }))
	add(has("hat", func(p portraits.Portrait) bool { return p.Hat }))
	add(has("beard", func(p portraits.Portrait) bool { return p.Beard }))
	add(named("skin", portraits.Skins, func(p portraits.Portrait) int { return p.Skin }))
	add(named("hair", portraits.Hairs, func(p portraits.Portrait) int { return p.Hair }))
	add(named("style", portraits.Styles, func(p portraits.Portrait) int { return p.Style }))
	add(named("eyes", portraits.Eyes, func(p portraits.Portrait) int { return p.Eyes }))
	add(named("background", portraits.Backgrounds, func(p portraits.Portrait) int { return p.Background }))
	add(number("mouth", func(p portraits.Portrait) float64 { return p.Mouth }))
	add(number("turn", func(p portraits.Portrait) float64 { return p.Turn }))
	add(number("light", func(p portraits.Portrait) float64 { return p.Light }))
	for i := range n {
		p := portraits.New(portraitSeed, uint64(first+i))
		for k, value := range values {
			columns[k].x[i] = value(p)
		}
	}
	for k := range columns {
		columns[k].Values = slices.Clone(columns[k].Values)
	}
	pixels, err := FromPixels(tensor.New(tensor.U8, n, 3, size, size))
	if err != nil {
		return nil, err
	}
	return withAttributes(&drawn{rows: pixels.(*rows), there: make([]atomic.Bool, n), once: make([]sync.Once, n), draw: func(i int, dst []uint8) {
		portraits.New(portraitSeed, uint64(first+i)).Draw(size, dst)
	}}, columns)
}

// drawn is the source of pictures that are drawn when they are first asked for, and then kept in memory. All of them take some seconds:
// a file would save little, and would have to be kept whole.
type drawn struct {
	*rows
	there []atomic.Bool
	once  []sync.Once
	draw  func(i int, dst []uint8)
}

func (d *drawn) Gather(dst *tensor.Tensor, at []int) error {
	if err := d.prepare(at); err != nil {
		return err
	}
	return d.rows.Gather(dst, at)
}

// prepare draws those pictures of at that are not there, on all processors.
func (d *drawn) prepare(at []int) error {
	var missing []int
	for _, row := range at {
		if !d.there[row].Load() {
			missing = append(missing, row)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	return forEach(len(missing), func(i int) error {
		row := missing[i]
		d.once[row].Do(func() {
			d.draw(row, tensor.Data[uint8](d.x)[row*d.size:(row+1)*d.size])
			d.there[row].Store(true)
		})
		return nil
	})
}
