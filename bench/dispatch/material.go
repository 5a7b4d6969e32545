package dispatch

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"cohort/engine"
	"cohort/engine/plan"
	"cohort/fixtures"
	"cohort/ingest/person"
	"cohort/shard"
	"cohort/sinks/notify"
)

// badShare is the share of bad records, of kinds that every reader of CSV takes.
const badShare = 0.02

const secretsFolder = "secrets"

func spoolFolder(material string) string       { return filepath.Join(material, "spool") }
func planFolder(material, shape string) string { return filepath.Join(material, "plan-"+shape) }
func bodiesFile(material, shape string) string { return filepath.Join(material, "bodies-"+shape) }
func cohortFile(material string, n int) string {
	return filepath.Join(material, fmt.Sprintf("cohort-%d.csv", n))
}
func (m *material) messages(records int) int64 { return m.truth[records].sendable }

// material is what is sent: a cohort of so many records and a tenth of it, and for each
// shape a plan and ready-made bodies.
type material struct {
	folder string
	truth  map[int]truth
}

// truth is what a cohort file holds.
type truth struct{ records, sendable int64 }

// prepare makes everything in a folder. All of it is on disk when it returns.
func prepare(ctx context.Context, folder string, records int, seed uint64, shapes []shape, p Product) (*material, error) {
	m := &material{folder: folder, truth: map[int]truth{}}
	for _, n := range []int{records, fewer(records)} {
		err := create(cohortFile(folder, n), func(w io.Writer) error {
			t, err := fixtures.Cohort{People: n, Bad: badShare, Seed: seed, Wide: true, Tame: true}.WriteCSV(untilDone{ctx, w})
			m.truth[n] = truth{int64(t.Records), int64(t.Sendable)}
			return err
		})
		if err != nil && !errors.Is(err, os.ErrExist) { // the two are one
			return nil, err
		}
	}
	if err := makeSecrets(filepath.Join(folder, secretsFolder)); err != nil {
		return nil, err
	}
	if len(shapes) == 0 {
		return m, nil
	}
	c, err := parsed(folder, "127.0.0.1:1", 1)
	if err != nil {
		return nil, err
	}
	if err := os.Mkdir(spoolFolder(folder), 0o700); err != nil {
		return nil, err
	}
	if err := p.Spool(ctx, c, cohortFile(folder, records), spoolFolder(folder)); err != nil {
		return nil, err
	}
	spool, err := shard.Open(spoolFolder(folder))
	if err != nil {
		return nil, err
	}
	defer func() { _ = spool.Close() }()
	for _, s := range shapes {
		if err := m.plan(ctx, s, spool, p); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// fewer is the size of the cohort for those who send one message a request.
func fewer(records int) int { return max(1, records/10) }

// plan seals a shape's plan and makes its bodies.
func (m *material) plan(ctx context.Context, s shape, spool *shard.Spool, p Product) error {
	c, err := parsed(m.folder, "127.0.0.1:1", s.messages)
	if err != nil {
		return err
	}
	sink, err := p.Sink(c, 1)
	if err != nil {
		return err
	}
	run := engine.NewRunID(c.Name, spool.Digest, s.name)
	batches, err := plan.Cut(ctx, run, spool, sink, sink.Limits())
	if err != nil {
		return err
	}
	dir := planFolder(m.folder, s.name)
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	header := plan.Header{
		RunID: run.String(), Campaign: c.Name, Service: "bench", Created: time.Now().UTC().Truncate(time.Second), Frozen: c.Frozen(),
		Spool: hex.EncodeToString(spool.Digest[:]), Records: spool.Manifest.Records,
		Static: map[string]int64{
			string(person.Invalid): spool.Manifest.Invalid, string(person.Duplicate): spool.Manifest.Duplicate, string(person.Suppressed): spool.Manifest.Suppressed,
		},
	}
	if err := plan.Seal(dir, header, batches, nil); err != nil {
		return err
	}
	return create(bodiesFile(m.folder, s.name), func(w io.Writer) error { return writeBodies(untilDone{ctx, w}, run, batches, spool, sink) })
}

// How much is made ready for the floors and for vegeta.
const (
	mostBodies = 20_000
	mostBytes  = 128 << 20
)

// writeBodies writes the first requests of a plan, one a line: JSON of ours has no line
// ends. They must be the very bytes that the plan was sealed with.
func writeBodies(w io.Writer, run engine.RunID, shards [][]plan.Batch, source engine.Source, sink *notify.Sink) error {
	var body []byte
	bodies, written := 0, 0
	for _, batches := range shards {
		for _, b := range batches {
			if bodies == mostBodies || written > mostBytes {
				return nil
			}
			body = sink.AppendHead(body[:0], run.BatchReference(b.Shard, b.Ordinal, 0, 0), 0)
			first := true
			for p, err := range source.Recipients(int(b.Shard), b.From, b.To) {
				if err != nil {
					return err
				}
				if !first {
					body = append(body, ',')
				}
				first = false
				body = sink.AppendMessage(body, run.MessageReference(p.Row), &p)
			}
			body = sink.AppendTail(body)
			if sha256.Sum256(body) != b.SHA256 {
				return fmt.Errorf("batch %d of shard %d: %w", b.Ordinal, b.Shard, plan.ErrChanged)
			}
			if _, err := w.Write(append(body, '\n')); err != nil {
				return err
			}
			bodies, written = bodies+1, written+len(body)+1
		}
	}
	return nil
}

// makeSecrets makes the credentials that a campaign needs. The service takes any.
func makeSecrets(folder string) error {
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	return errors.Join(
		os.WriteFile(filepath.Join(folder, "api-key"), []byte("bench-application"), 0o600),
		os.WriteFile(filepath.Join(folder, "bench-1.pem"), text, 0o600))
}

// create writes a file and syncs it.
func create(path string, write func(io.Writer) error) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	buffered := bufio.NewWriterSize(f, 1<<20)
	if err := write(buffered); err != nil {
		return err
	}
	if err := buffered.Flush(); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}

// untilDone writes until its context ends.
type untilDone struct {
	ctx context.Context
	w   io.Writer
}

func (u untilDone) Write(p []byte) (int, error) {
	if err := u.ctx.Err(); err != nil {
		return 0, err
	}
	return u.w.Write(p)
}
