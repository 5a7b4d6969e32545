package simulator

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"cohort/sinks/simulator/notify"
)

// always decides that nothing fails, except as change says.
func always(change func(*notify.Statuses)) notify.Statuses {
	o := notify.Statuses{Failed: -1, NoApp: -1, Unread: -1, NoContact: -1, Undone: -1, Skipped: -1, Hasten: 1000}
	change(&o)
	return o
}

// shownOf asks for a message, as the contract has the answer (section 6).
func (s *service) shownOf(id string) messageAttributes {
	s.t.Helper()
	got := s.do("GET", "/comms/v1/messages/"+id, "")
	var m struct {
		Data struct {
			ID         string
			Attributes messageAttributes
		}
	}
	if err := json.Unmarshal(got.body, &m); err != nil || got.status != 200 || m.Data.ID != id {
		s.t.Fatalf("%d %v: %s", got.status, err, got.body)
	}
	return m.Data.Attributes
}

// messageAttributes are the attributes of a message that the tests look at.
type messageAttributes struct {
	MessageReference  string            `json:"messageReference"`
	MessageStatus     string            `json:"messageStatus"`
	Description       string            `json:"messageStatusDescription"`
	FailureReasonCode string            `json:"messageFailureReasonCode"`
	Channels          []messageChannel  `json:"channels"`
	Timestamps        map[string]string `json:"timestamps"`
	Metadata          []struct {
		Labels []string `json:"labels"`
	} `json:"metadata"`
}

type messageChannel struct {
	Type              string            `json:"type"`
	RetryCount        int               `json:"retryCount"`
	CascadeOrder      int               `json:"cascadeOrder"`
	Status            string            `json:"channelStatus"`
	Description       string            `json:"channelStatusDescription"`
	FailureReasonCode string            `json:"channelFailureReasonCode"`
	SupplierStatus    string            `json:"supplierStatus"`
	Timestamps        map[string]string `json:"timestamps"`
}

// outline writes the status of a message in one line.
func outline(m messageAttributes) string {
	words := []string{m.MessageStatus, m.FailureReasonCode}
	for _, c := range m.Channels {
		words = append(words, strings.TrimRight(fmt.Sprintf("%s=%s/%s/%s", c.Type, c.Status, c.FailureReasonCode, c.SupplierStatus), "/"))
	}
	return strings.Join(strings.Fields(strings.Join(words, " ")), " ")
}

// Each of a plan's channels has its turn until one has reached the person, with the codes of
// the contract's section 11; what comes behind stays created.
func TestHowAMessageEnds(t *testing.T) {
	const other = somePlan
	free := func(n int) string { return fmt.Sprintf("00000000-0000-0000-0000-%012d", n) }
	for _, row := range []struct {
		sentence, plan string
		o              notify.Statuses
		want           string
	}{
		{"it is read in the app", free(4), always(func(*notify.Statuses) {}), "delivered nhsapp=delivered//read email=created"},
		{"it is not read in time, and goes by text message", free(7), always(func(o *notify.Statuses) { o.Unread = 1 }), "delivered nhsapp=failed//told sms=delivered//delivered"},
		{"the person does not use the app", free(6), always(func(o *notify.Statuses) { o.NoApp = 1 }), "delivered nhsapp=failed/CFR_PDSV_0004/rejected sms=delivered//delivered"},
		{"there is no channel but the app", free(1), always(func(o *notify.Statuses) { o.NoApp = 1 }), "failed MFR_PDSV_0004 nhsapp=failed/CFR_PDSV_0004/rejected"},
		{"there is no channel but the app, where it is not read", free(1), always(func(o *notify.Statuses) { o.Unread = 1 }), "failed nhsapp=failed//told"},
		{"the text message cannot be delivered", free(3), always(func(o *notify.Statuses) { o.Undone = 1 }), "failed MFR_SUPE_0007 sms=failed/CFR_SUPE_0007/permanent_failure"},
		{"every channel is tried, and none works", other, always(func(o *notify.Statuses) { o.NoApp, o.Undone = 1, 1 }),
			"failed MFR_SUPE_0007 nhsapp=failed/CFR_PDSV_0004/rejected email=failed/CFR_SUPE_0007/permanent_failure sms=failed/CFR_SUPE_0007/permanent_failure letter=failed/CFR_SUPE_0007/permanent_failure"},
		{"channels are skipped but for the last", other, always(func(o *notify.Statuses) { o.Skipped = 1 }), "delivered nhsapp=skipped email=skipped sms=skipped letter=delivered//received"},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			c := newClock()
			s := serve(t, Options{Now: c.Now, Notify: notify.Options{Statuses: row.o}})
			s.post(wrap(row.plan, "b1", item(0), item(1), item(2)))
			c.pass(time.Hour) // forty days, hastened
			s.token = s.fetchToken("api-key")
			for _, a := range s.ledgerLines("") {
				got := strings.NewReplacer("/unnotified", "/told", "/notified", "/told").Replace(outline(s.shownOf(a.MessageID)))
				if got != row.want {
					t.Errorf("got  %s\nwant %s", got, row.want)
				}
			}
		})
	}
}

