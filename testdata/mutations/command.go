package main

var commandMutations = []mutation{
	{"verify: relative to the difference", "runtime/verify/verify.go", "e <= abs+rel*math.Abs(w)", "e <= abs+rel*math.Abs(e)", "./runtime/verify ./cmd/app", "Verify|Compare"},
	{"verify: the last element decides", "runtime/verify/verify.go", "d.OK = d.OK && !math.IsInf(e, 0)", "d.OK = !math.IsInf(e, 0)", "./runtime/verify ./cmd/app", "Verify|Compare"},
	{"verify: shapes may differ", "runtime/verify/verify.go", "want.DType() != got.DType() || !slices.Equal(want.Shape(), got.Shape())", "want.DType() != got.DType()", "./runtime/verify ./cmd/app", "Verify|Compare"},
	{"vectors: their outputs may be far off", "exporters/onnx/vectors.go", "!(math.Abs(x-y) <= abs+rel*math.Abs(x))", "!(math.Abs(x-y) <= abs+rel*math.Abs(x)+1)", "./exporters/onnx", "Vector"},
	{"sample: a Func's own noise is that of step 0", "cmd/app/feed.go", "Step: 1, Stream", "Stream", "./cmd/app", "SampleKinds"},
	{"sample: inputs of noise draw one stream", "cmd/app/feed.go", "draw := kernel.Draw{Seed: f.seed, Stream: stream}", "draw := kernel.Draw{Seed: f.seed, Stream: 0 * stream}", "./cmd/app", "SampleKinds"},
	{"export: inputs of noise draw one stream", "cmd/app/export.go", "Distribution: m.Sample.Feeds()[name].Noise, Stream: stream}", "Distribution: m.Sample.Feeds()[name].Noise, Stream: 0 * stream}", "./cmd/app", "SeededDraws"},
	{"export: what a Func draws by a seed is that of step 0", "compiler/pass/random.go", "return state(out, 1)", "return state(out, 0)", "./cmd/app", "SeededDraws"},
	{"sample: labels are not in rows", "cmd/app/conditions.go", "at := i / cols\n", "at := i % cols\n", "./cmd/app", "SampleConditions"},
	{"bench: ratios are to the engine itself", "cmd/app/bench_race.go", "times(rounds[i], rounds[fastest])", "times(rounds[i], rounds[i])", "./cmd/app", "Bench"},
	{"bench: ratios are to the slowest command", "cmd/app/bench_race.go", "median(rounds[i]) < median(rounds[fastest])", "median(rounds[i]) > median(rounds[fastest])", "./cmd/app", "Bench"},
	{"bench: a command that stays is asked once", "cmd/app/bench_against.go", "if r.unused = nil; s == nil {", "if s == nil {", "./cmd/app", "Bench"},
	{"memory: what is moved is what is written", "compiler/memory/memory.go", "slices.Concat(n.Args, n.Results) {\n			if v != nil {\n				bytes", "slices.Concat(n.Results) {\n			if v != nil {\n				bytes", "./compiler/memory", "TestPlan"},
	{"train: a run of onnxruntime goes on in gorgonia", "cmd/app/train.go", "name, had = engineOnnxruntime, old.Engine", "", "./cmd/app", "TestTrainEngines"},
	{"train: a run on a device goes on on the CPU", "runtime/onnxruntime/engine.go", "o.Device, o.TF32 = device, more == \"tf32\"", "", "./runtime/onnxruntime", "TestEngineName"},
	{"vae: importance weights are added up, not averaged", "compiler/models/vae/vae.go", ".LogSumExp(-1).Shift(-math.Log(float64(draws)))", ".LogSumExp(-1).Shift(0 * math.Log(float64(draws)))", "./compiler/models/vae", "Draws"},
	{"modes: the rarest is one that was drawn", "runtime/metrics/classes.go", "if reference[i] > 0 {", "if reference[i] > 0 && v > 0 {", "./runtime/metrics", "Classes"},
	{"bench: a page loses what stands behind the table", "cmd/app/bench_markdown.go", "[]byte(text), p.after)", "[]byte(text), p.after[:0])", "./cmd/app", "BenchMarkdown"},
}
