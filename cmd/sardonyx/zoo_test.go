package main

import (
	"slices"
	"strings"
	"testing"
)

// TestZoo sees that each model of the zoo says where it belongs, that families stand together, and that a result says what was measured
// and, if it is one of ours, by which command. A schedule's default length, the setting steps, must follow --epochs and the data.
func TestZoo(t *testing.T) {
	var families []string
	for _, m := range zoo() {
		if n := len(families); n == 0 || families[n-1] != m.Family {
			if slices.Contains(families, m.Family) {
				t.Errorf("%s: the family %q is in two places", m.Name, m.Family)
			}
			families = append(families, m.Family)
		}
		if m.Family == "" || m.Doc == "" {
			t.Errorf("%s has no Family or no Doc", m.Name)
		}
		if m.Settings["steps"] > 0 && m.Train.Length != "steps" {
			t.Errorf("%s: its schedule has %v steps for any --epochs: its Length is %q", m.Name, m.Settings["steps"], m.Train.Length)
		}
		for _, r := range m.Results {
			if r.Measure == "" || r.Command != "" && !strings.HasPrefix(r.Command, "train ") {
				t.Errorf("%s: a result without a Measure, or reached by another command than train: %+v", m.Name, r)
			}
		}
	}
}
