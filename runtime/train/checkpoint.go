package train

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/sardonyx-ml/sardonyx/runtime"
	"github.com/sardonyx-ml/sardonyx/runtime/atomicfile"
	"github.com/sardonyx-ml/sardonyx/runtime/data"
	"github.com/sardonyx-ml/sardonyx/runtime/regularfile"
	"github.com/sardonyx-ml/sardonyx/runtime/strictjson"
	"github.com/sardonyx-ml/sardonyx/runtime/train/safetensors"
)

// ErrNoCheckpoint says that a run has not saved the checkpoint asked for.
var ErrNoCheckpoint = errors.New("the run has not saved it yet")

const (
	indexVersion = 2
	indexName    = "index.json"
	maxIndex     = 16 << 20 // bytes: far above what a run writes
)

// Which says which of a run's checkpoints is meant.
type Which string

// The checkpoints that a run keeps.
const (
	Best Which = "best" // of the epoch with the best monitored metric
	Last Which = "last"
)

// A Position is where in a run a training loop is, all but the state.
type Position struct {
	Step    int64      `json:"step"`       // training steps done
	Epoch   int        `json:"epoch"`      // epochs finished, with their validation and record
	Loader  data.State `json:"loader"`     // where the loader goes on; in a later epoch than Epoch if only the batches are finished
	InEpoch Mean       `json:"in_epoch"`   // metrics of the epoch so far
	InSteps Mean       `json:"in_steps"`   // metrics since the last record
	Records int        `json:"records"`    // lines of metrics.jsonl
	Best    *Score     `json:"best_score"` // nil before the first
	Stale   int        `json:"stale"`      // epochs since the best one
}

// clone returns a copy that goes its own way.
func (p Position) clone() Position {
	p.InEpoch, p.InSteps = p.InEpoch.Clone(), p.InSteps.Clone()
	return p
}

// A Score is the best value of the monitored metric, and after which epoch, counted from 1, and step it was reached.
type Score struct {
	Value float64 `json:"value"`
	Epoch int     `json:"epoch"`
	Step  int64   `json:"step"`
}

// A Checkpoint is a saved state and the position it belongs to.
type Checkpoint struct {
	File     string   `json:"file"`   // beside the index
	SHA256   string   `json:"sha256"` // of the file
	Position Position `json:"position"`
}

// index is the content of index.json. It holds both checkpoints, so that one rename changes all.
type index struct {
	Version     int         `json:"version"`
	Program     string      `json:"program"`
	Fingerprint string      `json:"fingerprint"`
	Seed        uint64      `json:"seed"`
	Last        *Checkpoint `json:"last"`
	Best        *Checkpoint `json:"best"`
}

// Checkpoints are the saved states of one run, in a folder of their own: safetensors files, and an index that names them
// with their hashes. A file is written under a new name before the index that names it, and removed after the index
// that no longer does: whenever a process ends, the index and its files agree.
type Checkpoints struct {
	dir   string
	index index
}

// Fingerprinted is what a checkpoint says of the program it belongs to; a [compiler.Program] is one.
type Fingerprinted interface {
	Name() string
	Fingerprint() string
}

// NewCheckpoints returns an empty set of checkpoints of prog, trained with seed, to be saved into the folder dir. Nothing
// is written before the first Save.
func NewCheckpoints(dir string, prog Fingerprinted, seed uint64) *Checkpoints {
	return &Checkpoints{dir, index{Version: indexVersion, Program: prog.Name(), Fingerprint: prog.Fingerprint(), Seed: seed}}
}

// OpenCheckpoints reads the index in the folder dir. Where nothing was saved the error is [fs.ErrNotExist].
func OpenCheckpoints(dir string) (*Checkpoints, error) {
	path := filepath.Join(dir, indexName)
	b, err := regularfile.Read(path, maxIndex)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, lost(dir, err)
	}
	if err != nil {
		return nil, err
	}
	c := &Checkpoints{dir: dir}
	if err = decodeVersion(b, indexVersion, &c.index); err == nil {
		err = c.index.check()
	}
	if err != nil {
		return nil, fmt.Errorf("read checkpoints %s: it is damaged or of another program: %w", path, err)
	}
	return c, nil
}

// lost is err, which says that dir has no index, unless there are states in dir: the index is written before the first.
func lost(dir string, err error) error {
	files, _ := os.ReadDir(dir) // what cannot be read has no states
	for _, f := range files {
		if strings.HasPrefix(f.Name(), "step-") && filepath.Ext(f.Name()) == ".safetensors" {
			return fmt.Errorf("%s has states (%s) but has lost its %s, which says where in the run they are", dir, f.Name(), indexName)
		}
	}
	return err
}

