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

// Survey is what a reading of a run's whole progress log found. All of it was checked:
// every checksum, the chain over the segments, that each record follows from those before
// it, and that the fates add up, after the last record and at each RunClosed.
type Summary struct {
	Ledger   *ledger.Ledger
	Segments []journal.SegmentInfo
	Records  uint64
	Bytes    int64       // of the log's files
	Torn     int64       // of those: behind sealed ends and behind the last record, half written by processes that died
	Kinds    []KindCount // those that there are, in order of their numbers
	First    time.Time   // the earliest record; zero: there is none
	Last     time.Time   // the latest

	Requests  uint64 // attempts in the log
	Settled   uint64 // answers that settled an attempt
	Doubts    uint64 // answers that left one in doubt
	Batches   int    // of the plan
	Forms     int    // planned and newer
	Revisions int    // in the log
	Copied    int    // of those: in the second copy; the next start makes up for what is missing
	Closed    bool   // a RunClosed was there, and was right when it was written
}

// KindCount is how much there is of one kind of record.
type KindCount struct {
	Record string `json:"record"`
	Count  uint64 `json:"count"`
	Bytes  int64  `json:"bytes"`
}

// TakeSurvey reads and checks the progress log of a run and the second copy of its
// revisions. It changes nothing and may run while a process writes. Of an empty log it
// finds nothing. Damage is an error that says where: a *journal.CorruptError, or one that
// wraps ErrIllegal.
func Check(dir string, plan *plan.Plan) (*Summary, error) {
	// The copy first: it never has what the log has not.
	copied, _, err := ledger.ReadCopy(dir, plan)
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
		return s.take(r)
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

// located says in which segment and where the record stands that an error is about.
// A *journal.CorruptError says so itself.
func located(err error, at journal.Position, segments []journal.SegmentInfo) error {
	damage := (*journal.CorruptError)(nil)
	if at.Segment == 0 || at.Segment > uint64(len(segments)) || errors.As(err, &damage) {
		return err
	}
	return fmt.Errorf("%s, the record at byte %d: %w", segments[at.Segment-1].File, at.Offset, err)
}

// take folds one record into the survey.
func (s *Summary) take(r journal.Record) error {
	if err := s.Ledger.Apply(r); err != nil {
		return err
	}
	rec, err := record.Decode(r.Type, r.Payload)
	if err != nil {
		return err
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
		if _, err := r.Ids(); err != nil {
			return fmt.Errorf("%w: the ids of an accepted batch cannot be read: %w", ledger.ErrIllegal, err)
		}
	case *record.InDoubt:
		when = r.At
		s.Doubts++
	case *record.Revision:
		when = r.At
		if r.N > 0 && !s.Ledger.Copying() && !ledger.IsUploadRefused(r.Code) {
			s.Settled++
		}
		s.Closed = s.Closed && s.Ledger.Closed // until refused messages are taken up
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
			return fmt.Errorf("%w: it says that the run ended with the fates %v, and the records before it make %v", ledger.ErrIllegal, was, is)
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
