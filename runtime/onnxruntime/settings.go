package onnxruntime

import "runtime"

// settings are what the options of a native session are set to. Sessions and engines have calls of their own that set them; what they set is
// decided here.
type settings struct {
	threads, interThreads int // of a node, and how many nodes run at once
	level, log            int // of optimization and of what is logged, in the library's numbers
	entries               map[string]string
	profileTo             string            // "" is nowhere
	cuda                  map[string]string // options of the provider; nil is the CPU
}

// The library's numbers.
const (
	optimizeNothing, optimizeAll = 0, 99
	logFatal                     = 4
)

// placing has a session know which provider runs which node.
const placing = "session.record_ep_graph_assignment_info"

// settings are those that o asks for.
func (o Options) settings() settings {
	s := settings{
		threads: o.Threads, interThreads: 1, level: optimizeAll, entries: map[string]string{}, profileTo: o.profileTo,
		log: logFatal, // errors come back; the log would say them twice
	}
	if s.threads == 0 {
		s.threads = runtime.GOMAXPROCS(0)
	}
	if o.DisableOptimizations {
		s.level = optimizeNothing
	}
	if o.turns {
		// Threads that have nothing to do wait awake for a moment only, and not at all between runs.
		s.entries["session.intra_op.spin_duration_us"], s.entries["session.force_spinning_stop"] = "100", "1"
	}
	if o.turns && o.Device == CPU {
		s.entries["session.use_env_allocators"] = "1" // that of hostMemory
	}
	if o.Device == CUDA {
		s.cuda = cudaOptions(o)
		if o.turns {
			s.entries[placing] = "1"
		}
	}
	return s
}
