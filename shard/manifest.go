package shard

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"

	"cohort/engine/disk"
	"cohort/ingest/person"
)

const (
	manifestFile   = "manifest.json"
	invalidFile    = "invalid.arrow"
	verdictsFile   = "verdicts.arrow"
	supersededFile = "superseded.arrow"
	routesFile     = "routes.arrow"
)

// Version is the format of a spool. This program reads no other.
const Version = 2

// ErrNotSealed says that a folder holds no sealed spool.
var ErrNotSealed = errors.New("there is no sealed spool here")

// Manifest describes a sealed spool.
type Manifest struct {
	Version    int        `json:"version"`
	Hash       string     `json:"hash"` // the hash that decides a person's shard
	Fields     []string   `json:"fields"`
	Keep       []string   `json:"keep_columns,omitempty"`     // for reports
	Carry      []string   `json:"followup_columns,omitempty"` // for follow-ups
	BatchRows  int        `json:"batch_rows"`                 // records in each record batch of a shard but the last
	Duplicates Rule       `json:"duplicates"`                 // which record of a person counts
	Records    int64      `json:"records"`
	Invalid    int64      `json:"invalid"`
	Duplicate  int64      `json:"duplicate"`
	Suppressed int64      `json:"suppressed"`
	Sendable   int64      `json:"sendable"`          // the records to send
	Reasons    []string   `json:"reasons,omitempty"` // of suppression; a verdict is an index into them
	Routes     int        `json:"routes,omitempty"`  // the number of routes; absent when there is one
	Shards     []FileInfo `json:"shards"`
	Others     []FileInfo `json:"others"`
}

// FileInfo describes one file of a spool.
type FileInfo struct {
	File   string `json:"file"`
	Rows   int64  `json:"rows"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

const hashName = "splitmix64"

// Texts names the columns of texts that a shard has: the fields, and the columns that are kept.
func (m *Manifest) Texts() []string { return person.Texts(m.Fields, slices.Concat(m.Keep, m.Carry)) }

// ReadManifest reads a spool's manifest and its digest. The error is ErrNotSealed when the
// spool was never finished.
func ReadManifest(dir string) (m Manifest, digest [32]byte, err error) {
	name := filepath.Join(dir, manifestFile)
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return m, digest, fmt.Errorf("%s: %w", dir, ErrNotSealed)
	}
	if err != nil {
		return m, digest, fmt.Errorf("spool: %w", err)
	}
	err = json.Unmarshal(text, &m)
	if m.Version == 1 {
		return m, digest, fmt.Errorf("%s has format 1, which this version of cohort does not read; finish that run with the version that made it, or prepare the cohort again in a new folder", name)
	}
	if m.Version > Version { // its other fields may have other types
		return m, digest, fmt.Errorf("%s has format %d, and this version of cohort reads %d: %w", name, m.Version, Version, disk.ErrNewer)
	}
	if err == nil && (m.Version != Version || m.Hash != hashName) {
		return m, digest, fmt.Errorf("%s has format %d (%s) and this version of cohort knows %d (%s); use the version that made it", name, m.Version, m.Hash, Version, hashName)
	}
	if err != nil {
		return m, digest, fmt.Errorf("%s is damaged: %w", name, err)
	}
	if m.BatchRows < 1 {
		return m, digest, fmt.Errorf("%s is damaged: it has %d records in a record batch", name, m.BatchRows)
	}
	return m, sha256.Sum256(text), nil
}

// Verify compares every file of the spool with its digest, several at a time.
func (m Manifest) Verify(dir string) error {
	var group errgroup.Group
	group.SetLimit(runtime.GOMAXPROCS(0))
	for _, info := range slices.Concat(m.Shards, m.Others) {
		group.Go(func() error { return info.verify(filepath.Join(dir, info.File)) })
	}
	return group.Wait()
}

func (i FileInfo) verify(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	defer func() { _ = f.Close() }()
	sum := sha256.New()
	if _, err = io.Copy(sum, f); err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	if hex.EncodeToString(sum.Sum(nil)) != i.SHA256 {
		return fmt.Errorf("%s is damaged: it is not the file that the spool was sealed with", name)
	}
	return nil
}
