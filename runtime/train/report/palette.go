package report

import (
	"image"
	"image/color"
	"slices"
)

// cellBits is to how many bits of a channel the quantiser looks: colours of one cell become one.
const cellBits = 5

// cell is the number of a colour's cell.
func cell(r, g, b uint8) int {
	const cut = 8 - cellBits
	return int(r>>cut)<<(2*cellBits) | int(g>>cut)<<cellBits | int(b>>cut)
}

// quantise chooses 256 colours for the frames together, and says which of them a colour becomes. Greys stay as they are.
//
// Colours are cut into boxes at the mean of the axis with the largest squared error, always in the box where that is largest (as Wan,
// Prusinkiewicz and Wong 1990); the mean of a box is its colour.
func quantise(frames []*image.RGBA) (color.Palette, func(r, g, b uint8) uint8) {
	var cells [1 << (3 * cellBits)]colours
	grey := true
	for _, f := range frames {
		for p := range slices.Chunk(f.Pix, 4) {
			grey = grey && p[0] == p[1] && p[1] == p[2]
			cells[cell(p[0], p[1], p[2])].add(p[0], p[1], p[2])
		}
	}
	if grey {
		var palette color.Palette
		for v := range 256 {
			palette = append(palette, color.Gray{uint8(v)})
		}
		return palette, func(r, _, _ uint8) uint8 { return r }
	}
	var first box
	for i, c := range cells {
		if c.n > 0 {
			first.cells = append(first.cells, i)
			first.colours.join(c)
		}
	}
	boxes := []box{first}
	for len(boxes) < 256 {
		worst, axis, most := -1, 0, 0.
		for i, b := range boxes {
			for k := range 3 {
				if e := b.errorOf(k); e > most && len(b.cells) > 1 && !b.done {
					worst, axis, most = i, k, e
				}
			}
		}
		if worst < 0 {
			break // every box is of one cell
		}
		lower, upper := boxes[worst].split(axis, &cells)
		if len(upper.cells) == 0 || len(lower.cells) == 0 { // equal means, but for rounding
			boxes[worst].done = true
			continue
		}
		boxes[worst] = lower
		boxes = append(boxes, upper)
	}
	palette := make(color.Palette, len(boxes))
	var index [len(cells)]uint8
	for i, b := range boxes {
		palette[i] = color.RGBA{uint8(b.mean(0) + .5), uint8(b.mean(1) + .5), uint8(b.mean(2) + .5), 255}
		for _, c := range b.cells {
			index[c] = uint8(i)
		}
	}
	return palette, func(r, g, b uint8) uint8 { return index[cell(r, g, b)] }
}

// colours are sums over pixels: their number, each channel, and its square.
type colours struct {
	n            float64
	sum, squares [3]float64
}

func (c *colours) add(r, g, b uint8) {
	c.n++
	for k, v := range [3]float64{float64(r), float64(g), float64(b)} {
		c.sum[k] += v
		c.squares[k] += v * v
	}
}

func (c *colours) join(d colours) {
	c.n += d.n
	for k := range 3 {
		c.sum[k] += d.sum[k]
		c.squares[k] += d.squares[k]
	}
}

func (c colours) mean(k int) float64 { return c.sum[k] / c.n }

// errorOf is the squared error of taking the mean for all pixels, in channel k.
func (c colours) errorOf(k int) float64 { return c.squares[k] - c.sum[k]*c.sum[k]/c.n }

// A box is cells that become one colour.
type box struct {
	cells []int
	colours
	done bool // it cannot be split
}

// split cuts b at its mean in channel k.
func (b box) split(k int, cells *[1 << (3 * cellBits)]colours) (lower, upper box) {
	mean := b.mean(k)
	for _, i := range b.cells {
		to := &lower
		if cells[i].mean(k) > mean {
			to = &upper
		}
		to.cells = append(to.cells, i)
		to.colours.join(cells[i])
	}
	return lower, upper
}
