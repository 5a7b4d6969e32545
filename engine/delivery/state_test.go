package delivery

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func hour(h int) time.Time { return time.Date(2026, 11, 21, h, 0, 0, 0, time.UTC) }

func fold(events ...Event) State {
	var f Fold
	for i := range events {
		f.Add(&events[i])
	}
	return f.State()
}

// message and channel are events of a message; of names its channel, cascade and order.
func message(from Source, status string, h int) Event {
	return Event{Source: from, Kind: OfMessage, Status: status, At: hour(h)}
}

func channel(of, status, supplier string, h int) Event {
	e := Event{Source: Callback, Kind: OfChannel, Status: status, Supplier: supplier, At: hour(h)}
	_, err := fmt.Sscan(of, &e.Channel, &e.Cascade, &e.Order)
	if err != nil {
		e.Channel = of
	}
	return e
}

func failure(e Event, code, reason string) Event {
	e.Code, e.Reason = code, reason
	return e
}

// Which of two statuses holds, in either order of arrival. The rules for status polls, receipts
// and daily reports are those that older runs have, but one: a status poll is an event like
// others, and does not undo what is known.
func TestWhichStatusHolds(t *testing.T) {
	const c, s, r, d = Callback, Status, Receipt, DailyReport
	for _, test := range []struct {
		sentence    string
		lower, high Event // high holds
	}{
		{"a message goes on", message(c, "sending", 10), message(c, "delivered", 11)},
		{"a higher rank holds, whatever the time", message(c, "sending", 12), message(c, "failed", 11)},
		{"a delivery is never undone", message(c, "failed", 12), message(c, "delivered", 11)},
		{"every rank", message(c, "created", 12), message(c, "pending_enrichment", 11)},
		{"every rank", message(c, "pending_enrichment", 12), message(c, "enriched", 11)},
		{"every rank", message(c, "enriched", 12), message(c, "sending", 11)},
		{"the later of two alike", failure(message(c, "failed", 9), "A", ""), failure(message(c, "failed", 10), "B", "")},
		{"a status that nobody knows", message(c, "a_new_status", 12), message(c, "created", 9)},
		{"the later of two that nobody knows", message(c, "a_new_status", 9), message(c, "another", 10)},
		{"the service was asked again", message(s, "sending", 9), message(s, "delivered", 10)},
		{"the service does not know it any more", message(s, "no_such_message", 12), message(s, "delivered", 9)},
		{"a poll does not undo a callback", message(s, "sending", 12), message(c, "delivered", 9)},
		{"a receipt that says more", message(r, "delivered", 9), message(r, "read", 11)},
		{"a receipt that says less and comes later", message(r, "notified", 12), message(r, "read", 11)},
		{"a push that failed and one that arrived", message(r, "unnotified", 12), message(r, "notified", 11)},
		{"a receipt of a code that nobody knows", message(r, "archived", 12), message(r, "delivered", 9)},
		{"the NHS App has nobody with the number", message(r, "delivered", 12), message(r, "rejected", 9)},
		{"a daily report that says delivered", message(d, "failed", 10), message(d, "delivered", 9)},
		{"a message that is open fails", message(d, "open", 12), message(d, "failed", 10)},
		{"the later of two reports that say the same", message(d, "failed", 9), message(d, "failed", 10)},
		{"another source tells that it is over", message(s, "sending", 9), message(d, "delivered", 8)},
		{"what is over stays over", message(d, "open", 12), message(s, "delivered", 9)},
	} {
		for _, events := range [][]Event{{test.lower, test.high}, {test.high, test.lower}} {
			got := fold(events...)
			if got.Status != test.high.Status || got.Source != test.high.Source || !got.At.Equal(test.high.At) {
				t.Errorf("%s: %s of %s at %s", test.sentence, got.Status, got.Source, got.At)
			}
			backwards := 0
			if events[1].Status == test.lower.Status && events[1].At.Equal(test.lower.At) {
				backwards = 1
			}
			if got.Backwards != backwards || got.Events != 2 || got.Duplicates != 0 {
				t.Errorf("%s: %d of %d are backwards, %d duplicates", test.sentence, got.Backwards, got.Events, got.Duplicates)
			}
		}
	}
	for _, test := range []struct {
		e     Event
		final bool
	}{
		{message(c, "delivered", 9), true}, {message(c, "failed", 9), true}, {message(c, "sending", 9), false}, {message(s, "delivered", 9), true},
		{message(s, "failed", 9), true}, {message(s, "sending", 9), false}, {message(s, "no_such_message", 9), false},
		{message(r, "delivered", 9), false}, {message(r, "notified", 9), false}, {message(r, "read", 9), true}, {message(r, "rejected", 9), true},
		{message(d, "delivered", 9), true}, {message(d, "failed", 9), false}, {message(d, "open", 9), false}, {channel("sms primary 1", "failed", "", 9), false},
	} {
		state := fold(test.e)
		if got := state.Final(); got != test.final {
			t.Errorf("%s %s: final is %v", test.e.Source, test.e.Status, got)
		}
	}
}

