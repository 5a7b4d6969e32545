package nhsapp

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cohort/sinks/simulator"
	"cohort/sinks/simulator/faults"
	service "cohort/sinks/simulator/nhsapp"
	"cohort/sinks/sinktest"
)

// receiptsOf collects the receipts of a day by request-id: their ids and codes.
func receiptsOf(t *testing.T, s *Sink, day time.Time) (ids map[string]string, codes map[string]int) {
	t.Helper()
	ids, codes = map[string]string{}, map[string]int{}
	unread, err := s.Receipts(t.Context(), day, func(r Receipt) {
		if before := ids[r.RequestID]; before != "" && before != r.MessageID {
			t.Errorf("%s is %s and %s", r.RequestID, before, r.MessageID)
		}
		ids[r.RequestID] = r.MessageID
		codes[r.Code]++
	})
	if err != nil || unread != 0 {
		t.Fatal(unread, err)
	}
	return ids, codes
}

// Every accepted message is in the receipts in the end, with its request-id and its communication's
// id, whatever its answer was.
func TestReceiptsNameAcceptedMessages(t *testing.T) {
	var ahead atomic.Int64 // of the machine's clock
	service, w := simulated(t, simulator.Options{
		Seed: 3, Now: func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }, TokenLifetime: 100 * time.Hour,
		Faults: faults.Set{faults.ResetAfter: {Share: 0.1}, faults.ResetBefore: {Share: 0.1}},
		NHSApp: service.Options{PageSize: 17, Receipts: service.Receipts{Rejected: 0.1, Unknown: 0.1, Repeated: 0.1}},
	})
	s := New(over(t, w))
	today := time.Now()
	if ids, _ := receiptsOf(t, s, today); len(ids) != 0 {
		t.Errorf("before anything is sent: %v", ids)
	}
	for n := range 100 {
		s.Send(context.Background(), one(s, n))
	}
	ahead.Store(int64(96 * time.Hour))
	ids, codes := map[string]string{}, map[string]int{}
	for day := range 5 {
		some, of := receiptsOf(t, s, today.AddDate(0, 0, day))
		maps.Copy(ids, some)
		for code, n := range of {
			codes[code] += n
		}
	}
	accepted := 0
	for a := range service.Ledger() {
		if accepted++; ids[a.MessageReference] != a.MessageID {
			t.Errorf("%s is %s and not %s", a.MessageReference, ids[a.MessageReference], a.MessageID)
		}
	}
	if accepted != len(ids) || accepted < 50 || accepted > 99 || codes["Rejected"] == 0 || codes["Delivered"] == 0 || codes["Archived"] == 0 {
		t.Errorf("%d accepted, %d with receipts, %v", accepted, len(ids), codes)
	}
}

// Answers that are not a report. 9 rows.
func TestUnreadableReports(t *testing.T) {
	const page = `{"resourceType":"Bundle","type":"searchset","link":[%s],"entry":[]}`
	for _, test := range []struct {
		sentence string
		status   int
		body     string
		want     string // empty: no error
	}{
		{"a day without receipts", 404, outcome("Report not found", "not-found", ""), ""},
		{"a page without entries", 200, fmt.Sprintf(page, ""), ""},
		{"an address that there is not", 404, `{"fault":{}}`, "base_url"},
		{"no permission", 403, outcome("", "security", ""), "ask the NHS App team for the report"},
		{"HTML", 200, "<html>", "not a report of receipts"},
		{"another resource", 200, `{"resourceType":"Task"}`, "not a report of receipts"},
		{"half a report", 200, `{"resourceType":"Bundle","entry":[`, "not a report of receipts"},
		{"a bad request", 400, outcome("", "invalid", "day"), "the service answered 400"},
		{"a redirect", 302, "", "the service answered 302"},
	} {
		w := sinktest.NewWire(t, sinktest.Listen(t, sinktest.Replies(test.status, nil, test.body)).URL, sinktest.Issuer(t).URL)
		_, err := New(over(t, w)).Receipts(t.Context(), time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC), func(Receipt) { t.Error("a receipt") })
		if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", test.sentence, err)
		}
	}
}

