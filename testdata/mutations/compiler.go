package main

var compilerMutations = []mutation{
	{"adam: no correction of the first moment", "compiler/optim/optim.go", "lr.Mul(root).Div(u.oneMinusPower(b1))", "lr.Mul(root)", "./compiler/optim", ""},
	{"adam: the correction is a step late", "compiler/optim/optim.go", "Pow(u.step.Shift(1)).Neg().Shift(1)", "Pow(u.step.Shift(2)).Neg().Shift(1)", "./compiler/optim", ""},
	{"adamw: decay has the gradient's sign", "compiler/optim/optim.go", "lr.Scale(-decay).Shift(1)", "lr.Scale(decay).Shift(1)", "./compiler/optim", ""},
	{"sgd: nesterov looks back", "compiler/optim/optim.go", "d = g.Add(d.Scale(o.Momentum))", "d = d.Add(g.Scale(o.Momentum))", "./compiler/optim", ""},
	{"rmsprop: weights change places", "compiler/optim/optim.go", "v2 := v.Lerp(g.Square(), 1-rho)", "v2 := v.Lerp(g.Square(), rho)", "./compiler/optim", ""},
	{"clip norm: only the last gradient counts", "compiler/optim/optim.go", "total = total.Add(g.Div(unit).Square().Sum())", "total = g.Div(unit).Square().Sum()", "./compiler/optim", ""},
	{"clip norm: squares of the gradient itself", "compiler/optim/optim.go", "unit = unit.Max(g.Abs().ReduceMax())", "unit = unit.Max(g.Abs().ReduceMax().Scale(0))", "./compiler/optim", "ClipNorm"},
	{"cosine: the warm-up begins at 0", "compiler/optim/schedule.go", "rise := step.Shift(1).Scale", "rise := step.Scale", "./compiler/optim", ""},
	{"bce: logits times targets", "compiler/loss/loss.go", "targets.Mul(logits.Neg().Softplus())", "targets.Mul(logits.Softplus())", "./compiler/loss", ""},
	{"kl: e^x − 1", "compiler/loss/loss.go", "logVar.ExpRemainder(2)", "logVar.ExpRemainder(1)", "./compiler/loss", ""},
	{"gradient penalty: the number weighs the fake", "compiler/loss/loss.go", "mix := fake.Add(e.Mul(real.Sub(fake)))", "mix := real.Add(e.Mul(fake.Sub(real)))", "./compiler/loss", "GradientPenalty"},
	{"fans: a transposed convolution's change places", "compiler/nn/conv.go", "return initializer.WithFans(or(init, initializer.GlorotUniform{}), float64(channels)*window, float64(filters)*window)", "return initializer.WithFans(or(init, initializer.GlorotUniform{}), float64(filters)*window, float64(channels)*window)", "./compiler/nn", "Fans"},
	{"cross-entropy: the position to ignore counts", "compiler/loss/loss.go", "each := ignored.Where(zero, ", "each := ignored.Where(f.Full(logits.DType(), 1), ", "./compiler/loss", ""},
	{"batch norm: the second of a step moves the old statistics", "compiler/nn/norm.go", "f.Current(variance)", "variance", "./compiler ./compiler/nn", "BatchNorm|Norm|Twice|Several"},
	{"batch norm: the running mean takes the old share", "compiler/nn/norm.go", "f.Update(mean, f.Current(mean).Lerp(m.Detach(), 1-momentum))", "f.Update(mean, f.Current(mean).Lerp(m.Detach(), momentum))", "./compiler/nn", ""},
	{"batch norm: the running variance is biased", "compiler/nn/norm.go", "n.Div(n.Shift(-1))", "n.Div(n)", "./compiler/nn", ""},
}
