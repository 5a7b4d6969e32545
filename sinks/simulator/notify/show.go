package notify

import (
	"strings"
	"time"

	"cohort/sinks/simulator/gateway"
	"cohort/sinks/simulator/ledger"
)

// object is a JSON object. It leaves out members that a message does not have yet.
type object = map[string]any

// show is GET /v1/messages/{id}. An application sees only its own messages. The batch has its own
// id there, and not the sender's reference.
func (s *Service) show(x *gateway.Exchange) gateway.Reply {
	a, found := s.ledger.Find(x.Application, strings.TrimPrefix(x.R.URL.Path, Root+messagePath))
	if !found {
		return x.Refuse(notFound)
	}
	m := object{
		"type": "Message", "id": a.MessageID, "attributes": s.attributes(&a, x.Now),
		"links": object{"self": x.Root() + messagePath + a.MessageID},
	}
	if a.BatchID != "" {
		m["relationships"] = object{"messageBatch": object{"data": object{"type": "MessageBatch", "id": a.BatchID}}}
	}
	return gateway.Reply{Status: 200, Body: gateway.EncodeJSON(object{"data": m})}
}

func (s *Service) attributes(a *ledger.Accepted, now time.Time) object {
	l := s.lifeOf(a)
	status, times := l.at(now), map[string]time.Time{"created": l.created, "enriched": l.enriched, "delivered": l.delivered}
	m := object{"messageReference": a.MessageReference, "messageStatus": status, "routingPlan": planOf(a.RoutingPlanID)}
	if status == statusFailed {
		times["failed"] = l.failed
		l.because.put(m, "message", "MFR_")
	}
	m["timestamps"] = timestamps(now, times)
	if !reached(l.enriched, now) {
		return m
	}
	var channels []object
	labels := []string{}
	for i := range l.channels {
		channels = append(channels, l.channel(i, a.RoutingPlanID, now))
		labels = append(labels, l.channels[i].channel)
	}
	if channels != nil {
		m["channels"] = channels
	}
	m["metadata"] = []object{{"queriedAt": javaScriptTime(l.enriched), "source": "pds", "version": "1", "labels": labels}}
	return m
}

// channel is a channel of a message at a moment. It names the source of a contact detail, and not
// the detail.
func (l *life) channel(i int, plan string, now time.Time) object {
	c := &l.channels[i]
	status := c.at(now)
	out := object{
		"type": c.channel, "cascadeType": "primary", "cascadeOrder": i + 1, "channelStatus": status,
		"timestamps":  timestamps(now, map[string]time.Time{"created": l.enriched, "delivered": c.delivered, "failed": c.failed}),
		"routingPlan": object{"id": plan, "version": planOf(plan).Version, "type": "original"},
	}
	if c.channel != toApp && c.because != noDetail {
		out["metadata"] = []object{{"id": "contact-1", "source": "pds", "label": "recipient_contact"}}
	}
	for _, m := range c.suppliers() {
		if reached(m.at, now) {
			out["supplierStatus"] = m.status
		}
	}
	if status == statusFailed {
		c.because.put(out, "channel", "CFR_")
	}
	if reached(latest(c.delivered, c.failed), now) && c.retries > 0 {
		out["retryCount"] = c.retries
	}
	return out
}

// put adds the failure to the members of a message or a channel.
func (f failure) put(to object, kind, prefix string) {
	if f.code == "" {
		to[kind+"StatusDescription"] = f.words
		return
	}
	to[kind+"StatusDescription"], to[kind+"FailureReasonCode"] = "Failed reason: "+f.words, prefix+f.code
}

func timestamps(now time.Time, all map[string]time.Time) map[string]string {
	out := map[string]string{}
	for name, t := range all {
		if reached(t, now) {
			out[name] = javaScriptTime(t)
		}
	}
	return out
}
