package delivery

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// anEvent is a callback as NHS Notify sends it.
func anEvent() Event {
	return Event{
		Source: Callback, Kind: OfChannel, Reference: "1f0b7d1e-6c1c-8b6a-9f00-0a1b2c3d4e5f", MessageID: "30XcAOfwjq59r72AQTjxL4V7Heg",
		Status: "failed", Channel: "sms", Cascade: "secondary", Order: 2, Supplier: "permanent_failure",
		Code: "CFR_SUPE_0007", Reason: "Supplier failure", RoutingVersion: "ztoe2qRAM8M8vS0bqajhyEBcvXacrGPp",
		At: time.Date(2026, 11, 21, 9, 0, 0, 123e6, time.UTC), Received: time.Date(2026, 11, 21, 9, 0, 1, 5, time.UTC),
		Key: strings.Repeat("0123456789abcdef", 4),
	}
}

func drawText() *rapid.Generator[string] {
	return rapid.OneOf(rapid.Just(""), rapid.SampledFrom(words), rapid.String())
}

func drawTime() *rapid.Generator[time.Time] {
	return rapid.OneOf(rapid.Just(time.Time{}), rapid.Custom(func(t *rapid.T) time.Time {
		return time.Unix(rapid.Int64Range(-1e11, 1e11).Draw(t, "seconds"), rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds")).UTC()
	}))
}

func drawEvent(t *rapid.T) Event {
	e := Event{Order: rapid.Int().Draw(t, "order"), At: drawTime().Draw(t, "at"), Received: drawTime().Draw(t, "received")}
	for i, text := range e.texts() {
		*text = drawText().Draw(t, fmt.Sprint("text ", i))
	}
	if raw := rapid.SliceOf(rapid.Byte()).Draw(t, "raw"); len(raw) > 0 {
		e.Raw = raw
	}
	return e
}

// Whatever an event holds is read back, and a log that was cut or continued is no event.
func TestEventsAreReadBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e := drawEvent(t)
		b := Append([]byte("before"), &e)[len("before"):]
		got, err := Parse(b)
		if err != nil || !reflect.DeepEqual(got, e) {
			t.Fatalf("%v\ngot  %+v\nwant %+v", err, got, e)
		}
		if name := ReferenceOf(b); name != nil && string(name) != e.Reference {
			t.Errorf("its reference is %q, not %q", name, e.Reference)
		}
		if _, err := Parse(b[:rapid.IntRange(0, len(b)-1).Draw(t, "cut")]); err == nil {
			t.Error("a part is read as an event")
		}
		if _, err := Parse(append(b, 0)); err == nil {
			t.Error("more than an event is read as one")
		}
	})
}

func TestReferenceOf(t *testing.T) {
	e := anEvent()
	b := Append(nil, &e)
	if got := string(ReferenceOf(b)); got != e.Reference {
		t.Errorf("got %q", got)
	}
	for n := range 40 {
		if got := ReferenceOf(b[:n]); got != nil {
			t.Errorf("%d bytes: %q", n, got)
		}
	}
	for _, change := range []func(*Event){
		func(e *Event) { e.Source = "a newer source" }, func(e *Event) { e.Kind = "a newer kind" },
		func(e *Event) { e.Reference = "" }, func(e *Event) { e.Reference += "0" },
	} {
		e := anEvent()
		change(&e)
		if got := ReferenceOf(Append(nil, &e)); got != nil {
			t.Errorf("%+v: %q", e, got)
		}
	}
}

// texts names every field with a text: one that was forgotten would be lost.
func TestNoFieldIsForgotten(t *testing.T) {
	var e Event
	v := reflect.ValueOf(&e).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Interface().(type) {
		case time.Time:
			f.Set(reflect.ValueOf(time.Unix(int64(i), 0).UTC()))
		case []byte:
			f.SetBytes([]byte{byte(i)})
		case int:
			f.SetInt(int64(i))
		default:
			f.SetString(fmt.Sprint("field ", i))
		}
	}
	if got, err := Parse(Append(nil, &e)); err != nil || !reflect.DeepEqual(got, e) {
		t.Errorf("%v\ngot  %+v\nwant %+v", err, got, e)
	}
}

