package delivery

import (
	"cmp"
	"slices"
	"strings"
	"time"
)

// State has the facts about one message. A field is zero when it is not known. Everything but
// Duplicates and Backwards is the same for every order of the events.
type State struct {
	Status string // of the message, or the code of its receipts
	Source Source // of Status
	At     time.Time
	Code   string // why it failed; empty when it is delivered
	Reason string // in the service's words; it may hold personal data

	// The code of any event which says, or may say, that the person's record allows no message, as when the person has
	// died. No other event takes it back. Of several codes it is the greatest.
	Forbidden string

	MessageID string // the service's id
	OtherID   string // a second id: the service has taken the message twice

	Delivered        bool // the message, a channel or a receipt says so
	DeliveredAt      time.Time
	DeliveredChannel string // the first channel that delivered
	Read             bool   // in the NHS App; NHS Notify says delivered for it
	ReadAt           time.Time

	Attempts       []Attempt
	Answer         string // the last reply
	AnsweredAt     time.Time
	RoutingVersion string    // it tells which wording the service used
	FirstEventAt   time.Time // zero: none had a time
	LastEventAt    time.Time
	Callback       bool      // the service has sent a callback about it
	Polled         time.Time // when NHS Notify last answered a question about the message

	Events     int // different events
	Unknown    int // those that this program does not understand
	Duplicates int // events that had come before
	Backwards  int // different events that did not move a status backwards; their time and reason still count
}

// Attempt has the facts about one attempt to reach a person through a channel.
type Attempt struct {
	Channel, Cascade string
	Order            int    // within the cascade, from 1
	Status           string // created: its turn has not come
	Supplier         string
	Code, Reason     string // why it failed; Reason may hold personal data
	At               time.Time
	Source           Source
}

// Final reports whether the message can have no later status. A failure in a daily report is not
// final: a letter may still be delivered.
func (s *State) Final() bool {
	switch s.Source {
	case Receipt:
		return s.Status == Read || s.Status == "rejected"
	case DailyReport:
		return s.Status == Delivered
	}
	return s.Status == Delivered || s.Status == Failed
}

// Fold makes the State of one message from its events. The zero Fold is ready for use, by one
// goroutine at a time.
type Fold struct {
	state                    State // the fields that are final at once
	message                  standing
	attempts                 []attempt
	delivered, channel, read moment
	answer, version          claim
	seen                     []Identity
}

type attempt struct {
	of               Attempt // channel, cascade and order
	status, supplier standing
}

// Reset empties the fold, and keeps its memory.
func (f *Fold) Reset() {
	clear(f.attempts) // it holds texts
	*f = Fold{attempts: f.attempts[:0], seen: f.seen[:0]}
}

// Add adds an event about the message. It returns false if the same event came before.
func (f *Fold) Add(e *Event) (isNew bool) {
	s := &f.state
	if e.Source == Status && e.Received.After(s.Polled) {
		s.Polled = e.Received // also if the answer is an old one
	}
	id := e.Identity()
	if slices.Contains(f.seen, id) {
		s.Duplicates++
		return false
	}
	f.seen = append(f.seen, id)
	s.Events++
	s.Callback = s.Callback || e.Source == Callback
	if e.At.After(s.LastEventAt) {
		s.LastEventAt = e.At
	}
	if !e.At.IsZero() && (s.FirstEventAt.IsZero() || e.At.Before(s.FirstEventAt)) {
		s.FirstEventAt = e.At
	}
	if v := (claim{at: e.At, status: e.RoutingVersion}); v.status != "" && v.compare(&f.version) > 0 {
		f.version = v
	}
	s.addID(e.MessageID)
	if forbids(e.Code) && cmp.Or(strings.Compare(bare(e.Code), bare(s.Forbidden)), strings.Compare(e.Code, s.Forbidden)) > 0 {
		s.Forbidden = e.Code
	}
	forwards := true
	switch e.Kind {
	case OfMessage:
		forwards = f.addMessage(e)
	case OfChannel:
		forwards = f.addChannel(e)
	case OfResponse:
		if a := (claim{at: e.At, status: e.Answer}); a.compare(&f.answer) > 0 {
			f.answer = a
		}
	default:
		s.Unknown++
	}
	if !forwards {
		s.Backwards++
	}
	return true
}

func (f *Fold) addMessage(e *Event) (forwards bool) {
	if e.Source != Receipt {
		if e.Status == Delivered {
			f.deliveredBy(e)
		}
		return f.message.take(messageRanks, e.Status, e)
	}
	if e.Status == Read {
		f.read.note(e, "")
	}
	if e.Status == Read || e.Status == Delivered {
		f.delivered.note(e, "")
		f.channel.note(e, "nhsapp")
	}
	return f.message.take(receiptRanks, e.Status, e)
}

