// Package report writes the outcome report: a Parquet file with one row for every record of the cohort file, in the
// file's order, that says what became of it. It is the only package that writes Parquet.
package report

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"strconv"

	"golang.org/x/sync/errgroup"

	"cohort/engine/ledger"
	"cohort/engine/outcome"
	"cohort/engine/plan"
	"cohort/ingest/person"
)

type Input struct {
	Plan     *plan.Plan
	Account  ledger.Account
	Events   []ledger.Event // the latest decisions of people and of the run
	Trail    *outcome.Reader
	Records  Source
	Version  string // of the program
	Complete bool   // every record has its final fate
}

// Source reads the records of the cohort file. Their rows are 1, 2 and so on. One goroutine at a time calls it.
type Source interface {
	// Verdicts lists the verdicts: stretches refer to them by index.
	Verdicts() []person.Verdict
	// Below passes on each record with a row below end that it has not passed on before. The records of a shard come in
	// the order of their positions. The first error ends it, also an error of valid or invalid.
	Below(end int64, valid func(*person.Stretch) error, invalid func(*person.Record) error) error
}

// mostAtOnce limits the row groups in memory. One goroutine at a time reads, which is much of
// the work, so more groups would mostly use memory.
const mostAtOnce = 4

// Encode writes the report to w. It counts the fates, and fails if they differ from those of the
// account. After an error the output is not a report.
func Encode(w io.Writer, in Input) error {
	if err := write(w, in); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

func write(w io.Writer, in Input) error {
	out, err := newParquetFile[row](w, in.Version)
	if err != nil {
		return err
	}
	counts, err := writeRows(out, in)
	if err != nil {
		return err
	}
	events, err := json.Marshal(in.Events)
	if err != nil {
		return err
	}
	metadata := map[string]string{
		"events":   string(events),
		"campaign": in.Plan.Campaign, "run_id": in.Plan.RunID, "cohort_sha256": in.Plan.Cohort.SHA256,
		"service": in.Plan.Service, "records": strconv.FormatInt(in.Plan.Records, 10),
		"version": in.Version, "complete": strconv.FormatBool(in.Complete),
	}
	for i, fate := range person.Fates {
		if counts[i] != in.Account.Fates[fate] {
			return fmt.Errorf("the report has %d records as %s, and the account has %d; this is a defect of cohort", counts[i], fate, in.Account.Fates[fate])
		}
		metadata[string(fate)] = strconv.FormatInt(counts[i], 10)
	}
	return out.close(metadata)
}

// writeRows writes a row for each record and counts the fates, by index into person.Fates. It makes several row groups
// at once. It reads them in order, and writes them to the file in order.
func writeRows(out *parquetFile, in Input) (counts []int64, err error) {
	r := &reader{in: in, verdicts: in.Records.Verdicts(), counts: make([]int64, len(person.Fates))}
	groups := int((in.Plan.Records + rowsInGroup - 1) / rowsInGroup)
	toRead := make(chan int, 1) // the next group; whoever has it may use the reader
	toRead <- 0
	committed := make([]chan struct{}, groups+1) // closed when the group before it is in the file
	for i := range committed {
		committed[i] = make(chan struct{})
	}
	close(committed[0])
	makers, ctx := errgroup.WithContext(context.Background())
	for range min(groups, runtime.GOMAXPROCS(0), mostAtOnce) {
		makers.Go(func() error { return r.makeGroups(ctx, out, newEncoder(out), toRead, committed) })
	}
	if err := makers.Wait(); err != nil {
		return nil, err
	}
	return r.counts, r.end()
}

// makeGroups makes groups until none are left, or ctx ends because another maker failed.
func (r *reader) makeGroups(ctx context.Context, out *parquetFile, e *encoder, toRead chan int, committed []chan struct{}) error {
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
		chunks, err := g.encode(e, r.in.Plan)
		if err != nil {
			return err
		}
		select {
		case <-committed[n]:
		case <-ctx.Done():
			return ctx.Err()
		}
		if err := out.append(chunks); err != nil {
			return err
		}
		close(committed[n+1])
	}
}
