package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// BuildPeer builds a package of a peer's module, which is a folder of sources, into a
// program. An error other than that of ctx says why the peer is not there.
func BuildPeer(ctx context.Context, module, pkg, program string, environment ...string) error {
	if _, err := os.Stat(filepath.Join(module, "go.mod")); err != nil {
		return fmt.Errorf("no source in %s", module)
	}
	tool, err := exec.LookPath("go")
	if err != nil {
		return errors.New("no go tool")
	}
	if program, err = filepath.Abs(program); err != nil {
		return err
	}
	_, _, err = Program(ctx, module, append([]string{"GOWORK=off"}, environment...), tool, "build", "-o", program, pkg)
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("it cannot be built: %w", err)
	}
	return err
}
