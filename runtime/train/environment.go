package train

import (
	"runtime"
	"strconv"
	"strings"

	"github.com/sardonyx-ml/sardonyx/exporters/onnx"
	"github.com/sardonyx-ml/sardonyx/runtime/regularfile"
)

// maxSystem bounds what the system says of the CPUs, in bytes.
const maxSystem = 16 << 20

// Environment is what a run's numbers and times depend on besides the engine: "sardonyx", "go", "platform", "cpus" and, where the system
// tells its name, "cpu".
func Environment() map[string]string {
	env := map[string]string{
		"sardonyx": onnx.ModuleVersion(),
		"go":       runtime.Version(),
		"platform": runtime.GOOS + "/" + runtime.GOARCH,
		"cpus":     strconv.Itoa(runtime.NumCPU()),
	}
	if cpu := cpuModel(); cpu != "" {
		env["cpu"] = cpu
	}
	return env
}

// cpuModel is the CPU's name, "" where the system does not tell it in a file.
func cpuModel() string {
	info, err := regularfile.Read("/proc/cpuinfo", maxSystem)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(info)) {
		if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
