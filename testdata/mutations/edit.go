package main

// editMutations are mutations of images that are edited, of VAEs, and of what examples are measured by.
var editMutations = []mutation{
	{"edit: directions of data that have changed", "cmd/app/edit_vectors.go", "return data.FilesHash(e.from)", `return "", nil`, "./cmd/app", "EditChangedData"},
	{"edit: what is taken away is added", "cmd/app/edit_vectors.go", "out[i] += s.k * v[i]", "out[i] += math.Abs(s.k) * v[i]", "./cmd/app", "TestEdit$"},
	{"edit: a morph goes the other way", "cmd/app/edit.go", "v = ends.At(j) - z", "v = z - ends.At(j)", "./cmd/app", "EditFiles"},
	{"edit: one batch is measured", "cmd/app/edit_measure.go", "if err != nil || images == nil {", "if err != nil || images == nil || r.Examples > measureBatch {", "./cmd/app", "TestEdit$"},
	{"edit: images are not moved", "cmd/app/edit_measure.go", "moved.Set(i, z.At(i)+step[i%e.size])", "moved.Set(i, z.At(i)+0*step[i%e.size])", "./cmd/app", "TestEdit$"},
	{"edit: generated data are a path", "cmd/app/training_data.go", "if m.Train.Generate == nil || from != generatedName(m) {", "if true {", "./cmd/app", "GeneratedHeldOut"},
	{"files: names do not count", "runtime/data/files_hash.go", `fmt.Fprintf(h, "%q\n", e.Name())`, "_ = e.Name()", "./runtime/data", "FilesHash"},
	{"files: links are followed for ever", "runtime/data/files_hash.go", "if os.SameFile(outer, info) {", "if outer == info {", "./runtime/data", "FilesHash"},

	{"latent: a difference from the mean of all", "runtime/latent/latent.go", "sums[1][j]/counts[1] - sums[0][j]/counts[0]", "sums[1][j]/counts[1] - (sums[0][j]+sums[1][j])/(counts[0]+counts[1])", "./runtime/latent", ""},
	{"latent: columns that repeat each other share", "runtime/latent/latent.go", "< same || j == k", "< 2 || j == k", "./runtime/latent", ""},
	{"latent: other values count alike", "runtime/latent/latent.go", "b.At(row, i) / std * weight / others", "b.At(row, i) / std / float64(len(weights))", "./runtime/latent", ""},
	{"latent: columns keep their means", "runtime/latent/latent.go", "x.Set(i, k, (v-mean)/std)", "x.Set(i, k, (v-0*mean)/std)", "./runtime/latent", ""},
	{"latent: directions have another length", "runtime/latent/latent.go", "u[i] = v[i] / length", "u[i] = v[i] / (length * length)", "./runtime/latent", "Unit"},

	{"vae: log weights of the wrong sign", "compiler/models/vae/vae.go", "posterior.Sub(prior).Scale(.5)", "prior.Sub(posterior).Scale(.5)", "./compiler/models/vae", "LinearGaussian"},
	{"vae: the posterior's variance is left out", "compiler/models/vae/vae.go", "noise.Square().Sum(-1).Add(logVar.Sum(-1).Unsqueeze(1))", "noise.Square().Sum(-1).Add(logVar.Scale(0).Sum(-1).Unsqueeze(1))", "./compiler/models/vae", "LinearGaussian"},
	{"vae: the bound has the divergence's negative", "compiler/models/vae/vae.go", "reconstruction.Add(kl).Mean()", "reconstruction.Sub(kl).Mean()", "./compiler/models/vae", "Functions"},
	{"vae: a reconstruction is of noise", "compiler/models/vae/vae.go", "picture(mu, y)", "picture(mu.NormalLike(), y)", "./compiler/models/vae", "Functions"},
	{"vae: sigma is the variance", "compiler/models/vae/likelihood.go", "out.Scalar(math.Log(sigma))", "out.Scalar(math.Log(sigma) / 2)", "./compiler/models/vae", "LinearGaussian"},
	{"vae: the divergence has no weight", "compiler/models/vae/vae.go", `kl.Scale(s.Float("beta"))`, "kl", "./compiler/models/vae", "Beta"},

	{"attributes: what is written 1.0 is yes", "runtime/data/attribute_files.go", "case numbers && counted && (within", "case numbers && (within", "./runtime/data", "NumbersOrYesNo"},
	{"attributes: elements of a number are learned", "compiler/models/classifier/attributes.go", ".ReduceMinKeep(0)", ".Reshape(models.Batch, s.Dim(\"columns\"))", "./compiler/models/classifier", "TestAttributes"},
	{"attributes: a number has an accuracy", "compiler/models/classifier/attributes.go", "delete(right, name)", "_ = name", "./compiler/models/classifier", "TestAttributes"},
	{"kid: pairs within a set count once", "runtime/metrics/kernelmmd.go", "return 2 * sum", "return sum", "./runtime/metrics", "KID"},
	{"kid: examples and themselves are pairs", "runtime/metrics/kernelmmd.go", "row = row[r+1:]", "row = row[r:]", "./runtime/metrics", "KID"},
	{"kid: products overflow", "runtime/metrics/kernelmmd.go", "T(v * unit)", "T(v)", "./runtime/metrics", "KID"},
	{"confusion: rows from below", "runtime/train/report/confusion.go", "c.share(len(c.Classes)-1-i, j)", "c.share(i, j)", "./runtime/train/report", "Confusion"},
	{"confusion: shares of predictions", "runtime/train/report/confusion.go", "return float64(c.Counts[k][j]) / float64(max(sum, 1))", "return float64(c.Counts[j][k]) / float64(max(sum, 1))", "./runtime/train/report", "Confusion"},
	{"train: asserts on sizes wait for the run", "runtime/train/run.go", "n.Op.(graph.Assert); ok && known", "n.Op.(graph.Assert); ok && known && false", "./runtime/train", "SizeAsserts"},
	{"train: asserts on data do not wait", "runtime/train/run.go", "case graph.Input, graph.Param:\n\t\t\tcontinue", "case graph.Param:\n\t\t\tcontinue", "./runtime/train", "SizeAsserts"},
	{"runs: whoever has written progress is gone", "runtime/train/status.go", "s.Live.Place == filelock.Place()", `s.Live.Place != ""`, "./runtime/train", "StandingElsewhere"},
	{"runs: silence is an interruption", "runtime/train/status.go", "lost = !held", "lost = false", "./runtime/train", "StandingElsewhere"},
	{"watch: a picture as high as the terminal", "cmd/app/watch.go", "most := max(height-1, 1)", "most := max(height, 1)", "./cmd/app", "LowTerminal"},
	{"sample: all words are the first column's", "cmd/app/conditions.go", "return f.columns[j].Values", "return f.columns[0].Values", "./cmd/app", "SampleWords"},
}
