package simulator

import (
	"fmt"
	"math/big"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Every message that was accepted is shown, however it came, and to its own application
// alone; also by a simulator that goes on where another one stopped.
func TestMessagesAreShown(t *testing.T) {
	c := newClock()
	file := filepath.Join(t.TempDir(), "state")
	open := func() *State {
		state, err := OpenState(file)
		if err != nil {
			t.Fatal(err)
		}
		return state
	}
	state := open()
	s := serve(t, Options{Now: c.Now, State: state, Statuses: Statuses{Hasten: 1e-4}})
	s.post(batch("b1", 0, 3))
	s.post(batch("b2", 3, 5))
	s.do("POST", "/comms/v1/messages", single("m1", 9))
	c.pass(90 * time.Second)
	s.do("POST", "/comms/v1/messages", single("m2", 10))
	shownAs := func(s *service, a Accepted) {
		t.Helper()
		got := s.do("GET", "/comms/v1/messages/"+a.MessageID, "")
		relationship := ""
		if a.BatchID != "" {
			relationship = `"relationships":{"messageBatch":{"data":{"type":"MessageBatch","id":"` + a.BatchID + `"}}},`
		}
		want := fmt.Sprintf(`{"data":{"type":"Message","id":"%s","attributes":{"messageReference":"%s","messageStatus":"created","timestamps":{"created":"%s"},"routingPlan":%s},%s"links":{"self":"%s/comms/v1/messages/%s"}}}`,
			a.MessageID, a.MessageReference, javaScriptTime(a.AcceptedAt), encodeJSON(planOf(somePlan)), relationship, s.url, a.MessageID)
		if got.status != 200 || string(got.body) != want {
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
	later := serve(t, Options{Now: c.Now, State: again, Statuses: Statuses{Hasten: 1e-4}})
	for _, a := range list {
		shownAs(later, a)
	}
}

// The second is that of the ids' definition: the first four of twenty bytes.
func TestTheSecondOfAnID(t *testing.T) {
	ids := newKSUIDs(7, "key", time.Unix(1_900_000_000, 0))
	for range 100 {
		id := ids.next()
		n := new(big.Int)
		for _, c := range id {
			n.Add(n.Mul(n, big.NewInt(62)), big.NewInt(int64(strings.IndexRune(base62, c))))
		}
		words, ok := wordsOf(id)
		if want := n.Rsh(n, 128).Uint64(); !ok || uint64(words[0]) != want || want != 500_000_000 {
			t.Fatalf("%s: %d, not %d", id, words[0], want)
		}
	}
}