// A message that may not be sent has no channels, and one of the contract's codes.
func TestWhyMessagesFail(t *testing.T) {
	c := newClock()
	for _, row := range []struct {
		sentence string
		o        notify.Statuses
		codes    []string
		channels int
	}{
		{"for the person's record", always(func(o *notify.Statuses) { o.Failed = 1 }), []string{"MFR_PDSV_0006", "MFR_PDSV_0008", "MFR_PDSV_0110", "MFR_PDSV_0111", "MFR_PDSV_0112"}, 0},
		{"for a contact detail", always(func(o *notify.Statuses) { o.NoContact = 1 }), []string{"MFR_PDSV_0001", "MFR_PDSV_0002"}, 1},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			s := serve(t, Options{Now: c.Now, Notify: notify.Options{Statuses: row.o}})
			items := make([]string, 100)
			for i := range items {
				items[i] = item(i)
			}
			s.post(wrap("00000000-0000-0000-0000-00000000000"+"2", "b1", items...))
			c.pass(time.Hour)
			s.token = s.fetchToken("api-key")
			var codes []string
			for _, a := range s.ledgerLines("") {
				m := s.shownOf(a.MessageID)
				if m.MessageStatus != "failed" || m.Description == "" || len(m.Channels) != row.channels || m.Timestamps["failed"] == "" || m.Timestamps["delivered"] != "" {
					t.Fatalf("%+v", m)
				}
				codes = append(codes, m.FailureReasonCode)
			}
			slices.Sort(codes)
			if got := slices.Compact(codes); !slices.Equal(got, row.codes) {
				t.Errorf("codes %v, want %v", got, row.codes)
			}
		})
	}
}

// A message goes through its statuses once, in the contract's order, and comes to an end. It
// never shows a future time. Another simulator with the same seed and state gives the same
// answer at any moment.
func TestStatusesEvolve(t *testing.T) {
	c, seen := newClock(), map[string]int{}
	s := serve(t, Options{Now: c.Now, Seed: 3, Notify: notify.Options{Statuses: notify.Statuses{Hasten: 2000}}})
	twin := serve(t, Options{Now: c.Now, Seed: 3, Notify: notify.Options{Statuses: notify.Statuses{Hasten: 2000}}})
	s.post(batch("b1", 0, 60))
	twin.post(batch("b1", 0, 60))
	list := s.ledgerLines("")
	order := []string{"created", "pending_enrichment", "enriched", "sending", "delivered", "failed"}
	last := map[string]int{}
	for step := range 400 {
		for _, a := range list {
			m := s.shownOf(a.MessageID)
			at := slices.Index(order, m.MessageStatus)
			if at < last[a.MessageID] {
				t.Fatalf("%s after %s", m.MessageStatus, order[last[a.MessageID]])
			}
			last[a.MessageID] = at
			seen[m.MessageStatus]++
			if (at >= 2) != (m.Timestamps["enriched"] != "") || (at == 4) != (m.Timestamps["delivered"] != "") || (at == 5) != (m.Timestamps["failed"] != "") {
				t.Fatalf("%s with %v", m.MessageStatus, m.Timestamps)
			}
			for _, ch := range m.Channels {
				seen["channel "+ch.Status]++
				for name, text := range ch.Timestamps {
					if when, err := time.Parse(time.RFC3339, text); err != nil || when.After(c.Now()) {
						t.Fatalf("%s is %s: %v", name, text, err)
					}
				}
			}
			if step%50 == 0 && outline(m) != outline(twin.shownOf(a.MessageID)) {
				t.Fatal("another simulator of the same seed says something else")
			}
		}
		c.pass([]time.Duration{20 * time.Millisecond, 5 * time.Second}[min(step/100, 1)])
		if step%50 == 49 {
			s.token, twin.token = s.fetchToken("api-key"), twin.fetchToken("api-key")
		}
	}
	for _, status := range append(order, "channel created", "channel sending", "channel delivered", "channel failed", "channel skipped") {
		if seen[status] == 0 {
			t.Errorf("nothing was ever %s: %v", status, seen)
		}
	}
	for id, at := range last {
		if at < 4 {
			t.Errorf("%s is still %s", id, order[at])
		}
	}
}
