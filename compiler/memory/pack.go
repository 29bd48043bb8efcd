package memory

import (
	"cmp"
	"slices"
)

// A block is a place in the arena, needed from first to last, which are places of nodes in their order.
type block struct {
	size, offset int
	first, last  int
}

// meets reports whether there is a time at which both are needed.
func (b *block) meets(c *block) bool { return b.first <= c.last && c.first <= b.last }

// live is the most bytes that are needed at once.
func live(blocks []block) int {
	type change struct{ at, bytes int }
	var changes []change
	for _, b := range blocks {
		changes = append(changes, change{b.first, b.size}, change{b.last + 1, -b.size})
	}
	slices.SortFunc(changes, func(a, b change) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.bytes, b.bytes)) })
	now, most := 0, 0
	for _, c := range changes {
		now += c.bytes
		most = max(most, now)
	}
	return most
}

// orders are those in which blocks are tried: none is the best for all graphs. The first two are Pisarchyk and Lee's greedy by size
// ("Efficient Memory Management for Deep Neural Net Inference", 2020) and by time.
var orders = []func(a, b *block) int{
	func(a, b *block) int { return cmp.Or(-cmp.Compare(a.size, b.size), cmp.Compare(a.first, b.first)) },
	func(a, b *block) int { return cmp.Or(cmp.Compare(a.first, b.first), -cmp.Compare(a.size, b.size)) },
	func(a, b *block) int {
		return cmp.Or(-cmp.Compare(a.last-a.first, b.last-b.first), -cmp.Compare(a.size, b.size), cmp.Compare(a.first, b.first))
	},
}

// pack gives each block an offset, so that no two that meet overlap, and returns the bytes that they take in all: the least of
// what each order comes to.
func pack(blocks []block) int {
	best := -1
	for _, order := range orders {
		trial := slices.Clone(blocks)
		byOrder := make([]*block, len(trial))
		for i := range trial {
			byOrder[i] = &trial[i]
		}
		slices.SortStableFunc(byOrder, order)
		if total := place(byOrder); best < 0 || total < best {
			best = total
			copy(blocks, trial)
		}
	}
	return max(best, 0)
}

// place puts each block into the smallest gap that it fits between those before it in the list, or else after them all, and
// returns the bytes that they take.
func place(list []*block) int {
	var placed []*block // by offset
	total := 0
	for _, b := range list {
		size := (b.size + Align - 1) / Align * Align
		at, gap := -1, 0
		end := 0 // of what meets b so far
		for _, o := range placed {
			if !o.meets(b) {
				continue
			}
			if free := o.offset - end; free >= size && (at < 0 || free < gap) {
				at, gap = end, free
			}
			end = max(end, o.offset+(o.size+Align-1)/Align*Align)
		}
		if at < 0 {
			at = end
		}
		b.offset = at
		total = max(total, at+size)
		i, _ := slices.BinarySearchFunc(placed, b, func(o, b *block) int { return cmp.Compare(o.offset, b.offset) })
		placed = slices.Insert(placed, i, b)
	}
	return total
}
