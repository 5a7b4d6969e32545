package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// program is a call of a program.
type program struct {
	path  string
	args  []string
	dir   string // empty: this one
	temp  string // TMPDIR; empty: the system's
	cores int    // GOMAXPROCS; 0: all
	stdin string
}

// used is the cost of a process, its start included.
type used struct {
	began   time.Time
	seconds float64 // by the clock
	cpu     float64 // seconds of all cores, user and system
	peak    int64   // bytes of memory that were resident at most
}

// sample is the part of a sample that every process has.
func (u used) sample(count int64) sample {
	return sample{
		kSeconds: u.seconds, kCPU: u.cpu, kPeak: float64(u.peak), kRate: float64(count) / u.seconds,
		kMillion: u.cpu / float64(count) * 1e6,
	}
}

// command makes the command of a program. When ctx ends, the program is asked to stop, and
// killed after ten seconds.
func (p program) command(ctx context.Context) *exec.Cmd {
	c := exec.CommandContext(ctx, p.path, p.args...)
	c.Dir, c.Env, c.Stdin = p.dir, os.Environ(), strings.NewReader(p.stdin)
	if p.cores > 0 {
		c.Env = append(c.Env, "GOMAXPROCS="+strconv.Itoa(p.cores))
	}
	if p.temp != "" {
		c.Env = append(c.Env, "TMPDIR="+p.temp)
	}
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.WaitDelay = 10 * time.Second
	return c
}

// runProgram runs a program to its end. An error holds the last line that it wrote to
// standard error; *exec.ExitError is in its chain.
//
// The peak is ru_maxrss. A new program inherits that figure from the process that starts it,
// so this process must stay smaller than whatever it measures: children make the files.
func runProgram(ctx context.Context, p program) (printed []byte, u used, err error) {
	c := p.command(ctx)
	var out, complaints bytes.Buffer
	c.Stdout, c.Stderr = &out, &complaints
	u.began = time.Now()
	err = c.Run()
	u.seconds = time.Since(u.began).Seconds()
	if c.ProcessState != nil {
		u.cpu = (c.ProcessState.UserTime() + c.ProcessState.SystemTime()).Seconds()
		if r, ok := c.ProcessState.SysUsage().(*syscall.Rusage); ok {
			u.peak = r.Maxrss << 10 // Linux counts KiB
		}
	}
	if err != nil {
		lines := strings.Split(strings.TrimSpace(complaints.String()), "\n")
		err = fmt.Errorf("%s %s: %w: %s", filepath.Base(p.path), strings.Join(p.args, " "), err, lines[len(lines)-1])
	}
	return out.Bytes(), u, err
}

// askChild runs a child of this program to its end and decodes the JSON that it prints.
func askChild(ctx context.Context, result any, name string, args ...string) (used, error) {
	p, err := child(name, args...)
	if err != nil {
		return used{}, err
	}
	text, u, err := runProgram(ctx, p)
	if err == nil {
		err = json.Unmarshal(text, result)
	}
	return u, err
}

// child is a call of this program as one of its children.
func child(name string, args ...string) (program, error) {
	path, err := os.Executable()
	return program{path: path, args: append([]string{childWord, name}, args...)}, err
}

// running is a service in another process.
type running struct {
	address string // host and port
	command *exec.Cmd
}

// startService starts the service that takes so long to answer, and returns when it listens.
func startService(ctx context.Context, latency time.Duration) (*running, error) {
	p, err := child("service", "-latency", latency.String())
	if err != nil {
		return nil, err
	}
	c := p.command(ctx)
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		return nil, err
	}
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		return nil, errors.Join(errors.New("the service did not start"), c.Wait())
	}
	return &running{strings.TrimSpace(address), c}, nil
}

// stop ends the service.
func (r *running) stop() {
	_ = r.command.Process.Signal(syscall.SIGTERM)
	_ = r.command.Wait() // a stopped service reports a signal
}

// counted asks the service what it has received. reset has it forget that.
func (r *running) counted(ctx context.Context, reset bool) (c counted, err error) {
	path := countPath
	if reset {
		path = resetPath
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+r.address+path, nil)
	if err != nil {
		return c, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return c, err
	}
	defer func() { _ = answer.Body.Close() }()
	return c, json.NewDecoder(answer.Body).Decode(&c)
}
