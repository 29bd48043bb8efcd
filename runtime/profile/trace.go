package profile

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/sardonyx-ml/sardonyx/runtime/atomicfile"
)

// A traceEvent is a complete event of the Trace Event Format.
type traceEvent struct {
	Name  string         `json:"name"`
	Cat   string         `json:"cat,omitempty"`
	Phase string         `json:"ph"`
	TS    float64        `json:"ts"`  // microseconds
	Dur   float64        `json:"dur"` // microseconds
	PID   int            `json:"pid"`
	TID   int            `json:"tid"`
	Args  map[string]any `json:"args"`
}

// WriteTrace writes p as the file path, which appears whole or not at all: a trace in JSON, with the summaries beside the events, which
// viewers pass over.
func (p *Profile) WriteTrace(path string) error {
	return atomicfile.Write(path, p.trace)
}

func (p *Profile) trace(w io.Writer) error {
	// One event a line, as they may be many.
	if _, err := fmt.Fprintf(w, "{\"displayTimeUnit\": \"ms\",\n\"traceEvents\": [\n"); err != nil {
		return err
	}
	write := func(e any) error {
		line, err := json.Marshal(e)
		if err == nil {
			_, err = w.Write(line)
		}
		return err
	}
	list := []any{map[string]any{"name": "process_name", "ph": "M", "pid": 1, "args": map[string]string{"name": p.Engine}}}
	for _, e := range p.Events {
		list = append(list, e.trace())
	}
	for i, e := range list {
		if i > 0 {
			if _, err := io.WriteString(w, ",\n"); err != nil {
				return err
			}
		}
		if err := write(e); err != nil {
			return err
		}
	}
	if _, err := io.WriteString(w, "\n],\n\"sardonyx\": "); err != nil {
		return err
	}
	if err := write(p.Summaries()); err != nil {
		return err
	}
	_, err := io.WriteString(w, "}\n")
	return err
}

// trace is e as viewers take it.
func (e Event) trace() traceEvent {
	us := func(d interface{ Nanoseconds() int64 }) float64 { return float64(d.Nanoseconds()) / 1e3 }
	t := traceEvent{Name: e.Op, Cat: "op", Phase: "X", TS: us(e.Start), Dur: us(e.Took), PID: 1, TID: e.Track, Args: map[string]any{"run": e.Run}}
	if e.Op == "" {
		t.Name, t.Cat = e.Entry, "run"
		return t
	}
	set := func(key string, get func(o Origin) string) {
		var list []string
		for _, o := range e.Origins {
			if s := get(o); s != "" && (len(list) == 0 || list[len(list)-1] != s) {
				list = append(list, s)
			}
		}
		if list != nil {
			t.Args[key] = strings.Join(list, ", ")
		}
	}
	set("op", func(o Origin) string { return o.Op })
	set("layer", func(o Origin) string { return o.Layer })
	set("line", func(o Origin) string { return o.At })
	if e.Name != "" {
		t.Args["node"] = e.Name
	}
	if e.Types != "" {
		t.Args["result"] = e.Types
	}
	if e.MultiplyAdds > 0 {
		t.Args["multiply_adds"] = e.MultiplyAdds
		t.Args["gflops"] = rate(2*e.MultiplyAdds, ms(e.Took))
	}
	t.Args["bytes"] = e.Bytes
	return t
}
