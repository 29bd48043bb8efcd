// Command sardonyx trains, exports, verifies and samples the models of the zoo.
package main

import (
	"github.com/sardonyx-ml/sardonyx/cmd/app"
	"github.com/sardonyx-ml/sardonyx/compiler/models/vae"
)

func main() { app.Main(vae.Model) }
