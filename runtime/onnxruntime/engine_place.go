package onnxruntime

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx/wire"
)

// onHost is the execution provider that runs what another has no kernel for.
const onHost = "CPUExecutionProvider"

// checkPlaces is an error if nodes of s, a Step's session on a device apart, run in host memory: each takes its arguments there, and the
// results back. It names the ops and the lines of e that they are from.
func checkPlaces(e *exported, s deviceSession) error {
	nodes, err := s.nodes()
	if err != nil {
		return err
	}
	var lines map[string]string
	var list []string
	for _, n := range nodes {
		if n.provider != onHost {
			continue
		}
		if lines == nil {
			if lines, err = linesOf(e.file); err != nil {
				return err
			}
		}
		text := n.operator
		if line := lines[n.name]; line != "" {
			text += " at " + line
		}
		list = append(list, text)
	}
	if list == nil {
		return nil
	}
	return fmt.Errorf("%d of its nodes have no kernel on the device, and would run on the CPU:\n\t%s", len(list), strings.Join(list, "\n\t"))
}

// linesOf has, by the names of the nodes in file, the lines that they are from.
func linesOf(file []byte) (map[string]string, error) {
	m, err := wire.DecodeFrom(bytes.NewReader(file), int64(len(file)))
	if err != nil {
		return nil, err
	}
	lines := map[string]string{}
	for _, n := range m.Graph.Nodes {
		lines[n.Name] = n.Doc
	}
	return lines, nil
}