// Messages and channels have their own ranks and times, and each channel its own.
func TestAMessageBesideItsChannels(t *testing.T) {
	got := fold(
		channel("nhsapp primary 1", "failed", "unnotified", 15),
		channel("sms primary 2", "sending", "accepted", 16),
		message(Callback, "delivered", 12),
		channel("sms primary 2", "delivered", "delivered", 11),
		channel("sms secondary 1", "created", "", 17),
		failure(channel("nhsapp primary 1", "failed", "", 14), "CFR_1", "unread"),
		channel("letter primary 3", "skipped", "", 13),
		channel("letter primary 3", "stale_pds", "", 18),
		channel("email secondary 2", "retry", "", 10),
		channel("email secondary 2", "assigning_batch", "", 9),
		channel("email secondary 2", "a_new_status", "a_new_word", 19),
	)
	c := func(of, status, supplier string, h int) Attempt {
		e := channel(of, status, supplier, h)
		return Attempt{Channel: e.Channel, Cascade: e.Cascade, Order: e.Order, Status: status, Supplier: supplier, At: e.At, Source: Callback}
	}
	app := c("nhsapp primary 1", "failed", "unnotified", 15)
	app.Code, app.Reason = "CFR_1", "unread"
	want := State{
		Status: "delivered", Source: Callback, At: hour(12), Delivered: true, DeliveredAt: hour(11), DeliveredChannel: "sms", FirstEventAt: hour(9), LastEventAt: hour(19),
		Attempts: []Attempt{
			app, c("sms primary 2", "delivered", "delivered", 11), c("letter primary 3", "skipped", "", 13),
			c("sms secondary 1", "created", "", 17), c("email secondary 2", "retry", "a_new_word", 10),
		},
		Events: 11, Backwards: 3, Callback: true,
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("\ngot  %+v\nwant %+v", got, want)
	}
}

func TestWhatAnEventDoes(t *testing.T) {
	type effect string
	const taken, repeated, backwards, kept = effect("taken"), effect("repeated"), effect("backwards"), effect("kept")
	var f Fold
	for i, test := range []struct {
		e    Event
		want effect
	}{
		{channel("sms primary 1", "sending", "", 9), taken},
		{channel("sms primary 1", "sending", "", 9), repeated},
		{channel("sms primary 1", "sending", "", 8), backwards},
		{channel("sms primary 1", "sending", "received", 8), taken}, // the supplier's status is new
		{channel("sms primary 1", "", "sending", 7), backwards},
		{channel("sms primary 1", "created", "", 12), backwards},
		{channel("sms primary 1", "", "", 12), taken}, // it says nothing, and takes nothing back
		{message(Callback, "created", 8), taken},      // of the message nothing was known
		{message(Callback, "delivered", 9), taken},
		{message(Status, "delivered", 9), taken}, // it confirms it
		{message(Callback, "failed", 12), backwards},
		{message(Callback, "failed", 12), repeated},
		{message(Callback, "", 12), taken},
		{Event{Kind: OfResponse, Answer: "1", At: hour(9)}, taken},
		{Event{Kind: OfResponse, Answer: "2", At: hour(8)}, taken},
		{Event{Kind: OfUnknown, Raw: []byte("{}")}, kept},
		{Event{Kind: "of a newer program"}, kept},
	} {
		was := f.state
		isNew, now := f.Add(&test.e), f.state
		got := taken
		switch {
		case now.Duplicates > was.Duplicates:
			got = repeated
		case now.Backwards > was.Backwards:
			got = backwards
		case now.Unknown > was.Unknown:
			got = kept
		}
		if got != test.want || isNew != (got != repeated) {
			t.Errorf("event %d: %v and %v, want %v", i, got, isNew, test.want)
		}
	}
	got := f.State()
	if got.Events != 15 || got.Duplicates != 2 || got.Backwards != 4 || got.Unknown != 2 || got.Answer != "1" || got.Status != Delivered {
		t.Errorf("%+v", got)
	}
	f.Reset()
	if got := f.State(); !reflect.DeepEqual(got, State{}) {
		t.Errorf("after a reset: %+v", got)
	}
}