// decodeVersion reads the JSON b, which must say that it is of this version, into v.
func decodeVersion(b []byte, version int, v any) error {
	var head struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return strictjson.Plain(err)
	}
	if head.Version != version {
		return fmt.Errorf("its version is %d, and this program reads version %d", head.Version, version)
	}
	return strictjson.Unmarshal(b, v)
}

// check refuses an index that was not written by Save.
func (x *index) check() error {
	for _, c := range []*Checkpoint{x.Last, x.Best} {
		if c == nil {
			continue
		}
		if !filepath.IsLocal(c.File) || filepath.Base(c.File) != c.File || filepath.Ext(c.File) != ".safetensors" {
			return fmt.Errorf("it names the file %q: not a .safetensors file beside it", c.File)
		}
		if p := c.Position; p.Step < 0 || p.Epoch < 0 || p.Records < 0 || p.Stale < 0 {
			return fmt.Errorf("a position in it is negative: %+v", p)
		} else if p.Loader.Epoch != p.Epoch && p.Loader.Epoch != p.Epoch+1 {
			return fmt.Errorf("a position in it has finished %d epochs, and its loader goes on in epoch %d, counted from 0", p.Epoch, p.Loader.Epoch)
		}
	}
	if x.Best != nil && (x.Last == nil || x.Best.Position.Step > x.Last.Position.Step) {
		return fmt.Errorf("its last checkpoint, which must be there, is older than its best")
	}
	return nil
}

// Fingerprint identifies the program that was trained; see [compiler.Program.Fingerprint].
func (c *Checkpoints) Fingerprint() string { return c.index.Fingerprint }

// Get returns what is known of a checkpoint, or [ErrNoCheckpoint].
func (c *Checkpoints) Get(which Which) (Checkpoint, error) {
	var p *Checkpoint
	switch which {
	case Best:
		p = c.index.Best
	case Last:
		p = c.index.Last
	default:
		return Checkpoint{}, fmt.Errorf("%q is not one of %s and %s", which, Best, Last)
	}
	if p == nil {
		return Checkpoint{}, fmt.Errorf("the %s checkpoint in %s: %w", which, c.dir, ErrNoCheckpoint)
	}
	return *p, nil
}

// Save saves s as the last checkpoint, and as the best one too if best. It returns when all is on the disk.
func (c *Checkpoints) Save(s *runtime.State, at Position, best bool) error {
	if err := c.save(s, at, best); err != nil {
		return fmt.Errorf("save the checkpoint of step %d into %s: %w", at.Step, c.dir, err)
	}
	return nil
}

func (c *Checkpoints) save(s *runtime.State, at Position, best bool) error {
	if err := c.create(); err != nil {
		return err
	}
	var tensors []safetensors.Named
	for _, name := range s.Names() {
		t, err := s.Tensor(name)
		if err != nil {
			return err
		}
		tensors = append(tensors, safetensors.Named{Name: name, Tensor: t})
	}
	f, err := atomicfile.Create(c.dir)
	if err != nil {
		return err
	}
	defer f.Discard()
	hash := sha256.New()
	meta, err := c.metadata(at)
	if err != nil {
		return err
	}
	meta["fingerprint"] = c.index.Fingerprint
	if err := safetensors.Write(io.MultiWriter(f, hash), tensors, meta); err != nil {
		return err
	}
	sum := fmt.Sprintf("%x", hash.Sum(nil))
	// The hash in the name makes every state another file: none is overwritten while the index names it.
	name := fmt.Sprintf("step-%08d-%s.safetensors", at.Step, sum[:8])
	if err := f.Commit(filepath.Join(c.dir, name)); err != nil {
		return err
	}
	next := c.index
	next.Last = &Checkpoint{name, sum, at.clone()}
	if best {
		next.Best = next.Last
	}
	if err := writeJSON(filepath.Join(c.dir, indexName), next); err != nil {
		return err
	}
	c.index = next
	return c.clean()
}

// metadata is what a state says of itself, and the index says of it too.
func (c *Checkpoints) metadata(at Position) (map[string]string, error) {
	position, err := json.Marshal(at)
	return map[string]string{
		"program": c.index.Program, "seed": strconv.FormatUint(c.index.Seed, 10),
		"step": strconv.FormatInt(at.Step, 10), "epoch": strconv.Itoa(at.Epoch), "position": string(position),
	}, err
}

