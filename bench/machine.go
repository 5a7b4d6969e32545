package bench

import (
	"os"
	"runtime"
	"strings"
)

// Machine is where something was measured.
type Machine struct {
	Processor string `json:"processor"` // its name, empty where the system does not say
	Cores     int    `json:"cores"`     // those that this program may use
	System    string `json:"system"`
	Go        string `json:"go"`
}

// ThisMachine describes the machine.
func ThisMachine() Machine {
	m := Machine{Cores: runtime.GOMAXPROCS(0), System: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version()}
	text, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(text)) {
		if name, value, _ := strings.Cut(line, ":"); strings.TrimSpace(name) == "model name" {
			m.Processor = strings.TrimSpace(value)
			break
		}
	}
	return m
}
