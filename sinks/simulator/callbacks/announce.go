package callbacks

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"math/rand/v2"
	"strings"
	"time"

	"cohort/sinks/simulator/faults"
	"cohort/sinks/simulator/gateway"
	"cohort/sinks/simulator/ledger"
)

// call is one callback: its bytes, and what has become of it.
type call struct {
	Line
	body                  []byte
	untrue                bool          // it must be refused
	refusable             bool          // it may be refused
	wrongSecret, wrongKey bool          // wrongSecret: for a receipt, no client certificate
	hold                  time.Duration // within the body
	first                 time.Time     // the first attempt
}

// announce queues the callbacks about a message's nth event, after the faults. The caller holds
// s.mu.
func (s *Sender) announce(of *ledger.Accepted, events []Event, nth int) {
	e := events[nth]
	signed, more := e.Kind != Task, nth+1 < len(events)
	due, fault, content, before := e.At, "", e.Content(), [][]byte(nil)
	if s.dice.Hit(faults.NewFields) {
		fault, content["newMember"] = "new_fields", map[string]any{"nested": []any{1, nil, map[string]any{"deeper": "text"}}}
	}
	if signed && s.dice.Hit(faults.SeveralItems) {
		fault, before = "several_items", earlierItems(events[:nth], e)
	}
	if more && s.dice.Hit(faults.Reordered) {
		fault, due = "reordered", events[nth+1].At.Add(time.Microsecond)
	}
	if f, late := s.dice.Strike(faults.Late); late {
		fault, due = "late", due.Add(s.hastened(f.Fixed))
	}
	c := callOf(of, e, fault, content, before...)
	copied := *c
	if signed && s.dice.Hit(faults.WrongSecretFirst) {
		c.Fault, c.wrongSecret = "wrong_secret_first", true
	}
	s.push(due, c)
	if f, hit := s.dice.Strike(faults.Duplicated); hit {
		x := copied
		x.Fault = "duplicated"
		s.push(due.Add(s.hastened(time.Duration(rand.Float64()*float64(f.Jitter)))), &x)
	}
	if f, hit := s.dice.Strike(faults.Replayed); hit {
		copied.Fault = "replayed"
		s.push(due.Add(s.hastened(f.Fixed)), &copied)
	}
	s.announceOthers(of, e, due)
}

// announceOthers queues what faults say about an event beside the truth. The caller holds s.mu.
func (s *Sender) announceOthers(of *ledger.Accepted, e Event, due time.Time) {
	signed := e.Kind != Task
	other := func(fault string, content map[string]any) *call {
		c := callOf(of, e, fault, content)
		s.push(due, c)
		return c
	}
	if signed && e.Status != "delivered" && e.Status != "failed" && s.dice.Hit(faults.Alike) {
		other("alike", stamped(e.Content(), e.At.Add(time.Millisecond)))
	}
	if s.dice.Hit(faults.UnknownValue) {
		other("unknown_value", withStatus(e, "on_hold"))
	}
	if s.dice.Hit(faults.UnknownType) {
		c := other("unknown_type", e.Content())
		c.body = bytes.Replace(c.body, []byte(`"`+e.Kind+`"`), []byte(`"PaymentStatus"`), 1)
	}
	if s.dice.Hit(faults.Oversized) {
		content := e.Content()
		content["padding"] = strings.Repeat("x", 2<<20)
		other("oversized", content).refusable = true
	}
	if f, hit := s.dice.Strike(faults.SlowBody); hit {
		c := other("slow_body", e.Content())
		c.refusable, c.hold = true, f.Hold
	}
	if (signed || len(s.o.Target.Certificates) > 0) && s.dice.Hit(faults.Forged) {
		c := other("forged", untruth(e))
		c.untrue, c.wrongSecret = true, true
	}
	if signed && s.dice.Hit(faults.WrongAPIKey) {
		c := other("wrong_api_key", untruth(e))
		c.untrue, c.wrongKey = true, true
	}
}

func callOf(of *ledger.Accepted, e Event, fault string, content map[string]any, before ...[]byte) *call {
	key := keyOf(e.Kind, content)
	return &call{body: bodyOf(e.Kind, content, key, before...), Line: Line{
		Kind: e.Kind, Status: e.Status, MessageID: of.MessageID, MessageReference: of.MessageReference,
		IdempotencyKey: key, Fault: fault,
	}}
}

// untruth makes the content of a forged event: another end, later than everything else.
func untruth(e Event) map[string]any {
	status := "delivered"
	if e.Status == status {
		status = "failed"
	}
	if e.Kind == Task {
		return withStatus(e, status)
	}
	return stamped(withStatus(e, status), e.At.AddDate(1, 0, 0))
}

// earlierItems are an item of an unknown type, and those of earlier callbacks of the same kind.
func earlierItems(earlier []Event, e Event) [][]byte {
	items := [][]byte{itemOf("PaymentStatus", e.Content(), "unknown")}
	for _, old := range earlier {
		if content := old.Content(); old.Kind == e.Kind {
			items = append(items, itemOf(e.Kind, content, keyOf(e.Kind, content)))
		}
	}
	return items
}

func withStatus(e Event, status string) map[string]any {
	content := e.Content()
	switch e.Kind {
	case MessageStatus:
		content["messageStatus"] = status
	case ChannelStatus:
		content["channelStatus"] = status
	default:
		content["code"] = map[string]any{"coding": []any{map[string]any{"code": status}}}
	}
	return content
}

func stamped(content map[string]any, at time.Time) map[string]any {
	content["timestamp"] = at.UTC().Format("2006-01-02T15:04:05.000Z")
	return content
}

// keyOf is an idempotency key: a hash over what an event says, without its time.
func keyOf(kind string, content map[string]any) string {
	timeless := maps.Clone(content)
	delete(timeless, "timestamp")
	sum := sha256.Sum256(append([]byte(kind), gateway.EncodeJSON(timeless)...))
	return hex.EncodeToString(sum[:])
}

// bodyOf is the body of a callback. A receipt is its own body.
func bodyOf(kind string, content map[string]any, key string, before ...[]byte) []byte {
	if kind == Task {
		return gateway.EncodeJSON(content)
	}
	items := append(before, itemOf(kind, content, key))
	return append(append([]byte(`{"data":[`), bytes.Join(items, []byte(","))...), "]}"...)
}

// itemOf is one item of a body. Its link is a path or a URL.
func itemOf(kind string, content map[string]any, key string) []byte {
	id, _ := content["messageId"].(string)
	link := "/v1/messages/" + id
	if key[0] < '8' {
		link = "https://api.service.nhs.uk/comms" + link
	}
	return gateway.EncodeJSON(map[string]any{
		"type": kind, "attributes": content,
		"links": map[string]any{"message": link}, "meta": map[string]any{"idempotencyKey": key},
	})
}

func sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return hex.EncodeToString(mac.Sum(nil))
}