// A busy service is asked again. A refused token is replaced.
func TestReportsAreAskedForAgain(t *testing.T) {
	var asked atomic.Int32
	service := sinktest.Listen(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("day") != "2026-03-02" || r.URL.Query().Get("page") != "1" {
			t.Errorf("%s", r.URL)
		}
		switch asked.Add(1) {
		case 1:
			sinktest.Replies(401, nil, outcome("", "expired", ""))(w, r)
		case 2:
			sinktest.Replies(503, nil, "")(w, r)
		default:
			if r.Header.Get("Authorization") != "Bearer token-2" {
				t.Errorf("signed in with %s", r.Header.Get("Authorization"))
			}
			sinktest.Replies(404, nil, outcome("", "not-found", ""))(w, r)
		}
	})
	s := New(over(t, sinktest.NewWire(t, service.URL, sinktest.Issuer(t).URL)))
	if _, err := s.Receipts(t.Context(), time.Date(2026, 3, 2, 23, 0, 0, 0, time.UTC), func(Receipt) {}); err != nil || asked.Load() != 3 {
		t.Errorf("%v after %d requests", err, asked.Load())
	}
}

// The time of an event and the reason of a rejection are read in every form of the service's schemas
// and examples. Any other form counts as absent.
func TestFormsOfReceipts(t *testing.T) {
	at := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	for _, row := range []struct {
		sentence, members, reason string
		at                        time.Time
	}{
		{"a reason in an object", `"statusReason":{"text":"NHS number not found"},"lastModified":"2026-11-21T09:00:00Z"`, "NHS number not found", at},
		{"a reason by itself", `"statusReason":"NHS number not found","lastModified":"2026-11-21T10:00:00+01:00"`, "NHS number not found", at},
		{"no reason", `"lastModified":"2026-11-21T09:00:00.000Z"`, "", at},
		{"neither", `"x":1`, "", time.Time{}},
		{"other types", `"statusReason":[5],"lastModified":7`, "", time.Time{}},
		{"no time", `"statusReason":null,"lastModified":"soon"`, "", time.Time{}},
	} {
		var got []Receipt
		_, _, err := readPage([]byte(`{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Task",`+row.members+
			`,"identifier":[{"system":"https://fhir.nhs.uk/NHSApp/request-id","value":"r"},{"system":"https://fhir.nhs.uk/Id/nhs-app-communication-id","value":"6d0bbf1c-6d6e-4ec1-a5d5-9f6b6f0a1a11"}],"code":{"coding":[{"code":"Rejected"}]}}}]}`), func(r Receipt) { got = append(got, r) })
		if err != nil || len(got) != 1 || got[0].Reason != row.reason || !got[0].At.Equal(row.at) || got[0].Code != "Rejected" || got[0].RequestID != "r" {
			t.Errorf("%s: %+v %v", row.sentence, got, err)
		}
	}
}

// A malformed receipt is counted, and hides no other.
func TestUnreadableReceipts(t *testing.T) {
	of := func(identifier, code string) string {
		return `{"resource":{"resourceType":"Task","identifier":` + identifier + `,"code":` + code + `}}`
	}
	const ids = `[{"system":"https://fhir.nhs.uk/NHSApp/request-id","value":"r"},{"system":"https://fhir.nhs.uk/Id/nhs-app-communication-id","value":"6d0bbf1c-6d6e-4ec1-a5d5-9f6b6f0a1a11"}]`
	const read = `{"coding":[{"code":"Read"}]}`
	for _, row := range []struct {
		sentence, entries string
		codes             []string
		unread            int
	}{
		{"a code that is a text", of(ids, `"Read"`) + "," + of(ids, read), []string{"", "Read"}, 0},
		{"identifiers that are no list", of(`{"value":"r"}`, read) + "," + of(ids, read), []string{"Read"}, 1},
		{"no id of the communication", of(`[]`, read) + "," + of(ids, read), []string{"Read"}, 1},
		{"no resource", `{},{"resource":5},` + of(ids, read), []string{"Read"}, 2},
		{"a word about the search", `{"resource":{"resourceType":"OperationOutcome","identifier":7}},` + of(ids, read), []string{"Read"}, 0},
	} {
		var codes []string
		more, unread, err := readPage([]byte(`{"resourceType":"Bundle","link":[{"relation":"next"}],"entry":[`+row.entries+`]}`), func(r Receipt) {
			if codes = append(codes, r.Code); r.RequestID != "r" {
				t.Errorf("%s: it names %q", row.sentence, r.RequestID)
			}
		})
		if err != nil || !more || unread != row.unread || !slices.Equal(codes, row.codes) {
			t.Errorf("%s: %q, %d unread, %v", row.sentence, codes, unread, err)
		}
	}
}
