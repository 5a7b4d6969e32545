package ledger

import (
	"fmt"

	"cohort/engine/record"
	"cohort/ingest/person"
)

// Account counts the records of a cohort by fate.
type Account struct {
	Records int64
	Fates   map[person.Fate]int64
}

// Check returns an error unless the fates add up to the records. An error is a defect of cohort: it has lost or
// invented somebody.
func (a Account) Check() error {
	var sum int64
	for _, n := range a.Fates {
		sum += n
	}
	if sum != a.Records {
		return fmt.Errorf("the account does not add up: the file has %d records and their fates are %d; "+
			"this is a defect of cohort, send nothing more", a.Records, sum)
	}
	return nil
}

// Counts lists the account in the order of person.Fates.
func (a Account) Counts() (c [7]uint64) {
	for i, fate := range person.Fates {
		c[i] = uint64(a.Fates[fate])
	}
	return c
}

// ClosedAccount returns the account in a RunClosed.
func ClosedAccount(r *record.RunClosed) Account {
	a := Account{Fates: map[person.Fate]int64{}}
	for i, fate := range person.Fates {
		a.Fates[fate] = int64(r.Counts[i])
		a.Records += int64(r.Counts[i])
	}
	return a
}

// Unsent counts the messages that are still to be sent, as far as is known.
func Unsent(a Account) int64 { return a.Fates[person.NotSent] + a.Fates[person.InDoubt] }

// Account counts all records by fate.
func (l *Ledger) Account() Account {
	a, _ := l.Tally()
	return a
}

// Tally returns the account, and the number of messages that are not settled.
func (l *Ledger) Tally() (a Account, left int64) {
	a = Account{Records: l.Plan.Records, Fates: map[person.Fate]int64{}}
	for fate, n := range l.Plan.Static {
		a.Fates[person.Fate(fate)] += n
	}
	return a, addFates(l.totals, a.Fates)
}

// addFates adds the fate of each message that was to be sent. It returns the number of messages that are not settled.
func addFates(of []totals, fates map[person.Fate]int64) (left int64) {
	for s, n := range counts(of) {
		if s.Phase != Replaced {
			fates[s.Fate()] += n.messages
		}
		if !s.IsSettled() {
			left += n.messages
		}
	}
	for i := range of {
		fates[person.Refused] += of[i].refused
		fates[person.Suppressed] += of[i].listed
	}
	return left
}

// RouteAccount is the account of the records of one route. Invalid records have no route.
type RouteAccount struct {
	Name    string
	Account Account
}

// ByRoute returns the account of each route, in the order of the campaign; nil without routes.
func (l *Ledger) ByRoute() []RouteAccount {
	if len(l.Plan.Routes) == 0 {
		return nil
	}
	all := make([]RouteAccount, len(l.Plan.Routes))
	for i, route := range l.Plan.Routes {
		all[i] = RouteAccount{route.Name, Account{Fates: map[person.Fate]int64{}}}
		for fate, n := range route.Static {
			all[i].Account.Fates[person.Fate(fate)] += n
		}
		addFates(l.totals[i:i+1], all[i].Account.Fates)
		for _, n := range all[i].Account.Fates {
			all[i].Account.Records += n
		}
	}
	return all
}

// CheckRoutes returns an error unless the accounts of the routes and the invalid records add up to the whole account.
func CheckRoutes(routes []RouteAccount, all Account) error {
	if routes == nil {
		return nil
	}
	for _, fate := range person.Fates {
		var sum int64
		for _, r := range routes {
			sum += r.Account.Fates[fate]
		}
		if fate == person.Invalid {
			sum += all.Fates[fate]
		}
		if sum != all.Fates[fate] {
			return fmt.Errorf("the account by route does not add up: %d records are %s, and %d by route; "+
				"this is a defect of cohort, send nothing more", all.Fates[fate], fate, sum)
		}
	}
	return nil
}

// Unsettled counts the forms that are still to be sent, the forms that are held, and the foreign forms.
func (l *Ledger) Unsettled() (live, held, foreign int) {
	for s, n := range counts(l.totals) {
		switch {
		case s.Phase == Held:
			held += int(n.forms)
		case s.Phase == Foreign:
			foreign += int(n.forms)
		case !s.IsSettled():
			live += int(n.forms)
		}
	}
	return live, held, foreign
}

// ListedLate counts the people who were listed after their batch was attempted, and were neither excluded nor refused
// since.
func (l *Ledger) ListedLate() (people int) {
	for batch := range l.late {
		people += l.StillLate(batch)
	}
	return people
}

// StillLate is ListedLate for one batch.
func (l *Ledger) StillLate(batch uint32) (people int) {
	for _, p := range l.late[batch] {
		_, left := RowAt(l.listed[batch], p.Position)
		_, refused := RowAt(l.refused[batch], p.Position)
		if !left && !refused && p.Code != CodeContradicted {
			people++
		}
	}
	return people
}

// Settleable counts the messages in doubt that a replay can settle.
func (l *Ledger) Settleable() (messages int64) {
	for s, n := range counts(l.totals) {
		if (s.IsPending() || s.IsDoubtful()) && !s.Resend.IsDue() {
			messages += n.messages
		}
	}
	return messages
}

// AnyInDoubt reports whether the outcome of any request is unknown.
func (l *Ledger) AnyInDoubt() bool { return l.Account().Fates[person.InDoubt] > 0 }

// Resent counts the messages that a person decided to send again: sent so far, and still to be sent.
func (l *Ledger) Resent() (went, due int) {
	for s, n := range counts(l.totals) {
		switch {
		case s.Phase == Replaced:
		case !s.IsSettled() && s.Resend.IsDue():
			due += int(n.messages)
		case s.Resend.IsDone():
			went += int(n.messages)
		}
	}
	return went, due
}

// SendsAgain reports whether a message that a person decided to send again is still to be sent: one in doubt, or in a
// batch with refused ones.
func (l *Ledger) SendsAgain() bool {
	if _, due := l.Resent(); due > 0 {
		return true
	}
	for batch := range l.again {
		for _, s := range l.Forms(batch) {
			if s.isClean() {
				return true
			}
		}
	}
	return false
}
