package ledger

import (
	"fmt"

	"cohort/engine/record"
	"cohort/ingest/person"
)

// Account says what became of every record of a cohort file.
type Account struct {
	Records int64
	Fates   map[person.Fate]int64
}

// Check holds the account to the conservation law: the fates add up to the records.
// An error here means that the program has lost or invented somebody.
func (a Account) Check() error {
	var sum int64
	for _, n := range a.Fates {
		sum += n
	}
	if sum != a.Records {
		return fmt.Errorf("the account does not add up: the file has %d records and their fates are %d; this is a defect of cohort, send nothing more", a.Records, sum)
	}
	return nil
}

// counts lists the account in the order of person.Fates.
func (a Account) Counts() (c [7]uint64) {
	for i, fate := range person.Fates {
		c[i] = uint64(a.Fates[fate])
	}
	return c
}

// closedAccount is the account that a RunClosed holds.
func ClosedAccount(r *record.RunClosed) Account {
	a := Account{Fates: map[person.Fate]int64{}}
	for i, fate := range person.Fates {
		a.Fates[fate] = int64(r.Counts[i])
		a.Records += int64(r.Counts[i])
	}
	return a
}

// Fate is what became of the messages of a form in this state. A replaced form has
// none: the forms that replaced it have.
func (s State) Fate() person.Fate {
	switch {
	case s.Phase == AcceptedBy || s.Phase == AcceptedNo:
		return person.Accepted
	case s.Phase == Held || s.Phase == Foreign || s.InDoubt || s.Pending:
		return person.InDoubt
	}
	return person.NotSent
}

// Account adds up the fates of all records.
func (l *Ledger) Account() Account {
	a, _ := l.Tally()
	return a
}

// tally is Account, and the number of messages for which something is still to be sent.
func (l *Ledger) Tally() (a Account, left int64) {
	a = Account{Records: l.Plan.Records, Fates: map[person.Fate]int64{}}
	for fate, n := range l.Plan.Static {
		a.Fates[person.Fate(fate)] += n
	}
	add := func(s *State) {
		if s.Phase != Replaced {
			a.Fates[s.Fate()] += int64(s.Messages)
		}
		if !s.IsSettled() {
			left += int64(s.Messages)
		}
	}
	for i := range l.base {
		add(&l.base[i])
	}
	for _, n := range l.newer {
		add(&n.state)
	}
	for _, rows := range l.refused {
		a.Fates[person.Refused] += int64(len(rows))
	}
	for _, rows := range l.listed {
		a.Fates[person.Suppressed] += int64(len(rows))
	}
	return a, left
}

// Unsettled counts the forms for which something is still to be sent, and those that
// wait for a person: in doubt where no replay helps, or under a reference that is
// somebody else's.
func (l *Ledger) Unsettled() (live, held, foreign int) {
	count := func(s *State) {
		switch {
		case s.Phase == Held:
			held++
		case s.Phase == Foreign:
			foreign++
		case !s.IsSettled():
			live++
		}
	}
	for i := range l.base {
		count(&l.base[i])
	}
	for _, n := range l.newer {
		count(&n.state)
	}
	return live, held, foreign
}

// ListedLate counts the people whom a suppression list named when their batch had been
// attempted, and who were not left out since.
func (l *Ledger) ListedLate() (people int) {
	for batch := range l.late {
		people += l.lateNow(batch)
	}
	return people
}

// stillLate is ListedLate of one batch.
func (l *Ledger) lateNow(batch uint32) (people int) {
	for _, p := range l.late[batch] {
		_, left := RowAt(l.listed[batch], p.Position)
		_, refused := RowAt(l.refused[batch], p.Position)
		if !left && !refused {
			people++
		}
	}
	return people
}

// AnyLost reports whether replays may settle forms that only a lost log knew of. They
// may never have been sent before.
func (l *Ledger) AnyLost() bool {
	lost := func(s *State) bool { return s.Lost && !s.IsSettled() }
	for i := range l.base {
		if lost(&l.base[i]) {
			return true
		}
	}
	for _, n := range l.newer {
		if lost(&n.state) {
			return true
		}
	}
	return false
}

// Settleable counts the messages in doubt that a replay can settle.
func (l *Ledger) Settleable() (messages int64) {
	count := func(s *State) {
		if s.Phase == Live && (s.InDoubt || s.Pending) && !s.Resend.IsDue() {
			messages += int64(s.Messages)
		}
	}
	for i := range l.base {
		count(&l.base[i])
	}
	for _, n := range l.newer {
		count(&n.state)
	}
	return messages
}

// AnyInDoubt reports whether a request was made whose outcome is not known.
func (l *Ledger) AnyInDoubt() bool { return l.Account().Fates[person.InDoubt] > 0 }
