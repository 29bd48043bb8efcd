package models

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// With is m as settings s make it: what follows from a setting, as a Turn's Times and a Feed's Classes may, is set. The settings
// themselves are no part of it; they go to Define.
func (m Model) With(s Settings) (Model, error) {
	look := func(what, name string) (int, error) {
		v, ok := s[name]
		if !ok {
			return 0, fmt.Errorf("model %s: %s follows from the setting %q, which it does not have: it has %s", m.Name, what, name, s)
		}
		if v < 1 || v != math.Trunc(v) || v > maxRuns {
			return 0, fmt.Errorf("model %s: setting %s is %v, want a whole number from 1 to %d", m.Name, name, v, maxRuns)
		}
		return int(v), nil
	}
	m.Train.Rhythm = slices.Clone(m.Train.Rhythm)
	for i, t := range m.Train.Rhythm {
		if t.Setting != "" {
			if t.Times != 0 {
				return m, fmt.Errorf("model %s: its Rhythm runs the step %q %d Times, and as often as the setting %q says: give one", m.Name, t.Step, t.Times, t.Setting)
			}
			n, err := look(fmt.Sprintf("how often its Rhythm runs the step %q", t.Step), t.Setting)
			if err != nil {
				return m, err
			}
			m.Train.Rhythm[i].Times, m.Train.Rhythm[i].Setting = n, ""
		}
	}
	m.Sample.Inputs = maps.Clone(m.Sample.Inputs)
	for _, input := range slices.Sorted(maps.Keys(m.Sample.Inputs)) {
		feed := m.Sample.Inputs[input]
		if feed.Setting != "" {
			if feed.Classes != 0 {
				return m, fmt.Errorf("model %s: the label %q of its Sampling has %d classes, and as many as the setting %q says: give one", m.Name, input, feed.Classes, feed.Setting)
			}
			n, err := look(fmt.Sprintf("the number of classes of the input %q of its Sampling", input), feed.Setting)
			if err != nil {
				return m, err
			}
			feed.Classes, feed.Setting = n, ""
			m.Sample.Inputs[input] = feed
		}
	}
	return m, nil
}

// ParseSettings reads what String writes.
func ParseSettings(text string) (Settings, error) {
	s := Settings{}
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' }) {
		name, value, ok := strings.Cut(word, "=")
		v, err := strconv.ParseFloat(value, 64)
		if !ok || err != nil {
			return nil, fmt.Errorf("the settings %q: %q is not NAME=VALUE with a number", text, word)
		}
		s[name] = v
	}
	return s, nil
}
