package progress

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"cohort/bench"
	"cohort/engine/journal"
)

// logFolder is where a run keeps its progress log.
const logFolder = "log"

// logGroups makes the attempts and the outcomes of batches durable: the attempt, and
// when it is, the outcome; then the next batch.
func logGroups(group int) work {
	return func(ctx context.Context, t Task) (Result, error) {
		return writeLog(ctx, t, group, func(l *journal.Log) (batches uint32, err error) {
			of := newRecords(group)
			end := time.Now().Add(t.Span)
			for more := true; more && err == nil; more = time.Now().Before(end) {
				if err := ctx.Err(); err != nil {
					return batches, err
				}
				if err = l.Commit(of.attempt(batches)); err == nil {
					err = errors.Join(l.Append(of.accepted(batches)), l.Flush())
				}
				batches++
			}
			return batches, err
		})
	}
}

// logWaiting has many goroutines send batches of one message: each waits for its own
// attempt, and leaves the outcome to become durable with what comes next, as a run does.
func logWaiting(waiting int) work {
	return func(ctx context.Context, t Task) (Result, error) {
		return writeLog(ctx, t, 1, func(l *journal.Log) (uint32, error) {
			var (
				next   atomic.Uint32
				failed = make(chan error, waiting)
				pool   sync.WaitGroup
			)
			end := time.Now().Add(t.Span)
			for range waiting {
				pool.Go(func() {
					of := newRecords(1)
					for more := true; more && ctx.Err() == nil; more = time.Now().Before(end) {
						batch := next.Add(1) - 1
						err := l.Commit(of.attempt(batch))
						if err == nil {
							err = l.Append(of.accepted(batch))
						}
						if err != nil {
							failed <- err
							return
						}
					}
				})
			}
			pool.Wait()
			close(failed)
			return next.Load(), errors.Join(<-failed, l.Flush(), ctx.Err())
		})
	}
}

// machineSyncs is how many fsyncs a second the machine makes at this moment.
func machineSyncs(ctx context.Context, t Task) (float64, error) {
	folder, err := os.MkdirTemp(t.Folder, "plain-")
	if err != nil {
		return 0, err
	}
	r, err := plainFile(1, false)(ctx, Task{Folder: folder, Span: t.Span / 4})
	return float64(r.Syncs) / r.Usage.Seconds, err
}

// writeLog measures how a log is written, and reads it back: every message must be
// accepted in it, which the parent looks at.
func writeLog(ctx context.Context, t Task, group int, write func(*journal.Log) (batches uint32, err error)) (r Result, err error) {
	on := newDisk(false)
	log, err := journal.Open(filepath.Join(t.Folder, logFolder), runID, journal.Options{FS: on}, nil)
	if err != nil {
		return r, err
	}
	first, err := machineSyncs(ctx, t)
	if err != nil {
		return r, errors.Join(err, log.Close())
	}
	before, batches := on.syncs.Load(), uint32(0)
	r.Usage, err = bench.Measure(func() (err error) {
		batches, err = write(log)
		return err
	})
	r.Syncs = on.syncs.Load() - before
	if err = errors.Join(err, log.Close()); err != nil {
		return r, err
	}
	last, err := machineSyncs(ctx, t)
	if err != nil {
		return r, err
	}
	r.Plain = (first + last) / 2
	r.Messages = int64(batches) * int64(group)
	if r.Bytes, err = size(filepath.Join(t.Folder, logFolder)); err != nil {
		return r, err
	}
	if err = sealPlan(t.Folder, batches, group); err != nil {
		return r, err
	}
	again, err := replayLedger(ctx, Task{Folder: t.Folder})
	r.Found = again.Found
	return r, err
}
