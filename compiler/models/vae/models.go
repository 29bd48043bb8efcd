package vae

import (
	"fmt"
	"maps"

	"github.com/sardonyx-ml/sardonyx/compiler/models"
)

// settings are what all have, with changes. filters are those of the first of two convolutions; without, the networks are multi-layer
// perceptrons. steps is the length of the whole training, over which the learning rate falls to 0 along a cosine; 0 leaves it. ema is
// the decay of averages of the weights, which all but the training step take; 0 is none.
// free are nats for each number of the latent that cost nothing, and beta is the weight of the divergence. With draws above 1 the training
// step learns by the importance-weighted bound of so many, which has neither.
func settings(changes models.Settings) models.Settings {
	s := models.Settings{"size": 28, "channels": 1, "filters": 0, "hidden": 512, "latent": 20, "likelihood": 0, "sigma": 0,
		"beta": 1, "free": 0, "draws": 1, "lr": 1e-3, "steps": 0, "ema": 0}
	maps.Copy(s, changes)
	return s
}

// limits are the usual ones; convolutions halve images twice.
var limits = models.Usual.With(models.Limits{
	"size":       models.Rows(4, 512),
	"draws":      models.Whole(1, 1000),
	"likelihood": {Min: 0, Max: float64(len(likelihoods) - 1), Step: 1, Want: fmt.Sprintf("one of %v, or its place among them, from 0", likelihoods)},
})

// choices are the settings that are one of several.
var choices = map[string][]string{"likelihood": likelihoods}

// family is the heading that all are listed under.
const family = "Autoencoders and VAEs"

// training is how all are trained.
var training = models.Training{
	Step: "train", Validate: "validate", Inputs: map[string]string{"image": "image"}, Data: "mnist", Epochs: 10, Batch: 128,
}

// long is how the VAE with convolutions is trained.
var long = func() models.Training { t := training; t.Epochs, t.Batch = 30, 64; return t }()

// editing is how images are changed in the latent space.
var editing = models.Editing{Encode: "encode", Latent: "mu", Decode: "decode"}

// density is how the likelihood of images is found.
var density = models.Density{Func: "log_weights", Noise: "noise", Image: "image"}

// Model is the VAE of the paper's appendix C, a multi-layer perceptron.
var Model = models.Model{
	Name: "vae", Family: family, Doc: "variational autoencoder, an MLP with a 20-dimensional latent (Kingma & Welling 2014)",
	Results:  []models.Result{{Measure: "negative log-likelihood of MNIST binarised anew, nats, importance-weighted", Reference: "86.76 (another MLP, Burda et al. 2016)"}},
	Settings: settings(nil), Limits: limits, Choices: choices, Define: Define, Train: training, Density: density, Edit: editing,
	Sample: models.Sampling{Func: "decode", Noise: "z", Image: "image"},
}

// ConvModel is the VAE with convolutions.
var ConvModel = models.Model{
	Name: "convvae", Family: family, Doc: "variational autoencoder with two convolutions each way",
	Results: []models.Result{{
		Measure: "negative log-likelihood of MNIST binarised anew, nats, importance-weighted, 500 samples, first 1,000 test examples", Reference: "87 or less",
		Reached: "85.94", Command: "train convvae --data mnist --augment image:binarise --seed 1",
	}, {
		Measure: "the same, of MNIST binarised once", Reference: "87 or less", Reached: "86.02; 87.29 of all test examples",
		Command: "train convvae --data binarised-mnist --epochs 15 --set draws=5 --set steps=14055 --seed 1",
	}, {
		Measure: "negative evidence lower bound of MNIST binarised anew, nats", Reference: "86.47 (a CNN)",
		Reached: "91.94", Command: "train convvae --data mnist --augment image:binarise --seed 1",
	}},
	Settings: settings(models.Settings{"filters": 32, "hidden": 256, "latent": 32, "lr": 2e-3, "ema": .999}), Limits: limits, Choices: choices, Define: define("convvae"), Train: long, Density: density, Edit: editing,
	Sample: models.Sampling{Func: "decode", Noise: "z", Image: "image"},
}

// AEModel is the plain autoencoder, whose latent is a plane.
var AEModel = models.Model{
	Name: "ae", Family: family, Doc: "plain autoencoder, with convolutions and a latent of two numbers (Foster 2019, chapter 3)",
	Settings: settings(models.Settings{"filters": 32, "hidden": 256, "latent": 2, "ema": .999}), Limits: limits, Choices: choices, Define: defineAE, Train: training,
	Sample: models.Sampling{Func: "decode", Noise: "z", Image: "image"}, Edit: models.Editing{Encode: "encode", Latent: "z", Decode: "decode"},
}

// CVAEModel is the VAE of p(x|y).
var CVAEModel = models.Model{
	Name: "cvae", Family: family, Doc: "conditional VAE p(x|y), given the class (Sohn et al. 2015)",
	Settings: settings(models.Settings{"classes": 10}), Limits: limits, Choices: choices, Define: define("cvae"), Train: training, Density: density,
	Sample: models.Sampling{Func: "decode", Noise: "z", Image: "image", Inputs: map[string]models.Feed{"label": {Setting: "classes"}}},
}

// Models are the package's, for the commands. The VAE is the first: the commands' examples are of it.
var Models = []models.Model{Model, ConvModel, CVAEModel, AEModel}
