package bench

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Background is this program at work in a process of its own until it is stopped.
type Background struct {
	Said string // its first line, which says that it is ready
	c    *exec.Cmd
}

// Start runs this program once more, with other arguments and on so many cores, and
// returns when it has printed a line. It ends with ctx, or with Stop.
func Start(ctx context.Context, cores int, args ...string) (*Background, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("bench: this program cannot be run again: %w", err)
	}
	c := exec.CommandContext(ctx, program, args...)
	c.Args[0] = os.Args[0]
	c.Env = append(os.Environ(), "GOMAXPROCS="+strconv.Itoa(cores))
	var said bytes.Buffer
	c.Stderr = &said
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.WaitDelay = 10 * time.Second
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		return nil, fmt.Errorf("bench: running this program again: %w", err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		_ = c.Process.Kill()
		_ = c.Wait()
		return nil, fmt.Errorf("bench: this program, run again, did not get ready: %s", strings.TrimSpace(said.String()))
	}
	return &Background{Said: strings.TrimSpace(line), c: c}, nil
}

// Stop ends it, and waits until it has ended.
func (b *Background) Stop() {
	_ = b.c.Process.Signal(syscall.SIGTERM)
	_ = b.c.Wait() // how it ends does not matter
}
