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
	Reference   string // the message's
	Status      string // created, pending_enrichment, enriched, sending, delivered or failed; others may come
	FailureCode string // of a message that failed, such as PDSV_0004
	Channels    []ChannelStatus

	Created, Enriched, Delivered, Failed time.Time
}

// ChannelStatus is the status of a message in one channel. A new message has no channels.
type ChannelStatus struct {
	Channel     string // nhsapp, email, sms or letter
	Status      string // created, sending, delivered, failed or skipped
	FailureCode string
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
		Created: moment(a, "created"), Enriched: moment(a, "enriched"), Delivered: moment(a, "delivered"), Failed: moment(a, "failed"),
	}
	if channels := a.Get("channels"); channels.IsArray() {
		for _, c := range channels.Array() {
			s.Channels = append(s.Channels, ChannelStatus{
				Channel: plain(c, "type"), Status: plain(c, "channelStatus"), FailureCode: plain(c, "channelFailureReasonCode"),
			})
		}
	}
	return s, data.Get("id").Str == id && s.Status != ""
}

// plain is a word of the service; empty when it is not plainly one.
func plain(v gjson.Result, name string) string { return exchange.Plain(v.Get(name).Str) }

// moment is a timestamp; zero when it cannot be read.
func moment(v gjson.Result, name string) time.Time {
	t, _ := time.Parse(time.RFC3339, v.Get("timestamps."+name).Str)
	return t
}
