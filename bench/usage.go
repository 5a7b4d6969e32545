package bench

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"syscall"
	"time"
)

// Usage is what a piece of work has taken of the machine.
type Usage struct {
	Seconds float64 `json:"seconds"`           // by the clock
	CPU     float64 `json:"cpu_seconds"`       // of all processors, in user and system mode
	Peak    int64   `json:"peak_memory_bytes"` // the most memory that was resident; 0 where the system does not say
}

// Measure does a piece of work and says what it has taken, together with the processes
// that it started and waited for. The peak is that of the whole process from its start
// (or of the largest of those it started), so a process should measure one piece only.
func Measure(work func() error) (Usage, error) {
	before, err := processors()
	if err != nil {
		return Usage{}, err
	}
	start := time.Now()
	if err := work(); err != nil {
		return Usage{}, err
	}
	u := Usage{Seconds: time.Since(start).Seconds()}
	after, err := processors()
	if err != nil {
		return Usage{}, err
	}
	u.CPU = after - before
	u.Peak, err = Peak()
	return u, err
}

// processors is how many seconds of a processor this process and those it has waited for
// have used.
func processors() (float64, error) {
	sum := 0.0
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if err := syscall.Getrusage(who, &u); err != nil {
			return 0, fmt.Errorf("bench: the system does not say what was used: %w", err)
		}
		sum += float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
	}
	return sum, nil
}

// Peak is the most resident memory, of this process or of the largest that it has waited
// for. Linux keeps two figures: ru_maxrss goes over from one program to the next that the
// process runs, so a small program started by a large one would be given the large one's
// peak; VmHWM begins anew with each program. Of those waited for there is only ru_maxrss,
// and what they inherit is this process's size when it started them.
func Peak() (int64, error) {
	var children syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &children); err != nil {
		return 0, fmt.Errorf("bench: the system does not say what was used: %w", err)
	}
	n, err := highWater("/proc/self/status")
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil // no Linux
	}
	return max(n, children.Maxrss<<10), err
}

// highWater reads the most resident memory of a process from its status file.
func highWater(status string) (int64, error) {
	text, err := os.ReadFile(status)
	if err != nil {
		return 0, err
	}
	_, rest, _ := bytes.Cut(text, []byte("VmHWM:"))
	kib, _, _ := bytes.Cut(bytes.TrimSpace(rest), []byte(" "))
	n, err := strconv.ParseInt(string(kib), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("bench: %s has no peak memory: %w", status, err)
	}
	return n << 10, nil
}
