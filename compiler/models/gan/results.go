package gan

import "github.com/sardonyx-ml/sardonyx/compiler/models"

// What the models of the package are measured by. FIDs by the features of another network do not compare with published ones: they are
// held to the distance of training images from test images.
const (
	distance = "FID from MNIST, by the features of a classifier of the zoo"
	floors   = "at most 5 times that of training images"
	asked    = "samples that a classifier calls by the label that was asked"
)

// results are what the models reach, beside what they are held to. docs/gallery.md says more of ours.
var results = map[string][]models.Result{
	"gan": {{Measure: distance, Reference: floors}},
	"dcgan": {{Measure: distance, Reference: floors, Reached: "4.0 times (0.459, and 0.115)",
		Command: "train dcgan --data mnist --set width=16 --epochs 20 --seed 1"}},
	"lsgan": {{Measure: distance, Reference: floors}},
	"wgan":  {{Measure: distance, Reference: floors}},
	"wgangp": {{
		Measure: distance, Reference: floors, Reached: "2.7 times (0.308, and 0.115)",
		Command: "train wgangp --data mnist --set width=16 --set lr=1e-3 --set steps=22488 --epochs 24 --seed 1"}, {
		Measure: "modes of 1,000 on stacked MNIST", Reference: "1,000 (PacDCGAN2, Lin et al. 2018), 99 (DCGAN)", Reached: "1,000",
		Command: "train wgangp --data stacked-mnist --set channels=3 --set width=16 --epochs 10 --seed 1"}},
	"sngan": {{Measure: distance, Reference: floors}},
	"r1gan": {{Measure: distance, Reference: floors}},
	"cgan":  {{Measure: distance, Reference: floors}, {Measure: asked, Reference: "0.97 or more"}},
	"projgan": {
		{Measure: distance, Reference: floors, Reached: "2.2 times (0.249, and 0.115)", Command: "train projgan --data mnist --set width=16 --epochs 12 --seed 1"},
		{Measure: asked, Reference: "0.97 or more", Reached: "0.993", Command: "train projgan --data mnist --set width=16 --epochs 12 --seed 1"},
	},
}