// create makes the folder and an index that names nothing, if they are not there.
func (c *Checkpoints) create() error {
	path := filepath.Join(c.dir, indexName)
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := atomicfile.MkdirAll(c.dir); err != nil {
		return err
	}
	return writeJSON(path, c.index)
}

// writeJSON writes v as the file path, which appears whole or not at all.
func writeJSON(path string, v any) error {
	return atomicfile.Write(path, func(w io.Writer) error {
		e := json.NewEncoder(w)
		e.SetIndent("", "\t")
		return e.Encode(v)
	})
}

// clean removes what the index does not name.
func (c *Checkpoints) clean() error {
	files, err := os.ReadDir(c.dir)
	if err != nil {
		return err
	}
	for _, f := range files {
		name := f.Name()
		named := slices.ContainsFunc([]*Checkpoint{c.index.Last, c.index.Best}, func(p *Checkpoint) bool { return p != nil && p.File == name })
		if !named && strings.HasPrefix(name, "step-") && strings.HasSuffix(name, ".safetensors") {
			if err := atomicfile.Remove(filepath.Join(c.dir, name)); err != nil {
				return err
			}
		}
	}
	return atomicfile.Clean(c.dir)
}

// Restore reads a checkpoint into s. All that s has must be in it; what else is in it, such as the optimizer's moments
// where s is of a program for inference, is passed over. If it fails before reading tensors, s is unchanged.
func (c *Checkpoints) Restore(which Which, s *runtime.State) (Position, error) {
	p, err := c.Get(which)
	if err != nil {
		return Position{}, err
	}
	path := filepath.Join(c.dir, p.File)
	if err := c.restore(path, p, s); err != nil {
		return Position{}, fmt.Errorf("restore the %s checkpoint %s: %w", which, path, err)
	}
	return p.Position.clone(), nil
}

func (c *Checkpoints) restore(path string, p Checkpoint, s *runtime.State) error {
	if err := checkSum(path, p.SHA256); err != nil {
		return err
	}
	f, err := safetensors.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	meta, err := c.metadata(p.Position)
	if err != nil {
		return err
	}
	for _, key := range []string{"program", "seed", "step", "epoch", "position"} {
		if f.Metadata[key] != meta[key] {
			return fmt.Errorf("its %s is %s, and %s says %s: one of them was changed", key, f.Metadata[key], filepath.Join(c.dir, indexName), meta[key])
		}
	}
	if diff := differences(f.Tensors, s, false); diff != "" {
		return fmt.Errorf("it is of another model: %s", diff)
	}
	for _, name := range s.Names() {
		t, err := f.Tensor(name)
		if err != nil {
			return err
		}
		if err := s.Set(name, t); err != nil {
			return err
		}
	}
	return nil
}

// Differences says in words what of s a checkpoint lacks, or has in another shape, or has and s does not; "" if nothing, or if
// it cannot be read.
func (c *Checkpoints) Differences(which Which, s *runtime.State) string {
	p, err := c.Get(which)
	if err != nil {
		return ""
	}
	f, err := safetensors.Open(filepath.Join(c.dir, p.File))
	if err != nil {
		return ""
	}
	defer f.Close()
	return differences(f.Tensors, s, true)
}

// differences says in words what of s the stored tensors lack and, if exact, what s lacks of them.
func differences(stored []safetensors.Info, s *runtime.State, exact bool) string {
	have := make(map[string]safetensors.Info, len(stored))
	for _, i := range stored {
		have[i.Name] = i
	}
	var diff []string
	for _, name := range s.Names() {
		want, err := s.Tensor(name)
		if err != nil {
			continue
		}
		i, ok := have[name]
		if !ok {
			diff = append(diff, fmt.Sprintf("it lacks %s %v", name, want))
		} else if i.DType != want.DType() || !slices.Equal(i.Shape, want.Shape()) {
			diff = append(diff, fmt.Sprintf("%s is %v%v in it and %v in the program", name, i.DType, i.Shape, want))
		}
	}
	for _, i := range stored {
		if _, err := s.Tensor(i.Name); err != nil && exact {
			diff = append(diff, fmt.Sprintf("it has %v, and the program does not", i))
		}
	}
	const most = 5
	if len(diff) > most {
		diff = append(diff[:most], fmt.Sprintf("and so on, %d in all", len(diff)))
	}
	return strings.Join(diff, "; ")
}

// checkSum compares the SHA-256 of the file path with the one on record.
func checkSum(path, want string) error {
	f, _, err := regularfile.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	if got := fmt.Sprintf("%x", h.Sum(nil)); got != want {
		return fmt.Errorf("its SHA-256 is %s, not %s: it is damaged or was changed", got, want)
	}
	return nil
}
