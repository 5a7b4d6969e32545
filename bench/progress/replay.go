package progress

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"cohort/bench"
	"cohort/engine/campaign"
	"cohort/engine/journal"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/ingest/person"
)

// sealPlan seals a plan of so many equal batches, as far as a ledger looks at it.
func sealPlan(folder string, batches uint32, group int) error {
	all := make([]plan.Batch, batches)
	for i := range all {
		from := uint32(i) * uint32(group)
		all[i].Form = plan.Form{From: from, To: from + uint32(group), Messages: uint32(group)}
		all[i].Ordinal = uint32(i)
	}
	return plan.Seal(folder, plan.Header{
		RunID: runID.String(), Campaign: "bench", Service: "bench", Records: int64(batches) * int64(group),
		Frozen: []campaign.Setting{{Key: "campaign", Value: "bench"}},
	}, [][]plan.Batch{all}, nil)
}

// Lost says that messages are not there that were said to be durable.
type Lost struct{ Want, Got int64 }

func (l *Lost) Error() string {
	return fmt.Sprintf("the outcomes of %d messages were said to be durable and those of %d are there, so that its rate would mean nothing; correct the log", l.Want, l.Got)
}

// makeLog makes the log of a run that has sent everything.
func makeLog(group int) work {
	return func(ctx context.Context, t Task) (r Result, err error) {
		batches := uint32(t.Messages / int64(group))
		if err := sealPlan(t.Folder, batches, group); err != nil {
			return r, err
		}
		log, err := journal.Open(filepath.Join(t.Folder, logFolder), runID, journal.Options{FS: newDisk(true)}, nil)
		if err != nil {
			return r, err
		}
		defer func() { err = errors.Join(err, log.Close()) }()
		of := newRecords(group)
		for batch := range batches {
			if err := ctx.Err(); err != nil {
				return r, err
			}
			if err := log.Append(of.attempt(batch)); err != nil {
				return r, err
			}
			if err := log.Append(of.accepted(batch)); err != nil {
				return r, err
			}
		}
		r.Messages = int64(batches) * int64(group)
		r.Found = r.Messages // whoever replays it finds them or not
		return r, nil
	}
}

// replayLedger opens the plan of a run and folds its log, as every command does that
// goes on with a run or tells of one.
func replayLedger(_ context.Context, t Task) (r Result, err error) {
	r.Usage, err = bench.Measure(func() error {
		plan, err := plan.Open(t.Folder)
		if err != nil {
			return err
		}
		defer func() { _ = plan.Close() }()
		ledger, err := ledger.Read(t.Folder, plan)
		if err != nil {
			return err
		}
		r.Messages, r.Found = plan.Records, ledger.Account().Fates[person.Accepted]
		return nil
	})
	if err == nil {
		r.Bytes, err = size(filepath.Join(t.Folder, logFolder))
	}
	return r, err
}

// replayBytes checks every frame and the chain, and understands nothing. A batch is two
// frames.
func replayBytes(_ context.Context, t Task) (r Result, err error) {
	const group = 1000
	frames := int64(0)
	r.Usage, err = bench.Measure(func() error {
		_, err := journal.Read(filepath.Join(t.Folder, logFolder), runID, journal.Options{}, func(journal.Record) error {
			frames++
			return nil
		})
		return err
	})
	r.Messages, r.Found = t.Messages, frames/2*group
	return r, err
}

// size is how many bytes the files in a folder have.
func size(folder string) (sum int64, err error) {
	err = filepath.WalkDir(folder, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if err == nil {
			sum += info.Size()
		}
		return err
	})
	return sum, err
}
