package main

var reportMutations = []mutation{
	{"report: events of a resumed run go on behind the old ones", "runtime/train/events.go", "for _, r := range records {", "for _, r := range records[:0] {", "./runtime/train", "Events"},
	{"report: the old events stay", "runtime/train/events.go", "f.Truncate(0)", "error(nil)", "./runtime/train", "Events"},
	{"report: events lack the samples", "runtime/train/events.go", "e.Values = append(e.Values, v...)", "_ = v", "./runtime/train", "Events"},
	{"report: validation is training to TensorBoard", "runtime/train/events.go", "add(r.Validate, validation)", "add(r.Train, validation)", "./runtime/train", "Events"},
	{"report: a run in progress animates", "runtime/train/artifacts.go", "s.write(done)", "s.write(true)", "./runtime/train", "ReportStatus"},
	{"report: pictures behind the checkpoint count", "runtime/train/artifacts.go", "|| n > epochs ", "", "./runtime/train", "SamplesOf"},
	{"report: the command that resumed the run", "runtime/train/resume.go", "old != nil && old.Command != \"\"", "false", "./runtime/train", "ReportStatus"},
	{"report: a curve goes over steps and epochs", "runtime/train/curves.go", "ok && r.Kind == kind {", "ok {", "./runtime/train", "Curve"},
	{"report: any name is markup", "runtime/train/report/page.go", "template.HTML(template.HTMLEscapeString(c.Title + \": \" + err.Error()))", "template.HTML(c.Title + \": \" + err.Error())", "./runtime/train/report", "Page"},
	{"report: peaks are lost", "runtime/train/report/curve.go", "if p.Y > few[hi].Y {", "if p.Y < few[hi].Y {", "./runtime/train/report", "ManyPoints"},
	{"animation: backwards", "runtime/train/report/animation.go", "indexed[len(frames)-1-i] = p", "indexed[i] = p", "./runtime/train/report", "Animate"},
	{"animation: no bound on its bytes", "runtime/train/report/animation.go", "len(b) <= mostAnimation || ", "true || ", "./runtime/train/report", "Animate"},
	{"animation: boxes of colours are cut by number", "runtime/train/report/palette.go", "return c.squares[k] - c.sum[k]*c.sum[k]/c.n", "return c.n", "./runtime/train/report", "Animate"},
	{"tensorboard: the checksum is not masked", "runtime/train/tensorboard/tensorboard.go", "(c>>15 | c<<17) + 0xa282ead8", "c", "./runtime/train/tensorboard", ""},
	{"tensorboard: the step's place", "runtime/train/tensorboard/tensorboard.go", "eventStep        = 2", "eventStep        = 3", "./runtime/train/tensorboard", ""},
	{"tensorboard: text that is not UTF-8", "runtime/train/tensorboard/tensorboard.go", "[]byte(strings.ToValidUTF8(s, \"\\uFFFD\"))", "[]byte(strings.Clone(s))", "./runtime/train/tensorboard", ""},
	{"journal: a rest of steps goes into the next epoch", "runtime/train/journal.go", "	j.Position.InSteps = Mean{}\n	j.began", "	j.began", "./runtime/train", "Journal"},
}
