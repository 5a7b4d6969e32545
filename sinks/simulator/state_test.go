package simulator

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"cohort/sinks/simulator/faults"
	"cohort/sinks/simulator/ledger"
)

// keeping serves with a state file; die lets go of it as the end of a process does.
func keeping(t *testing.T, path string, o Options) (s *service, die func()) {
	t.Helper()
	state, err := ledger.OpenState(path)
	if err != nil {
		t.Fatal(err)
	}
	o.State = state
	return serve(t, o), func() { _ = state.Close() }
}

func TestAcceptedMessagesOutliveTheServer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	c := newClock()
	first, die := keeping(t, path, Options{Now: c.Now, Faults: faults.Set{faults.ResetAfter: {Share: 1, After: 2}}})
	first.post(batch("answered", 0, 3))
	first.do("POST", "/comms/v1/messages", single("m1", 9))
	if got := first.post(wrap(somePlan, "not answered", `{"messageReference":"other \u00e9","recipient":{"nhsNumber":"`+number(20)+`"}}`)); got.err == nil {
		t.Fatalf("an answer came: %d", got.status)
	}
	first.post(wrap("bad", "refused", item(30)))
	before := slices.Collect(first.Ledger())
	die()

	second, die := keeping(t, path, Options{Now: c.Now})
	if after := slices.Collect(second.Ledger()); len(before) != 5 || !reflect.DeepEqual(after, before) {
		t.Errorf("got  %+v\nwant %+v", after, before)
	}
	for _, row := range []struct {
		reference, body string
		status, others  int
	}{
		{"answered", batch("answered", 0, 3), 422, 0},
		{"not answered", wrap(somePlan, "not answered", item(20)), 422, 1},
		{"refused", wrap(somePlan, "refused", item(30)), 201, 1},
		{"another", batch("another", 0, 1), 201, 1},
	} {
		if got := second.post(row.body); got.status != row.status {
			t.Errorf("%s: status %d", row.reference, got.status)
		}
		if n := second.Stats().ReplaysWithOtherBody; n != row.others {
			t.Errorf("%s: %d replays with another body", row.reference, n)
		}
	}
	if got := second.do("POST", "/comms/v1/messages", single("m1", 9)); got.status != 422 {
		t.Errorf("the single: status %d", got.status)
	}
	if s := second.Stats(); s.MessagesAccepted != 7 || s.PeopleTwice != 1 || s.ReferencesTwice != 1 {
		t.Errorf("%+v", s)
	}
	die()
}

// A process that dies while it writes leaves half a line. It was never answered.
func TestHalfALineWasNeverAccepted(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	first, die := keeping(t, path, Options{})
	first.post(batch("b1", 0, 2))
	first.post(batch("b2", 2, 4))
	die()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, text[:len(text)-1], 0o600); err != nil {
		t.Fatal(err)
	}
	second, die := keeping(t, path, Options{})
	if n := second.Stats().MessagesAccepted; n != 2 {
		t.Fatalf("%d messages", n)
	}
	if got := second.post(batch("b2", 2, 4)); got.status != 201 {
		t.Fatalf("status %d", got.status)
	}
	die()
	third, die := keeping(t, path, Options{})
	if s := third.Stats(); s.MessagesAccepted != 4 || s.PeopleTwice != 0 {
		t.Errorf("%+v", s)
	}
	die()
}

func TestStatesThatAreNotOpened(t *testing.T) {
	path := filepath.Join(t.TempDir(), "state")
	first, err := ledger.OpenState(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.OpenState(path); err == nil || !strings.Contains(err.Error(), "another simulator") {
		t.Errorf("two at once: %v", err)
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("{\"application\":\"a\"}\nsomething else\n{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ledger.OpenState(path); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("a line in the middle: %v", err)
	}
	if _, err := ledger.OpenState(t.TempDir()); err == nil {
		t.Error("a folder was opened")
	}
}

// A request that cannot be kept is not accepted, and its reference stays claimed.
func TestARequestThatCannotBeKeptIsNotAccepted(t *testing.T) {
	s, die := keeping(t, filepath.Join(t.TempDir(), "state"), Options{})
	s.post(batch("b1", 0, 2))
	die()
	for range 2 {
		if got := s.post(batch("b2", 2, 4)); got.status != 500 && got.status != 425 {
			t.Errorf("status %d", got.status)
		}
	}
	if got := s.post(batch("b1", 0, 2)); got.status != 422 {
		t.Errorf("what was kept before: status %d", got.status)
	}
	if n := s.Stats().MessagesAccepted; n != 2 {
		t.Errorf("%d messages", n)
	}
}

// What a State holds is read without being touched, while a Server is at work with it, as its
// ledger has it.
func TestAStateIsReadFromOutside(t *testing.T) {
	file := filepath.Join(t.TempDir(), "state")
	state, err := ledger.OpenState(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = state.Close() }()
	s := serve(t, Options{State: state, Seed: 9, ForgetPersonalisation: true})
	s.post(batch("b1", 0, 20))
	s.do("POST", "/comms/v1/messages", single("m1", 30))
	s.do("POST", inAppURL, inAppBody("r1", someNumber, "Text"), "Content-Type", fhirJSON)
	torn, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = torn.WriteString(`{"application":`); err != nil {
		t.Fatal(err)
	}
	_ = torn.Close()
	before, _ := os.ReadFile(file)
	var got []ledger.Accepted
	for a, err := range ledger.ReadState(file, 9) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, a)
	}
	want := s.ledgerLines("")
	if len(want) != 22 || len(got) != len(want) {
		t.Fatalf("%d messages of %d", len(got), len(want))
	}
	for i, a := range got {
		w := want[i]
		if a.MessageID != w.MessageID || a.MessageReference != w.MessageReference || a.NHSNumber != w.NHSNumber || a.BatchID != w.BatchID || a.Channel != w.Channel || !a.AcceptedAt.Equal(w.AcceptedAt) {
			t.Fatalf("got  %+v\nwant %+v", a, w)
		}
	}
	if after, _ := os.ReadFile(file); string(after) != string(before) {
		t.Error("the file has changed")
	}
}
