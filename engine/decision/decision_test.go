package decision

import (
	"errors"
	"slices"
	"testing"
	"time"

	"cohort/engine"
	"cohort/engine/enginetest"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/record"
	"cohort/ingest/person"
)

// opened is a log that a process works on.
func opened(t *testing.T, dir string, records ...record.Record) *ledger.Log {
	t.Helper()
	log, err := ledger.Open(dir, enginetest.OpenPlan(t, dir))
	enginetest.Must(t, err)
	t.Cleanup(func() { _ = log.Close() })
	enginetest.Must(t, log.Open(ledger.Start{At: noon, Key: "one"}))
	for _, r := range records {
		if revision, is := r.(*record.Revision); is {
			enginetest.Must(t, log.RevisedByList(revision))
		} else {
			enginetest.Must(t, log.Append(r))
		}
	}
	enginetest.Must(t, log.SettleRevisions())
	return log
}

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func held(batch uint32) []record.Record {
	form := plan.FormID{Batch: batch}
	return []record.Record{
		&record.Attempt{Form: form, N: 1, At: noon},
		&record.Outcome{Form: form, N: 1, At: noon, Result: record.ResultHeld, Code: "timeout"},
	}
}

// Refused messages are sent again, unless a list names the person or a request with them may still arrive.
func TestRetry(t *testing.T) {
	dir, people := t.TempDir(), enginetest.NewPeople(9, 1, nil)
	enginetest.SealPlan(t, dir, people, engine.Limits{Messages: 3, Bytes: 1 << 20})
	refuse := func(batch, position uint32, code string, sure bool) []record.Record {
		form := plan.FormID{Batch: batch}
		rest := plan.Form{From: 3 * batch, To: 3*batch + 3, Dropped: []uint32{position}, Messages: 2}
		all := []record.Record{&record.Attempt{Form: form, N: 1, At: noon}}
		n := uint16(1)
		if !sure {
			all = append(all, &record.InDoubt{Form: form, N: 1, At: noon}, &record.Attempt{Form: form, N: 2, At: noon})
			n++
		}
		return append(all, &record.Revision{
			Form: form, N: n, Number: 1, Sure: sure, Parts: []plan.Form{rest}, Refused: []record.RefusedRow{{Position: position, Code: code}},
		})
	}
	log := opened(t, dir, slices.Concat(refuse(0, 1, "TEXT", true), refuse(1, 4, "TEXT", false), refuse(2, 7, "NUMBER", true))...)
	enginetest.Must(t, log.RevisedByList(log.Ledger.BlockRefused(2, []record.RefusedRow{{Position: 7, Code: "opted_out"}}, noon)))

	if got := RetryCandidates(log.Ledger, []string{"NUMBER"}).Counts; !slices.Equal(got, []RetryCount{{Code: "NUMBER", Listed: 1}}) {
		t.Errorf("of one code: %+v", got)
	}
	again := RetryCandidates(log.Ledger, nil)
	if !slices.Equal(again.Counts, []RetryCount{{Code: "NUMBER", Listed: 1}, {Code: "TEXT", Again: 1, Unsure: 1}}) {
		t.Errorf("of all codes: %+v", again.Counts)
	}
	enginetest.Must(t, again.Commit(log, people, enginetest.Encoding{}, "ann", "the text is mended", noon))
	if got := log.Ledger.Account().Fates[person.Refused]; got != 2 {
		t.Errorf("%d messages are still refused", got)
	}
	if got := RetryCandidates(log.Ledger, nil).Sum().Again; got != 0 {
		t.Errorf("%d messages would be sent a second time", got)
	}
	if log.Copied() != 5 {
		t.Errorf("the second copy has %d revisions", log.Copied())
	}
	again = RetryCandidates(log.Ledger, nil)
	again.Rows[1] = log.Ledger.Refused(1)
	if err := again.Commit(log, people, enginetest.Encoding{}, "ann", "why", noon); !errors.Is(err, ledger.ErrIllegal) {
		t.Errorf("a message that may have been accepted is sent again: %v", err)
	}
}

