package report

import (
	"slices"
	"strings"
	"time"

	"cohort/engine/delivery"
	"cohort/ingest/person"
)

// Figures are a run in numbers. They hold no personal data. Their maps have at most MostGroups keys.
type Figures struct {
	Records      int64
	Fates        map[person.Fate]int64
	Reasons      map[Reason]int64 // of records that are not accepted
	Contradicted int64            // the service speaks of a message that is not accepted
	Known        int64            // messages with any event
	Unread       bool             // callbacks cannot be read, so all of this may be more

	// Of accepted messages:
	First, Last time.Time          // acceptance; zero: not known
	Sent        map[int64]int64    // by the quarter of an hour of their acceptance, since 1970
	Reached     map[string]int64   // delivered, by the channel; empty: not known
	Failed      map[Failure]int64  // by every channel
	Open        map[Progress]int64 // neither delivered nor failed
	Within      []int64            // delivered, by the index of Delays; the last are later
	Untimed     int64              // delivered, and nobody knows how soon
	Overdue     int64              // open for longer than the last of Delays

	Groups []Tallies // of all records, as of now
}

// Reason explains the fate of records.
type Reason struct {
	Fate person.Fate
	Code string
}

// Failure explains a failure by its code and by the last channel that failed. An empty field is not known.
type Failure struct{ Code, Channel, Supplier string }

// Progress describes a message that has no outcome yet. The zero value: the service has not spoken of it.
type Progress struct {
	Status  string // of the message
	Channel string // tries now; empty: none
	Failed  bool   // a channel has failed
}

// Tallies count records by the values of a kept column.
type Tallies struct {
	Column string
	Values map[string]*Tally
}

// Rest is the kind of all that is left when there are too many kinds.
const Rest = "other"

// Delays are the limits of Figures.Within. The last is the longest that a service may take (contract: callbacks).
var Delays = func() (all []time.Duration) {
	for _, hours := range []time.Duration{1, 24, 48, 72, 7 * 24, 14 * 24} {
		all = append(all, hours*time.Hour)
	}
	return append([]time.Duration{time.Minute}, all...)
}()

// NewFigures returns figures of nothing.
func NewFigures() *Figures {
	return &Figures{
		Fates: map[person.Fate]int64{}, Reasons: map[Reason]int64{}, Sent: map[int64]int64{}, Reached: map[string]int64{},
		Failed: map[Failure]int64{}, Open: map[Progress]int64{}, Within: make([]int64, len(Delays)+1),
	}
}

// sums is the Output of Sum.
type sums struct {
	*Figures
	until time.Time
	now   time.Time
}

// Sum counts a run. What messages became later than until is left out; zero: nothing is. The figures are there after
// Write.
func Sum(into *Figures, until time.Time) Output {
	return func(in *Input) (output, error) {
		*into = *NewFigures()
		into.Records, into.Unread = in.Plan.Records, in.Unread != nil
		for _, column := range in.Records.Keep() {
			into.Groups = append(into.Groups, Tallies{column, map[string]*Tally{}})
		}
		return &sums{into, until, in.AsOf}, nil
	}
}

func (f *sums) maker() maker {
	return func(g *group) (func() error, error) { return func() error { f.add(g); return nil }, nil }
}

func (f *sums) close(map[string]string) error {
	for _, g := range f.Groups {
		withhold(g.Values)
	}
	return nil
}

func (f *sums) add(g *group) {
	for i := range g.rows {
		m, s := &g.told[g.outcomes[i]].Message, g.stateOf(i)
		f.Fates[m.Fate]++
		if s != nil {
			f.Known++
		}
		for c := range f.Groups {
			f.Groups[c].of(g.kept[c][i])[g.cell(i)]++
		}
		if m.Fate == person.Accepted {
			f.accepted(m.AcceptedAt, s)
			continue
		}
		countKind(f.Reasons, Reason{m.Fate, m.Code}, Reason{m.Fate, Rest})
		if s != nil && m.Fate != person.InDoubt {
			f.Contradicted++
		}
	}
}

// of returns the tally of a value.
func (t *Tallies) of(value string) *Tally {
	if _, known := t.Values[value]; !known {
		if len(t.Values) >= MostGroups {
			value = Rest
		}
		if t.Values[value] == nil {
			t.Values[strings.Clone(value)] = &Tally{}
		}
	}
	return t.Values[value]
}

// countKind adds one to a kind, or to rest when there are too many kinds.
func countKind[K comparable](m map[K]int64, kind, rest K) {
	if _, known := m[kind]; !known && len(m) >= MostGroups {
		kind = rest
	}
	m[kind]++
}

// accepted counts an accepted message. s is nil when the service has not spoken of it.
func (f *sums) accepted(at time.Time, s *delivery.State) {
	if !at.IsZero() {
		f.Sent[at.Unix()/900]++
		if f.First.IsZero() || at.Before(f.First) {
			f.First = at
		}
		if at.After(f.Last) {
			f.Last = at
		}
	}
	inTime := func(t time.Time) bool { return f.until.IsZero() || !t.After(f.until) }
	switch has := s != nil && (s.Delivered || s.Read); {
	case has && inTime(s.DeliveredAt):
		channel := s.DeliveredChannel
		if channel == "" && s.Read {
			channel = "nhsapp" // nobody else tells that
		}
		countKind(f.Reached, channel, Rest)
		f.delay(at, s)
		return
	case s != nil && !has && s.Final() && inTime(s.At):
		countKind(f.Failed, failureOf(s), Failure{Code: Rest})
		return
	}
	countKind(f.Open, progressOf(s), Progress{Status: Rest})
	if !at.IsZero() && f.now.Sub(at) > Delays[len(Delays)-1] {
		f.Overdue++
	}
}

func (f *sums) delay(accepted time.Time, s *delivery.State) {
	if accepted.IsZero() || s.DeliveredAt.IsZero() || s.Source == delivery.DailyReport { // it knows the day alone
		f.Untimed++
		return
	}
	i, _ := slices.BinarySearch(Delays, s.DeliveredAt.Sub(accepted))
	f.Within[i]++
}

func failureOf(s *delivery.State) Failure {
	of := Failure{Code: s.Code}
	if s.Code == "" && s.Source == delivery.Receipt {
		of.Code = s.Status
	}
	for _, a := range slices.Backward(s.Attempts) {
		if a.Status == delivery.Failed {
			of.Channel, of.Supplier = a.Channel, a.Supplier
			break
		}
	}
	return of
}

func progressOf(s *delivery.State) (o Progress) {
	if s == nil {
		return o
	}
	o.Status = s.Status
	for _, a := range s.Attempts {
		switch a.Status {
		case "sending", "retry", "assigning_batch", "stale_pds":
			o.Channel = a.Channel
		case delivery.Failed, "skipped":
			o.Failed = true
		}
	}
	return o
}
