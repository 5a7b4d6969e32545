package delivery

import (
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"cohort/engine"
	"cohort/engine/facts"
	"cohort/engine/plan"
	"cohort/engine/report"
	"cohort/ingest/person"
	"cohort/sinks/nhsapp"
)

func planOf(records int64) *plan.Plan {
	return &plan.Plan{Header: plan.Header{Records: records}, Run: sweptRun, References: sweptRun.References()}
}

// Every reference of a run finds its row, and nobody else's finds any.
func TestRowsAreFoundByReference(t *testing.T) {
	other := engine.NewRunID("other", [32]byte{}, "").References()
	keyed, older := sweptRun.References(), sweptRun.OlderReferences()
	for _, records := range []int64{0, 1, 3, 4, 5, 20_000, -1, -5, -20_000} {
		own, strange := keyed, older
		if records < 0 {
			own, strange, records = older, keyed, -records
		}
		table := facts.NewRows(own, records)
		for row := int64(-1); row <= records+100; row++ {
			if got, ok := table.Of(own.Message(row).String()); ok != (0 < row && row <= records) || ok && got != row {
				t.Fatalf("of %d: row %d is %d %v", records, row, got, ok)
			}
			for _, not := range []engine.References{other, strange} {
				if got, ok := table.Of(not.Message(row).String()); ok {
					t.Fatalf("another run's row %d is %d", row, got)
				}
			}
		}
		for _, text := range []string{"", "x", strings.Repeat("0", 36)} {
			if _, ok := table.Of(text); ok {
				t.Errorf("%q has a row", text)
			}
		}
	}
}

func messagesOf(list ...Message) iter.Seq2[Message, error] {
	return func(yield func(Message, error) bool) {
		for _, m := range list {
			if !yield(m, nil) {
				return
			}
		}
	}
}

// Receipts come in no order and more than once; what they say of a message is the same.
func TestReceiptsAddUp(t *testing.T) {
	hour := func(h int) time.Time { return time.Date(2026, 11, 21, h, 0, 0, 0, time.UTC) }
	of := func(row int64, code string, h int, reason string) nhsapp.Receipt {
		return nhsapp.Receipt{RequestID: sweptRun.References().Message(row).String(), MessageID: idOf(row), Code: code, Reason: reason, At: hour(h)}
	}
	all := []nhsapp.Receipt{
		of(1, "Delivered", 9, ""), of(1, "NotificationAttempted", 10, ""), of(1, "Unnotified", 11, ""), of(1, "Read", 20, ""), of(1, "Archived", 21, ""),
		of(2, "Rejected", 9, "NHS  number not found"),
		of(3, "Delivered", 9, ""), of(3, "Delivered", 10, ""),
		of(4, "Archived", 12, ""),
		of(5, "Rejected", 9, "9990000018 is nobody's"),
		{RequestID: "another campaign's", MessageID: "x", Code: "Read"}, {MessageID: "y", Code: "Read"},
		{RequestID: sweptRun.References().Message(6).String(), MessageID: idOf(6), Code: "Notified"},
	}
	learned := hour(23)
	want := []report.Fact{
		{Row: 1, MessageID: idOf(1), Status: "read", Steps: "other, delivered, notification_attempted, unnotified, read", At: hour(20)},
		{Row: 2, MessageID: idOf(2), Status: "rejected", Steps: "rejected", Reason: "NHS number not found", At: hour(9)},
		{Row: 3, MessageID: idOf(3), Status: "delivered", Steps: "delivered", At: hour(10)},
		{Row: 4, Steps: "other", At: hour(12)},
		{Row: 5, MessageID: idOf(5), Status: "rejected", Steps: "rejected", At: hour(9)},
		{Row: 6, MessageID: idOf(6), Status: "notified", Steps: "notified"},
	}
	var sent []Message
	for row := int64(1); row <= 8; row++ {
		sent = append(sent, Message{Row: row, Fate: person.Accepted, id: idOf(row)})
	}
	sent[3].id = "" // not known
	for i := range want {
		want[i].Channel, want[i].Origin, want[i].Learned = "nhsapp", report.OfReceipt, learned
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 30 {
		var said strings.Builder
		r := NewReceipts(planOf(8), slog.New(slog.NewTextHandler(&said, nil)))
		random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		for _, x := range append(slices.Clone(all), all[random.IntN(len(all))]) {
			r.Add(x)
		}
		var got []report.Fact
		for f, err := range r.Facts(messagesOf(sent...), learned) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, f)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) || said.Len() > 0 {
			t.Fatalf("got  %+v\nwant %+v\n%s", got, want, said.String())
		}
	}
}

// What cannot be is said aloud, and without anybody's name.
func TestReceiptsThatCannotBe(t *testing.T) {
	read := func(id string) nhsapp.Receipt {
		return nhsapp.Receipt{RequestID: sweptRun.References().Message(1).String(), MessageID: id, Code: "Read"}
	}
	for _, row := range []struct {
		sentence string
		add      []nhsapp.Receipt
		message  Message
		want     string
	}{
		{"two communications of one message", []nhsapp.Receipt{read("a"), read("b")}, Message{Row: 1, Fate: person.Accepted, id: "a"}, "taken a message twice"},
		{"a receipt under another id than the answer's", []nhsapp.Receipt{read("a")}, Message{Row: 1, Fate: person.Accepted, id: "b"}, "under another id, or as not sent"},
		{"a receipt of what was refused", []nhsapp.Receipt{read("a")}, Message{Row: 1, Fate: person.Refused, id: ""}, "under another id, or as not sent"},
		{"a receipt of what is in doubt", []nhsapp.Receipt{read("a")}, Message{Row: 1, Fate: person.InDoubt, id: ""}, ""},
	} {
		var said strings.Builder
		r := NewReceipts(planOf(1), slog.New(slog.NewTextHandler(&said, nil)))
		for _, x := range row.add {
			r.Add(x)
		}
		n := 0
		for range r.Facts(messagesOf(row.message), time.Now()) {
			n++
		}
		if n != 1 || (row.want == "") != (said.Len() == 0) || !strings.Contains(said.String(), row.want) {
			t.Errorf("%s: %d facts, %q", row.sentence, n, said.String())
		}
	}
}
