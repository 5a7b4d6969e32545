package dispatch

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/disk"
	"cohort/engine/enginetest"
	"cohort/engine/journal"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/record"
)

// openLogOn opens the progress log of a run on another disk.
func openLogOn(fsys disk.FS, dir string, plan *plan.Plan) (*ledger.Log, error) {
	return ledger.OpenOn(fsys, dir, plan)
}

// attemptsOn lists the correlation ids of the attempts that a disk holds.
func attemptsOn(fsys disk.FS, dir string) (map[[16]byte]bool, error) {
	found := map[[16]byte]bool{}
	_, err := journal.Read(filepath.Join(dir, ledger.LogFolder), enginetest.TestRun, journal.Options{FS: fsys}, func(r journal.Record) error {
		rec, err := record.Decode(r.Type, r.Payload)
		if a, ok := rec.(*record.Attempt); ok {
			found[a.Correlation] = true
		}
		return err
	})
	return found, err
}

// failingDisk is a run with a disk that fails at an operation.
type failingDisk struct {
	n, times int // the first that fails, counted from when the log is open, and how many do
	err      error
	part     bool // a write that fails writes half
	plant    func(d *journalDisk) disk.FS
}

// wronglySent runs the story: a process sends until its disk fails and it stops, and
// another goes on with what is durable, to the end. It returns what was sent although no
// disk knew of it, and whether the operation that fails was reached.
func (f failingDisk) wronglySent(t *testing.T, seed uint64) (wrong []string, reached bool) {
	s := newService(seed)
	s.faults = 0.15
	s.refuseRows(7, 8)
	b := newBench(t, enginetest.NewPeople(60, 2, nil), engine.Limits{Messages: 5, Bytes: 1 << 20})
	drive := newJournalDisk()
	plan := enginetest.OpenPlan(t, b.dir)
	var fsys disk.FS = drive
	if f.plant != nil {
		fsys = f.plant(drive)
	}
	log, err := openLogOn(fsys, b.dir, plan)
	enginetest.Must(t, err)
	drive.mu.Lock()
	begin, after, failed := drive.ops, 0, false
	drive.fault = func(op int, write bool) (bool, error) {
		if op -= begin; op < f.n || op-f.n >= f.times {
			return false, nil
		}
		if reached = true; f.err == nil && !write {
			return false, nil
		}
		failed = true
		return f.part, f.err
	}
	drive.mu.Unlock()
	c := &connection{kind: engine.Deduplicates, service: s, took: 2 * time.Second}
	c.onSend = func(_ int, r *engine.Request) {
		known, err := attemptsOn(drive.durable(), b.dir)
		if err != nil || !known[r.Correlation] {
			wrong = append(wrong, fmt.Sprintf("batch %s is sent and no drive knows of it: %v", r.Reference, err))
		}
		drive.mu.Lock()
		defer drive.mu.Unlock()
		if failed {
			after++
		}
	}
	const ceiling = 4
	summary, err := Run(t.Context(), Job{
		Plan: plan, Log: log, Source: b.people, Sink: c, Start: ledger.Start{At: time.Now(), Version: "test"},
		Pace: campaign.Pace{Location: time.UTC}, Ceiling: ceiling,
	})
	_ = log.Close()
	if stopped := (*Stopped)(nil); failed && !summary.Finished && err == nil || err != nil && !errors.As(err, &stopped) && !errors.Is(err, f.err) {
		t.Errorf("the disk failed, and the run ended with %+v, %v", summary, err)
	}
	if after > ceiling {
		wrong = append(wrong, fmt.Sprintf("%d requests began after the drive had failed, and %d were in hand", after, ceiling))
	}
	if len(wrong) > 0 {
		return wrong, reached
	}
	enginetest.Must(t, drive.durable().unload())
	summary, err = b.start(context.WithoutCancel(t.Context()), &connection{kind: engine.Deduplicates, service: s, took: time.Second}, nil)
	if summary.Finished && b.ledger().Facts().Closed && err == nil {
		b.finished(s, summary, err)
	} else {
		t.Errorf("the next process ended with %+v, %v", summary, err)
	}
	return wrong, reached
}

// Any operation of the disk may fail, in any way. Nothing is sent before it is on the disk,
// and nothing new after the failure. The next process finishes the run, and everybody is
// accepted once.
func TestNothingIsSentAfterPoison(t *testing.T) {
	step := 5
	if os.Getenv("COHORT_PROVE") != "" {
		step = 1
	}
	for name, f := range map[string]failingDisk{
		"an error and then success":    {times: 1, err: syscall.EIO},
		"errors from then on":          {times: 1 << 30, err: syscall.EIO},
		"half a write and an error":    {times: 1, err: syscall.EIO, part: true},
		"a full disk and then room":    {times: 1, err: syscall.ENOSPC, part: true},
		"a full disk from then on":     {times: 1 << 30, err: syscall.ENOSPC},
		"read-only from then on":       {times: 1 << 30, err: syscall.EROFS},
		"a short write without errors": {times: 1, part: true},
	} {
		t.Run(name, func(t *testing.T) {
			stories := 0
			for f.n = 1; ; f.n += step {
				reached := false
				synctest.Test(t, func(t *testing.T) {
					var wrong []string
					wrong, reached = f.wronglySent(t, uint64(f.n))
					for _, w := range wrong {
						t.Error(w)
					}
				})
				if t.Failed() {
					t.Fatalf("operation %d", f.n)
				}
				if !reached {
					break
				}
				stories++
			}
			if t.Logf("%d operations", stories); stories < 30/step {
				t.Errorf("only %d operations", stories)
			}
		})
	}
}

// again syncs again when a sync fails.
type again struct{ *journalDisk }

type againFile struct{ disk.File }

func (d again) Create(name string) (disk.File, error) {
	f, err := d.journalDisk.Create(name)
	return againFile{f}, err
}

func (f againFile) Sync() error {
	if f.File.Sync() == nil {
		return nil
	}
	return f.File.Sync()
}

// The proof above fails when the log is broken.
func TestSendingWithoutTheDiskIsNoticed(t *testing.T) {
	for name, f := range map[string]failingDisk{
		"a disk that lies about syncs":   {n: 1 << 30, plant: func(d *journalDisk) disk.FS { d.lies = true; return d }},
		"a failed sync that is repeated": {times: 1, err: syscall.EIO, plant: func(d *journalDisk) disk.FS { return again{d} }},
	} {
		t.Run(name, func(t *testing.T) {
			for tried := 1; tried <= 40; tried++ {
				var wrong []string
				synctest.Test(t, func(t *testing.T) {
					if f.n != 1<<30 {
						f.n = tried
					}
					wrong, _ = f.wronglySent(t, uint64(tried))
				})
				if len(wrong) > 0 {
					t.Logf("caught in story %d: %s", tried, wrong[0])
					return
				}
			}
			t.Error("not caught")
		})
	}
}
