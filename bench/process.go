package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Again runs this program once more, with other arguments and on so many cores
// (GOMAXPROCS), and decodes the JSON that it prints into result. What it says on standard
// error becomes the error's text. When ctx ends it is asked to stop, and made to after a
// while.
func Again(ctx context.Context, cores int, result any, args ...string) error {
	program, err := os.Executable()
	if err != nil {
		return fmt.Errorf("bench: this program cannot be run again: %w", err)
	}
	return ask(ctx, exec.CommandContext(ctx, program, args...), os.Args[0], cores, result)
}

// Ask is Again for another program.
func Ask(ctx context.Context, program string, cores int, result any, args ...string) error {
	return ask(ctx, exec.CommandContext(ctx, program, args...), program, cores, result)
}

// ask runs a command that was made with ctx, under a name.
func ask(ctx context.Context, c *exec.Cmd, name string, cores int, result any) error {
	var out, said bytes.Buffer
	c.Args[0] = name
	c.Env = append(os.Environ(), "GOMAXPROCS="+strconv.Itoa(cores))
	c.Stdout, c.Stderr = &out, &said
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.WaitDelay = 10 * time.Second
	err := c.Run()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if _, failed := errors.AsType[*exec.ExitError](err); failed && said.Len() > 0 {
		return errors.New(strings.TrimPrefix(strings.TrimSpace(said.String()), "cohort: "))
	}
	if err != nil {
		return fmt.Errorf("bench: running %s: %w", filepath.Base(name), err)
	}
	if err := json.Unmarshal(out.Bytes(), result); err != nil {
		return fmt.Errorf("bench: what %s printed is no result: %w", filepath.Base(name), err)
	}
	return nil
}
