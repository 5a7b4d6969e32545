package ledger

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"cohort/engine/journal"
	"cohort/engine/pace"
	"cohort/engine/plan"
	"cohort/engine/record"
)

// A message in doubt at a service that takes whatever it is sent is sent again by a
// person's decision alone, and only when the service's receipts have had the time to
// name it. It is the same form that lives again, under the same reference: no revision is
// made, so that the receipts of either sending are about it, its attempts count on, and
// a log that is lost leaves it as it was before, in doubt. The earlier attempts stay in
// doubt all the while: whatever comes of the new one, only an acceptance or a receipt
// settles the message, and it is never called refused, suppressed or not sent.
//
// A decision is a Control record and, directly behind it, a Resolved for each message;
// Apply takes these from nowhere else. It is used up by the next attempt of which it is
// not certain that it came to nothing.

// codeResent is why a form is to be sent again.
const codeResent = "resent"

// Resending says whether a person has decided that a form in doubt is sent again.
type Resending uint8

// What Resending says; both when it was decided once more.
const (
	toBeResent Resending = 1 << iota // decided, and every attempt since then certainly came to nothing
	wasResent                        // decided, and an attempt since then was accepted, or may have been
)

// IsDue reports whether the form is still to be sent again.
func (r Resending) IsDue() bool { return r&toBeResent != 0 }

// IsDone reports whether it was, so that the service may have taken it twice.
func (r Resending) IsDone() bool { return r&wasResent != 0 }

// clocksDiffer is by how much this machine's clock and the service's may differ, as far as
// the days of receipts go.
const clocksDiffer = time.Hour

// ResendFrom is from when on a message may be sent again whose last attempt was made at a
// moment: when the whole day after the day of that attempt is over, in UTC. The service
// reports receipts by the day, so the reports of both days are complete then.
func ResendFrom(last time.Time) time.Time {
	return last.UTC().Add(clocksDiffer).Truncate(24*time.Hour).AddDate(0, 0, 2).Add(clocksDiffer)
}

// Resend is what becomes of the messages in doubt when a person has them sent again.
type Resend struct {
	Named  int       // a receipt names them, so that they are accepted
	Again  int       // sent again
	Listed int       // never: a suppression list names the person, or has named him
	Lost   int       // not: only a log that was lost knew whether, when and how they were attempted
	Other  int       // not: attempted with another credential, of whose application nobody has seen the receipts
	Due    int       // decided about before, and still to be sent again
	Young  int       // of Again: their receipts may still come
	From   time.Time // when Again have all had the time

	Ids  []plan.FormID // of Again
	last time.Time     // the last attempt of theirs
	Late []*record.ListedLate
}

// Resend says what would be sent again at now. found are the messages that the service's
// receipts of all days name, as the application of the credential with fingerprint key is
// shown them; attempted is from Attempts; people, which may be nil, are whom the suppression
// lists name, as Listing has them. It is called when the process has taken the run on (Open,
// or Take).
func (l *Ledger) Resend(ctx context.Context, found map[plan.FormID]string, attempted map[plan.FormID]Attempted, key string, people iter.Seq2[plan.Listed, error], now time.Time) (*Resend, error) {
	named := map[uint32][]record.RefusedRow{}
	if people != nil {
		if err := ByBatch(ctx, l.Plan, people, func(b ListedBatch) {
			if l.anyHeld(b.Planned.Number) {
				named[b.Planned.Number] = b.People
			}
		}); err != nil {
			return nil, err
		}
	}
	r := &Resend{}
	for b := range l.base {
		l.Forms(uint32(b), func(id plan.FormID, s *State) {
			if s.Phase == Live && s.Resend.IsDue() && !s.Pending && found[id] == "" {
				r.Due++
			}
			if s.Phase != Held || s.Messages != 1 {
				return
			}
			form, _ := l.Form(id)
			tried, known := attempted[id]
			_, isFound := found[id]
			listed := among(form, named[id.Batch])
			switch {
			case isFound:
				r.Named++
			case len(listed) > 0 || l.isLateForm(id, &form):
				r.Listed++
				if !l.isLateForm(id, &form) {
					r.Late = append(r.Late, &record.ListedLate{Batch: id.Batch, At: now, People: listed})
				}
			case s.Lost || !known:
				r.Lost++
			case !tried.onlyWith(key):
				r.Other++
			default:
				r.Again++
				r.Ids = append(r.Ids, id)
				from := ResendFrom(tried.Last)
				if now.Before(from) {
					r.Young++
				}
				r.From, r.last = pace.Later(r.From, from), pace.Later(r.last, tried.Last)
			}
		})
	}
	return r, nil
}

func (l *Ledger) anyHeld(batch uint32) (held bool) {
	l.Forms(batch, func(_ plan.FormID, s *State) { held = held || s.Phase == Held })
	return held
}

// isLateForm reports whether it is known that somebody in a form was listed too late.
func (l *Ledger) isLateForm(id plan.FormID, form *plan.Form) bool {
	return len(among(*form, l.late[id.Batch])) > 0
}

// Take folds into the ledger what a start would say: what a process has left without an
// answer is in doubt. Nothing is written.
func (l *Ledger) Take(s Start) error {
	return l.Fold(&record.RunOpened{Plan: l.Plan.Digest, At: s.At, Key: s.Key}, journal.Position{})
}

