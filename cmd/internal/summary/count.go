package summary

import (
	"errors"
	"fmt"
	"iter"
	"time"

	"cohort/engine/delivery"
	"cohort/engine/facts"
	"cohort/engine/ledger"
	"cohort/engine/outcome"
	"cohort/engine/plan"
	"cohort/ingest/person"
	"cohort/shard"
)

// rowsAtOnce limits the records in memory. Records arrive shard by shard, and events by row.
const rowsAtOnce = 1 << 14

// Run is a run to count. Nothing in it is changed.
type Run struct {
	Dir    string
	Plan   *plan.Plan
	Ledger *ledger.Ledger
	Spool  *shard.Spool
}

// counter counts one run.
type counter struct {
	*Figures
	run      Run
	until    time.Time // what happened later is left out; zero: nothing is
	trail    *outcome.Reader
	verdicts []person.Verdict
	columns  []func(s *person.Stretch, i int) string // by group: the value of a record

	first   int64     // row of rows[0]
	rows    []counted // a range of rows
	tallies []*Tally  // by row and group
}

// counted is a record. Its fate is empty if it was never to be sent.
type counted struct {
	fate     person.Fate
	accepted time.Time // zero: not known
}

// Count counts a run in one pass, as it was at a time; zero: as it is now. Its memory does not grow with the cohort.
func Count(run Run, until time.Time) (*Figures, error) {
	c := &counter{Figures: newFigures(), run: run, until: until}
	trail, err := outcome.Open(run.Dir, run.Plan, run.Ledger)
	if err != nil {
		return nil, err
	}
	defer func() { _ = trail.Close() }()
	records, err := run.Spool.Ranges()
	if err != nil {
		return nil, err
	}
	defer func() { _ = records.Close() }()
	states, err := facts.Of(run.Dir, run.Plan).States(run.Dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = states.Close() }()
	c.trail, c.verdicts, c.Records = trail, records.Verdicts(), run.Plan.Records
	c.group(records.Keep())
	if err := c.count(records, states.All()); err != nil {
		return nil, err
	}
	return c.Figures, c.check()
}

// group prepares the groups: the routes of the campaign, and its columns to keep.
func (c *counter) group(keep []string) {
	if routes := c.run.Plan.Routes; len(routes) > 0 {
		c.Groups = append(c.Groups, Group{Column: "route", Values: map[string]*Tally{}})
		c.columns = append(c.columns, func(s *person.Stretch, i int) string { return routes[c.run.Plan.RouteOf(s.Lane(i))].Name })
	}
	for k, column := range keep {
		c.Groups = append(c.Groups, Group{Column: column, Values: map[string]*Tally{}})
		c.columns = append(c.columns, func(s *person.Stretch, i int) string { return s.Kept[k](i) })
	}
}

func (c *counter) count(records *shard.Ranges, states iter.Seq2[delivery.Sorted, error]) error {
	next, stop := iter.Pull2(states)
	defer stop()
	state, err, more := next()
	for first := int64(1); first <= c.Records; first += rowsAtOnce {
		n := min(rowsAtOnce, c.Records-first+1)
		c.first, c.rows = first, append(c.rows[:0], make([]counted, n)...)
		c.tallies = append(c.tallies[:0], make([]*Tally, int(n)*len(c.Groups))...)
		if err := records.Below(first+n, c.stretch, c.invalid); err != nil {
			return err
		}
		for i := range c.rows {
			var s *delivery.State
			for more && err == nil && state.Row < first+int64(i) {
				state, err, more = next()
			}
			if err != nil {
				return err
			}
			if more && state.Row == first+int64(i) {
				s = &state.State
			}
			c.message(&c.rows[i], c.tallies[i*len(c.Groups):][:len(c.Groups)], s)
		}
	}
	return nil
}

