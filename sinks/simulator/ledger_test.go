package simulator

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"cohort/sinks/simulator/faults"
	"cohort/sinks/simulator/gateway"
	"cohort/sinks/simulator/ledger"
)

func (s *service) ledgerLines(query string) (list []ledger.Accepted) {
	s.t.Helper()
	d := json.NewDecoder(strings.NewReader(string(s.do("GET", "/_simulator/ledger"+query, "").body)))
	for {
		var a ledger.Accepted
		if err := d.Decode(&a); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			s.t.Fatal(err)
		}
		list = append(list, a)
	}
}

func TestLedgerEndpoint(t *testing.T) {
	c := newClock()
	s := serve(t, Options{Now: c.Now})
	s.post(batch("b1", 0, 3))
	s.post(wrap(somePlan, "b2", `{"messageReference":"other \u00e9","recipient":{"nhsNumber":"`+number(1)+`"}}`, `{"messageReference":"nobody","recipient":{}}`))
	s.do("POST", "/comms/v1/messages", single("m1", 9))
	list := s.ledgerLines("")
	if len(list) != 6 {
		t.Fatalf("%d lines", len(list))
	}
	want := ledger.Accepted{
		Application: gateway.ApplicationID("api-key"), BatchReference: "b1", BatchID: list[1].BatchID, MessageReference: "r000001",
		MessageID: list[1].MessageID, NHSNumber: number(1), Personalisation: json.RawMessage(`{"body":"text 1 <b>"}`),
		RoutingPlanID: somePlan, AcceptedAt: c.Now(), Times: ledger.Times{Person: 2, Reference: 1},
	}
	if !reflect.DeepEqual(list[1], want) {
		t.Errorf("got  %+v\nwant %+v", list[1], want)
	}
	if list[3].MessageReference != "other é" || list[3].Personalisation != nil || list[4].Times.Person != 0 {
		t.Errorf("%+v %+v", list[3], list[4])
	}
	if last := list[5]; last.BatchReference != "" || last.BatchID != "" || last.MessageReference != "m1" || len(last.MessageID) != 27 {
		t.Errorf("the single: %+v", last)
	}
	twice := s.ledgerLines("?twice=1")
	if len(twice) != 2 || twice[0].NHSNumber != number(1) || twice[1].NHSNumber != number(1) {
		t.Errorf("accepted twice: %+v", twice)
	}
	for range s.Ledger() {
		break // a reader may stop early
	}
}

func TestStatsEndpoint(t *testing.T) {
	c := newClock()
	s := serve(t, Options{Now: c.Now, Faults: faults.Set{faults.Spike429: {Share: 1, Limit: 1}}})
	s.post(batch("b0", 0, 1))
	s.post(batch("b1", 0, 4))
	s.post(batch("b2", 3, 6))
	c.pass(time.Second)
	s.post(batch("b3", 10, 15))
	var got Stats
	if err := json.Unmarshal(s.do("GET", "/_simulator/stats", "").body, &got); err != nil {
		t.Fatal(err)
	}
	want := Stats{
		gateway.Traffic{
			Requests: 5, ByStatus: map[string]int{"200": 1, "201": 3, "429": 1}, LargestBody: got.LargestBody, MostConcurrent: 1,
		},
		ledger.Totals{
			BatchesAccepted: 3, MessagesAccepted: 12, People: 11, PeopleTwice: 1, ReferencesTwice: 1, MostMessagesInOneSecond: 7,
		},
		map[string]int{"spike_429": 1},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if got.LargestBody < len(batch("b3", 10, 15)) {
		t.Errorf("largest body %d", got.LargestBody)
	}
}

func TestForgottenPersonalisation(t *testing.T) {
	s := serve(t, Options{ForgetPersonalisation: true})
	s.post(batch("b1", 0, 2))
	for a := range s.Ledger() {
		if a.Personalisation != nil || a.NHSNumber == "" {
			t.Errorf("%+v", a)
		}
	}
}

// Faults files that parse, and what they hold. 6 rows.
func TestParseFaults(t *testing.T) {
	for _, row := range []struct {
		yaml string
		want faults.Set
	}{
		{"", faults.Set{}},
		{"# nothing\n", faults.Set{}},
		{"reset_after: 0.02", faults.Set{faults.ResetAfter: {Share: 0.02}}},
		{"reset_after: 1 # always\ntruncated_201: {share: 0.5, limit: 1, after: 2}\n", faults.Set{faults.ResetAfter: {Share: 1}, faults.Truncated201: {Share: 0.5, Limit: 1, After: 2}}},
		{"latency:\n  fixed: 20ms\n  jitter: 1.5s\nbanned: {after: 9}\n", faults.Set{faults.Latency: {Share: 1, Fixed: 20 * time.Millisecond, Jitter: 1500 * time.Millisecond}, faults.Banned: {Share: 1, After: 9}}},
		{"too_early_425: {share: 0, retry_after: 1s, processing: 2s}\ntimeout_after: {share: 0.1, hold: 3s}", faults.Set{faults.TooEarly425: {RetryAfter: time.Second, Processing: 2 * time.Second}, faults.TimeoutAfter: {Share: 0.1, Hold: 3 * time.Second}}},
	} {
		got, err := faults.Parse([]byte(row.yaml), faults.Kinds())
		if err != nil || !reflect.DeepEqual(got, row.want) {
			t.Errorf("%q: %+v, %v", row.yaml, got, err)
		}
	}
}

// Faults files that are refused, and why. 11 rows.
func TestParseFaultsRefuses(t *testing.T) {
	for _, row := range []struct{ yaml, want string }{
		{"reset_after: 0.1\nreset_afer: 0.1\n", `faults: line 2: unknown fault "reset_afer"`},
		{"quota_429:\n  share: 0.1\n  retryAfter: 1s\n", `faults: line 3: quota_429: unknown setting "retryAfter"`},
		{"reset_after: {share: 0.1, retry_after: 1s}", `faults: line 1: reset_after: takes no "retry_after"`},
		{"poisoned_recipients: {share: 0.1, limit: 1}", `faults: line 1: poisoned_recipients: takes no "limit"`},
		{"\nreset_after: 1.5", `faults: line 2: reset_after: share must be a share from 0 to 1, not "1.5"`},
		{"reset_after: often", `faults: line 1: reset_after: share must be a share from 0 to 1, not "often"`},
		{"reset_after: {share: 1, limit: -1}", `faults: line 1: reset_after: limit must be a whole number, not "-1"`},
		{"quota_429: {share: 1, retry_after: 5}", `faults: line 1: quota_429: retry_after must be a duration such as 1.5s, not "5"`},
		{"quota_429: {retry_after: 5s}", `faults: line 1: quota_429: share is missing`},
		{"latency: 0.5", `faults: line 1: latency: want a mapping with fixed or jitter`},
		{"- reset_after", `faults: line 1: want a mapping of faults`},
	} {
		if _, err := faults.Parse([]byte(row.yaml), faults.Kinds()); err == nil || err.Error() != row.want {
			t.Errorf("%q:\ngot  %v\nwant %s", row.yaml, err, row.want)
		}
	}
}

func TestLoadFaults(t *testing.T) {
	path := filepath.Join(t.TempDir(), "faults.yaml")
	if _, err := faults.Load(path, faults.Kinds()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if err := os.WriteFile(path, []byte("what: 1"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := faults.Load(path, faults.Kinds()); err == nil || !strings.HasPrefix(err.Error(), path+": faults: line 1: ") {
		t.Errorf("%v", err)
	}
}
