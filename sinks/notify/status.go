package notify

import (
	"encoding/json"
	"time"

	"github.com/tidwall/gjson"

	"cohort/sinks/exchange"
)

// Status is the service's status of one message (contract, section 6). A member that is absent
// or odd is the zero value. Descriptions in words are left out: they may name a person.
type Status struct {
	Reference      string    // the message's
	Status         string    // created, pending_enrichment, enriched, sending, delivered or failed; others may come
	FailureCode    string    // of a message that failed, such as PDSV_0004
	RoutingVersion string    // of the routing plan
	At             time.Time // the latest that the answer has
	Channels       []ChannelStatus
}

// ChannelStatus is the status of a message in one channel. A new message has no channels.
type ChannelStatus struct {
	Channel     string // nhsapp, email, sms or letter
	Cascade     string // primary or secondary
	Order       int    // within the cascade, from 1
	Status      string // created, sending, delivered, failed or skipped
	Supplier    string // the status that the supplier gave
	FailureCode string
	At          time.Time // the latest that the answer has
}

// readStatus reads the answer about a message. ok is false when it has no status, or is about
// another message. The service may add members without notice.
func readStatus(id string, body []byte) (s Status, ok bool) {
	if !json.Valid(body) {
		return s, false
	}
	data := gjson.GetBytes(body, "data")
	a := data.Get("attributes")
	s = Status{
		Reference: a.Get("messageReference").Str,
		Status:    plain(a, "messageStatus"), FailureCode: plain(a, "messageFailureReasonCode"),
		RoutingVersion: a.Get("routingPlan.version").Str, At: latest(a),
	}
	if channels := a.Get("channels"); channels.IsArray() {
		for _, c := range channels.Array() {
			s.Channels = append(s.Channels, ChannelStatus{
				Channel: plain(c, "type"), Cascade: plain(c, "cascadeType"), Order: int(c.Get("cascadeOrder").Num),
				Status: plain(c, "channelStatus"), Supplier: plain(c, "supplierStatus"), FailureCode: plain(c, "channelFailureReasonCode"),
				At: latest(c),
			})
		}
	}
	return s, data.Get("id").Str == id && s.Status != ""
}

// plain is a word of the service; empty when it is not plainly one.
func plain(v gjson.Result, name string) string { return exchange.Plain(v.Get(name).Str) }

// latest is the latest of the timestamps; zero when none can be read.
func latest(v gjson.Result) (last time.Time) {
	v.Get("timestamps").ForEach(func(_, text gjson.Result) bool {
		if t, err := time.Parse(time.RFC3339, text.Str); err == nil && t.After(last) {
			last = t.UTC()
		}
		return true
	})
	return last
}
