package onnxtest

import (
	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
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
