package engine

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"cohort/engine/journal"
)

// Survey is what a reading of a run's whole progress log found. All of it was checked:
// every checksum, the chain over the segments, that each record follows from those before
// it, and that the fates add up, after the last record and at each RunClosed.
type Survey struct {
	Ledger   *Ledger
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
func TakeSurvey(dir string, plan *Plan) (*Survey, error) {
	// The copy first: it never has what the log has not.
	copied, _, err := readCopy(dir, plan)
	if err != nil && !errors.Is(err, errNoCopy) {
		return nil, err
	}
	if err := lostLog(dir, plan); err != nil {
		return nil, err
	}
	s := &Survey{}
	if s.Ledger, err = NewLedger(plan); err != nil {
		return nil, err
	}
	var logged []string
	var kinds [256]KindCount
	var at journal.Position
	folder := filepath.Join(dir, logFolder)
	tail, err := journal.Read(folder, plan.Run, journal.Options{}, func(r journal.Record) error {
		at = r.At
		kinds[r.Type].Count++
		kinds[r.Type].Bytes += r.Size()
		if r.Type == recordRevision {
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
	s.Batches, s.Forms = plan.Batches(), len(s.Ledger.base)+len(s.Ledger.newer)
	if err := s.Ledger.whole(); err != nil {
		return nil, fmt.Errorf("progress log: %w", err)
	}
	if err := sameRevisions(logged, copied); err != nil {
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
func (s *Survey) take(r journal.Record) error {
	if err := s.Ledger.Apply(r); err != nil {
		return err
	}
	record, err := decodeRecord(r.Type, r.Payload)
	if err != nil {
		return err
	}
	var when time.Time
	switch r := record.(type) {
	case *runOpened:
		when, s.Closed = r.At, false
	case *attempt:
		when = r.At
		s.Requests++
	case *outcome:
		when = r.At
		if r.Result == ResultHeld {
			s.Doubts++
		} else {
			s.Settled++
		}
		if _, err := r.ids(); err != nil {
			return fmt.Errorf("%w: the ids of an accepted batch cannot be read: %w", ErrIllegal, err)
		}
	case *inDoubt:
		when = r.At
		s.Doubts++
	case *revision:
		when = r.At
		if r.N > 0 && s.Ledger.copied == 0 && !isUploadRefused(r.Code) {
			s.Settled++
		}
		s.Closed = s.Closed && s.Ledger.Closed // until refused messages are taken up
	case *listedLate:
		when = r.At
	case *resolved:
		when = r.At
	case *recovered:
		when = r.At
	case *control:
		when = r.At
	case *runClosed:
		when, s.Closed = r.At, true
		if was, is := r.account().counts(), s.Ledger.Account().counts(); was != is {
			return fmt.Errorf("%w: it says that the run ended with the fates %v, and the records before it make %v", ErrIllegal, was, is)
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
