package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
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
	var out, said bytes.Buffer
	c := exec.CommandContext(ctx, program, args...)
	c.Args[0] = os.Args[0]
	c.Env = append(os.Environ(), "GOMAXPROCS="+strconv.Itoa(cores))
	c.Stdout, c.Stderr = &out, &said
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGTERM) }
	c.WaitDelay = 10 * time.Second
	err = c.Run()
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if _, failed := errors.AsType[*exec.ExitError](err); failed && said.Len() > 0 {
		return errors.New(strings.TrimPrefix(strings.TrimSpace(said.String()), "cohort: "))
	}
	if err != nil {
		return fmt.Errorf("bench: running this program again: %w", err)
	}
	if err := json.Unmarshal(out.Bytes(), result); err != nil {
		return fmt.Errorf("bench: what this program printed is no result: %w", err)
	}
	return nil
}
