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
	ID            string
	Reference     string // the message's
	BatchID       string // the service's id of the batch; empty for a single message
	RoutingPlanID string
	Status        string // created, pending_enrichment, enriched, sending, delivered or failed; others may come
	FailureCode   string // of a message that failed, such as PDSV_0004
	Channels      []ChannelStatus

	Created, Enriched, Delivered, Failed time.Time
}

// IsFinal reports whether the status will not change any more.
func (s Status) IsFinal() bool { return s.Status == "delivered" || s.Status == "failed" }

// ChannelStatus is the status of a message in one channel. A new message has no channels.
type ChannelStatus struct {
	Channel     string // nhsapp, email, sms or letter
	Cascade     string // primary or secondary
	Order       int    // within the cascade, from 1
	Status      string // created, sending, delivered, failed or skipped
	FailureCode string
	Supplier    string // the supplier's status, such as permanent_failure
	Retries     int

	Created, Delivered, Failed time.Time
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
		ID: data.Get("id").Str, Reference: a.Get("messageReference").Str, BatchID: data.Get("relationships.messageBatch.data.id").Str,
		RoutingPlanID: a.Get("routingPlan.id").Str, Status: plain(a, "messageStatus"), FailureCode: plain(a, "messageFailureReasonCode"),
		Created: moment(a, "created"), Enriched: moment(a, "enriched"), Delivered: moment(a, "delivered"), Failed: moment(a, "failed"),
	}
	if channels := a.Get("channels"); channels.IsArray() {
		for _, c := range channels.Array() {
			s.Channels = append(s.Channels, ChannelStatus{
				Channel: plain(c, "type"), Cascade: plain(c, "cascadeType"), Order: int(c.Get("cascadeOrder").Num),
				Status: plain(c, "channelStatus"), FailureCode: plain(c, "channelFailureReasonCode"), Supplier: plain(c, "supplierStatus"),
				Retries: int(c.Get("retryCount").Num), Created: moment(c, "created"), Delivered: moment(c, "delivered"), Failed: moment(c, "failed"),
			})
		}
	}
	return s, s.ID == id && s.Status != ""
}

// plain is a word of the service; empty when it is not plainly one.
func plain(v gjson.Result, name string) string { return exchange.Plain(v.Get(name).Str) }

// moment is a timestamp; zero when it cannot be read.
func moment(v gjson.Result, name string) time.Time {
	t, _ := time.Parse(time.RFC3339, v.Get("timestamps."+name).Str)
	return t
}
