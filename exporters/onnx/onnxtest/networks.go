package onnxtest

import (
	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// Networks compiles small models of the plain kinds, without training steps, that also readers of few operators should run:
// perceptrons, classifiers of images, a generator and its critic.
func Networks() ([]*compiler.Program, error) {
	var progs []*compiler.Program
	for _, define := range []func() (*compiler.Program, error){perceptron, classifier, residual, adversaries} {
		p, err := define()
		if err != nil {
			return nil, err
		}
		progs = append(progs, p)
	}
	return progs, nil
}

// perceptron has as many units as inputs, so that a row cannot be told from a column by its length.
func perceptron() (*compiler.Program, error) {
	m := &struct{ Body nn.Sequential }{nn.Sequential{&nn.Dense{Units: 5}, nn.ReLU, &nn.Dense{Units: 5, NoBias: true}, nn.Tanh, &nn.Dense{Units: 3}}}
	b := compiler.New("perceptron")
	b.Model("mlp", m)
	b.Func("classify", func(f *graph.Func) {
		logits := m.Body.Apply(f.Input("x", graph.F32, batch, 5))
		f.Output("logits", logits)
		f.Output("probabilities", logits.Softmax(-1))
		f.Output("log_probabilities", logits.LogSoftmax(-1))
	})
	return b.Compile()
}

// classifier has convolution, normalisation, both poolings, dropout and a perceptron.
func classifier() (*compiler.Program, error) {
	m := &struct{ Body nn.Sequential }{nn.Sequential{
		&nn.Conv2D{Filters: 6, Kernel: 3, Pad: 1}, &nn.BatchNorm{}, nn.ReLU, nn.MaxPool2D(2, 2),
		&nn.Conv2D{Filters: 8, Kernel: 2, Same: true, Groups: 2, NoBias: true}, &nn.BatchNorm{}, nn.ReLU, nn.AveragePool2D(2, 2), &nn.Dropout{P: .5},
		nn.Flatten, &nn.Dense{Units: 10}, nn.ReLU, &nn.Dense{Units: 4},
	}}
	b := compiler.New("classifier")
	b.Model("cnn", m)
	b.Func("classify", func(f *graph.Func) {
		f.Output("log_probabilities", m.Body.Apply(f.Input("image", graph.F32, batch, 2, 12, 12)).LogSoftmax(1))
	})
	return b.Compile()
}

// residual adds what a block made to what went in, and has a stride and a dilation.
func residual() (*compiler.Program, error) {
	m := &struct{ In, A, B, Down nn.Conv2D }{nn.Conv2D{Filters: 4, Kernel: 1}, nn.Conv2D{Filters: 4, Kernel: 3, Same: true, Dilation: 2},
		nn.Conv2D{Filters: 4, Kernel: 3, Same: true}, nn.Conv2D{Filters: 6, Kernel: 3, Same: true, Stride: 2}}
	b := compiler.New("residual")
	b.Model("net", m)
	b.Func("features", func(f *graph.Func) {
		x := m.In.Apply(f.Input("image", graph.F32, batch, 3, 8, 8))
		h := x.Add(m.B.Apply(m.A.Apply(x).LeakyReLU(.1))).LeakyReLU(.1)
		f.Output("block", h)
		f.Output("features", m.Down.Apply(h).ReLU().GlobalAveragePool().Flatten())
	})
	return b.Compile()
}

// adversaries are a generator and a critic.
func adversaries() (*compiler.Program, error) {
	m := &struct{ G, D nn.Sequential }{
		nn.Sequential{&nn.Dense{Units: 16}, &nn.BatchNorm{}, nn.LeakyReLU(.2), &nn.Dense{Units: 64}, nn.Tanh},
		nn.Sequential{&nn.Dense{Units: 16}, nn.LeakyReLU(.2), &nn.Dense{Units: 1}},
	}
	b := compiler.New("adversaries")
	b.Model("", m)
	b.Func("generate", func(f *graph.Func) {
		f.Output("image", m.G.Apply(f.Input("z", graph.F32, batch, 6)).Reshape(batch, 1, 8, 8))
	})
	b.Func("judge", func(f *graph.Func) {
		f.Output("real", m.D.Apply(f.Input("image", graph.F32, batch, 1, 8, 8).Flatten()).Sigmoid())
	})
	return b.Compile()
}

// anySize has convolutions, pooling and resizing over one, two and three axes of any size, in functions and training steps.
func anySize() (*compiler.Program, error) {
	height, width, length := graph.Sym("height"), graph.Sym("width"), graph.Sym("length")
	m := &struct {
		In, Mid     nn.Conv2D
		Norm        nn.BatchNorm
		Up          nn.ConvTranspose2D
		Line        nn.Conv1D
		LineUp      nn.ConvTranspose1D
		Cube        nn.Conv3D
		CubeUp      nn.ConvTranspose3D
		Head, Class nn.Dense
	}{
		In: nn.Conv2D{Filters: 4, Kernel: 3, Pad: 1, Stride: 2}, Mid: nn.Conv2D{Filters: 6, Kernel: 3, Same: true, Dilation: 2, Groups: 2},
		Up:   nn.ConvTranspose2D{Filters: 2, Kernel: 3, Stride: 2, Pad: 1},
		Line: nn.Conv1D{Filters: 3, Kernel: 4, Pad: 2, Stride: 3}, LineUp: nn.ConvTranspose1D{Filters: 2, Kernel: 3, Stride: 2, OutputPad: 1},
		Cube: nn.Conv3D{Filters: 3, Kernel: 2, Pad: 1, Stride: 2}, CubeUp: nn.ConvTranspose3D{Filters: 1, Kernel: 3, Pad: 1},
		Head: nn.Dense{Units: 3}, Class: nn.Dense{Units: 2},
	}
	segment := func(f *graph.Func) (image, small, masks *graph.Value) {
		image = f.Input("image", graph.F32, batch, 2, height, width)
		x := nn.MaxPool2D(2, 2)(image)
		skip := m.Norm.Apply(m.In.Apply(x))
		small = skip.ReLU().MaxPool(graph.MaxPool{Kernel: [2]int{3, 2}, Strides: [2]int{2, 1}, Pads: [4]int{1, 1, 1, 0}})
		small = small.AveragePool(graph.AveragePool{Kernel: [2]int{3, 3}, Strides: [2]int{1, 2}, Pads: [4]int{1, 1, 1, 1}})
		small = m.Mid.Apply(small)
		h := m.Up.Apply(small).Resize(graph.Resize{Sizes: skip.Shape()[2:], Mode: graph.Linear})
		h = graph.Join(1, h, skip).Upsample(2).Resize(graph.Resize{Scale: 3, Divisor: 2, Mode: graph.Linear, Coordinates: graph.AlignCorners})
		masks = h.Resize(graph.Resize{Sizes: image.Shape()[2:], Mode: graph.Linear})
		return image, small, masks
	}
	line := func(f *graph.Func) *graph.Value {
		x := f.Input("signal", graph.F32, batch, 2, length)
		h := nn.AveragePool1D(1, 2)(m.LineUp.Apply(m.Line.Apply(x)))
		h = h.MaxPoolND(graph.MaxPoolND{Kernel: []int{3}, Strides: []int{2}, Pads: []int{1, 2}})
		return h.Resize(graph.Resize{Sizes: x.Shape()[2:], Mode: graph.Linear, Coordinates: graph.Asymmetric}).Mul(x).GlobalAveragePool()
	}
	cube := func(f *graph.Func) *graph.Value {
		x := f.Input("volume", graph.F32, batch, 1, length, 4, width)
		h := m.CubeUp.Apply(m.Cube.Apply(x).Tanh()).AveragePoolND(graph.AveragePoolND{Kernel: []int{1, 2, 2}, Pads: []int{0, 0, 1, 0, 0, 0}, CountPad: true})
		return h.MaxPoolND(graph.MaxPoolND{Kernel: []int{2, 2, 1}, Pads: []int{1, 0, 0, 0, 0, 0}}).GlobalAveragePool()
	}
	nearest := func(image *graph.Value) *graph.Value {
		return m.In.Apply(image).Resize(graph.Resize{Sizes: image.Shape()[2:]})
	}
	b := compiler.New("anysize")
	b.Model("net", m)
	b.Func("segment", func(f *graph.Func) {
		_, small, masks := segment(f)
		f.Output("masks", masks)
		f.Output("class", m.Class.Apply(small.GlobalAveragePool().Flatten()))
	})
	b.Func("nearest", func(f *graph.Func) {
		f.Output("features", nearest(f.Input("image", graph.F32, batch, 2, height, width)))
	})
	b.Func("measure", func(f *graph.Func) {
		f.Output("measures", m.Head.Apply(graph.Join(1, line(f).Flatten(), cube(f).Flatten())))
	})
	b.Step("train", optim.SGD{LR: 1e-2}, m, func(f *graph.Func) *graph.Value {
		image, small, masks := segment(f)
		return masks.Slice(1, 0, 4).Sub(nearest(image)).Square().Mean().Add(m.Class.Apply(small.GlobalAveragePool().Flatten()).Square().Mean())
	})
	b.Step("tune", optim.SGD{LR: 1e-2}, m, func(f *graph.Func) *graph.Value {
		return m.Head.Apply(graph.Join(1, line(f).Flatten(), cube(f).Flatten())).Sin().Square().Mean()
	})
	return b.Compile()
}
