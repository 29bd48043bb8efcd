package classifier

import "github.com/sardonyx-ml/sardonyx/compiler/models"

// needs are what the trainings of docs/gallery.md took, on two CPU cores that did other work too.
var needs = map[string]string{"mlp": "10 s", "cnn": "31 min", "twoconv": "3 min 24 s"}

// results are what the networks reach, beside what is published. docs/gallery.md says more of ours.
var results = map[string][]models.Result{
	"mlp": {{
		Measure: "accuracy on Fashion-MNIST's test part", Reached: "0.8880", Command: "train mlp --data fashion-mnist --seed 1",
	}},
	"cnn": {{
		Measure: "accuracy on MNIST's test part", Reference: "0.993", Reached: "0.9935", Command: "train cnn --data mnist --seed 1",
	}, {
		Measure: "the same, with augmentation", Reference: "0.995", Reached: "0.9954",
		Command: "train cnn --data mnist --augment image:'crop 2' --epochs 20 --seed 1",
	}, {
		Measure: "accuracy on Fashion-MNIST's test part", Reference: "0.934 (Xiao et al. 2017, list of benchmarks)", Reached: "0.9325",
		Command: "train cnn --data fashion-mnist --augment image:flip --epochs 20 --seed 1",
	}},
	"lenet": {{
		Measure: "accuracy on MNIST's test part", Reference: "0.9905 (LeCun et al. 1998)", Reached: "0.9908",
		Command: "train lenet --data mnist --epochs 8 --set steps=3744 --seed 1",
	}},
	"twoconv": {{
		Measure: "accuracy on Fashion-MNIST's test part", Reference: "0.934 (Xiao et al. 2017, list of benchmarks)", Reached: "0.9240",
		Command: "train twoconv --data fashion-mnist --set kernel=5 --augment image:flip --epochs 20 --seed 1",
	}},
	"resnet": {{Measure: "accuracy on MNIST's test part"}},
}
