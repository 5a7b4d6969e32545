package report

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"strconv"

	"github.com/parquet-go/parquet-go"
	"golang.org/x/sync/errgroup"

	"cohort/engine"
	"cohort/engine/disk"
	"cohort/ingest/person"
)

// Input is what a report is made of.
type Input struct {
	Plan     *engine.Plan
	Account  engine.Account
	Events   []engine.Event // what people and the run decided, the latest of them
	Trail    *engine.Trail
	Records  Source
	Version  string // of the program
	Complete bool   // every record has its final fate
}

// Source hands out the records of the cohort file, of which each has a row from 1 to their
// number. It is asked by one goroutine at a time.
type Source interface {
	// Verdicts says what the verdicts of stretches mean.
	Verdicts() []person.Verdict
	// Below gives every record that has not been given yet and whose row is below end, in any
	// order but that of the positions within a shard. The first error, also of a function it
	// was given, ends it.
	Below(end int64, valid func(*person.Stretch) error, invalid func(*person.Record) error) error
}

// mostAtOnce is how many row groups are made at a time: the reading is done by one in turn
// and is a good part of the work, so that more would mostly take memory.
const mostAtOnce = 4

// Write writes the report to path: under a temporary name, synced, renamed. It counts
// the fates as it goes, and fails when they are not those of the account.
func Write(path string, in Input) error {
	err := disk.WriteFile(path, func(w io.Writer) error { return write(w, in) })
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// Encode is Write to a stream. Of what it has written when it fails nothing can be used.
func Encode(w io.Writer, in Input) error {
	if err := write(w, in); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

func write(w io.Writer, in Input) error {
	zstd, err := newCodec()
	if err != nil {
		return err
	}
	out := parquet.NewGenericWriter[row](w,
		parquet.Compression(zstd),
		parquet.DataPageStatistics(false), // they stand in the column index as well
		parquet.SortingWriterConfig(parquet.SortingColumns(parquet.Ascending("row"))),
		parquet.CreatedBy("cohort", in.Version, ""),
	)
	counts, err := writeRows(out, in)
	if err != nil {
		return err
	}
	for _, fate := range person.Fates {
		if counts[fate] != in.Account.Fates[fate] {
			return fmt.Errorf("it would hold %d records as %s and the account has %d; this is a defect of cohort", counts[fate], fate, in.Account.Fates[fate])
		}
		out.SetKeyValueMetadata(string(fate), strconv.FormatInt(counts[fate], 10))
	}
	events, err := json.Marshal(in.Events)
	if err != nil {
		return err
	}
	for key, value := range map[string]string{
		"events":   string(events),
		"campaign": in.Plan.Campaign, "run_id": in.Plan.RunID, "cohort_sha256": in.Plan.Cohort.SHA256,
		"service": in.Plan.Service, "records": strconv.FormatInt(in.Plan.Records, 10),
		"version": in.Version, "complete": strconv.FormatBool(in.Complete),
	} {
		out.SetKeyValueMetadata(key, value)
	}
	return out.Close()
}

// writeRows writes a row for each record and counts the fates. Several row groups are made
// at once; they are read in turn, and come into the file in turn.
func writeRows(out *parquet.GenericWriter[row], in Input) (map[person.Fate]int64, error) {
	r, err := newReader(in)
	if err != nil {
		return nil, err
	}
	groups := int((in.Plan.Records + rowsInGroup - 1) / rowsInGroup)
	toRead := make(chan int, 1) // whose turn it is; it holds the reader as well
	toRead <- 0
	committed := make([]chan struct{}, groups+1) // closed when the group before is in the file
	for i := range committed {
		committed[i] = make(chan struct{})
	}
	close(committed[0])
	makers, ctx := errgroup.WithContext(context.Background())
	for range min(groups, runtime.GOMAXPROCS(0), mostAtOnce) {
		c := newColumns(out, in.Plan)
		makers.Go(func() error { return r.makeGroups(ctx, c, toRead, committed) })
	}
	if err := makers.Wait(); err != nil {
		return nil, err
	}
	counts := map[person.Fate]int64{}
	for i, n := range r.counts {
		counts[person.Fates[i]] = n
	}
	return counts, r.end()
}

// makeGroups makes one group after another until there are no more, or somebody has failed.
func (r *reader) makeGroups(ctx context.Context, c *columns, toRead chan int, committed []chan struct{}) error {
	var g group
	for {
		var n int
		select {
		case n = <-toRead:
		case <-ctx.Done():
			return ctx.Err()
		}
		if n == len(committed)-1 {
			toRead <- n
			return nil
		}
		first := int64(n)*rowsInGroup + 1
		if err := r.fill(&g, first, int(min(rowsInGroup, r.in.Plan.Records-first+1))); err != nil {
			return err
		}
		toRead <- n + 1
		if err := c.write(&g); err != nil {
			return err
		}
		select {
		case <-committed[n]:
		case <-ctx.Done():
			return ctx.Err()
		}
		if _, err := c.out.Commit(); err != nil {
			return err
		}
		close(committed[n+1])
	}
}
