package record

import (
	"encoding/hex"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"cohort/engine/enginetest"
	"cohort/engine/journal"
	"cohort/engine/plan"
)

func encoded(r Record) []byte { return Append(nil, r) }

// drawRecord draws a record of any kind, with times of whole milliseconds.
func drawRecord(t *rapid.T) (journal.Type, Record) {
	text := rapid.String()
	at := time.UnixMilli(rapid.Int64().Draw(t, "at"))
	id := plan.FormID{Batch: rapid.Uint32().Draw(t, "batch"), Revision: rapid.Uint16().Draw(t, "revision"), Part: rapid.Uint16().Draw(t, "part")}
	n, status := rapid.Uint16().Draw(t, "n"), rapid.IntRange(0, 599).Draw(t, "status")
	digest := func() (d [32]byte) {
		copy(d[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "digest"))
		return d
	}
	switch kind := rapid.SampledFrom([]journal.Type{1, 2, 3, 4, 5, 6, 7, 8, 10}).Draw(t, "kind"); kind {
	case KindRunOpened:
		return kind, &RunOpened{digest(), at, rapid.Uint64().Draw(t, "pid"), text.Draw(t, "host"), text.Draw(t, "version"), text.Draw(t, "key")}
	case KindAttempt:
		return kind, &Attempt{id, n, at, [16]byte(slices.Repeat([]byte{rapid.Byte().Draw(t, "c")}, 16))}
	case KindOutcome:
		return kind, &Outcome{Form: id, N: n, At: at, Result: Result(rapid.Uint8().Draw(t, "result")), Status: status, Code: text.Draw(t, "code"), RetryAfter: time.Duration(rapid.Uint16().Draw(t, "retry after")) * time.Millisecond, IDs: rapid.SliceOf(text).Draw(t, "ids")}
	case KindInDoubt:
		return kind, &InDoubt{id, n, at, status, text.Draw(t, "code"), time.Duration(rapid.Uint16().Draw(t, "retry after")) * time.Millisecond}
	case KindRevision:
		r := &Revision{Form: id, N: n, At: at, Status: status, Code: text.Draw(t, "code"), Number: rapid.Uint16().Draw(t, "number")}
		for range rapid.IntRange(0, 3).Draw(t, "parts") {
			dropped := rapid.SliceOfDistinct(rapid.Uint32(), rapid.ID[uint32]).Draw(t, "dropped")
			slices.Sort(dropped)
			if len(dropped) == 0 {
				dropped = nil
			}
			r.Parts = append(r.Parts, plan.Form{From: rapid.Uint32().Draw(t, "from"), To: rapid.Uint32().Draw(t, "to"), Dropped: dropped, Messages: rapid.Uint32().Draw(t, "messages"), Bytes: rapid.Uint32().Draw(t, "bytes"), Digest: digest()})
		}
		for range rapid.IntRange(0, 3).Draw(t, "refused") {
			r.Refused = append(r.Refused, RefusedRow{rapid.Uint32().Draw(t, "position"), text.Draw(t, "code"), text.Draw(t, "reason")})
		}
		r.Sure = rapid.Bool().Draw(t, "sure")
		return kind, r
	case KindControl:
		return kind, &Control{at, text.Draw(t, "verb"), text.Draw(t, "detail")}
	case KindResolved:
		r := &Resolved{Form: id, At: at, Result: Result(rapid.Uint8().Draw(t, "result")), Reason: text.Draw(t, "reason")}
		if r.Result == ResultAccepted {
			r.IDs = rapid.SliceOfN(text, 1, 3).Draw(t, "ids")
		}
		return kind, r
	case KindRecovered:
		return kind, &Recovered{digest(), at, at, text.Draw(t, "hold"), rapid.Uint64().Draw(t, "attempts"), rapid.Uint64().Draw(t, "revisions"), text.Draw(t, "key"), text.Draw(t, "aside")}
	default:
		r := &RunClosed{At: at}
		for i := range r.Counts {
			r.Counts[i] = rapid.Uint64().Draw(t, "count")
		}
		return kind, r
	}
}

func TestRecordsComeBackAsTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kind, record := drawRecord(t)
		raw := encoded(record)
		got, err := Decode(kind, raw)
		if err != nil {
			t.Fatalf("%+v: %v", record, err)
		}
		if o, ok := got.(*Outcome); ok {
			if o.IDs, err = o.MessageIDs(); err != nil {
				t.Fatal(err)
			}
			o.rawIDs = nil
			if len(o.IDs) == 0 {
				o.IDs, record.(*Outcome).IDs = nil, nil
			}
		}
		if !reflect.DeepEqual(got, record) {
			t.Fatalf("%+v came back as %+v", record, got)
		}
		id := reflect.Indirect(reflect.ValueOf(record)).FieldByName("Form")
		batch, about := BatchOf(kind, raw)
		if about != id.IsValid() || about && batch != id.Interface().(plan.FormID).Batch {
			t.Fatalf("%+v is about batch %d, %v", record, batch, about)
		}
		// Whatever is missing at the end, or too much, is noticed: an outcome's ids by ids. Only
		// what older versions did not say may be missing.
		whole := len(raw)
		if r, ok := record.(*Revision); ok && r.Sure {
			whole--
		}
		if cut := rapid.IntRange(0, len(raw)-1).Draw(t, "cut"); cut != whole && damagedRecord(kind, raw[:cut]) == nil {
			t.Fatalf("%+v is read from %d of %d bytes", record, cut, len(raw))
		}
		if damagedRecord(kind, append(raw, 0)) == nil {
			t.Fatalf("%+v is read with a byte too many", record)
		}
	})
}

func damagedRecord(kind journal.Type, raw []byte) error {
	r, err := Decode(kind, raw)
	if o, ok := r.(*Outcome); ok && err == nil {
		_, err = o.MessageIDs()
	}
	return err
}

// The bytes are part of the format: a log that an older version wrote must be read.
func TestRecordsKeepTheirBytes(t *testing.T) {
	at := time.UnixMilli(1_795_000_000_000)
	for sentence, test := range map[string]struct {
		record Record
		want   string
	}{
		"an attempt":             {&Attempt{Form: plan.FormID{Batch: 300, Revision: 1, Part: 2}, N: 3, At: at, Correlation: [16]byte{0xAA}}, "ac02010203" + "80bcd9f29e34" + "aa000000000000000000000000000000"},
		"an outcome":             {&Outcome{Form: plan.FormID{Batch: 1, Revision: 0, Part: 0}, N: 1, At: at, Result: ResultAccepted, Status: 201, Code: "", IDs: []string{"ab"}}, "01000001" + "80bcd9f29e34" + "01" + "c901" + "00" + "00" + "01026162"},
		"a doubt":                {&InDoubt{Form: plan.FormID{Batch: 1, Revision: 0, Part: 0}, N: 1, At: at, Status: 503, Code: "X"}, "01000001" + "80bcd9f29e34" + "f703" + "0158" + "00"},
		"a control":              {&Control{At: at, Verb: "halted", Detail: "why"}, "80bcd9f29e34" + "0668616c746564" + "03776879"},
		"a close":                {&RunClosed{At: at, Counts: [7]uint64{1, 2, 3, 4, 5, 6, 300}}, "80bcd9f29e34" + "010203040506ac02"},
		"a revision":             {&Revision{Form: plan.FormID{Batch: 1, Revision: 0, Part: 0}, N: 1, At: at, Status: 400, Code: "C", Number: 1, Refused: []RefusedRow{{7, "C", "r"}}}, "01000001" + "80bcd9f29e34" + "9003" + "0143" + "01" + "00" + "01" + "0701430172"},
		"people listed too late": {&ListedLate{Batch: 300, At: at, People: []RefusedRow{{Position: 7, Code: "C"}}}, "ac02" + "80bcd9f29e34" + "01" + "070143"},
		"what a receipt told":    {&Resolved{Form: plan.FormID{Batch: 1, Revision: 0, Part: 0}, At: at, Result: ResultAccepted, Reason: "why", IDs: []string{"id"}}, "010000" + "80bcd9f29e34" + "01" + "03776879" + "01" + "026964"},
		"a decision":             {&Resolved{Form: plan.FormID{Batch: 1, Revision: 0, Part: 0}, At: at, Result: ResultHeld, Reason: "why"}, "010000" + "80bcd9f29e34" + "04" + "03776879"},
		"a recovery":             {&Recovered{At: at, Since: at, Hold: "h", Attempts: 300, Revisions: 2, Key: "k", Aside: "a"}, hex.EncodeToString(make([]byte, 32)) + "80bcd9f29e34" + "80bcd9f29e34" + "0168" + "ac02" + "02" + "016b" + "0161"},
		"its parts":              {&Revision{At: at, Parts: []plan.Form{{From: 1, To: 9, Dropped: []uint32{2, 5}, Messages: 6, Bytes: 128}}}, "00000000" + "80bcd9f29e34" + "00" + "00" + "00" + "01" + "0109068001" + hex.EncodeToString(make([]byte, 32)) + "020203" + "00"},
	} {
		if got := hex.EncodeToString(encoded(test.record)); got != test.want {
			t.Errorf("%s: got %s, want %s", sentence, got, test.want)
		}
	}
}

