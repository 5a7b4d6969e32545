// Package inspect checks the progress log of a run and shows its records.
package inspect

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"cohort/engine/journal"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/record"
)

// Summary is a checked progress log. Check has verified every checksum, the chain over the segments, and that each
// record follows from those before it. The fates add up at the end and at each RunClosed.
type Summary struct {
	Ledger   *ledger.Ledger
	Segments []journal.SegmentInfo
	Records  uint64
	Bytes    int64       // of the log's files
	Torn     int64       // of Bytes: half-written ends of processes that died
	Kinds    []KindCount // in the order of their numbers; kinds without records are absent
	First    time.Time   // the earliest record; zero: none
	Last     time.Time   // the latest

	Requests  uint64 // attempts in the log
	Settled   uint64 // answers that settled an attempt
	Doubts    uint64 // answers that left an attempt in doubt
	Batches   int    // of the plan
	Forms     int    // planned and newer
	Revisions int    // in the log
	Copied    int    // of Revisions: in the second copy; the next start adds those that are missing
	Closed    bool   // the log has a RunClosed, and it was right
}

type KindCount struct {
	Record string `json:"record"`
	Count  uint64 `json:"count"`
	Bytes  int64  `json:"bytes"`
}

// Check reads and checks the progress log of a run and the second copy of its revisions. It changes nothing, and a
// process may be writing to the log. Damage is an error that says where: a *journal.CorruptError or ledger.ErrIllegal.
func Check(dir string, plan *plan.Plan) (*Summary, error) {
	copied, _, err := ledger.ReadCopy(dir, plan) // before the log, which always has more
	if err != nil && !errors.Is(err, ledger.ErrNoCopy) {
		return nil, err
	}
	if err := ledger.LostLog(dir, plan); err != nil {
		return nil, err
	}
	s := &Summary{}
	if s.Ledger, err = ledger.New(plan); err != nil {
		return nil, err
	}
	var logged []string
	var kinds [256]KindCount
	var at journal.Position
	folder := filepath.Join(dir, ledger.LogFolder)
	tail, err := journal.Read(folder, plan.Run, journal.Options{}, func(r journal.Record) error {
		at = r.At
		kinds[r.Type].Count++
		kinds[r.Type].Bytes += r.Size()
		if r.Type == record.KindRevision {
			logged = append(logged, string(r.Payload))
		}
		return s.add(r)
	})
	segments, listing := journal.Segments(folder, plan.Run, journal.Options{})
	if err != nil {
		return nil, fmt.Errorf("progress log: %w", located(err, at, segments))
	}
	if listing != nil {
		return nil, fmt.Errorf("progress log: %w", listing)
	}
	s.Segments, s.Records, s.Torn, s.Revisions, s.Copied = segments, tail.Seq, tail.Torn, len(logged), len(copied)
	for i := range segments {
		s.Bytes += segments[i].Size
		if segments[i].Sealed > 0 {
			s.Torn += segments[i].Size - segments[i].Sealed
		}
	}
	for t := range kinds {
		if kinds[t].Count > 0 {
			kinds[t].Record = recordNames[journal.Type(t)]
			s.Kinds = append(s.Kinds, kinds[t])
		}
	}
	s.Batches, s.Forms = plan.Batches(), s.Ledger.FormCount()
	if err := s.Ledger.Whole(); err != nil {
		return nil, fmt.Errorf("progress log: %w", err)
	}
	if err := ledger.SameRevisions(logged, copied); err != nil {
		return nil, err
	}
	return s, s.Ledger.Account().Check()
}

// located adds the place of the record to an error. A *journal.CorruptError has it already.
func located(err error, at journal.Position, segments []journal.SegmentInfo) error {
	damage := (*journal.CorruptError)(nil)
	if at.Segment == 0 || at.Segment > uint64(len(segments)) || errors.As(err, &damage) {
		return err
	}
	return fmt.Errorf("%s, the record at byte %d: %w", segments[at.Segment-1].File, at.Offset, err)
}

func (s *Summary) add(r journal.Record) error {
	rec, err := record.Decode(r.Type, r.Payload)
	if err == nil {
		err = s.Ledger.Fold(rec, r.At)
	}
	if err != nil {
		return fmt.Errorf("record %d of the progress log: %w", r.Seq, err)
	}
	var when time.Time
	switch r := rec.(type) {
	case *record.RunOpened:
		when, s.Closed = r.At, false
	case *record.Attempt:
		when = r.At
		s.Requests++
	case *record.Outcome:
		when = r.At
		if r.Result == record.ResultHeld {
			s.Doubts++
		} else {
			s.Settled++
		}
		if _, err := r.MessageIDs(); err != nil {
			return fmt.Errorf("%w: the ids of an accepted batch cannot be read: %w", ledger.ErrIllegal, err)
		}
	case *record.InDoubt:
		when = r.At
		s.Doubts++
	case *record.Revision:
		when = r.At
		if r.N > 0 && !s.Ledger.IsCopying() && !ledger.IsUploadRefused(r.Code) {
			s.Settled++
		}
		s.Closed = s.Closed && s.Ledger.Facts().Closed // refused messages may be sent again
	case *record.ListedLate:
		when = r.At
	case *record.Resolved:
		when = r.At
	case *record.Recovered:
		when = r.At
	case *record.Control:
		when = r.At
	case *record.RunClosed:
		when, s.Closed = r.At, true
		if was, is := ledger.ClosedAccount(r).Counts(), s.Ledger.Account().Counts(); was != is {
			return fmt.Errorf("%w: it says that the run ended with the fates %v, and the records before it make %v",
				ledger.ErrIllegal, was, is)
		}
	}
	if s.First.IsZero() || when.Before(s.First) {
		s.First = when
	}
	if when.After(s.Last) {
		s.Last = when
	}
	return nil
}
