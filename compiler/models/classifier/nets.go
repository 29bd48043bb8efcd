package classifier

import (
	"github.com/sardonyx-ml/sardonyx/compiler/initializer"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// The bodies of the networks: all but the last layer, whose width is the number of classes. No size of an image stands in
// them, so they take any.

// MLP is the multi-layer perceptron of Foster, "Generative Deep Learning" (2nd edition, 2023), chapter 2.
func MLP() nn.Sequential {
	return nn.Sequential{
		nn.Flatten,
		&nn.Dense{Units: 200}, nn.ReLU,
		&nn.Dense{Units: 150}, nn.ReLU,
	}
}

// CNN is the convolutional network of the same chapter: 592,554 numbers at 32×32×3 and 10 classes, running statistics among
// them.
func CNN() nn.Sequential {
	return nn.Sequential{
		&nn.Conv2D{Filters: 32, Kernel: 3, Same: true}, &nn.BatchNorm{}, nn.LeakyReLU(.3),
		&nn.Conv2D{Filters: 32, Kernel: 3, Same: true, Stride: 2}, &nn.BatchNorm{}, nn.LeakyReLU(.3),
		&nn.Conv2D{Filters: 64, Kernel: 3, Same: true}, &nn.BatchNorm{}, nn.LeakyReLU(.3),
		&nn.Conv2D{Filters: 64, Kernel: 3, Same: true, Stride: 2}, &nn.BatchNorm{}, nn.LeakyReLU(.3),
		nn.Flatten,
		&nn.Dense{Units: 128}, &nn.BatchNorm{}, nn.LeakyReLU(.3), &nn.Dropout{P: .5},
	}
}

// LeNet is LeNet-5 of LeCun et al., "Gradient-Based Learning Applied to Document Recognition" (1998), section II.B, as it is
// built now: each map of C3 sees all of S2's, the pooling layers have no parameters, and the last layer is a softmax.
func LeNet() nn.Sequential {
	return nn.Sequential{
		&nn.Conv2D{Filters: 6, Kernel: 5, Pad: 2}, nn.Tanh, nn.AveragePool2D(2, 2),
		&nn.Conv2D{Filters: 16, Kernel: 5}, nn.Tanh, nn.AveragePool2D(2, 2),
		nn.Flatten,
		&nn.Dense{Units: 120}, nn.Tanh,
		&nn.Dense{Units: 84}, nn.Tanh,
	}
}

// TwoConv is two convolutions of a kernel with batch normalisation and pooling, as in the table of benchmarks of Fashion-MNIST
// (Xiao et al. 2017): at 28×28×1, 50,282 parameters with a kernel of 3 and 83,562 with one of 5.
func TwoConv(kernel int) nn.Sequential {
	return nn.Sequential{
		&nn.Conv2D{Filters: 32, Kernel: kernel, Same: true, NoBias: true}, &nn.BatchNorm{}, nn.ReLU, nn.MaxPool2D(2, 2),
		&nn.Conv2D{Filters: 64, Kernel: kernel, Same: true, NoBias: true}, &nn.BatchNorm{}, nn.ReLU, nn.MaxPool2D(2, 2),
		nn.Flatten, &nn.Dropout{P: .5},
	}
}

// A Block is the residual block of He et al., "Deep Residual Learning for Image Recognition" (2016): eq. 1, or eq. 2 where the
// shape changes and the shortcut is a projection.
type Block struct{ Body, Shortcut nn.Sequential }

// NewBlock returns a block; with a stride above 1 it has a projection.
func NewBlock(filters, stride int) *Block {
	conv := func(kernel, stride int) *nn.Conv2D {
		return &nn.Conv2D{Filters: filters, Kernel: kernel, Stride: stride, Same: true, NoBias: true, Weight: initializer.HeNormal{}}
	}
	b := &Block{Body: nn.Sequential{conv(3, stride), &nn.BatchNorm{}, nn.ReLU, conv(3, 1), &nn.BatchNorm{}}}
	if stride > 1 {
		b.Shortcut = nn.Sequential{conv(1, stride), &nn.BatchNorm{}}
	}
	return b
}

// Apply adds the two ways.
func (b *Block) Apply(x *graph.Value) *graph.Value {
	return b.Body.Apply(x).Add(b.Shortcut.Apply(x)).ReLU()
}

// ResNet is the residual network for small images of section 4.2, with 6·blocks+2 layers and projections where the shape
// changes (option B): 20 layers with 3 blocks at each size.
func ResNet(blocks int) nn.Sequential {
	net := nn.Sequential{&nn.Conv2D{Filters: 16, Kernel: 3, Same: true, NoBias: true, Weight: initializer.HeNormal{}}, &nn.BatchNorm{}, nn.ReLU}
	for i := range 3 * blocks {
		stride := 1
		if i > 0 && i%blocks == 0 {
			stride = 2
		}
		net = append(net, NewBlock(16<<(i/blocks), stride))
	}
	return append(net, nn.Func((*graph.Value).GlobalAveragePool), nn.Flatten)
}
