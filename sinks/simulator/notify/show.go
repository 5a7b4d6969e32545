package notify

import (
	"strings"
	"time"

	"cohort/sinks/simulator/gateway"
	"cohort/sinks/simulator/ledger"
)

// shown is the answer to GET /v1/messages/{id}. It leaves out members that a message does not
// have yet, such as its channels.
type shown struct {
	Type          string             `json:"type"`
	ID            string             `json:"id"`
	Attributes    messageAttributes  `json:"attributes"`
	Relationships *shownRelationship `json:"relationships,omitempty"`
	Links         map[string]string  `json:"links"`
}

type messageAttributes struct {
	MessageReference  string            `json:"messageReference"`
	MessageStatus     string            `json:"messageStatus"`
	Description       string            `json:"messageStatusDescription,omitempty"`
	FailureReasonCode string            `json:"messageFailureReasonCode,omitempty"`
	Channels          []shownChannel    `json:"channels,omitempty"`
	Timestamps        map[string]string `json:"timestamps"`
	Metadata          []shownQuery      `json:"metadata,omitempty"`
	RoutingPlan       routingPlan       `json:"routingPlan"`
}

type shownChannel struct {
	Type              string            `json:"type"`
	RetryCount        int               `json:"retryCount,omitempty"`
	CascadeType       string            `json:"cascadeType"`
	CascadeOrder      int               `json:"cascadeOrder"`
	Status            string            `json:"channelStatus"`
	Description       string            `json:"channelStatusDescription,omitempty"`
	FailureReasonCode string            `json:"channelFailureReasonCode,omitempty"`
	SupplierStatus    string            `json:"supplierStatus,omitempty"`
	Timestamps        map[string]string `json:"timestamps"`
	RoutingPlan       struct {
		ID      string `json:"id"`
		Version string `json:"version"`
		Type    string `json:"type"`
	} `json:"routingPlan"`
	Metadata []shownContact `json:"metadata,omitempty"`
}

// shownContact names the source of a contact detail, and not the detail.
type shownContact struct {
	ID     string `json:"id"`
	Source string `json:"source"`
	Label  string `json:"label"`
}

// shownQuery is the lookup of the person's record.
type shownQuery struct {
	QueriedAt string   `json:"queriedAt"`
	Source    string   `json:"source"`
	Version   string   `json:"version"`
	Labels    []string `json:"labels"`
}

// shownRelationship names the batch of a message by its id, and not by the sender's
// reference.
type shownRelationship struct {
	MessageBatch struct {
		Data struct {
			Type string `json:"type"`
			ID   string `json:"id"`
		} `json:"data"`
	} `json:"messageBatch"`
}

// show is GET /v1/messages/{id}. An application sees only its own messages.
func (s *Service) show(x *gateway.Exchange) gateway.Reply {
	a, found := s.ledger.Find(x.Application, strings.TrimPrefix(x.R.URL.Path, Root+messagePath))
	if !found {
		return x.Refuse(notFound)
	}
	m := shown{
		Type: "Message", ID: a.MessageID, Links: map[string]string{"self": x.Root() + messagePath + a.MessageID},
		Attributes: s.attributes(&a, x.Now),
	}
	if a.BatchID != "" {
		m.Relationships = &shownRelationship{}
		m.Relationships.MessageBatch.Data.Type, m.Relationships.MessageBatch.Data.ID = "MessageBatch", a.BatchID
	}
	return gateway.Reply{Status: 200, Body: gateway.EncodeJSON(map[string]shown{"data": m})}
}

// attributes are the attributes of a message at a moment.
func (s *Service) attributes(a *ledger.Accepted, now time.Time) messageAttributes {
	l := s.lifeOf(a)
	m := messageAttributes{
		MessageReference: a.MessageReference, MessageStatus: l.at(now), RoutingPlan: planOf(a.RoutingPlanID),
		Timestamps: timestamps(now, map[string]time.Time{"created": l.created, "enriched": l.enriched, "delivered": l.delivered, "failed": l.failed}),
	}
	if !reached(l.enriched, now) {
		return m
	}
	if m.MessageStatus == statusFailed {
		m.Description, m.FailureReasonCode = l.because.shown("MFR_")
	} else {
		delete(m.Timestamps, "failed")
	}
	query := shownQuery{QueriedAt: javaScriptTime(l.enriched), Source: "pds", Version: "1", Labels: []string{}}
	for i := range l.channels {
		m.Channels = append(m.Channels, l.shownChannel(i, a.RoutingPlanID, now))
		query.Labels = append(query.Labels, l.channels[i].channel)
	}
	m.Metadata = []shownQuery{query}
	return m
}

func (l *life) shownChannel(i int, plan string, now time.Time) shownChannel {
	c := &l.channels[i]
	out := shownChannel{
		Type: c.channel, CascadeType: "primary", CascadeOrder: i + 1, Status: c.at(now),
		Timestamps: timestamps(now, map[string]time.Time{"created": l.enriched, "delivered": c.delivered, "failed": c.failed}),
	}
	out.RoutingPlan.ID, out.RoutingPlan.Version, out.RoutingPlan.Type = plan, planOf(plan).Version, "original"
	if c.channel != toApp && c.because != noDetail {
		out.Metadata = []shownContact{{"contact-1", "pds", "recipient_contact"}}
	}
	switch out.Status {
	case statusSending:
		out.SupplierStatus = c.early
	case statusDelivered, statusFailed:
		out.SupplierStatus, out.RetryCount = c.late, c.retries
	}
	if out.Status == statusFailed {
		out.Description, out.FailureReasonCode = c.because.shown("CFR_")
	}
	return out
}

// shown is the failure in the words of a message or of a channel.
func (f failure) shown(prefix string) (words, code string) {
	if f.code == "" {
		return f.words, ""
	}
	return "Failed reason: " + f.words, prefix + f.code
}

// timestamps lists the moments that have come.
func timestamps(now time.Time, all map[string]time.Time) map[string]string {
	out := map[string]string{}
	for name, t := range all {
		if reached(t, now) {
			out[name] = javaScriptTime(t)
		}
	}
	return out
}