// The ranks of suppliers: each line ranks above the ones before, and holds whatever the time.
func TestTheRanksOfSuppliers(t *testing.T) {
	lines := []string{
		"unknown a_new_word", "received accepted sent", "failed permanent_failure rejected cancelled returned", "delivered",
		"notification_attempted", "notified unnotified", "read",
	}
	for i, line := range lines {
		for _, low := range strings.Fields(line) {
			for _, higher := range lines[i+1:] {
				for _, high := range strings.Fields(higher) {
					got := fold(channel("nhsapp primary 1", "sending", high, 9), channel("nhsapp primary 1", "", low, 10))
					if got.Attempts[0].Supplier != high || got.Backwards != 1 {
						t.Errorf("%s undoes %s", low, high)
					}
				}
			}
		}
	}
	for supplier := range supplierRanks {
		if !slices.Contains(words, supplier) {
			t.Errorf("%s is no word of the log's form", supplier)
		}
	}
}

func TestDeliveredAndRead(t *testing.T) {
	daily := func(e Event) Event { e.Source, e.At = DailyReport, hour(0); return e }
	by := func(channel string, e Event) Event { e.Channel = channel; return e }
	never := func(e Event) Event { e.At = time.Time{}; return e }
	for _, test := range []struct {
		sentence      string
		events        []Event
		delivered     string // hour and channel
		read          int    // hour; -1: not read
		deliveredFlag bool
	}{
		{"sending", []Event{message(Callback, "sending", 9)}, "-1 ", -1, false},
		{"a message", []Event{message(Callback, "delivered", 9)}, "9 ", -1, true},
		{"a message that names its channel", []Event{by("sms", message(Callback, "delivered", 9))}, "9 sms", -1, true},
		{"a message that names the NHS App", []Event{by("nhsapp", message(Callback, "delivered", 9)), message(Callback, "sending", 8)}, "9 nhsapp", 9, true},
		{"a message that failed in the channel that it names", []Event{by("sms", message(Callback, "failed", 9))}, "-1 ", -1, false},
		{"a channel alone", []Event{channel("sms primary 1", "delivered", "", 9)}, "9 sms", -1, true},
		{"the first of two channels", []Event{channel("sms primary 2", "delivered", "", 12), channel("email primary 1", "delivered", "", 11)}, "11 email", -1, true},
		{"two channels at one time", []Event{channel("sms primary 2", "delivered", "", 9), channel("email primary 1", "delivered", "", 9)}, "9 email", -1, true},
		{"the NHS App by NHS Notify", []Event{channel("nhsapp primary 1", "delivered", "", 9)}, "9 nhsapp", 9, true},
		{"in the app and not read", []Event{channel("nhsapp primary 1", "sending", "delivered", 9)}, "-1 ", -1, false},
		{"read, by the supplier", []Event{channel("nhsapp primary 1", "", "read", 9)}, "-1 ", 9, false},
		{"receipts", []Event{message(Receipt, "read", 11), message(Receipt, "delivered", 9), message(Receipt, "notified", 10)}, "9 nhsapp", 11, true},
		{"a receipt of reading alone", []Event{message(Receipt, "read", 11)}, "11 nhsapp", 11, true},
		{"a receipt that says rejected", []Event{message(Receipt, "rejected", 11)}, "-1 ", -1, false},
		{"a day is less exact than a time", []Event{daily(message(Callback, "delivered", 0)), message(Callback, "delivered", 9)}, "9 ", -1, true},
		{"a day is better than no time", []Event{daily(message(Callback, "delivered", 0)), never(message(Callback, "delivered", 0))}, "0 ", -1, true},
		{"no time", []Event{never(channel("nhsapp", "delivered", "", 0))}, "-1 nhsapp", -2, true},
	} {
		for range 2 {
			s := fold(test.events...)
			at := func(t time.Time) int {
				if t.IsZero() {
					return -1
				}
				return t.Hour()
			}
			if got := fmt.Sprint(at(s.DeliveredAt), " ", s.DeliveredChannel); got != test.delivered || s.Delivered != test.deliveredFlag {
				t.Errorf("%s: delivered %v at %s", test.sentence, s.Delivered, got)
			}
			if s.Read != (test.read != -1) || at(s.ReadAt) != max(test.read, -1) {
				t.Errorf("%s: read %v at %s", test.sentence, s.Read, s.ReadAt)
			}
			slices.Reverse(test.events)
		}
	}
}

