package delivery

import (
	"cmp"
	"strings"
	"time"
)

// Statuses of a message that other packages interpret. The service may use others.
const (
	Delivered = "delivered"
	Failed    = "failed"
	Read      = "read"
	Open      = "open"            // of a daily report: no channel has delivered yet, but one still may
	NoSuch    = "no_such_message" // NHS Notify was asked, and does not know the message
)

// NoNews is the reason code of a message when nobody knows whether it was read.
const NoNews = "unknown"

// The ranks of statuses, from the contracts with the services. Of two statuses with one rank, the
// later holds. An unknown status has rank 0: it shows only while nothing else is known.
var (
	messageRanks = map[string]int{Open: 1, "created": 2, "pending_enrichment": 3, "enriched": 4, "sending": 5, Failed: 6, Delivered: 7}
	receiptRanks = map[string]int{Delivered: 1, "notification_attempted": 2, "unnotified": 3, "notified": 4, Read: 5, "rejected": 6}
	channelRanks = map[string]int{
		"created": 1, "assigning_batch": 2, "stale_pds": 2, "sending": 2, "retry": 2, "skipped": 3, Failed: 3, Delivered: 4,
	}
	supplierRanks = map[string]int{
		"created": 1, "pending": 1, "pending_virus_check": 1, "accepted": 1, "received": 1, "sending": 1, "sent": 1, "printed": 1,
		"enclosed": 1, "dispatched": 1, "forwarded": 1,
		"cancelled": 2, Failed: 2, "permanent_failure": 2, "rejected": 2, "returned": 2, "technical_failure": 2,
		"temporary_failure": 2, "validation_failed": 2, "virus_scan_failed": 2,
		Delivered: 3, "notification_attempted": 4, "notified": 5, "unnotified": 5, Read: 6,
	}
)

// claim is a status that an event gives to a message, to a channel or to a supplier.
type claim struct {
	rank                 int
	at                   time.Time
	status, code, reason string
	source               Source
}

// compare says which claim holds: the one with the higher rank, then the later one. The texts
// make the order total, so that the order of arrival decides nothing.
func (c *claim) compare(d *claim) int {
	return cmp.Or(
		cmp.Compare(c.rank, d.rank), c.at.Compare(d.at), strings.Compare(c.status, d.status),
		strings.Compare(c.code, d.code), strings.Compare(c.reason, d.reason), cmp.Compare(c.source, d.source),
	)
}

// standing has the claim that holds, and the one that tells why: the highest with a code or a
// reason.
type standing struct{ holds, why claim }

// take takes a status of an event. It returns false if that would move the status backwards.
func (s *standing) take(ranks map[string]int, status string, e *Event) (forwards bool) {
	if status == "" {
		return true
	}
	c := claim{ranks[status], e.At, status, e.Code, e.Reason, e.Source}
	was := s.holds
	s.merge(standing{c, c})
	return cmp.Or(cmp.Compare(c.rank, was.rank), c.at.Compare(was.at)) >= 0
}

func (s *standing) merge(other standing) {
	if other.holds.compare(&s.holds) > 0 {
		s.holds = other.holds
	}
	if other.why.code+other.why.reason != "" && other.why.compare(&s.why) > 0 {
		s.why = other.why
	}
}

// moment is the first time at which something was so.
type moment struct {
	is      bool
	vague   int // 0: exact, 1: a daily report gives the day alone, 2: not known
	at      time.Time
	channel string
}

func (m *moment) note(e *Event, channel string) {
	n := moment{is: true, at: e.At, channel: channel}
	switch {
	case e.At.IsZero():
		n.vague = 2
	case e.Source == DailyReport:
		n.vague = 1
	}
	if !m.is || cmp.Or(cmp.Compare(n.vague, m.vague), n.at.Compare(m.at), strings.Compare(n.channel, m.channel)) < 0 {
		*m = n
	}
}
