package delivery

import (
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"cohort/engine/delivery"
	"cohort/engine/facts"
	"cohort/engine/plan"
	"cohort/ingest/person"
	"cohort/sinks/nhsapp"
)

func planOf(records int64) *plan.Plan {
	return &plan.Plan{Header: plan.Header{Records: records}, Run: sweptRun, References: sweptRun.References()}
}

// Receipts come in no order and more than once, and each reconcile reads them all again. What they say
// of a message is the same, and the run's inbox has each of them once.
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
		{RequestID: sweptRun.References().Message(6).String(), MessageID: idOf(6), Code: "Notified"},
	}
	want := []string{
		"read by nhsapp, id-1; nhsapp", "rejected NHS number not found, id-2; nhsapp  NHS number not found", "delivered by nhsapp, id-3; nhsapp",
		"archived, id-4; nhsapp", "rejected, id-5; nhsapp", "notified, id-6; nhsapp",
	}
	others := []nhsapp.Receipt{{RequestID: "another campaign's", MessageID: "x", Code: "Read"}, {MessageID: "y", Code: "Read"}}
	random := rand.New(rand.NewPCG(1, 2))
	plan, dir := planOf(8), filepath.Join(t.TempDir(), "run")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	held, err := facts.Hold(dir, plan, "reconcile")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = held.Close() }()
	for n := range 8 {
		var said strings.Builder
		r := NewReceipts(plan, slog.New(slog.NewTextHandler(&said, nil)))
		if r.News, err = held.Learn(dir); err != nil {
			t.Fatal(err)
		}
		random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		for _, x := range slices.Concat(all, others, all[:3]) {
			r.Add(x)
		}
		if err := r.News.Save(t.Context()); err != nil || said.Len() > 0 {
			t.Fatalf("%v, %s", err, said.String())
		}
		states, err := held.States(dir)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for s, err := range states.All() {
			if err != nil {
				t.Fatal(err)
			}
			if got = append(got, plainly(s.State)); !r.Named(s.Row) || s.State.Duplicates > 0 {
				t.Errorf("time %d: row %d has %d duplicates", n, s.Row, s.State.Duplicates)
			}
		}
		_ = states.Close()
		if !slices.Equal(got, want) || r.Named(7) {
			t.Fatalf("time %d: got\n%s\nwant\n%s", n, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

func TestAReceiptOfASecondMessage(t *testing.T) {
	var said strings.Builder
	r := NewReceipts(planOf(1), slog.New(slog.NewTextHandler(&said, nil)))
	for _, id := range []string{"a", "a", "b", "b", "c"} {
		r.Add(nhsapp.Receipt{RequestID: sweptRun.References().Message(1).String(), MessageID: id, Code: "Read"})
	}
	if strings.Count(said.String(), "taken a message twice") != 1 {
		t.Errorf("%q", said.String())
	}
}

// The summary counts accepted messages alone, and shows what cannot be.
func TestSummary(t *testing.T) {
	s := &Summary{Contradicted: 3, Fates: map[person.Fate]int64{person.Accepted: 7}, Statuses: map[string]int64{}, DeliveredBy: map[string]int64{}}
	sms := delivery.State{Status: "delivered", Delivered: true, DeliveredChannel: "sms", MessageID: "a"}
	twice := sms
	twice.OtherID = "b"
	for _, m := range []Message{
		{Fate: person.Accepted},
		{Fate: person.Accepted, State: &sms},
		{Fate: person.Accepted, State: &sms, id: "a"},
		{Fate: person.Accepted, State: &sms, id: "other"},
		{Fate: person.Accepted, State: &twice},
		{Fate: person.Accepted, State: &delivery.State{Delivered: true, Read: true, DeliveredChannel: "nhsapp"}},
		{Fate: person.Accepted, State: &delivery.State{Events: 1}},
		{Fate: person.InDoubt, State: &sms},
		{Fate: person.Refused, State: &sms},
		{Fate: person.NotSent, State: &sms},
		{Fate: person.Refused},
	} {
		s.add(&m)
	}
	s.Fallback = &Fallback{File: "f.csv", Listed: map[string]int64{"rejected": 1, "unread": 2}, Left: map[string]int64{"in_doubt": 1}}
	var out strings.Builder
	if err := s.Print(&out, false); err != nil {
		t.Fatal(err)
	}
	want := `
what is known of the 7 messages that were accepted
    delivered                       5
    other                           1
    nothing                         1
delivered by 4 sms, 1 nhsapp
  1 were read in the NHS App
  2 MESSAGES WERE TAKEN TWICE: the service has two ids for each, and their people got both
  3 PEOPLE ARE CONTRADICTED: the service tells of their messages, and this run has them as not sent to; cohort status says what to do
fallback f.csv: 2 unread, 1 rejected
  not reached either, and left out: 1 in_doubt
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}
