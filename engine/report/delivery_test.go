package report_test

import (
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow"

	"cohort/engine"
	"cohort/engine/plan"
	"cohort/engine/report"
)

func factsOf(list []report.Fact, end error) iter.Seq2[report.Fact, error] {
	return func(yield func(report.Fact, error) bool) {
		for _, f := range list {
			if !yield(f, nil) {
				return
			}
		}
		if end != nil {
			yield(report.Fact{}, end)
		}
	}
}

// someFacts has a fact for every second row. Each fact lacks one column or another.
func someFacts() (list []report.Fact) {
	at := time.Date(2026, 11, 21, 9, 0, 0, 123e6, time.UTC)
	for row := int64(1); row <= rows*4/3; row += 2 {
		f := report.Fact{Row: row, Origin: []report.Origin{report.OfStatus, report.OfReceipt, report.OfDaily}[row%3], Learned: at.Add(time.Duration(row) * time.Second)}
		for i, set := range []func(){
			func() { f.MessageID = fmt.Sprintf("id-%09d", row) },
			func() { f.Status = []string{report.Delivered, report.Failed, "sending"}[row/6%3] },
			func() { f.Channel = "sms" },
			func() { f.Steps = "nhsapp failed, sms delivered" },
			func() { f.Code = "MFR_PDSV_0111" },
			func() { f.Reason = "unread" },
			func() { f.At = at },
		} {
			if row/2%int64(i+2) != 0 {
				set()
			}
		}
		list = append(list, f)
	}
	return list
}

// What is written is read back, by this package and by another library: what is not known is
// null, references are the run's own, and the file is nobody else's to read.
func TestDeliveryFactsAreReadBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "delivery.parquet")
	plan := &plan.Plan{Header: plan.Header{Campaign: "a-campaign", RunID: run.String(), Service: "notify"}, Run: run, References: run.References()}
	began := time.Date(2026, 11, 21, 8, 0, 0, 5e6, time.UTC)
	list := someFacts()
	counts, err := report.WriteDelivery(path, report.Delivery{Plan: plan, Version: "v1", SweepBegan: began}, factsOf(list, nil))
	must(t, err)
	want := map[string]int64{}
	for _, f := range list {
		want[f.Status]++
	}
	if len(want) != 4 || fmt.Sprint(counts) != fmt.Sprint(want) {
		t.Errorf("counts %v, want %v", counts, want)
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	r, err := report.OpenDelivery(path, run)
	must(t, err)
	defer func() { _ = r.Close() }()
	if !r.SweepBegan.Equal(began) {
		t.Errorf("the sweep began at %s", r.SweepBegan)
	}
	for _, f := range list {
		got, ok, err := r.Next()
		must(t, err)
		got.At, got.Learned = got.At.UTC(), got.Learned.UTC()
		if !ok || got != f {
			t.Fatalf("got  %+v\nwant %+v", got, f)
		}
	}
	if _, ok, err := r.Next(); ok || err != nil {
		t.Errorf("there is more: %v", err)
	}
	readBack(t, path, func(table arrow.Table, metadata map[string]string) {
		if metadata["run_id"] != run.String() || metadata["messages"] != fmt.Sprint(len(list)) || metadata["campaign"] != "a-campaign" {
			t.Errorf("metadata %v", metadata)
		}
		nulls := map[string]int{}
		for _, f := range list {
			for name, value := range map[string]string{"message_id": f.MessageID, "status": f.Status, "channel": f.Channel, "steps": f.Steps, "failure_code": f.Code, "failure_reason": f.Reason} {
				if value == "" {
					nulls[name]++
				}
			}
			if f.At.IsZero() {
				nulls["happened_at"]++
			}
		}
		for _, name := range []string{"row", "message_reference", "message_id", "status", "channel", "steps", "failure_code", "failure_reason", "happened_at", "source", "learned_at"} {
			values, n := column(t, table, name)
			if len(values) != len(list) || n != nulls[name] {
				t.Errorf("column %s: %d values, %d nulls, want %d", name, len(values), n, nulls[name])
			}
			if name == "message_reference" && (values[0] != run.References().Message(1).String() || values[len(values)-1] != run.References().Message(list[len(list)-1].Row).String()) {
				t.Errorf("references %s … %s", values[0], values[len(values)-1])
			}
		}
	})
	if _, err := report.OpenDelivery(path, engine.NewRunID("another", [32]byte{}, "")); err == nil {
		t.Error("another run's file was taken")
	}
}

