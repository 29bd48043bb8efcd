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
	"dcgan": {{Measure: distance, Reference: floors, Reached: "4.5 times, after 12 epochs of 20 (0.514, and 0.115)",
		Command: "train dcgan --data mnist --set width=16 --epochs 20 --seed 1"}},
	"lsgan":   {{Measure: distance, Reference: floors}},
	"wgan":    {{Measure: distance, Reference: floors}},
	"wgangp":  {{Measure: distance, Reference: floors}, {Measure: "modes of 1,000 on stacked MNIST", Reference: "1,000 (PacDCGAN2, Lin et al. 2018), 99 (DCGAN)"}},
	"sngan":   {{Measure: distance, Reference: floors}},
	"r1gan":   {{Measure: distance, Reference: floors}},
	"cgan":    {{Measure: distance, Reference: floors}, {Measure: asked, Reference: "0.97 or more"}},
	"projgan": {{Measure: distance, Reference: floors}, {Measure: asked, Reference: "0.97 or more"}},
}
