package data

import (
	"math/rand/v2"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
)

// stackSeed is the seed of which digits are put together.
const stackSeed = 1

// stack is the data set of as many pictures as s has whose three channels are random pictures of s, of one channel each, and whose
// label has theirs as digits: stacked MNIST, with a thousand modes (Metz et al. 2017, section 3.3.1).
func stack(s Splits) (out Splits, err error) {
	if out.Train, err = stackPart(s.Train, 0); err != nil {
		return Splits{}, err
	}
	out.Test, err = stackPart(s.Test, 1)
	return out, err
}

func stackPart(d *Dataset, stream uint64) (*Dataset, error) {
	const channels = 3
	r := rand.New(rand.NewPCG(stackSeed, stream))
	rows := make([]int, d.Len()*channels)
	for i := range rows {
		rows[i] = r.IntN(d.Len())
	}
	digits, err := d.Select("label")
	if err != nil {
		return nil, err
	}
	of, err := digits.Take(rows...)
	if err != nil {
		return nil, err
	}
	labels := tensor.New(tensor.I64, d.Len())
	for i := range d.Len() {
		for k := range channels {
			labels.SetInt(i, labels.Int(i)*10+of["label"].Int(i*channels+k))
		}
	}
	label, err := FromLabels(labels)
	if err != nil {
		return nil, err
	}
	return New(Field{"image", &stacked{d.fields[d.find("image")].Source, rows, channels}}, Field{"label", label})
}

// stacked is a source of pictures of several channels, each an example of a source of one channel.
type stacked struct {
	Source
	rows     []int // of the source, channels for each example
	channels int
}

func (s *stacked) Len() int { return len(s.rows) / s.channels }

func (s *stacked) Shape() []int { return append([]int{s.channels}, s.Source.Shape()[1:]...) }

func (s *stacked) Gather(dst *tensor.Tensor, at []int) error {
	var rows []int
	for _, i := range at {
		rows = append(rows, s.rows[i*s.channels:(i+1)*s.channels]...)
	}
	return s.Source.Gather(dst.Reshape(batchShape(len(rows), s.Source.Shape())...), rows)
}
