package data

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// An Augmentation changes a field of each example by chance, in the order of its members, anew in each epoch. What it draws
// depends on the loader's seed, the epoch and the example alone: not on batches, threads, or where a loader began.
type Augmentation struct {
	Field    string
	Crop     int  // pixels of zeros are put around, and the size that it had is cut out at random
	Flip     bool // left to right, half of the time
	Binarise bool // each element in [0, 1] becomes 1 with that probability, else 0
}

// String is for people: "image: crop 2, flip".
func (a Augmentation) String() string {
	var parts []string
	if a.Crop != 0 {
		parts = append(parts, fmt.Sprintf("crop %d", a.Crop))
	}
	if a.Flip {
		parts = append(parts, "flip")
	}
	if a.Binarise {
		parts = append(parts, "binarise")
	}
	return a.Field + ": " + strings.Join(parts, ", ")
}

// ParseAugmentation reads what [Augmentation.String] writes; blanks may be left out: "image:flip,crop 2".
func ParseAugmentation(text string) (Augmentation, error) {
	field, all, ok := strings.Cut(text, ":")
	a := Augmentation{Field: strings.TrimSpace(field)}
	if !ok || a.Field == "" {
		return a, fmt.Errorf("the augmentation %q names no field: want FIELD:WHAT, such as image:binarise", text)
	}
	for _, part := range strings.Split(all, ",") {
		words := strings.Fields(part)
		var err error
		switch {
		case slices.Equal(words, []string{"flip"}) && !a.Flip:
			a.Flip = true
		case slices.Equal(words, []string{"binarise"}) && !a.Binarise:
			a.Binarise = true
		case len(words) == 2 && words[0] == "crop" && a.Crop == 0:
			if a.Crop, err = strconv.Atoi(words[1]); err != nil || a.Crop < 1 {
				return a, fmt.Errorf("the augmentation %q has no crop of %q pixels: want 1 or more", text, words[1])
			}
		default:
			return a, fmt.Errorf("the augmentation %q has %q: want flip, crop N or binarise, each once", text, strings.TrimSpace(part))
		}
	}
	return a, nil
}

// CheckAugment reports what of list cannot be done to the examples of d.
func (d *Dataset) CheckAugment(list []Augmentation) error {
	for _, a := range list {
		i := d.find(a.Field)
		if i < 0 {
			return fmt.Errorf("there is no field %q to augment: the data set is %v", a.Field, d)
		}
		f := d.Fields()[i]
		switch {
		case a == Augmentation{Field: a.Field}:
			return fmt.Errorf("the augmentation of the field %q does nothing", a.Field)
		case a.Crop < 0:
			return fmt.Errorf("the augmentation %v has a crop below 0", a)
		case f.DType != tensor.F32 || (a.Crop > 0 || a.Flip) && len(f.Shape) < 2:
			return fmt.Errorf("the augmentation %v is of floats, f32, in rows and columns, and the field is %v", a, f)
		case a.Crop > 0 && a.Crop >= slices.Min(f.Shape[len(f.Shape)-2:]):
			return fmt.Errorf("the augmentation %v can cut out nothing but zeros of %v", a, f)
		}
	}
	return nil
}

// augment changes x, examples rows of an epoch, in place.
func (a Augmentation) augment(x *tensor.Tensor, rows []int, seed uint64, epoch, number int) {
	size := x.Len() / x.Dim(0)
	all := tensor.Data[float32](x)
	var old []float32
	for i, row := range rows {
		r := rand.New(rand.NewPCG(seed^0x9e3779b97f4a7c15, uint64(epoch)<<40^uint64(row)<<8^uint64(number)))
		e := all[i*size : (i+1)*size]
		if a.Crop > 0 {
			old = append(old[:0], e...)
			h, w := x.Dim(x.Rank()-2), x.Dim(x.Rank()-1)
			shift(e, old, h, w, r.IntN(2*a.Crop+1)-a.Crop, r.IntN(2*a.Crop+1)-a.Crop)
		}
		if a.Flip && r.Uint64()&1 == 1 {
			w := x.Dim(x.Rank() - 1)
			for at := 0; at < size; at += w {
				slices.Reverse(e[at : at+w])
			}
		}
		if a.Binarise {
			for k, v := range e {
				e[k] = 0
				if r.Float32() < v {
					e[k] = 1
				}
			}
		}
	}
}

// shift sets to to from, images of h rows and w columns, moved down and right, with zeros where nothing comes.
func shift(to, from []float32, h, w, down, right int) {
	clear(to)
	for plane := 0; plane < len(to); plane += h * w {
		for y := max(0, down); y < min(h, h+down); y++ {
			src := from[plane+(y-down)*w:][:w]
			dst := to[plane+y*w:][:w]
			copy(dst[max(0, right):], src[max(0, -right):w-max(0, right)])
		}
	}
}
