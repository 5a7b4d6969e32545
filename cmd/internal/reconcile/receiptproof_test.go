package reconcile

import (
	"iter"
	"log/slog"
	"strings"
	"testing"
	"time"

	"cohort/cmd/internal/run"
	"cohort/engine"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/ingest/person"
	"cohort/sinks/delivery"
	"cohort/sinks/nhsapp"
)

// That a receipt has not come proves something only where those of others have.
func TestWhetherReceiptsCome(t *testing.T) {
	monday := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	tuesday, thursday := monday.AddDate(0, 0, 1), monday.AddDate(0, 0, 3)
	for _, row := range []struct {
		sentence       string
		accepted       []time.Time // of the messages in the order of their rows
		named          []int64     // rows with a receipt
		unread         int
		days           []time.Time // with attempts in doubt
		refused, warns string
	}{
		{"all have receipts", []time.Time{monday, monday, tuesday}, []int64{1, 2, 3}, 0, []time.Time{monday, tuesday}, "", ""},
		{"half of them", []time.Time{monday, monday}, []int64{1}, 0, []time.Time{monday}, "", ""},
		{"less", []time.Time{monday, monday, monday}, []int64{2}, 0, []time.Time{monday}, "too_few_receipts", ""},
		{"none", []time.Time{monday}, nil, 0, []time.Time{monday}, "too_few_receipts", ""},
		{"the report of one day is missing", []time.Time{monday, monday, monday, tuesday}, []int64{1, 2, 3}, 0, []time.Time{monday, tuesday}, "too_few_receipts", ""},
		{"the report of a day without doubt is missing", []time.Time{monday, monday, monday, tuesday}, []int64{1, 2, 3}, 0, []time.Time{monday}, "", ""},
		{"those of today may still come", []time.Time{monday, thursday, thursday, thursday}, []int64{1}, 0, []time.Time{monday}, "", ""},
		{"nothing was accepted on that day", []time.Time{monday}, []int64{1}, 0, []time.Time{tuesday}, "", "day=2026-11-24"},
		{"nothing was accepted at all", nil, nil, 0, []time.Time{tuesday}, "", "day=2026-11-24"},
		{"one cannot be read", []time.Time{monday}, []int64{1}, 1, []time.Time{monday}, "receipts_not_understood", ""},
	} {
		var said strings.Builder
		s := &run.Runner{Log: slog.New(slog.NewTextHandler(&said, nil))}
		r := delivery.NewReceipts(&plan.Plan{Header: plan.Header{Records: 10}, Run: sweptRun, References: sweptRun.References()}, s.Log)
		r.Unread = row.unread
		for _, n := range row.named {
			r.Add(nhsapp.Receipt{RequestID: sweptRun.References().Message(n).String(), MessageID: "id", Code: "Delivered"})
		}
		messages := []delivery.Message{{Row: 9, Fate: person.InDoubt}, {Row: 10, Fate: person.Refused}}
		for i, at := range row.accepted {
			messages = append(messages, delivery.Message{Row: int64(i + 1), Fate: person.Accepted, Accepted: at})
		}
		days := map[time.Time]bool{}
		for _, day := range row.days {
			days[delivery.DayOf(day)] = true
		}
		proof, err := ReceiptsCome(s, r, messagesOf(messages...), days, thursday)
		if err != nil || refusal.Code(proof) != row.refused || (proof == nil) != (row.refused == "") {
			t.Errorf("%s: %v, %v", row.sentence, proof, err)
		}
		if (said.Len() == 0) != (row.warns == "") || !strings.Contains(said.String(), row.warns) {
			t.Errorf("%s: %q", row.sentence, said.String())
		}
	}
}

var sweptRun = engine.NewRunID("swept", [32]byte{}, "")

func messagesOf(list ...delivery.Message) iter.Seq2[delivery.Message, error] {
	return func(yield func(delivery.Message, error) bool) {
		for _, m := range list {
			if !yield(m, nil) {
				return
			}
		}
	}
}
