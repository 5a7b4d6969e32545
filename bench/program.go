package bench

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// Program runs another program to its end and says what it printed and what it took, its
// start included. When ctx ends it is stopped. Its peak memory is looked up a hundred
// times a second, since the system forgets it at the end: what grew in the last moment is
// not in it, and where there is no /proc it is 0.
func Program(ctx context.Context, dir string, environment []string, name string, args ...string) (printed []byte, u Usage, err error) {
	c := exec.CommandContext(ctx, name, args...)
	var out, said bytes.Buffer
	c.Dir, c.Stdout, c.Stderr = dir, &out, &said
	c.Env = append(os.Environ(), environment...)
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.WaitDelay = 10 * time.Second
	start := time.Now()
	if err := c.Start(); err != nil {
		return nil, u, fmt.Errorf("bench: %s cannot be run: %w", name, err)
	}
	ended := make(chan struct{})
	highest := make(chan int64)
	go func() {
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		most := int64(0)
		for {
			select {
			case <-tick.C:
				if n, err := highWater(fmt.Sprintf("/proc/%d/status", c.Process.Pid)); err == nil {
					most = max(most, n)
				}
			case <-ended:
				highest <- most
				return
			}
		}
	}()
	err = c.Wait()
	u.Seconds = time.Since(start).Seconds()
	close(ended)
	u.Peak = <-highest
	u.CPU = (c.ProcessState.UserTime() + c.ProcessState.SystemTime()).Seconds()
	if ctx.Err() != nil {
		return out.Bytes(), u, context.Cause(ctx)
	}
	if _, failed := errors.AsType[*exec.ExitError](err); failed {
		return nil, u, fmt.Errorf("%s: %w: %s", name, err, lastLine(said.String()))
	}
	if err != nil {
		return nil, u, fmt.Errorf("bench: %s: %w", name, err)
	}
	return out.Bytes(), u, nil
}

// lastLine is what a program said last.
func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}
