// Command sardonyx trains, exports, verifies and samples the models of the zoo.
package main

import (
	"slices"

	"github.com/sardonyx-ml/sardonyx/cmd/app"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/models/bayes"
	"github.com/sardonyx-ml/sardonyx/compiler/models/classifier"
	"github.com/sardonyx-ml/sardonyx/compiler/models/faces"
	"github.com/sardonyx-ml/sardonyx/compiler/models/gan"
	"github.com/sardonyx-ml/sardonyx/compiler/models/vae"
)

func main() { app.Main(zoo()...) }

// zoo is the models, by family.
func zoo() []models.Model {
	return slices.Concat(bayes.Models, vae.Models, []models.Model{faces.Model}, classifier.Models,
		[]models.Model{classifier.AttributesModel}, gan.Models)
}