// A message in doubt is sent again only when its receipts had time, under the same credential, and if it is not listed.
func TestResend(t *testing.T) {
	dir, people := t.TempDir(), enginetest.NewPeople(6, 1, nil)
	enginetest.SealForgetful(t, dir, people)
	log := opened(t, dir, slices.Concat(held(0), held(1), held(2), held(3), held(4))...)
	forms, since, err := InDoubt(log.Ledger, people)
	enginetest.Must(t, err)
	if len(forms) != 5 || !since.Equal(noon) {
		t.Fatalf("%d messages are in doubt since %v", len(forms), since)
	}
	evidence := Evidence{
		Found: map[plan.FormID]string{{Batch: 0}: "an id"}, Key: "one", People: people.Listed(map[int64]string{2: "opted_out"}),
		Attempts: map[plan.FormID]Attempted{
			{Batch: 0}: {noon, []string{"one"}}, {Batch: 1}: {noon, []string{"one"}}, {Batch: 3}: {noon, []string{"one", "two"}},
			{Batch: 4}: {noon, []string{"one"}},
		},
	}
	young, err := ResendCandidates(t.Context(), log.Ledger, evidence, noon.Add(24*time.Hour))
	enginetest.Must(t, err)
	if err := young.Commit(log, "ann", "why", noon); young.Young != 1 || !errors.Is(err, ErrYoung) {
		t.Errorf("a message whose receipt may still come: %+v, %v", young, err)
	}
	later := ResendFrom(noon)
	again, err := ResendCandidates(t.Context(), log.Ledger, evidence, later)
	enginetest.Must(t, err)
	if again.Named != 1 || again.Listed != 1 || again.Lost != 1 || again.Other != 1 || again.Again != 1 || again.Young != 0 {
		t.Errorf("%+v", again)
	}
	enginetest.Must(t, Found(log, later, evidence.Found))
	enginetest.Must(t, again.Commit(log, "ann", "the patients were asked", later))
	if went, due := log.Ledger.Resent(); went != 0 || due != 1 {
		t.Errorf("%d went and %d are due", went, due)
	}
	if next, err := ResendCandidates(t.Context(), log.Ledger, evidence, later); err != nil || next.Due != 1 || next.Again != 0 || next.Listed != 1 {
		t.Errorf("decided about already: %+v, %v", next, err)
	}
	if got := log.Ledger.Account().Fates; got[person.Accepted] != 1 || got[person.InDoubt] != 4 {
		t.Errorf("%v", got)
	}
}

func TestFindAndResolve(t *testing.T) {
	dir := t.TempDir()
	enginetest.SealPlan(t, dir, enginetest.NewPeople(6, 1, nil), engine.Limits{Messages: 3, Bytes: 1 << 20})
	foreign := plan.FormID{Batch: 1}
	log := opened(t, dir, append(held(0),
		&record.Attempt{Form: foreign, N: 1, At: noon}, &record.Outcome{Form: foreign, N: 1, At: noon, Result: record.ResultForeign},
		&record.ListedLate{Batch: 0, People: []record.RefusedRow{{Position: 2, Code: "ceased"}}})...)
	p, err := Find(log.Ledger)
	if err != nil || len(p.Foreign) != 1 || len(p.Held) != 1 || len(p.Late) != 1 || len(p.Withheld) != 0 {
		t.Fatalf("%+v, %v", p, err)
	}
	if p.Held[0].Code != "timeout" || p.Held[0].Messages != 3 || p.Late[0].Messages != 1 || p.Foreign[0].Batch != 1 {
		t.Errorf("%+v", p)
	}
	if n, err := Resolve(log, noon, record.ResultReplay, "why"); n != 0 || err != nil {
		t.Errorf("%d forms are replayed, %v", n, err)
	}
	if n, err := Resolve(log, noon, record.ResultAcceptedUnknown, "why"); n != 1 || err != nil {
		t.Errorf("%d forms are ours, %v", n, err)
	}
	if s := log.Ledger.State(foreign); s.Phase != ledger.AcceptedUnknown || log.Ledger.Reason(s) != ledger.CodeDecided {
		t.Errorf("%+v", s)
	}
	for f, err := range Accepted(log.Ledger) { // they stand in the files of another copy
		t.Errorf("batch %d would be written to a file, %v", f.ID.Batch, err)
	}
}

// The service refuses a file. Its messages are refused, and they can be sent again until the service works on the file.
func TestUploads(t *testing.T) {
	dir, people := t.TempDir(), enginetest.NewPeople(6, 1, nil)
	enginetest.SealPlan(t, dir, people, engine.Limits{Messages: 3, Bytes: 1 << 20})
	form := plan.FormID{Batch: 1}
	log := opened(t, dir, &record.Attempt{Form: form, N: 1, At: noon}, &record.Outcome{Form: form, N: 1, At: noon, Result: record.ResultAccepted})
	var accepted []plan.AcceptedForm
	for f, err := range Accepted(log.Ledger) {
		enginetest.Must(t, err)
		accepted = append(accepted, f)
	}
	if len(accepted) != 1 || accepted[0].ID != form {
		t.Fatalf("%+v", accepted)
	}
	enginetest.Must(t, RefuseUpload(log, accepted, people, enginetest.Encoding{}, ledger.CodeUploadRefused+"14", "by ann", noon))
	refused, err := RefusedUploads(log.Ledger)
	if err != nil || len(refused) != 1 || refused[accepted[0].Reference] != 1 {
		t.Errorf("%v, %v", refused, err)
	}
	if got := RetryCandidates(log.Ledger, nil).Sum(); got.Again != 3 {
		t.Errorf("%+v", got)
	}
	enginetest.Must(t, UploadTaken(log, []uint32{1, 1}, "by ann", noon))
	if got := RetryCandidates(log.Ledger, nil).Sum(); got.Again != 0 || got.Unsure != 3 {
		t.Errorf("after the service worked on the file: %+v", got)
	}
	enginetest.Must(t, ConfirmUpload(log, "a-reference", "by ann", noon))
	if got := log.Ledger.Facts().Confirmed; !slices.Equal(got, []string{"a-reference"}) {
		t.Errorf("confirmed: %v", got)
	}
}
