package progress

import (
	"context"
	"fmt"
	"path/filepath"
	"strconv"

	"cohort/bench"
)

// peers is the program that asks bbolt and SQLite, or why it is not there.
type peers struct {
	program string
	absent  string
}

// buildPeers builds the program from its module, which is the folder ledgers in a folder.
// SQLite is compiled with it, which takes a minute the first time.
func buildPeers(ctx context.Context, from, into string) (peers, error) {
	program := filepath.Join(into, "ledgers")
	err := bench.BuildPeer(ctx, filepath.Join(from, "ledgers"), ".", program, "CGO_ENABLED=1")
	if ctx.Err() != nil {
		return peers{}, context.Cause(ctx)
	}
	if err != nil {
		return peers{absent: "not there: " + err.Error()}, nil
	}
	return peers{program: program}, nil
}

// run has the program do a part.
func (p peers) run(ctx context.Context, cores int, of part, t Task) (r Result, err error) {
	if p.absent != "" {
		return Result{Absent: p.absent}, nil
	}
	work := "write"
	switch {
	case t.Prepare:
		work = "fill"
	case of.kind == replaying:
		work = "rebuild"
	}
	args := append([]string{"-work", work, "-folder", t.Folder, "-span", t.Span.String(), "-messages", strconv.FormatInt(t.Messages, 10)}, of.peer...)
	err = bench.Ask(ctx, p.program, cores, &r, args...)
	if err == nil && r.Messages == 0 {
		err = fmt.Errorf("%s has done nothing; let it write longer", filepath.Base(p.program))
	}
	return r, err
}
