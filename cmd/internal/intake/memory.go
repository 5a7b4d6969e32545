package intake

import (
	"bytes"
	"os"
	"strconv"
)

// peakMemory is the most memory of this process that was resident, in bytes: VmHWM. It is 0
// where the system does not say. ru_maxrss would include the process that started this one.
func peakMemory() int64 {
	text, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := bytes.Cut(text, []byte("VmHWM:"))
	kib, _, _ := bytes.Cut(bytes.TrimSpace(rest), []byte(" "))
	n, _ := strconv.ParseInt(string(kib), 10, 64)
	return n << 10
}
