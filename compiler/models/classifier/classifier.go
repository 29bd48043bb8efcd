// Package classifier has discriminative models p(y|x) of images: what tells classes apart, beside the families that draw
// images. They differ in their bodies (nets.go); the head, the loss, the measures and the entry points are these.
//
// Images are in [0, 1]; what normalises them is in the graph, so an exported file takes them as they are. Its penultimate layer
// is an output too: the features of measures such as FID.
package classifier

import (
	"github.com/sardonyx-ml/sardonyx/compiler"
	"github.com/sardonyx-ml/sardonyx/compiler/loss"
	"github.com/sardonyx-ml/sardonyx/compiler/models"
	"github.com/sardonyx-ml/sardonyx/compiler/nn"
	"github.com/sardonyx-ml/sardonyx/compiler/optim"
	"github.com/sardonyx-ml/sardonyx/graph"
)

// Classifier is p(y|x) = softmax(Head(Body(Norm(x)))).
type Classifier struct {
	Norm nn.BatchNorm // each channel, by the mean and variance of the images it is trained on
	Body nn.Sequential
	Head nn.Dense
}

// New returns a classifier of so many classes.
func New(body nn.Sequential, classes int) *Classifier {
	return &Classifier{Norm: nn.BatchNorm{NoAffine: true}, Body: body, Head: nn.Dense{Units: classes}}
}

// Features are what the last layer sees, [batch d], for x [batch channels height width].
func (m *Classifier) Features(x *graph.Value) *graph.Value { return m.Body.Apply(m.Norm.Apply(x)) }

// Logits are ln p(y|x) but for a constant, [batch classes].
func (m *Classifier) Logits(x *graph.Value) *graph.Value { return m.Head.Apply(m.Features(x)) }

// TopK is the share of examples whose label is among the k most probable classes, of equal ones the first. logits are
// [batch classes], labels [batch].
func TopK(logits, labels *graph.Value, k int) *graph.Value {
	classes, label := logits.Dim(-1), labels.Unsqueeze(-1)
	own := logits.Mul(labels.OneHot(int(classes), logits.DType())).SumKeep(-1)
	earlier := logits.Func().Arange(classes).Less(label)
	ahead := logits.Greater(own).Or(logits.Equal(own).And(earlier)).Cast(logits.DType()).Sum(-1)
	return ahead.Less(ahead.Scalar(float64(k))).Cast(logits.DType()).Mean()
}

// Define builds the program of a classifier with a body: classify and validate, and the training step.
func Define(name string, body nn.Sequential, s models.Settings) (*compiler.Program, error) {
	m := New(body, s.Int("classes"))
	losses := func(f *graph.Func) *graph.Value {
		logits, labels := m.Logits(s.Image(f)), f.Input("label", graph.I64, models.Batch)
		f.Output("accuracy", TopK(logits, labels, 1))
		if s.Int("classes") > 5 {
			f.Output("top5", TopK(logits, labels, 5))
		}
		return loss.CrossEntropy(logits, labels).Mean()
	}

	b := compiler.New(name)
	b.Model("", m)
	b.Func("classify", func(f *graph.Func) {
		features := m.Features(s.Image(f))
		logits := m.Head.Apply(features)
		f.Output("probabilities", logits.Softmax(-1))
		f.Output("label", logits.ArgMax(-1))
		f.Output("features", features)
	})
	b.Func("validate", func(f *graph.Func) { f.Output("loss", losses(f)) })
	b.Step("train", optimizer(s), m, losses)
	return b.Compile()
}

// optimizer is that of all classifiers.
func optimizer(s models.Settings) optim.Optimizer {
	steps := s.Int("steps")
	return optim.AdamW{LR: s.Float("lr"), WeightDecay: s.Float("decay"), Schedule: optim.Cosine{Steps: steps, WarmUp: steps / 10}}
}

// settings are what all classifiers have. steps is the length of the whole training, over which the learning rate rises for a
// tenth and then falls to zero along a cosine: the command sets it.
func settings() models.Settings {
	return models.Settings{"side": 28, "channels": 1, "classes": 10, "lr": 2e-3, "decay": .05, "steps": 5 * (60000 / 128)}
}

// limits are the usual ones; what is classified may have other channels than pictures.
var limits = models.Usual.With(models.Limits{"channels": models.Whole(1, 4096)})

// training is how all classifiers are trained. A short last batch is left out: its statistics would be poor.
var training = models.Training{
	Step: "train", Validate: "validate", Inputs: map[string]string{"image": "image", "label": "label"},
	Data: "mnist", Epochs: 5, Batch: 128, DropLast: true, Length: "steps",
}

func model(name, doc string, body func() nn.Sequential) models.Model {
	return models.Model{
		Name: name, Family: "Classifiers, p(y|x)", Doc: doc, Needs: needs[name], Results: results[name],
		Settings: settings(), Limits: limits, Train: training,
		Define: func(s models.Settings) (*compiler.Program, error) { return Define(name, body(), s) },
	}
}

// The classifiers, as the commands know them.
var (
	MLPModel     = model("mlp", "classifier: a multi-layer perceptron (Foster 2023, chapter 2)", MLP)
	CNNModel     = model("cnn", "classifier: four convolutions with batch normalisation (Foster 2023, chapter 2)", CNN)
	LeNetModel   = model("lenet", "classifier: LeNet-5 (LeCun et al. 1998)", LeNet)
	TwoConvModel = sized(model("twoconv", "classifier: two convolutions with batch normalisation, of under 100,000 parameters (Xiao et al. 2017)", nil),
		"kernel", 3, 11, TwoConv)
	// ResNetModel's deepest, 200, has 1,202 layers, the paper's most.
	ResNetModel = sized(model("resnet", "classifier: a residual network of 6·blocks+2 layers (He et al. 2016)", nil), "blocks", 1, 200, ResNet)
)

// sized is m with a setting from 1 to most, which its body is made by.
func sized(m models.Model, setting string, value float64, most int, body func(int) nn.Sequential) models.Model {
	m.Settings[setting], m.Limits = value, m.Limits.With(models.Limits{setting: models.Whole(1, most)})
	m.Define = func(s models.Settings) (*compiler.Program, error) { return Define(m.Name, body(s.Int(setting)), s) }
	return m
}

// Models are all classifiers.
var Models = []models.Model{MLPModel, CNNModel, LeNetModel, TwoConvModel, ResNetModel}