// Attempted is how a form was attempted.
type Attempted struct {
	Last time.Time // when the last of its attempts was made, or was given up
	Keys []string  // fingerprints of the credentials under which it was, each once
}

// onlyWith reports whether it was attempted under one credential alone, and which.
func (a Attempted) onlyWith(key string) bool { return len(a.Keys) == 1 && a.Keys[0] == key }

// Attempts reads in a run's log how each of some forms was attempted. One that never was is
// left out.
func Attempts(dir string, planned *plan.Plan, of func(plan.FormID) bool) (map[plan.FormID]Attempted, error) {
	all := attempts{of: of, by: map[plan.FormID]Attempted{}}
	_, err := ReadLog(dir, planned, journal.Tail{}, func(r journal.Record) error {
		if !slices.Contains([]journal.Type{record.KindRunOpened, record.KindAttempt, record.KindOutcome, record.KindInDoubt}, r.Type) {
			return nil
		}
		record, err := record.Decode(r.Type, r.Payload)
		if err == nil {
			all.take(record)
		}
		return err
	})
	return all.by, err
}

// attempts is a fold over a run's log.
type attempts struct {
	of  func(plan.FormID) bool
	key string // of the process at work
	by  map[plan.FormID]Attempted
}

func (a *attempts) take(rec any) {
	switch r := rec.(type) {
	case *record.RunOpened:
		a.key = r.Key
	case *record.Attempt:
		if a.of(r.Form) {
			tried := a.by[r.Form]
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

// until notes that a request may have left as late as a moment: on a machine that stood still
// it does so long after its intent.
func (a *attempts) until(form plan.FormID, at time.Time) {
	if tried, ok := a.by[form]; ok && at.After(tried.Last) {
		tried.Last = at
		a.by[form] = tried
	}
}

// ErrYoung says that the receipts of messages may still come that were to be sent again.
var ErrYoung = errors.New("receipts may still come")

// Resend has messages in doubt sent again: durably, so that the next Run sends them. Who
// has decided so and why is in the log before them. A crash in between leaves some of them
// in doubt as they were, and another decision takes these up. Whom the lists name is noted
// as listed too late, also when they forget him. The caller holds the run's folder, and
// again is from this log's ledger.
func (p *Log) Resend(again *Resend, by, reason string, at time.Time) error {
	if again.Young > 0 {
		return fmt.Errorf("%w of %d messages until %v", ErrYoung, again.Young, again.From)
	}
	for _, r := range again.Late {
		if err := p.TooLate(r); err != nil {
			return err
		}
	}
	if len(again.Ids) > 0 {
		detail := fmt.Sprintf("%d messages in doubt, the last of them attempted at %s, by %s: %s", again.Again, again.last.UTC().Format("2006-01-02T15:04:05Z"), by, reason)
		if err := p.Control(at, record.ControlResent, detail); err != nil {
			return err
		}
	}
	for _, id := range again.Ids {
		r := &record.Resolved{Form: id, At: at, Result: record.ResultResend, Reason: reason}
		if err := p.Answer(record.KindResolved, r, r.Encode); err != nil {
			return err
		}
	}
	if err := p.Log.Flush(); err != nil {
		return fmt.Errorf("progress log: %w", err)
	}
	return nil
}

// resend folds a decision about one form. The ledger takes none that does not follow a
// Control record which says so, nor about anybody who was accepted, is listed, or is known
// to a lost log alone.
func (l *Ledger) resend(id plan.FormID, s *State) error {
	form, err := l.Form(id)
	switch {
	case err != nil:
		return err
	case !l.Deciding || !l.Plan.NeverAgain || l.Hold != "" || s.Phase != Held || s.Lost || s.Messages != 1 || l.isLateForm(id, &form):
		return fmt.Errorf("%w: a message is sent again that nobody has decided about, or that may not be", ErrIllegal)
	}
	s.Phase, s.InDoubt, s.Resend, s.Reason = Live, true, s.Resend|toBeResent, l.intern(codeResent)
	return nil
}

// Resent counts the messages that a person has decided to have sent again: those that went,
// and those that are still to be sent.
func (l *Ledger) Resent() (went, due int) {
	for b := range l.base {
		l.Forms(uint32(b), func(_ plan.FormID, s *State) {
			switch {
			case s.Phase == Live && s.Resend.IsDue():
				due += int(s.Messages)
			case s.Resend.IsDone():
				went += int(s.Messages)
			}
		})
	}
	return went, due
}

// doubted notes that an attempt may have been accepted: a decision that it goes out again
// is used up by it.
func (s *State) doubted() {
	if s.Resend.IsDue() {
		s.Resend = wasResent
	}
}

// unresend takes back decisions about forms that hold people who are listed by now, and
// of which nothing is under way: suppression comes before them.
func (l *Ledger) unresend(batch uint32, people []record.RefusedRow) (err error) {
	l.Forms(batch, func(id plan.FormID, s *State) {
		if !s.Resend.IsDue() || s.Pending || s.IsSettled() {
			return
		}
		form, e := l.Form(id)
		if e != nil {
			err = e
		} else if len(among(form, people)) > 0 {
			s.Phase, s.Resend, s.Reason = Held, s.Resend&^toBeResent, l.intern(CodeListed)
		}
	})
	return err
}
