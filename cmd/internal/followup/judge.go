// Package followup finds the people of a run who are due for a later message.
//
//	LockNotes ─▶ Open ─▶ Settle ─▶ Select ─▶ Add ─▶ an ordinary send
//
// The run is the parent of the follow-up. A note in its folder names the rows that a follow-up takes, before
// the follow-up has a folder. So nobody is taken twice, whatever crashes. See decision 31.
package followup

import (
	"slices"
	"time"

	"cohort/engine/campaign"
	"cohort/engine/delivery"
	"cohort/engine/ledger"
	"cohort/engine/outcome"
	"cohort/engine/report"
	"cohort/ingest/person"
	"cohort/ingest/value"
)

// Ask says whom a follow-up is for.
type Ask struct {
	Rule    campaign.FollowUp // only its name, and zeros, if Fates or Wording is set
	Fates   []person.Fate     // people with one of these, whom another message may reach
	Wording string            // people who were sent these words: a fingerprint in the report's template_version
}

// Verdict is the reason to leave a record out. It is empty if the person is due.
type Verdict string

// The verdicts that are no fates.
const (
	Due          Verdict = ""
	NotYet       Verdict = "not_yet"
	Delivered    Verdict = "delivered"
	Read         Verdict = "read"
	TooLate      Verdict = "too_late"
	NoDate       Verdict = "no_date"
	Contradicted Verdict = ledger.CodeContradicted
	Forbidden    Verdict = "no_message_allowed"
	ListedLate   Verdict = ledger.CodeListedTooLate
	OtherWording Verdict = "other_wording"
	Taken        Verdict = "followed_up"
	Reached      Verdict = "reached_otherwise"
)

// Words explains the verdicts, in the order of an account.
var Words = []struct {
	Verdict Verdict
	Words   string
}{
	{Taken, "an earlier follow-up of this rule took the person"},
	{NotYet, "the message was accepted too short a time ago"},
	{Read, "the person has read the message"},
	{Delivered, "the message was delivered"},
	{TooLate, "the last day for the person has passed"},
	{NoDate, "there is no date to compare with the last day"},
	{OtherWording, "the person was sent other words"},
	{Reached, "another record of the person can be sent"},
	{Forbidden, "the service says that the person's record allows no message"},
	{Contradicted, "the service has reported on a message that was not accepted"},
	{ListedLate, "a suppression list names the person"},
	{Verdict(person.InDoubt), "nobody knows if the message was accepted"},
	{Verdict(person.Accepted), "the message was accepted"},
	{Verdict(person.Refused), "the service refused the message"},
	{Verdict(person.NotSent), "the message was not sent"},
	{Verdict(person.Suppressed), "nothing may be sent to the person"},
	{Verdict(person.Duplicate), "another record of the person counts"},
	{Verdict(person.Invalid), "the record cannot be sent"},
}

// record is one record of the parent, as a pass finds it. It is valid only during the call that it is given to.
type record struct {
	row      int64
	number   person.NHSNumber // 0: none that can be read
	outcome  *outcome.Message
	state    *delivery.State // nil: the service has said nothing about the message
	template string
	value    func(column int) string // of the columns that the pass was asked for
}

// news returns why the parent's message, or what is known of the person, makes a later message needless or wrong.
func (r *record) news(unless []string) Verdict {
	switch m, s := r.outcome, r.state; {
	case m.Code == string(Contradicted), s != nil && m.Fate != person.Accepted && m.Fate != person.InDoubt:
		return Contradicted
	case m.Code == string(ListedLate):
		return ListedLate
	case s == nil:
		return Due
	case s.ForbidsMessages():
		return Forbidden
	case s.Read && slices.Contains(unless, campaign.UnlessRead):
		return Read
	case s.Delivered && slices.Contains(unless, campaign.UnlessDelivered):
		return Delivered
	}
	return Due
}

// lastDay compares a person's last day with the day of the message.
func lastDay(text string, day int64) Verdict {
	switch last, is := value.Day(text); {
	case !is:
		return NoDate
	case last < day:
		return TooLate
	}
	return Due
}

// judge decides about one record. With NotYet it returns the time at which the person is due.
func (a *Ask) judge(r *record, now time.Time) (v Verdict, due time.Time) {
	m := r.outcome
	if m.Fate == person.InDoubt || m.Code == ledger.CodeUploadTaken {
		return Verdict(person.InDoubt), due
	}
	if v = r.news(a.Rule.Unless); v == Contradicted {
		return v, due
	}
	switch {
	case len(a.Fates) > 0 && slices.Contains(a.Fates, m.Fate) && r.number != 0:
		if missed, is := (&report.Unreached{Now: now}).Of(m, r.state); is && missed.MayFollowUp {
			return v, due
		}
		return Forbidden, due
	case m.Fate != person.Accepted || len(a.Fates) > 0:
		return Verdict(m.Fate), due
	case v != Due:
		return v, due
	case a.Wording != "" && r.template != a.Wording:
		return OtherWording, due
	}
	accepted := m.AcceptedAt
	if accepted.IsZero() { // a duplicate answer tells that one of the attempts was accepted, and not when
		accepted = m.FirstAttempt
	}
	if due = accepted.Add(a.Rule.After); due.After(now) {
		return NotYet, due
	}
	return Due, due
}
