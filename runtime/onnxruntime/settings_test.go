package onnxruntime

import (
	"reflect"
	"runtime"
	"testing"
)

// TestSettings: options set what they say, alike for sessions and engines but for what an engine's sessions need beside each other.
func TestSettings(t *testing.T) {
	turns := map[string]string{"session.intra_op.spin_duration_us": "100", "session.force_spinning_stop": "1", "session.use_env_allocators": "1"}
	placed := map[string]string{"session.intra_op.spin_duration_us": "100", "session.force_spinning_stop": "1", placing: "1"}
	cuda := func(more ...string) map[string]string {
		list := map[string]string{"device_id": "0", "use_tf32": "0", "arena_extend_strategy": "kSameAsRequested"}
		for i := 0; i < len(more); i += 2 {
			list[more[i]] = more[i+1]
		}
		return list
	}
	none := map[string]string{}
	for _, c := range []struct {
		o    Options
		want settings
	}{
		{Options{Device: CPU, Threads: 3}, settings{3, 1, 99, 4, none, "", nil}},
		{Options{Device: CPU, DisableOptimizations: true, profileTo: "p"}, settings{runtime.GOMAXPROCS(0), 1, 0, 4, none, "p", nil}},
		{Options{Device: CPU, Threads: 1, turns: true}, settings{1, 1, 99, 4, turns, "", nil}},
		{Options{Device: CUDA, Threads: 1, TF32: true}, settings{1, 1, 99, 4, none, "", cuda("use_tf32", "1")}},
		{Options{Device: CUDA, Threads: 1, turns: true, graphs: true, DeviceID: 2, MemoryLimit: 9},
			settings{1, 1, 99, 4, placed, "", cuda("enable_cuda_graph", "1", "device_id", "2", "gpu_mem_limit", "9")}},
	} {
		if got := c.o.settings(); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%+v: %+v, want %+v", c.o, got, c.want)
		}
	}
}
