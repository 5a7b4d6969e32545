package notify

import (
	"cmp"
	"slices"

	"cohort/sinks/simulator/gateway"
	"cohort/sinks/simulator/ledger"
)

// created is the 201 of an accepted request.
func (s *Service) created(x *gateway.Exchange, r *ledger.Request) gateway.Reply {
	ids := s.ledger.IDs(r)
	if !r.Single {
		return gateway.Reply{Status: 201, Body: batchBody(ids, r)}
	}
	id := ids.Next()
	return gateway.Reply{Status: 201, Location: messagePath + id, Body: gateway.EncodeJSON(object{"data": object{
		"type": "Message", "id": id, "links": object{"self": x.Root() + messagePath + id},
		"attributes": object{
			"messageReference": r.Reference, "messageStatus": statusCreated, "routingPlan": planOf(r.RoutingPlanID),
			"timestamps": object{"created": javaScriptTime(r.AcceptedAt)},
		},
	}})}
}

type named struct{ reference, id string }

// batchBody sorts the messages by reference, or the other way round when they came sorted.
// The order is never the request's.
func batchBody(ids ledger.IDs, r *ledger.Request) []byte {
	batchID := ids.Next()
	list := make([]named, len(r.Messages))
	size := 400 + len(r.Reference)
	for i, m := range r.Messages {
		list[i] = named{m.Reference, ids.Next()}
		size += 70 + len(m.Reference)
	}
	byReference := func(a, b named) int { return cmp.Compare(a.reference, b.reference) }
	if slices.IsSortedFunc(list, byReference) {
		slices.Reverse(list)
	} else {
		slices.SortFunc(list, byReference)
	}
	out := make([]byte, 0, size)
	out = append(out, `{"data":{"type":"MessageBatch","id":"`...)
	out = append(out, batchID...)
	// The live template does not escape the reference.
	out = append(out, `","attributes":{"messageBatchReference":"`...)
	out = append(out, r.Reference...)
	out = append(out, `","routingPlan":`...)
	out = append(out, gateway.EncodeJSON(planOf(r.RoutingPlanID))...)
	out = append(out, `,"messages":[`...)
	for i, m := range list {
		if i > 0 {
			out = append(out, ',')
		}
		out = append(out, `{"messageReference":`...)
		out = appendString(out, m.reference)
		out = append(out, `,"id":"`...)
		out = append(out, m.id...)
		out = append(out, `"}`...)
	}
	return append(out, `]}}}`...)
}

type routingPlan struct {
	ID          string `json:"id"`
	Version     string `json:"version"`
	Name        string `json:"name"`
	CreatedDate string `json:"createdDate"`
}

func planOf(id string) routingPlan {
	return routingPlan{
		ID: id, Version: "ztoe2qRAM8M8vS0bqajhyEBcvXacrGPp", Name: "Simulated routing plan", CreatedDate: "2023-11-17T14:27:51.413Z",
	}
}

// appendString writes a JSON string.
func appendString(out []byte, s string) []byte {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || s[i] == '"' || s[i] == '\\' {
			return append(out, gateway.EncodeJSON(s)...)
		}
	}
	out = append(out, '"')
	out = append(out, s...)
	return append(out, '"')
}