func TestWhyAMessageFailed(t *testing.T) {
	const d = DailyReport
	for _, test := range []struct {
		sentence string
		events   []Event
		want     string
	}{
		{"its own words", []Event{failure(message(Callback, "failed", 9), "MFR_1", "no contact"), failure(channel("sms primary 1", "failed", "", 10), "CFR_1", "")}, "MFR_1 no contact"},
		{"the words of the channel that failed last", []Event{
			message(Status, "failed", 9), failure(channel("nhsapp primary 1", "failed", "", 8), "CFR_1", "unread"), failure(channel("sms primary 2", "failed", "", 10), "CFR_2", "gone"),
		}, "CFR_2 gone"},
		{"the words of the channel that failed last, though it was tried first", []Event{
			message(Status, "failed", 9), failure(channel("nhsapp primary 1", "failed", "", 11), "CFR_1", "unread"), failure(channel("sms primary 2", "failed", "", 10), "CFR_2", "gone"),
		}, "CFR_1 unread"},
		{"a later event that gives no reason", []Event{failure(message(Callback, "failed", 9), "MFR_1", ""), message(Status, "failed", 10)}, "MFR_1 "},
		{"the reason of a report that ranks lower", []Event{failure(message(d, "open", 9), "", "unread"), message(d, "failed", 10)}, " unread"},
		{"it may still be delivered", []Event{message(Callback, "sending", 9), failure(channel("nhsapp primary 1", "failed", "", 8), "CFR_1", "unread")}, " "},
		{"it was delivered", []Event{failure(message(d, "failed", 9), "", "gone"), message(d, "delivered", 8)}, " "},
		{"a channel has delivered it", []Event{failure(message(d, "failed", 9), "", "gone"), channel("sms primary 1", "delivered", "", 8)}, " "},
		{"the NHS App has nobody with the number", []Event{failure(message(Receipt, "rejected", 9), "", "unknown patient")}, " unknown patient"},
	} {
		for range 2 {
			s := fold(test.events...)
			if got := s.Code + " " + s.Reason; got != test.want {
				t.Errorf("%s: %q, want %q", test.sentence, got, test.want)
			}
			slices.Reverse(test.events)
		}
	}
}

// A daily report names no cascade. What it says of a channel belongs to the one attempt with it.
func TestAChannelWithoutACascade(t *testing.T) {
	loose := channel("sms", "failed", "", 9)
	for _, test := range []struct {
		others []Event
		want   string
	}{
		{nil, "[ 0 sms failed]"},
		{[]Event{channel("email primary 1", "sending", "", 8)}, "[ 0 sms failed] [primary 1 email sending]"},
		{[]Event{channel("sms primary 1", "sending", "", 8)}, "[primary 1 sms failed]"},
		{[]Event{channel("sms primary 1", "delivered", "", 8)}, "[primary 1 sms delivered]"},
		{[]Event{channel("sms primary 1", "sending", "", 8), channel("sms secondary 1", "sending", "", 8)}, "[ 0 sms failed] [primary 1 sms sending] [secondary 1 sms sending]"},
	} {
		var f Fold
		var got []string
		for _, e := range append(test.others, loose) {
			f.Add(&e)
			_ = f.State() // asking changes nothing
		}
		for _, a := range f.State().Attempts {
			got = append(got, fmt.Sprint("[", a.Cascade, " ", a.Order, " ", a.Channel, " ", a.Status, "]"))
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("%s, want %s", got, test.want)
		}
	}
}

// What a service has taken twice has two ids, whichever comes first.
func TestAMessageThatWasTakenTwice(t *testing.T) {
	ids := []string{"", "b", "b", "a", "c"}
	for range 20 {
		var f Fold
		for i, id := range ids {
			f.Add(&Event{Kind: OfMessage, MessageID: id, At: hour(i)})
		}
		if s := f.State(); s.MessageID != "a" || s.OtherID != "b" {
			t.Fatalf("%q and %q of %q", s.MessageID, s.OtherID, ids)
		}
		rand.Shuffle(len(ids), func(i, j int) { ids[i], ids[j] = ids[j], ids[i] })
	}
}