// The form is for ever: these bytes are in the logs of runs.
func TestTheFormStaysAsItIs(t *testing.T) {
	e := anEvent()
	e.Answer, e.Raw, e.Status = "yes", []byte("{}"), "a_new_status"
	text := func(text string) string { return fmt.Sprintf("%02x%x", 2*len(text), text) }
	want := "01" + "01" + "0b" + text(e.Reference) + text(e.MessageID) + text(e.Status) + "57" + "5d" + "31" + // sms, secondary, permanent_failure
		text(e.Code) + text(e.Reason) + text(e.Answer) + text(e.RoutingVersion) + "8001" + fmt.Sprintf("%x", e.Key) +
		"04" + "90a9cd94ee01" + "c0a9d33a" + "91a9cd94ee01" + "05" + "02" + "7b7d" // order, at, received, raw
	if got := fmt.Sprintf("%x", Append(nil, &e)); got != want {
		t.Errorf("the form is %s", got)
	}
}

func TestANewerEventIsRefused(t *testing.T) {
	e := anEvent()
	b := Append(nil, &e)
	b[0] = Version + 1
	_, err := Parse(append(b, "what a newer program adds"...))
	if !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), "it has version 2, and this program reads version 1") {
		t.Error(err)
	}
	for _, b := range [][]byte{nil, {0}, {1}, {1, 0xFF}} {
		if _, err := Parse(b); err != errEvent {
			t.Errorf("%x: %v", b, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	e := anEvent()
	f.Add(Append(nil, &e))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := Parse(b)
		if err != nil {
			return
		}
		if again, err := Parse(Append(nil, &e)); err != nil || !reflect.DeepEqual(again, e) {
			t.Errorf("%v\ngot  %+v\nwant %+v", err, again, e)
		}
	})
}

// Two events are the same only if they say the same.
func TestIdentity(t *testing.T) {
	at := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		sentence string
		change   func(a, b *Event)
		same     bool
	}{
		{"it comes again later", func(_, b *Event) { b.Received = b.Received.Add(time.Hour) }, true},
		{"an older sender gives it an id of its own", func(_, b *Event) { b.Key = "event-2" }, true},
		{"other members that nobody reads", func(_, b *Event) { b.Raw = []byte("{}") }, true},
		{"the same words in another zone", func(_, b *Event) { b.At = b.At.In(time.FixedZone("", 3600)) }, true},
		{"one key for two times", func(_, b *Event) { b.At = at }, false},
		{"one key for two messages", func(_, b *Event) { b.Reference = "another" }, false},
		{"another status", func(_, b *Event) { b.Status = "delivered" }, false},
		{"another status of the supplier", func(_, b *Event) { b.Supplier = "temporary_failure" }, false},
		{"about the message and not the channel", func(_, b *Event) { b.Kind = OfMessage }, false},
		{"another channel", func(_, b *Event) { b.Channel = "email" }, false},
		{"another cascade", func(_, b *Event) { b.Cascade = "primary" }, false},
		{"a later turn of the channel", func(_, b *Event) { b.Order = 3 }, false},
		{"another id at the service", func(_, b *Event) { b.MessageID = "another" }, false},
		{"learned in another way", func(_, b *Event) { b.Source = Status }, false},
		{"two replies at one time", func(a, b *Event) { a.Kind, b.Kind, b.Key = OfResponse, OfResponse, "reply-2" }, false},
		{"two events without a time", func(a, b *Event) { a.At, b.At, b.Key = time.Time{}, time.Time{}, "event-2" }, false},
		{"two events that nobody understands", func(a, b *Event) { a.Kind, b.Kind, b.Raw = OfUnknown, OfUnknown, []byte("{}") }, false},
	} {
		a, b := anEvent(), anEvent()
		test.change(&a, &b)
		if same := a.Identity() == b.Identity(); same != test.same {
			t.Errorf("%s: the same is %v", test.sentence, same)
		}
	}
}

func BenchmarkEvents(b *testing.B) {
	e := anEvent()
	form := Append(nil, &e)
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		buf := make([]byte, 0, 512)
		for b.Loop() {
			buf = Append(buf[:0], &e)
		}
		b.ReportMetric(float64(len(buf)), "bytes/event")
	})
	b.Run("parse", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := Parse(form); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("identity", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = e.Identity()
		}
	})
}