func (f *Fold) addChannel(e *Event) (forwards bool) {
	if e.Status == Delivered {
		f.deliveredBy(e)
	}
	if e.Supplier == Read {
		f.read.note(e, "")
	}
	of := Attempt{Channel: e.Channel, Cascade: e.Cascade, Order: e.Order}
	i := slices.IndexFunc(f.attempts, func(a attempt) bool { return a.of == of })
	if i < 0 {
		i, f.attempts = len(f.attempts), append(f.attempts, attempt{of: of})
	}
	status := f.attempts[i].status.take(channelRanks, e.Status, e)
	supplier := f.attempts[i].supplier.take(supplierRanks, e.Supplier, e)
	return status && e.Status != "" || supplier && (e.Supplier != "" || e.Status == "")
}

// deliveredBy notes a delivery. NHS Notify says delivered for the NHS App when the message is read.
func (f *Fold) deliveredBy(e *Event) {
	f.delivered.note(e, "")
	if e.Channel != "" {
		f.channel.note(e, e.Channel)
	}
	if e.Channel == "nhsapp" {
		f.read.note(e, "")
	}
}

// addID keeps the first two ids in the order of the alphabet.
func (s *State) addID(id string) {
	if id == "" || id == s.MessageID {
		return
	}
	ids := []string{id, s.MessageID, s.OtherID}
	slices.Sort(ids)
	ids = slices.DeleteFunc(ids, func(id string) bool { return id == "" })
	s.MessageID, s.OtherID = ids[0], append(ids, "")[1]
}

// State returns the state after the events so far. It shares no memory with the fold.
func (f *Fold) State() State {
	s, m := f.state, &f.message
	s.Status, s.Source, s.At = m.holds.status, m.holds.source, m.holds.at
	s.Delivered, s.DeliveredAt, s.DeliveredChannel = f.delivered.is, f.delivered.at, f.channel.channel
	s.Read, s.ReadAt = f.read.is, f.read.at
	s.Answer, s.AnsweredAt, s.RoutingVersion = f.answer.status, f.answer.at, f.version.status
	var last claim // why the channel failed that failed last
	for _, a := range f.inOrder() {
		s.Attempts = append(s.Attempts, a.result())
		if a.status.holds.status == Failed && a.status.why.compare(&last) > 0 {
			last = a.status.why
		}
	}
	if m.holds.source == Receipt { // the NHS App is one channel
		app := attempt{of: Attempt{Channel: "nhsapp"}, supplier: *m}
		s.Attempts = append(s.Attempts, app.result())
	}
	switch {
	case s.Delivered:
	case m.why.status != "" || s.Status != Failed:
		s.Code, s.Reason = m.why.code, m.why.reason
	default:
		s.Code, s.Reason = last.code, last.reason
	}
	return s
}

// inOrder returns the attempts by cascade, order and channel. A daily report names a channel
// alone. What it says belongs to the attempt with this channel, if there is only one.
func (f *Fold) inOrder() []attempt {
	isLoose := func(a attempt) bool { return a.of == Attempt{Channel: a.of.Channel} }
	all := f.attempts
	if slices.ContainsFunc(all, isLoose) {
		all = slices.DeleteFunc(slices.Clone(all), isLoose)
		for _, l := range f.attempts {
			if !isLoose(l) {
				continue
			}
			same := func(a attempt) bool { return a.of.Channel == l.of.Channel }
			if i := slices.IndexFunc(all, same); i >= 0 && !slices.ContainsFunc(all[i+1:], same) {
				all[i].status.merge(l.status)
				all[i].supplier.merge(l.supplier)
			} else {
				all = append(all, l)
			}
		}
	}
	slices.SortFunc(all, func(a, b attempt) int {
		return cmp.Or(cmp.Compare(a.of.Cascade, b.of.Cascade), cmp.Compare(a.of.Order, b.of.Order), cmp.Compare(a.of.Channel, b.of.Channel))
	})
	return all
}

func (a *attempt) result() Attempt {
	r, holds, why := a.of, a.status.holds, a.status.why
	if holds.status == "" {
		holds, why = a.supplier.holds, a.supplier.why
	}
	r.Status, r.Supplier, r.At, r.Source = a.status.holds.status, a.supplier.holds.status, holds.at, holds.source
	if r.Status != Delivered {
		r.Code, r.Reason = why.code, why.reason
	}
	return r
}
