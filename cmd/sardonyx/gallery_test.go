package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// A part is what a row of the tables of docs/gallery.md compares: declarations of a package of compiler/models and of a file of docs.
type part struct {
	pkg, ours     string // methods with their type: Nets.Body
	file, pytorch string
	longer        bool // ours is longer, and the page says so
}

var parts = map[string]part{
	"probability of features and of greys between levels, draws": {pkg: "bayes", ours: "NaiveBayes NaiveBayes.weights NaiveBayes.LogProbs NaiveBayes.Draw NaiveBayes.MeanLogProbs",
		file: "bayes", pytorch: "NaiveBayes"},
	"**fitting**, with the likelihood and the entropy": {pkg: "bayes", ours: "NaiveBayes.fit", file: "bayes", pytorch: "fit", longer: true},

	"multi-layer perceptron":           {pkg: "classifier", ours: "MLP", file: "classifier", pytorch: "mlp"},
	"Foster's CNN":                     {pkg: "classifier", ours: "CNN", file: "classifier", pytorch: "cnn"},
	"LeNet-5":                          {pkg: "classifier", ours: "LeNet", file: "classifier", pytorch: "lenet"},
	"two convolutions with BatchNorm":  {pkg: "classifier", ours: "TwoConv", file: "classifier", pytorch: "twoconv"},
	"residual network, with its block": {pkg: "classifier", ours: "Block NewBlock Block.Apply ResNet", file: "classifier", pytorch: "Block resnet"},
	"networks, dense or convolutional, with a condition or none": {pkg: "vae", ours: "Nets Nets.Hidden Nets.Decode newNets", file: "autoencoders", pytorch: "Nets"},
	"Bernoulli, Gaussian and discretised logistic": {pkg: "vae", ours: "Likelihood Bernoulli Bernoulli.NLL Bernoulli.Mean Gaussian Gaussian.NLL Gaussian.Mean Logistic Logistic.NLL Logistic.Mean Learned Learned.Apply",
		file: "autoencoders", pytorch: "Bernoulli Gaussian Logistic"},
	"VAE, with the log weights of importance sampling": {pkg: "vae", ours: "VAE New VAE.Encode VAE.Terms VAE.LogWeights", file: "autoencoders", pytorch: "VAE"},
	"training and five exported functions of the VAE":  {pkg: "vae", ours: "define", file: "autoencoders", pytorch: "train Entry reconstruct validate export"},
	"autoencoder": {pkg: "vae", ours: "AE AE.Encode AE.Loss", file: "autoencoders", pytorch: "AE"},

	"VAE of faces": {pkg: "faces", ours: "blocks VAE New VAE.Encode", file: "faces", pytorch: "VAE"},
	"loss, training and four exported functions": {pkg: "faces", ours: "Define", file: "faces", pytorch: "loss train Entry export"},

	"generator and critic, convolutions or perceptrons, their sizes, the class beside the image": {pkg: "gan",
		ours: "Nets Nets.scales Nets.Generator cut Nets.Body Nets.Critic Concat Concat.Score",
		file: "gan", pytorch: "scales Cut generator body features Concat critic"},
	"what all GANs share: packs, classes, averages, both steps, two exported functions": {pkg: "gan", ours: "GAN Critic GAN.define",
		file: "gan", pytorch: "train Generate Judge export"},
	"DCGAN, with its initializer":                {pkg: "gan", ours: "dcganNets dcgan", file: "gan", pytorch: "init dcgan_nets dcgan"},
	"WGAN-GP, of p(x) and of p(x\\|y)":           {pkg: "gan", ours: "wgangp", file: "gan", pytorch: "wgangp cgan"},
	"projection critic and its GAN, of p(x\\|y)": {pkg: "gan", ours: "Projection Projection.Score projgan", file: "gan", pytorch: "Projection projgan"},
	"all nine GANs": {pkg: "gan", ours: "adam original dcganNets dcgan lsgan wgan wgangp sngan r1gan r1 projgan",
		file: "gan", pytorch: "adam r1 gan init dcgan_nets dcgan lsgan wgan wgangp sngan r1gan cgan projgan"},
}

