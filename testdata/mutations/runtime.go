package main

var runtimeMutations = []mutation{
	{"engine: new state is committed before it is looked at", "runtime/gorgonia/engine.go", "if !p.finite(x.ctx) {\n\t\t\treturn nil, x.diagnose(f, in)\n\t\t}\n\t\tp.commit(x.state)", "p.commit(x.state)\n\t\tif !p.finite(x.ctx) {\n\t\t\treturn nil, x.diagnose(f, in)\n\t\t}", "./runtime/gorgonia", ""},
	{"engine: only the loss is held to be finite", "runtime/gorgonia/plan.go", "return !bad.Load()", "return true", "./runtime/gorgonia", ""},
	{"engine: an output that is new state has no copy", "runtime/gorgonia/plan.go", "if !computed[id] || taken[id] {", "if !computed[id] {", "./runtime/gorgonia", ""},
	{"engine: other state is copied after it has changed", "runtime/gorgonia/plan.go", "u.buf.CopyFrom(from.Tensor)\n\t\t}\n\t}\n\tfor _, u := range p.updates {\n", "u.buf.CopyFrom(from.Tensor)\n\t\t}\n", "./runtime/gorgonia", ""},
	{"engine: plans fit any shape", "runtime/gorgonia/engine.go", "|| !slices.Equal(t.Shape(), p.shapes[i])", "|| t.Rank() != len(p.shapes[i])", "./runtime/gorgonia", ""},
	{"engine: one random state for all runs", "runtime/gorgonia/plan.go", "t = p.random\n", "", "./runtime/gorgonia ./runtime/train", ""},
	{"state: Set keeps the caller's tensor", "runtime/state.go", "old.CopyFrom(t)\n", "s.tensors[name] = t\n", "./runtime ./runtime/gorgonia", ""},
	{"state: Clone shares the tensors", "runtime/state.go", "c.tensors[name] = t.Clone()", "c.tensors[name] = t", "./runtime ./runtime/gorgonia ./runtime/train", ""},
	{"state: every parameter draws the same numbers", "runtime/state.go", "h.Write([]byte(name))", "h.Write(nil)", "./runtime", ""},
	{"checkpoints: the index is written before the state", "runtime/train/checkpoint.go", `	if err := f.Commit(filepath.Join(c.dir, name)); err != nil {
		return err
	}
	next := c.index`, `	defer f.Commit(filepath.Join(c.dir, name))
	next := c.index`, "./runtime/train", "Checkpoints"},
	{"checkpoints: the hash is not looked at", "runtime/train/checkpoint.go", "got != want {", "got == \"\" {", "./runtime/train", "Checkpoint"},
	{"checkpoints: the best is forgotten", "runtime/train/checkpoint.go", "next.Best = next.Last\n", "next.Best, next.Last = next.Last, next.Best\n", "./runtime/train", "Checkpoints"},
	{"resume: patience begins anew", "runtime/train/resume.go", "if j.history, err = OpenHistory(j.dir.Metrics(), j.Position.Records); err != nil {", "j.Position.Stale = 0\n\tif j.history, err = OpenHistory(j.dir.Metrics(), j.Position.Records); err != nil {", "./runtime/train", "Patience"},
	{"resume: records after the checkpoint stay", "runtime/train/history.go", "err = f.Truncate(end)", "err = nil", "./runtime/train", "Crash"},
	{"loop: a worse epoch resets the patience", "runtime/train/journal.go", "j.Position.Stale++\n", "j.Position.Stale = 1\n", "./runtime/train", "EarlyStop"},
	{"loop: the best needs no difference", "runtime/train/journal.go", "v < j.Position.Best.Value-delta", "v < j.Position.Best.Value", "./runtime/train", "EarlyStop"},
	{"loop: metrics go on into the next epoch", "runtime/train/loop.go", "r.Position.Epoch, r.Position.InEpoch, r.Position.InSteps = number, Mean{}, Mean{}", "r.Position.Epoch, r.Position.InSteps = number, Mean{}", "./runtime/train", "TestFit"},
	{"loop: the position is that before the batch", "runtime/train/loop.go", "r.Position.Step++\n\tr.Position.Loader = r.loader.State()", "r.Position.Step++\n\tdefer func() { r.Position.Loader = r.loader.State() }()", "./runtime/train", "Fit|Resum|Crash"},
	{"loader: every epoch in one order", "runtime/data/loader.go", "rand.NewPCG(l.opt.Seed, uint64(epoch))", "rand.NewPCG(l.opt.Seed, 0)", "./runtime/data", ""},
	{"loader: the shuffle leaves elements where they are", "runtime/data/loader.go", "bits.Mul64(uint64(i+1), pcg.Uint64())", "bits.Mul64(uint64(i), pcg.Uint64())", "./runtime/data", ""},
	{"loader: the last batch of an epoch does not say so", "runtime/data/loader.go", "s.batch.Last = at.Epoch != s.batch.Epoch", "s.batch.Last = at.Epoch > s.batch.Epoch+1", "./runtime/data", ""},
	{"checkpoints: a position may disagree with the state", "runtime/train/checkpoint.go", "if f.Metadata[key] != meta[key] {", "if f.Metadata[key] != meta[key] && key == \"program\" {", "./runtime/train", "Checkpoints"},
	{"files: a pipe is opened", "exporters/regularfile/regularfile.go", "case mode.IsRegular():", "case mode.IsRegular(), mode&fs.ModeNamedPipe != 0:", "./exporters/regularfile", ""},
	{"json: of a key that is there twice, the last", "exporters/strictjson/strictjson.go", "if seen[key] {", "if seen[key] && key == \"\" {", "./exporters/strictjson", ""},
	{"json: what is missing is zero", "exporters/strictjson/strictjson.go", "if !seen[name] && !f.optional {", "if !seen[name] && !f.optional && name == \"\" {", "./exporters/strictjson", ""},
	{"safetensors: offsets count from the file's start", "runtime/train/safetensors/read.go", "start + begin, start + end}, nil", "begin, end}, nil", "./runtime/train/safetensors", ""},
	{"safetensors: holes are let through", "runtime/train/safetensors/read.go", "if t.begin != at {", "if t.begin < at {", "./runtime/train/safetensors", ""},
	{"safetensors: tensors by name, offsets by size", "runtime/train/safetensors/write.go", "cmp.Compare(b.Tensor.DType().Size(), a.Tensor.DType().Size())", "cmp.Compare(a.Tensor.DType().Size(), b.Tensor.DType().Size())", "./runtime/train/safetensors", ""},
	{"step: the noise of the first step again", "runtime/onnxruntime/step.go", "s.Counter.Step++", "_ = drew", "./runtime/onnxruntime", "TestStep"},
	{"step: state is not fed back", "runtime/onnxruntime/step.go", "s.State[p.Input] = out[p.Output]", "_ = out[p.Output]", "./runtime/onnxruntime", "TestStep"},
	{"journal: an epoch keeps the last one's average", "runtime/train/journal.go", "j.Position.Epoch, j.Position.InEpoch = rec.Epoch, Mean{}", "j.Position.Epoch = rec.Epoch", "./runtime/train", "Journal"},
	{"journal: a restored state has the run's position", "runtime/train/journal.go", "j.at = &at", "_ = at", "./runtime/train", "Journal"},
	{"rhythm: it begins again with each run", "runtime/train/run.go", "batches[step%int64(len(batches))]", "batches[0]", "./runtime/train", "Rhythm"},
	{"rhythm: no batch is fresh", "compiler/models/rhythm.go", "t.Fresh || len(out) == 0", "len(out) == 0", "./runtime/train", "Rhythm"},
	{"journal: the loader is behind", "runtime/train/journal.go", "j.Position.Loader.Epoch < j.Position.Epoch", "false", "./runtime/train", "Journal"},
}
