package shard

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"

	"golang.org/x/sync/errgroup"

	"cohort/engine/disk"
)

// end ends files, and describes them.
func end(ctx context.Context, files []*file) ([]FileInfo, error) {
	infos := make([]FileInfo, len(files))
	var group errgroup.Group
	group.SetLimit(4) // a disk syncs several files at once
	for i, f := range files {
		group.Go(func() (err error) {
			if err = ctx.Err(); err == nil {
				infos[i], err = f.seal()
			}
			return err
		})
	}
	return infos, group.Wait()
}

// seal ends the other files and writes the manifest, and returns its digest.
func (b *build) seal(ctx context.Context) (digest [32]byte, err error) {
	m := &b.manifest
	others := []*file{b.invalid, b.verdicts, b.successions, b.routes}
	m.Others, err = end(ctx, slices.DeleteFunc(others, func(f *file) bool { return f == nil }))
	if err != nil {
		return digest, err
	}
	m.Sendable = m.Records - m.Invalid - m.Duplicate - m.Suppressed
	if b.o.Use != ToSend {
		return digest, nil
	}
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return digest, fmt.Errorf("spool: %w", err)
	}
	err = disk.WriteFile(filepath.Join(b.dir, manifestFile), func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
	if err != nil {
		return digest, fmt.Errorf("spool: %w", err)
	}
	return sha256.Sum256(text), nil
}