var partRow = regexp.MustCompile(`(?m)^\| ((?:[^|]|\\\|)+) \| (\d+) \| (\d+) \|$`)

// TestGallery counts the lines that docs/gallery.md has side by side: those that are neither blank, nor a comment, nor of brackets
// alone.
func TestGallery(t *testing.T) {
	page, err := os.ReadFile("../../docs/gallery.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, row := range partRow.FindAllStringSubmatch(string(page), -1) {
		p, ok := parts[row[1]]
		if !ok {
			t.Errorf("the page compares %q, of which the test does not know what to count", row[1])
			continue
		}
		seen[row[1]] = true
		ours, pytorch := linesOfGo(t, p.pkg, p.ours), linesOfPython(t, p.file, p.pytorch)
		if row[2] != strconv.Itoa(ours) || row[3] != strconv.Itoa(pytorch) {
			t.Errorf("%s: the page says %s and %s lines, and there are %d and %d", row[1], row[2], row[3], ours, pytorch)
		}
		if p.longer != (ours > pytorch) {
			t.Errorf("%s: %d lines and %d in PyTorch", row[1], ours, pytorch)
		}
	}
	for name := range parts {
		if !seen[name] {
			t.Errorf("the page has no row %q", name)
		}
	}
}

var noCode = regexp.MustCompile(`^[\s(){}\[\],:]*$`)

func countLines(text, comment string) (n int) {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); !noCode.MatchString(line) && !strings.HasPrefix(line, comment) {
			n++
		}
	}
	return n
}

// linesOfGo counts the named declarations of a package of compiler/models.
func linesOfGo(t *testing.T, pkg, names string) (n int) {
	t.Helper()
	files, err := filepath.Glob("../../compiler/models/" + pkg + "/*.go")
	if err != nil || files == nil {
		t.Fatalf("no package %s: %v", pkg, err)
	}
	found := map[string]int{}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, path, text, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			found[nameOf(d)] = countLines(string(text[set.Position(d.Pos()).Offset:set.Position(d.End()).Offset]), "//")
		}
	}
	return sumOf(t, pkg, names, found)
}

// nameOf is the name of a declaration: of a method, with its type; of several in brackets, none.
func nameOf(d ast.Decl) string {
	switch d := d.(type) {
	case *ast.FuncDecl:
		if d.Recv == nil {
			return d.Name.Name
		}
		of := d.Recv.List[0].Type
		if pointer, ok := of.(*ast.StarExpr); ok {
			of = pointer.X
		}
		return of.(*ast.Ident).Name + "." + d.Name.Name
	case *ast.GenDecl:
		switch spec := d.Specs[0].(type) {
		case *ast.TypeSpec:
			return spec.Name.Name
		case *ast.ValueSpec:
			return spec.Names[0].Name
		}
	}
	return ""
}

var pythonDecl = regexp.MustCompile(`(?m)^(?:def|class) (\w+)`)

// linesOfPython counts the named functions and classes of docs/torch_FILE.py.
func linesOfPython(t *testing.T, file, names string) (n int) {
	t.Helper()
	text, err := os.ReadFile("../../docs/torch_" + file + ".py")
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]int{}
	at := pythonDecl.FindAllStringSubmatchIndex(string(text), -1)
	for i, m := range at {
		end := len(text)
		if i+1 < len(at) {
			end = at[i+1][0]
		}
		found[string(text[m[2]:m[3]])] = countLines(string(text[m[0]:end]), "#")
	}
	return sumOf(t, file, names, found)
}

func sumOf(t *testing.T, where, names string, found map[string]int) (n int) {
	t.Helper()
	for _, name := range strings.Fields(names) {
		if found[name] == 0 {
			t.Errorf("%s has no %s", where, name)
		}
		n += found[name]
	}
	return n
}