// A poll that gets the same answer is remembered, so that the message is not asked about again.
func TestWhenAMessageWasPolled(t *testing.T) {
	e := message(Status, "sending", 9)
	again := e
	e.Received, again.Received = hour(12), hour(11)
	if s := fold(again, e, again); !s.Polled.Equal(hour(12)) || s.Duplicates != 2 {
		t.Errorf("%+v", s)
	}
	if s := fold(message(Callback, "sending", 9)); !s.Polled.IsZero() {
		t.Errorf("a callback counts as a poll: %+v", s)
	}
}

// The wording is that of the last event that names one.
func TestTheRoutingPlansVersion(t *testing.T) {
	a, b := message(Callback, "sending", 9), message(Callback, "sending", 10)
	a.RoutingVersion, b.RoutingVersion = "z", "a"
	if s := fold(b, a, message(Callback, "delivered", 11)); s.RoutingVersion != "a" {
		t.Errorf("%q", s.RoutingVersion)
	}
}

// drawFrom draws an event of few values, so that events meet each other.
func drawFrom(t *rapid.T) Event {
	pick := func(of string, from ...string) string { return rapid.SampledFrom(from).Draw(t, of) }
	e := Event{
		Source: Source(pick("source", string(Callback), string(Status), string(Receipt), string(DailyReport))),
		Kind:   Kind(pick("kind", string(OfMessage), string(OfMessage), string(OfChannel), string(OfChannel), string(OfResponse), string(OfUnknown))),
		Status: pick("status", "", "sending", "failed", "delivered", "read", "new", "newer"),
		Code:   pick("code", "", "A", "MFR_PDSV_0111", "CFR_PDSV_0111", "PDSV_0112", "CFR_PDSV_0002"), Reason: pick("reason", "", "", "a"), Answer: pick("answer", "1", "2"),
		MessageID: pick("id", "", "a", "b", "c"), RoutingVersion: pick("version", "", "1", "2"), Key: pick("key", "", "k"),
		Received: hour(rapid.IntRange(0, 23).Draw(t, "received")),
	}
	if h := rapid.IntRange(8, 10).Draw(t, "at"); h > 8 {
		e.At = hour(h)
	}
	if e.Kind == OfChannel {
		e.Channel, e.Supplier = pick("channel", "nhsapp", "sms"), pick("supplier", "", "received", "delivered", "read", "new", "newer")
		e.Cascade, e.Order = pick("cascade", "", "primary", "secondary"), rapid.IntRange(0, 1).Draw(t, "order")
	}
	return e
}

// Any order and any repetition of the same events gives the same state, but for the two counts
// that are about the order.
func TestTheOrderDecidesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := drawFrom(t)
		events := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) Event { // most are much like the first
			e, other := first, drawFrom(t)
			others := other.texts()
			for i, text := range e.texts() {
				if rapid.IntRange(0, 5).Draw(t, "other text") == 0 {
					*text = *others[i]
				}
			}
			if rapid.Bool().Draw(t, "other time") {
				e.At, e.Order, e.Received = other.At, other.Order, other.Received
			}
			return e
		}), 1, 20).Draw(t, "events")
		again := append(slices.Clone(events), rapid.SliceOf(rapid.SampledFrom(events)).Draw(t, "repeated")...)
		again = rapid.Permutation(again).Draw(t, "in another order")
		once, second := fold(events...), fold(again...)
		if second.Events+second.Duplicates != len(again) {
			t.Fatalf("%d events and %d duplicates of %d", second.Events, second.Duplicates, len(again))
		}
		for _, s := range []*State{&once, &second} {
			s.Duplicates, s.Backwards = 0, 0
		}
		forbidding := func(e Event) bool { return forbids(e.Code) }
		if slices.ContainsFunc(events, forbidding) != (once.Forbidden != "") {
			t.Fatalf("%q of %+v", once.Forbidden, events)
		}
		if !reflect.DeepEqual(once, second) {
			t.Fatalf("\nonce:  %+v\nagain: %+v", once, second)
		}
	})
}

func BenchmarkFold(b *testing.B) {
	events := []Event{
		message(Callback, "enriched", 8), message(Callback, "sending", 9), channel("nhsapp primary 1", "sending", "received", 9),
		channel("nhsapp primary 1", "failed", "unnotified", 10), channel("sms primary 2", "delivered", "delivered", 11), message(Callback, "delivered", 11),
	}
	b.ReportAllocs()
	var f Fold
	for b.Loop() {
		f.Reset()
		for i := range events {
			f.Add(&events[i])
		}
		if s := f.State(); s.Status != Delivered {
			b.Fatal(s)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(events)), "ns/event")
}