// A file that cannot be written to its end leaves the one before as it was.
func TestAFailedWriteLeavesTheFactsBefore(t *testing.T) {
	path := filepath.Join(t.TempDir(), "delivery.parquet")
	d := report.Delivery{Plan: &plan.Plan{Header: plan.Header{RunID: run.String()}, Run: run, References: run.References()}}
	if _, err := report.OpenDelivery(path, run); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("no file: %v", err)
	}
	_, err := report.WriteDelivery(path, d, factsOf(nil, nil))
	must(t, err)
	before, err := os.ReadFile(path)
	must(t, err)
	facts := []report.Fact{{Row: 2, Status: report.Delivered}, {Row: 2}}
	for sentence, seq := range map[string]iter.Seq2[report.Fact, error]{"the facts end in an error": factsOf(facts[:1], errFull), "a row is there twice": factsOf(facts, nil)} {
		if _, err := report.WriteDelivery(path, d, seq); err == nil {
			t.Errorf("%s: no error", sentence)
		}
		after, err := os.ReadFile(path)
		must(t, err)
		if string(after) != string(before) {
			t.Errorf("%s: the file has changed", sentence)
		}
		if _, err := os.Stat(path + ".tmp"); err == nil {
			t.Errorf("%s: a temporary file is left", sentence)
		}
	}
	r, err := report.OpenDelivery(path, run)
	must(t, err)
	defer func() { _ = r.Close() }()
	if _, ok, err := r.Next(); ok || err != nil || !r.SweepBegan.IsZero() {
		t.Errorf("an empty file: %v", err)
	}
}

func TestWhichFactHolds(t *testing.T) {
	at := func(hour int) time.Time { return time.Date(2026, 11, 21, hour, 0, 0, 0, time.UTC) }
	of := func(o report.Origin, status string, hour int, steps string) report.Fact {
		return report.Fact{Row: 1, Origin: o, Status: status, At: at(hour), Steps: steps}
	}
	learnt := func(f report.Fact, hour int) report.Fact { f.Learned = at(hour); return f }
	const s, r, d = report.OfStatus, report.OfReceipt, report.OfDaily
	for _, test := range []struct {
		sentence            string
		before, after, want report.Fact
	}{
		{"the service was asked again", of(s, "sending", 9, "sms sending"), of(s, "delivered", 10, "sms delivered"), of(s, "delivered", 10, "sms delivered")},
		{"what it says now holds, whatever it said", of(s, "delivered", 9, ""), of(s, "no_such_message", 10, ""), of(s, "no_such_message", 10, "")},
		{"a receipt that says more", of(r, "delivered", 9, "delivered"), of(r, "read", 11, "read"), of(r, "read", 11, "delivered, read")},
		{"a receipt that says less and comes later", of(r, "read", 11, "delivered, read"), of(r, "notified", 10, "notified"), of(r, "read", 11, "delivered, notified, read")},
		{"a receipt of a code that nobody knows", of(r, "delivered", 9, "delivered"), of(r, "archived", 12, "archived"), of(r, "delivered", 9, "archived, delivered")},
		{"the same receipt again", of(r, "read", 9, "read"), of(r, "read", 9, "read"), of(r, "read", 9, "read")},
		{"a person reached by one channel cannot be failed by another", of(d, "delivered", 9, "sms delivered"), of(d, "failed", 10, "letter failed"), of(d, "delivered", 9, "letter failed, sms delivered")},
		{"a message that is open fails", of(d, "open", 9, "nhsapp failed"), of(d, "failed", 10, "sms failed"), of(d, "failed", 10, "nhsapp failed, sms failed")},
		{"the later of two reports that say the same", of(d, "failed", 10, ""), of(d, "failed", 9, ""), of(d, "failed", 10, "")},
		{"the same report again", learnt(of(d, "failed", 10, ""), 11), learnt(of(d, "failed", 10, ""), 12), learnt(of(d, "failed", 10, ""), 11)},
		{"the same status again", learnt(of(s, "sending", 10, ""), 11), learnt(of(s, "sending", 10, ""), 12), learnt(of(s, "sending", 10, ""), 12)},
		{"another origin tells that it is over", of(s, "sending", 9, ""), of(d, "delivered", 8, ""), of(d, "delivered", 8, "")},
		{"what is over stays over, whoever says that it goes on", of(s, "delivered", 9, ""), of(d, "open", 10, ""), of(s, "delivered", 9, "")},
	} {
		if got := test.after.After(test.before); got != test.want {
			t.Errorf("%s:\ngot  %+v\nwant %+v", test.sentence, got, test.want)
		}
	}
	for _, test := range []struct {
		fact  report.Fact
		final bool
	}{
		{of(s, "delivered", 9, ""), true}, {of(s, "failed", 9, ""), true}, {of(s, "sending", 9, ""), false}, {of(s, "no_such_message", 9, ""), false},
		{of(r, "delivered", 9, ""), false}, {of(r, "notified", 9, ""), false}, {of(r, "read", 9, ""), true}, {of(r, "rejected", 9, ""), true},
		{of(d, "delivered", 9, ""), true}, {of(d, "failed", 9, ""), false}, {of(d, "open", 9, ""), false},
	} {
		if got := test.fact.Final(); got != test.final {
			t.Errorf("%s %s: final is %v", test.fact.Origin, test.fact.Status, got)
		}
	}
}
