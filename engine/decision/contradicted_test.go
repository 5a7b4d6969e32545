package decision

import (
	"bytes"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"testing"

	"cohort/engine"
	"cohort/engine/enginetest"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/record"
	"cohort/ingest/person"
)

// The service reports about a message with each fate. Only those that it does not have by the account are contradicted,
// each once, and nobody beside them is blocked.
func TestContradictions(t *testing.T) {
	dir := t.TempDir()
	people := enginetest.NewPeople(30, 1, func(row int64) person.Fate {
		if row == 8 {
			return person.Suppressed
		}
		return ""
	})
	enginetest.SealPlan(t, dir, people, engine.Limits{Messages: 3, Bytes: 1 << 20})
	form := func(batch uint32) plan.FormID { return plan.FormID{Batch: batch} }
	attempt := func(batch uint32) *record.Attempt { return &record.Attempt{Form: form(batch), N: 1, At: noon} }
	accepted := &record.Outcome{Form: form(0), N: 1, At: noon, Result: record.ResultAccepted, IDs: []string{"1", "2", "3"}}
	out := func(batch, n uint32) *record.Revision {
		rest := plan.Form{From: 3 * batch, To: 3*batch + 3, Dropped: []uint32{3 * batch}, Messages: 2}
		return &record.Revision{Form: form(batch), N: uint16(n), Number: 1, Sure: n > 0, Parts: []plan.Form{rest}, Refused: []record.RefusedRow{{Position: 3 * batch, Code: "TEXT"}}}
	}
	log := opened(t, dir, slices.Concat(
		[]record.Record{attempt(0), accepted},  // rows 1 to 3
		[]record.Record{attempt(1), out(1, 1)}, // row 4 is refused, 5 and 6 are not sent
		held(3),                                // rows 10 to 12; 7 to 9 are not sent, but for 8
		[]record.Record{attempt(4), &record.InDoubt{Form: form(4), N: 1, At: noon}}, // rows 13 to 15
		[]record.Record{out(5, 0)}, // row 16 is listed, 17 and 18 are not sent
	)...)
	l := log.Ledger
	foreign, heard := 0, map[int64]bool{1: true, 4: true, 6: true, 8: true, 11: true, 14: true, 16: true}
	find := func() (got []string) {
		var said bytes.Buffer
		n, err := l.Contradictions(people, func(row int64) bool { return heard[row] }, slog.New(slog.NewTextHandler(&said, nil)), log.Append)
		enginetest.Must(t, err)
		foreign += n
		for _, m := range regexp.MustCompile(`message=(\S+) account=(\S+)`).FindAllStringSubmatch(said.String(), -1) {
			row, _ := l.Plan.References.Row(m[1])
			got = append(got, fmt.Sprint(row, " ", m[2]))
		}
		enginetest.Must(t, log.Flush())
		return got
	}
	want := []string{"4 refused", "6 not_sent", "8 suppressed", "11 in_doubt", "16 suppressed"}
	if got := find(); !slices.Equal(got, want) {
		t.Errorf("contradicted are %v, want %v", got, want)
	}
	if got := find(); len(got) > 0 {
		t.Errorf("found twice: %v", got)
	}
	if foreign != 2 { // the rest of batches 1 and 5. Their references are newer than the one that the service knows
		t.Errorf("%d forms are foreign", foreign)
	}
	again, err := ledger.Read(dir, l.Plan) // what a replay of the log makes of it
	enginetest.Must(t, err)
	for name, l := range map[string]*ledger.Ledger{"at work": l, "read again": again} {
		if l.CountContradicted() != 4 || l.ListedLate() != 0 {
			t.Errorf("%s: %d contradicted, %d listed too late", name, l.CountContradicted(), l.ListedLate())
		}
		for batch, want := range map[uint32]ledger.Phase{0: ledger.Accepted, 1: ledger.Foreign, 2: ledger.Planned, 3: ledger.Held, 5: ledger.Foreign, 6: ledger.Planned} {
			for _, s := range l.Forms(batch) {
				if s.Phase != want {
					t.Errorf("%s: batch %d is in phase %d, want %d", name, batch, s.Phase, want)
				}
			}
		}
		if got := RetryCandidates(l, nil).Sum(); got.Again != 0 || got.Listed != 0 || got.Contradicted != 1 {
			t.Errorf("%s: of the refused: %+v", name, got)
		}
		if late := l.TooLate(2); len(late) > 0 { // a form stands for this position, and has no message for it
			t.Errorf("%s: the person whom the plan suppressed blocks a form: %v", name, late)
		}
	}
}
