package main

// runMutations are mutations of what is told of runs and of gradients.
var runMutations = []mutation{
	{"grad norm: frozen parameters too", "compiler/compiler.go", "if f.Current(p) != p {", "if f.Current(p) != nil {", "./compiler", "GradNorm"},
	{"grad norm: no root", "compiler/optim/optim.go", "return total.Sqrt()", "return total", "./compiler", "GradNorm"},
	{"runs: a lock of any kind", "runtime/filelock/held_linux.go", `f[1] != "FLOCK"`, "false", "./runtime/filelock", "Holders"},
	{"runs: any process that has a lock", "runtime/filelock/held_linux.go", "os.SameFile(open, file)", "open != nil", "./runtime/filelock", "Holders"},
	{"runs: progress of a process that is gone", "runtime/train/status.go", "if !held {", "if false {", "./runtime/train", "Live"},
	{"runs: progress.json is left", "runtime/train/journal.go", "if j.beats {", "if false {", "./runtime/train", "Live"},
	{"runs: finished is not asked for", "runtime/train/status.go", "s.Epochs >= s.Setup.Epochs", "s.Epochs > s.Setup.Epochs", "./runtime/train", "Status"},
	{"runs: what is the same differs", "runtime/train/status.go", "return v != d.Values[0]", "return true", "./runtime/train", "Differences"},
	{"watch: the picture is drawn below the last", "cmd/app/watch.go", "min(w.lines, most); up > 0 {", "min(w.lines, most); up < 0 {", "./cmd/app", "WatchTerminal"},
	{"watch: escapes pass", "cmd/app/watch.go", "clip(plain(l), width-1)", "clip(l, width-1)", "./cmd/app", "WatchTerminal"},
	{"watch: epochs twice", "cmd/app/watch.go", "r.Epoch > w.told", "true", "./cmd/app", "Watch$"},
	{"train: a batch too large leaves a run", "runtime/train/fit.go", "c.DropLast && c.Train.Len() < c.Batch", "false", "./runtime/train", "Refused"},
	{"conditions: any label in an array", "cmd/app/conditions.go", "x.Int(i) >= int64(classes)", "false", "./cmd/app", "BadSample"},
	{"conditions: arrays of any length", "cmd/app/conditions.go", "case fixed && n != out.count:", "case false:", "./cmd/app", "BadSample"},
}
