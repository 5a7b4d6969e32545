package main

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// usage is what a piece of work has taken, in the words of package bench of cohort.
type usage struct {
	Seconds float64 `json:"seconds"`
	CPU     float64 `json:"cpu_seconds"`
	Peak    int64   `json:"peak_memory_bytes"`
}

func measure(work func() error) (u usage, err error) {
	before, start := processors(), time.Now()
	if err := work(); err != nil {
		return u, err
	}
	u.Seconds = time.Since(start).Seconds()
	u.CPU, u.Peak = processors()-before, peak()
	return u, nil
}

// processors is how many seconds of a processor this process has used.
func processors() float64 {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e9
}

// peak is the most memory that was resident; 0 where the system does not say.
func peak() int64 {
	text, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := bytes.Cut(text, []byte("VmHWM:"))
	kib, _, _ := bytes.Cut(bytes.TrimSpace(rest), []byte(" "))
	n, _ := strconv.ParseInt(string(kib), 10, 64)
	return n << 10
}

// size is how many bytes the files in a folder have.
func size(folder string) (sum int64, err error) {
	err = filepath.WalkDir(folder, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			sum += info.Size()
		}
		return err
	})
	return sum, err
}
