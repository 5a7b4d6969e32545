package notify

import (
	"slices"
	"time"

	"cohort/sinks/simulator/callbacks"
	"cohort/sinks/simulator/ledger"
)

// Events lists what the service calls back about a message, in the order of time. Each event has
// the words of GET /v1/messages/{id} at that moment.
func (s *Service) Events(a *ledger.Accepted) []callbacks.Event {
	l := s.lifeOf(a)
	var list []callbacks.Event
	for _, at := range moments(l.enriched, l.sending, l.delivered, l.failed) {
		list = append(list, callbacks.Event{At: at, Kind: callbacks.MessageStatus, Status: l.at(at), Content: func() object {
			return s.messageEvent(a, &l, at)
		}})
	}
	for i := range l.channels {
		c := &l.channels[i]
		times := []time.Time{c.begins, c.skipped, c.delivered, c.failed}
		for _, m := range c.suppliers() {
			times = append(times, m.at)
		}
		for _, at := range moments(times...) {
			list = append(list, callbacks.Event{At: at, Kind: callbacks.ChannelStatus, Status: c.at(at), Content: func() object {
				return l.channelEvent(a, i, at)
			}})
		}
	}
	slices.SortStableFunc(list, func(a, b callbacks.Event) int { return a.At.Compare(b.At) })
	return list
}

// moments sorts the times that come, each once.
func moments(times ...time.Time) []time.Time {
	times = slices.DeleteFunc(times, time.Time.IsZero)
	slices.SortFunc(times, time.Time.Compare)
	return slices.CompactFunc(times, time.Time.Equal)
}

func (s *Service) messageEvent(a *ledger.Accepted, l *life, at time.Time) object {
	m := s.attributes(a, at)
	var ended []object
	for i := range l.channels {
		if c := &l.channels[i]; reached(latest(c.delivered, c.failed), at) {
			ended = append(ended, object{"type": c.channel, "channelStatus": c.at(at)})
		}
	}
	if delete(m, "channels"); ended != nil {
		m["channels"] = ended
	}
	return eventOf(a, m, at)
}

func (l *life) channelEvent(a *ledger.Accepted, i int, at time.Time) object {
	m := l.channel(i, a.RoutingPlanID, at)
	m["channel"] = m["type"]
	delete(m, "type")
	delete(m, "routingPlan")
	return eventOf(a, m, at)
}

func eventOf(a *ledger.Accepted, m object, at time.Time) object {
	delete(m, "timestamps")
	m["messageId"], m["messageReference"], m["timestamp"] = a.MessageID, a.MessageReference, javaScriptTime(at)
	return m
}
