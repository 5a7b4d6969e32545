package simulator

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"cohort/sinks/simulator/ledger"
	"cohort/sinks/simulator/notify"
)

// Every accepted message is shown, single or in a batch, and only to its own application. A
// later simulator with the same state shows it too.
func TestMessagesAreShown(t *testing.T) {
	c := newClock()
	file := filepath.Join(t.TempDir(), "state")
	open := func() *ledger.State {
		state, err := ledger.OpenState(file)
		if err != nil {
			t.Fatal(err)
		}
		return state
	}
	state := open()
	s := serve(t, Options{Now: c.Now, State: state, Notify: notify.Options{Statuses: notify.Statuses{Hasten: 1e-4}}})
	s.post(batch("b1", 0, 3))
	s.post(batch("b2", 3, 5))
	s.do("POST", "/comms/v1/messages", single("m1", 9))
	c.pass(90 * time.Second)
	s.do("POST", "/comms/v1/messages", single("m2", 10))
	shownAs := func(s *service, a ledger.Accepted) {
		t.Helper()
		got := s.do("GET", "/comms/v1/messages/"+a.MessageID, "")
		relationship := ""
		if a.BatchID != "" {
			relationship = `"relationships":{"messageBatch":{"data":{"type":"MessageBatch","id":"` + a.BatchID + `"}}},`
		}
		want := fmt.Sprintf(`{"data":{"type":"Message","id":"%s","attributes":{"messageReference":"%s","messageStatus":"created","timestamps":{"created":"%s"},"routingPlan":%s},%s"links":{"self":"%s/comms/v1/messages/%s"}}}`,
			a.MessageID, a.MessageReference, a.AcceptedAt.Format("2006-01-02T15:04:05.000Z"), `{"id":"`+somePlan+`","version":"ztoe2qRAM8M8vS0bqajhyEBcvXacrGPp","name":"Simulated routing plan","createdDate":"2023-11-17T14:27:51.413Z"}`, relationship, s.url, a.MessageID)
		var have, wanted any
		if json.Unmarshal(got.body, &have) != nil || json.Unmarshal([]byte(want), &wanted) != nil || got.status != 200 || !reflect.DeepEqual(have, wanted) {
			t.Errorf("status %d\n%s\nwant\n%s", got.status, got.body, want)
		}
		head := s.do("HEAD", "/comms/v1/messages/"+a.MessageID, "")
		if head.status != 200 || len(head.body) != 0 {
			t.Errorf("HEAD: status %d, %d bytes", head.status, len(head.body))
		}
	}
	list := s.ledgerLines("")
	if len(list) != 7 {
		t.Fatalf("%d messages", len(list))
	}
	for _, a := range list {
		shownAs(s, a)
	}
	foreign := "Bearer " + s.fetchToken("another-api-key")
	for _, row := range []struct {
		when, path, token string
		status            int
	}{
		{"another application asks", list[0].MessageID, foreign, 404},
		{"an id of nobody's", "000000000000000000000000000", "", 404},
		{"the id of a batch", list[0].BatchID, "", 404},
		{"an id that differs in its last letter", list[0].MessageID[:26] + map[bool]string{true: "a", false: "b"}[list[0].MessageID[26] == 'b'], "", 404},
		{"an id that is too short", list[0].MessageID[:26], "", 404},
		{"an id larger than any", strings.Repeat("z", 27), "", 404},
		{"an id with a sign", list[0].MessageID[:26] + "-", "", 404},
		{"no id", "", "", 404},
		{"something behind the id", list[0].MessageID + "/x", "", 404},
	} {
		headers := []string{}
		if row.token != "" {
			headers = []string{"Authorization", row.token}
		}
		if got := s.do("GET", "/comms/v1/messages/"+row.path, "", headers...); got.status != row.status || got.code(t) != "CM_NOT_FOUND" {
			t.Errorf("%s: %d", row.when, got.status)
		}
	}
	if got := s.do("POST", "/comms/v1/messages/"+list[0].MessageID, single("m3", 1)); got.status != 405 {
		t.Errorf("POST: %d", got.status)
	}
	if got := s.do("GET", "/comms/v1/messages/"+list[0].MessageID, "", "Authorization", "(absent)"); got.status != 401 {
		t.Errorf("without a token: %d", got.status)
	}
	if err := state.Close(); err != nil {
		t.Fatal(err)
	}
	again := open()
	defer func() { _ = again.Close() }()
	later := serve(t, Options{Now: c.Now, State: again, Notify: notify.Options{Statuses: notify.Statuses{Hasten: 1e-4}}})
	for _, a := range list {
		shownAs(later, a)
	}
}
