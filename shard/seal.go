package shard

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"cohort/engine/disk"
)

// seal ends every file and writes the manifest, and returns its digest.
func (b *build) seal(ctx context.Context) (digest [32]byte, err error) {
	m := &b.manifest
	others := []*file{b.invalid, b.verdicts}
	if b.successions != nil {
		others = append(others, b.successions)
	}
	if b.routes != nil {
		others = append(others, b.routes)
	}
	m.Shards, m.Others = make([]FileInfo, len(b.shards)), make([]FileInfo, len(others))
	var group errgroup.Group
	group.SetLimit(4) // a disk syncs several files at once
	end := func(f *file, info *FileInfo) {
		group.Go(func() (err error) {
			if err = ctx.Err(); err == nil {
				*info, err = f.seal()
			}
			return err
		})
	}
	for i, s := range b.shards {
		end(s.file, &m.Shards[i])
	}
	for i, f := range others {
		end(f, &m.Others[i])
	}
	if err := group.Wait(); err != nil {
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