func (c *counter) stretch(s *person.Stretch) error {
	for i, row := range s.Rows {
		if v := &c.verdicts[s.Verdicts[i]]; v.Fate != "" {
			c.record(v.Fate, v.Code)
			continue
		}
		m, _, err := c.trail.At(s.Lane(i), s.Position+uint32(i))
		if err != nil {
			return err
		}
		c.record(m.Fate, m.Code)
		at := int(row - c.first)
		c.rows[at] = counted{m.Fate, m.AcceptedAt}
		if m.Fate != person.Accepted {
			continue
		}
		for g, value := range c.columns {
			c.tallies[at*len(c.Groups)+g] = c.Groups[g].tally(value(s, i))
		}
	}
	return nil
}

// tally returns the tally of a value.
func (g *Group) tally(value string) *Tally {
	if g.Values[value] == nil {
		if len(g.Values) >= mostKinds {
			value = tooMany
		}
		if g.Values[value] == nil {
			g.Values[value] = &Tally{}
		}
	}
	return g.Values[value]
}

func (c *counter) invalid(r *person.Record) error {
	c.record(r.Fate, r.Code)
	return nil
}

// record counts a record by its fate.
func (c *counter) record(fate person.Fate, code string) {
	c.Fates[fate]++
	if fate != person.Accepted {
		count(c.Reasons, Reason{fate, code}, Reason{fate, tooMany})
	}
}

// message counts a message. s is nil when nothing is known.
func (c *counter) message(m *counted, tallies []*Tally, s *delivery.State) {
	if m.fate == "" {
		return
	}
	if s != nil {
		c.Events++
	}
	if m.fate != person.Accepted {
		if s != nil && m.fate != person.InDoubt {
			c.Contradicted++
		}
		return
	}
	if at := m.accepted; !at.IsZero() {
		c.Sent[at.Unix()/900]++
		if c.First.IsZero() || at.Before(c.First) {
			c.First = at
		}
		if at.After(c.Last) {
			c.Last = at
		}
	}
	var t Tally
	t.Sent = 1
	switch {
	case s != nil && s.Delivered && c.inTime(s.DeliveredAt):
		t.Delivered = 1
		count(c.Reached, s.DeliveredChannel, "")
		c.delay(m.accepted, s)
	case s != nil && hasFailed(s) && c.inTime(s.At):
		t.Failed = 1
		count(c.Failed, failureWords(s), "Another reason")
	default:
		count(c.Open, standing(s), "")
		if !m.accepted.IsZero() && time.Since(m.accepted) > longest {
			c.Overdue++
		}
	}
	for _, of := range tallies {
		of.add(&t)
	}
}

// hasFailed reports whether no channel reached the person, as far as the service says.
func hasFailed(s *delivery.State) bool {
	return !s.Delivered && (s.Status == delivery.Failed || s.Status == "rejected")
}

func (c *counter) inTime(at time.Time) bool { return c.until.IsZero() || !at.After(c.until) }

func (c *counter) delay(accepted time.Time, s *delivery.State) {
	if accepted.IsZero() || s.DeliveredAt.IsZero() || s.Source == delivery.DailyReport { // it knows the day alone
		c.Untimed++
		return
	}
	took, i := s.DeliveredAt.Sub(accepted), 0
	for i < len(Delays) && took > Delays[i] {
		i++
	}
	c.Within[i]++
}

// standing says how far a message is that is neither delivered nor failed.
func standing(s *delivery.State) string {
	if s == nil {
		return noWord
	}
	if s.Status == delivery.NoSuch {
		return "The service does not know the message"
	}
	failed := false
	for _, a := range s.Attempts {
		switch a.Status {
		case "sending", "retry", "assigning_batch", "stale_pds":
			return "On its way: " + channelName(a.Channel)
		case delivery.Failed, "skipped":
			failed = true
		}
	}
	switch {
	case s.Source == delivery.Receipt:
		return "In the NHS App, and not known as delivered"
	case failed:
		return "One channel failed, the next is due"
	}
	return "The service works on it"
}

// check fails if the figures do not add up to the account.
func (c *counter) check() error {
	account := c.run.Ledger.Account()
	err := account.Check()
	for _, fate := range person.Fates {
		if c.Fates[fate] != account.Fates[fate] {
			err = errors.Join(err, fmt.Errorf("the summary has %d records as %s, and the account has %d; this is a defect of cohort",
				c.Fates[fate], fate, account.Fates[fate]))
		}
	}
	return err
}