func TestUnknownRecordsAreRefused(t *testing.T) {
	for _, kind := range []journal.Type{0, 11, 200} {
		_, err := Decode(kind, nil)
		enginetest.CheckError(t, "a kind that does not exist", err, "not known to this version")
	}
}

// Whatever the bytes, decoding ends, without a panic and without taking much more
// memory than they have; and what it accepts it also writes in a form that it accepts.
func FuzzDecodeRecord(f *testing.F) {
	for _, r := range []Record{&RunOpened{Host: "h"}, &Attempt{}, &Outcome{IDs: []string{"a", "b"}}, &InDoubt{Code: "x"}, &Revision{Parts: []plan.Form{{Dropped: []uint32{1, 5}}}, Refused: []RefusedRow{{1, "c", "r"}}}, &Control{}, &RunClosed{}, &Resolved{Reason: "r"}, &Resolved{Result: ResultAccepted, IDs: []string{"a"}}, &Recovered{Key: "k"}, &ListedLate{People: []RefusedRow{{Position: 1, Code: "c"}}}} {
		for kind := range 11 {
			f.Add(uint8(kind), encoded(r))
		}
	}
	f.Add(uint8(KindRevision), []byte("\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"))
	f.Fuzz(func(t *testing.T, kind uint8, raw []byte) {
		r, err := Decode(journal.Type(kind), raw)
		if r == nil {
			return
		}
		switch r := r.(type) {
		case *Revision:
			size := 0
			for _, p := range r.Parts {
				size += len(p.Dropped)
			}
			if len(r.Parts) > len(raw) || len(r.Refused) > len(raw) || size > len(raw) {
				t.Fatalf("%d bytes became %d parts, %d drops and %d rows", len(raw), len(r.Parts), size, len(r.Refused))
			}
		case *Outcome:
			if ids, idsErr := r.MessageIDs(); len(ids) > len(raw) {
				t.Fatalf("%d bytes became %d ids", len(raw), len(ids))
			} else if idsErr != nil {
				return
			} else {
				r.IDs = ids
			}
		}
		if err == nil {
			if again, err := Decode(journal.Type(kind), encoded(r)); err != nil {
				t.Fatalf("%+v is written in a form that is refused: %v", again, err)
			}
		}
	})
}
