package notify

import (
	"encoding/json"
	"time"

	"cohort/sinks/exchange"
)

// Status is what the service says has become of one message (contract, section 6). What it
// does not say, or not plainly, is the zero value. Its descriptions in words are left out:
// nobody knows whom they name.
type Status struct {
	ID            string
	Reference     string // the message's
	BatchID       string // the service's id of its batch, not our reference; empty: it came by itself
	RoutingPlanID string
	Status        string // created, pending_enrichment, enriched, sending, delivered or failed; others may come
	FailureCode   string // of a message that failed, such as PDSV_0004
	Channels      []ChannelStatus

	Created, Enriched, Delivered, Failed time.Time
}

// IsFinal reports whether nothing more will become of the message.
func (s Status) IsFinal() bool { return s.Status == "delivered" || s.Status == "failed" }

// ChannelStatus is what has become of a message in one channel. There may be none yet.
type ChannelStatus struct {
	Channel     string // nhsapp, email, sms or letter
	Cascade     string // primary or secondary
	Order       int    // within the cascade, from 1
	Status      string // created, sending, delivered, failed or skipped
	FailureCode string
	Supplier    string // what the supplier says, such as permanent_failure
	Retries     int

	Created, Delivered, Failed time.Time
}

// shownMessage is the answer on the wire. Members may be added without notice.
type shownMessage struct {
	Data struct {
		ID         string `json:"id"`
		Attributes struct {
			Reference   string         `json:"messageReference"`
			Status      string         `json:"messageStatus"`
			FailureCode string         `json:"messageFailureReasonCode"`
			Channels    []shownChannel `json:"channels"`
			Times       shownTimes     `json:"timestamps"`
			RoutingPlan struct {
				ID string `json:"id"`
			} `json:"routingPlan"`
		} `json:"attributes"`
		Relationships struct {
			Batch struct {
				Data struct {
					ID string `json:"id"`
				} `json:"data"`
			} `json:"messageBatch"`
		} `json:"relationships"`
	} `json:"data"`
}

type shownChannel struct {
	Type        string     `json:"type"`
	Retries     int        `json:"retryCount"`
	Cascade     string     `json:"cascadeType"`
	Order       int        `json:"cascadeOrder"`
	Status      string     `json:"channelStatus"`
	FailureCode string     `json:"channelFailureReasonCode"`
	Supplier    string     `json:"supplierStatus"`
	Times       shownTimes `json:"timestamps"`
}

type shownTimes struct {
	Created   moment `json:"created"`
	Enriched  moment `json:"enriched"`
	Delivered moment `json:"delivered"`
	Failed    moment `json:"failed"`
}

// moment is a time that is nought where it cannot be read.
type moment struct{ time.Time }

// UnmarshalJSON takes anything.
func (m *moment) UnmarshalJSON(text []byte) error {
	var s string
	if json.Unmarshal(text, &s) == nil {
		m.Time, _ = time.Parse(time.RFC3339, s)
	}
	return nil
}

// readStatus reads the answer about a message. A member that is not of the type that the
// contract gives it is as good as left out; without the message's id and its status the
// answer is not about it.
func readStatus(id string, body []byte) (Status, bool) {
	var m shownMessage
	_ = json.Unmarshal(body, &m) // reads nothing of what is no JSON, and goes on behind a member of another type
	a := m.Data.Attributes
	s := Status{
		ID: m.Data.ID, Reference: a.Reference, BatchID: m.Data.Relationships.Batch.Data.ID, RoutingPlanID: a.RoutingPlan.ID,
		Status: exchange.Plain(a.Status), FailureCode: exchange.Plain(a.FailureCode),
		Created: a.Times.Created.Time, Enriched: a.Times.Enriched.Time, Delivered: a.Times.Delivered.Time, Failed: a.Times.Failed.Time,
	}
	for _, c := range a.Channels {
		s.Channels = append(s.Channels, ChannelStatus{
			Channel: exchange.Plain(c.Type), Cascade: exchange.Plain(c.Cascade), Order: c.Order, Status: exchange.Plain(c.Status), FailureCode: exchange.Plain(c.FailureCode),
			Supplier: exchange.Plain(c.Supplier), Retries: c.Retries, Created: c.Times.Created.Time, Delivered: c.Times.Delivered.Time, Failed: c.Times.Failed.Time,
		})
	}
	return s, s.ID == id && s.Status != ""
}
