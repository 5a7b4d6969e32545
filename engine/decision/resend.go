package decision

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"cohort/engine/journal"
	"cohort/engine/ledger"
	"cohort/engine/pace"
	"cohort/engine/plan"
	"cohort/engine/record"
)

// clocksDiffer is the greatest expected difference between this machine's clock and the service's.
const clocksDiffer = time.Hour

// ResendFrom returns the earliest time for sending a message again after its last attempt. The service reports
// receipts by the day, in UTC, so the whole day after the day of the attempt must be over.
func ResendFrom(last time.Time) time.Time {
	return last.UTC().Add(clocksDiffer).Truncate(24*time.Hour).AddDate(0, 0, 2).Add(clocksDiffer)
}

// Resend has the messages in doubt that a person may send again. The counts add up to the messages that are held, and
// those in Due.
type Resend struct {
	Named  int       // a receipt names them: they are accepted
	Again  int       // they are sent again
	Listed int       // they are never sent again: a suppression list names the person, or has named the person
	Lost   int       // they are not: only a lost log knew their attempts
	Other  int       // they are not: another credential attempted them, and nobody has seen its receipts
	Due    int       // they were decided about before, and are still to be sent again
	Young  int       // of Again: their receipts may still come
	From   time.Time // from then on, no message of Again is young

	IDs  []plan.FormID // of Again
	Late []*record.ListedLate
	last time.Time // the last attempt of Again
}

// Evidence has the facts about messages in doubt that are not in the ledger.
type Evidence struct {
	Found    map[plan.FormID]string        // messages that receipts of all days name, with the service's id
	Attempts map[plan.FormID]Attempted     // from Attempts
	Key      string                        // fingerprint of the credential; the service shows its receipts for it
	People   iter.Seq2[plan.Listed, error] // people on the suppression lists, as dispatch.Listing has them; may be nil
}

// ResendCandidates returns what would be sent again at now. It is called when the process works on the run (Log.Open,
// or Ledger.Take), so that no request is on its way.
func ResendCandidates(ctx context.Context, l *ledger.Ledger, e Evidence, now time.Time) (*Resend, error) {
	named := map[uint32][]record.RefusedRow{}
	if e.People != nil {
		err := ledger.ByBatch(ctx, l.Plan, e.People, func(b ledger.ListedBatch) {
			for _, s := range l.Forms(b.Planned.Number) {
				if s.Phase == ledger.Held {
					named[b.Planned.Number] = b.People
				}
			}
		})
		if err != nil {
			return nil, err
		}
	}
	r := &Resend{}
	for id, s := range l.Standing() {
		_, found := e.Found[id]
		switch {
		case s.Phase == ledger.InDoubt && s.Resend.IsDue() && !found:
			r.Due++
		case s.Phase != ledger.Held || s.Messages != 1:
		case found:
			r.Named++
		default:
			r.add(l, id, s, named[id.Batch], e, now)
		}
	}
	return r, nil
}

// add counts one message in doubt that no receipt names.
func (r *Resend) add(l *ledger.Ledger, id plan.FormID, s ledger.State, named []record.RefusedRow, e Evidence, now time.Time) {
	tried, known := e.Attempts[id]
	listed := l.InForm(id, named)
	isLate := len(l.InForm(id, l.TooLate(id.Batch))) > 0
	switch {
	case len(listed) > 0 || isLate:
		r.Listed++
		if !isLate {
			r.Late = append(r.Late, &record.ListedLate{Batch: id.Batch, At: now, People: listed})
		}
	case s.Loss != ledger.NotLost || !known:
		r.Lost++
	case !slices.Equal(tried.Keys, []string{e.Key}):
		r.Other++
	default:
		r.Again++
		r.IDs = append(r.IDs, id)
		from := ResendFrom(tried.Last)
		if now.Before(from) {
			r.Young++
		}
		r.From, r.last = pace.Later(r.From, from), pace.Later(r.last, tried.Last)
	}
}

// ErrYoung says that receipts may still come for messages that were to be sent again.
var ErrYoung = errors.New("receipts may still come")

// Commit has the messages sent again by the next run. It records the person and the reason first, durably. Listed
// people are noted as listed too late, so that they are never sent again even when the lists forget them. After a
// crash some messages are in doubt as before, and another decision takes them. The caller holds the run's folder, and
// the candidates come from this log's ledger. Young messages are ErrYoung, and nothing changes.
func (r *Resend) Commit(log *ledger.Log, by, reason string, at time.Time) error {
	if r.Young > 0 {
		return fmt.Errorf("%w of %d messages until %v", ErrYoung, r.Young, r.From)
	}
	for _, late := range r.Late {
		if err := log.TooLate(late); err != nil {
			return err
		}
	}
	if len(r.IDs) > 0 {
		detail := fmt.Sprintf("%d messages in doubt, the last of them attempted at %s, by %s: %s",
			r.Again, r.last.UTC().Format("2006-01-02T15:04:05Z"), by, reason)
		if err := log.Control(at, record.ControlResent, detail); err != nil {
			return err
		}
	}
	for _, id := range r.IDs {
		if err := log.Append(&record.Resolved{Form: id, At: at, Result: record.ResultResend, Reason: reason}); err != nil {
			return err
		}
	}
	return log.Flush()
}

type Attempted struct {
	Last time.Time // when the last attempt was made or given up
	Keys []string  // fingerprints of the credentials, each once
}

// Attempts reads from a run's log how some forms were attempted. Forms without an attempt are absent.
func Attempts(dir string, planned *plan.Plan, of func(plan.FormID) bool) (map[plan.FormID]Attempted, error) {
	all := attempts{of: of, by: map[plan.FormID]Attempted{}}
	_, err := ledger.ReadLog(dir, planned, journal.Tail{}, func(r journal.Record) error {
		switch r.Type {
		case record.KindRunOpened, record.KindAttempt, record.KindOutcome, record.KindInDoubt:
			rec, err := record.Decode(r.Type, r.Payload)
			if err == nil {
				all.add(rec)
			}
			return err
		}
		return nil
	})
	return all.by, err
}

type attempts struct {
	of  func(plan.FormID) bool
	key string // of the process at work
	by  map[plan.FormID]Attempted
}

func (a *attempts) add(rec record.Record) {
	switch r := rec.(type) {
	case *record.RunOpened:
		a.key = r.Key
	case *record.Attempt:
		if tried := a.by[r.Form]; a.of(r.Form) {
			if tried.Last = r.At; !slices.Contains(tried.Keys, a.key) {
				tried.Keys = append(tried.Keys, a.key)
			}
			a.by[r.Form] = tried
		}
	case *record.Outcome:
		a.until(r.Form, r.At)
	case *record.InDoubt:
		a.until(r.Form, r.At)
	}
}

// until notes that a request may have left as late as at. On a machine that stood still, it leaves long after its
// attempt was recorded.
func (a *attempts) until(form plan.FormID, at time.Time) {
	if tried, ok := a.by[form]; ok && at.After(tried.Last) {
		tried.Last = at
		a.by[form] = tried
	}
}
