// Package report writes the outcome report: a Parquet file with one row for every record of the cohort file, in the
// file's order, that says what became of it. It is the only package that writes Parquet.
package report

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"cohort/engine/delivery"
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

	Superseded string // the run that took this run's place, and its folder; empty: none

	// What a later report has besides.
	States iter.Seq2[delivery.Sorted, error] // of the messages, in the order of rows; nil: nothing is known
	Unread error                             // what States lack, because it cannot be read
	AsOf   time.Time                         // of States; zero: the report of the run's end
	// When the NHS App was last asked for all receipts; zero: never.
	Receipts time.Time
	Only     []person.Fate // leave out records with another fate; empty: none
}

// Source reads the records of the cohort file. Their rows are 1, 2 and so on. One goroutine at a time calls it.
type Source interface {
	// Verdicts lists the verdicts: stretches refer to them by index.
	Verdicts() []person.Verdict
	// Keep names the columns of person.Stretch.Kept.
	Keep() []string
	// Below passes on each record with a row below end that it has not passed on before. The records of a shard come in
	// the order of their positions. The first error ends it, also an error of valid or invalid.
	Below(end int64, valid func(*person.Stretch) error, invalid func(*person.Record) error) error
}

// mostAtOnce limits the row groups in memory. One goroutine at a time reads, which is much of
// the work, so more groups would mostly use memory.
const mostAtOnce = 4

// Output is one file that Write makes from the records of a run.
type Output func(*Input) (output, error)

type output interface {
	maker() maker
	close(metadata map[string]string) error // after the last group
}

// maker makes the part of a file from a group. Several makers of a file work at once. commit writes the part, in the
// order of the groups. Until then the group stays as it is.
type maker func(*group) (commit func() error, err error)

// Parquet is the outcome report. Its columns are those of row, and behind them those to keep.
func Parquet(w io.Writer) Output {
	return func(in *Input) (output, error) {
		out, err := newReport(w, in)
		return &parquetReport{out, in.Plan}, err
	}
}

type parquetReport struct {
	*parquetFile
	plan *plan.Plan
}

func (p *parquetReport) maker() maker {
	e := newEncoder(p.parquetFile)
	return func(g *group) (func() error, error) {
		if len(g.rows) == 0 {
			return func() error { return nil }, nil
		}
		e.begin(len(g.rows))
		g.columns(e, p.plan)
		chunks, err := e.end()
		return func() error { return p.append(chunks) }, err
	}
}

// Write reads the records of a run once, and writes each output. It counts the fates, and fails if they differ from
// those of the account. After an error the outputs are not whole. Memory does not grow with the number of records.
func Write(in Input, outputs ...Output) error {
	if err := write(&in, outputs); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

func write(in *Input, outputs []Output) error {
	var files []output
	for _, open := range outputs {
		f, err := open(in)
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	counts, err := writeRows(files, in)
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
	if !in.AsOf.IsZero() {
		metadata["as_of"] = in.AsOf.UTC().Format(time.RFC3339)
	}
	if in.Unread != nil {
		metadata["callbacks_unreadable"] = in.Unread.Error()
	}
	for i, fate := range person.Fates {
		if counts[i] != in.Account.Fates[fate] {
			return fmt.Errorf("the report has %d records as %s, and the account has %d; this is a defect of cohort", counts[i], fate, in.Account.Fates[fate])
		}
		metadata[string(fate)] = strconv.FormatInt(counts[i], 10)
	}
	for _, f := range files {
		if err := f.close(metadata); err != nil {
			return err
		}
	}
	return nil
}

// writeRows writes a row for each record and counts the fates, by index into person.Fates. It makes several row groups
// at once. It reads them in order, and writes them to the file in order.
func writeRows(files []output, in *Input) (counts []int64, err error) {
	r := &reader{in: in, verdicts: in.Records.Verdicts(), counts: make([]int64, len(person.Fates))}
	if in.States != nil {
		next, stop := iter.Pull2(in.States)
		defer stop()
		r.nextState = next
		r.advance()
	}
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
		own := make([]maker, len(files))
		for i, f := range files {
			own[i] = f.maker()
		}
		makers.Go(func() error { return r.makeGroups(ctx, own, toRead, committed) })
	}
	if err := makers.Wait(); err != nil {
		return nil, err
	}
	return r.counts, r.end()
}

// makeGroups makes groups until none are left, or ctx ends because another maker failed.
func (r *reader) makeGroups(ctx context.Context, makers []maker, toRead chan int, committed []chan struct{}) error {
	var g group
	commits := make([]func() error, len(makers))
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
		for i, part := range makers {
			var err error
			if commits[i], err = part(&g); err != nil {
				return err
			}
		}
		select {
		case <-committed[n]:
		case <-ctx.Done():
			return ctx.Err()
		}
		for _, commit := range commits {
			if err := commit(); err != nil {
				return err
			}
		}
		close(committed[n+1])
	}
}
