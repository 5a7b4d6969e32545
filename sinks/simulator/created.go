package simulator

import (
	"cmp"
	"slices"
)

// created is the 201 of an accepted request.
func (s *Server) created(x *exchange, rec *record, sub submission) reply {
	ids := newKSUIDs(s.o.Seed, rec.key(), rec.at)
	if rec.single {
		return createdMessage(x, rec, sub.plan, ids.next())
	}
	return reply{status: 201, body: batchBody(ids, sub)}
}

type named struct{ reference, id string }

// batchBody puts the messages in the order of their references or, where that is
// the order they came in, in the opposite one: never the request's.
func batchBody(ids ksuids, sub submission) []byte {
	batchID := ids.next()
	list := make([]named, len(sub.messages))
	size := 400 + len(sub.reference)
	for i, m := range sub.messages {
		list[i] = named{m.reference, ids.next()}
		size += 70 + len(m.reference)
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
	// The live template takes the reference as it is, quotes and all.
	out = append(out, `","attributes":{"messageBatchReference":"`...)
	out = append(out, sub.reference...)
	out = append(out, `","routingPlan":`...)
	out = append(out, encodeJSON(planOf(sub.plan))...)
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
	return routingPlan{ID: id, Version: "ztoe2qRAM8M8vS0bqajhyEBcvXacrGPp", Name: "Simulated routing plan", CreatedDate: "2023-11-17T14:27:51.413Z"}
}

func createdMessage(x *exchange, rec *record, plan, id string) reply {
	path := messagePath + id
	return reply{
		status:   201,
		location: path,
		body: encodeJSON(map[string]shown{"data": {
			Type: "Message",
			ID:   id,
			Attributes: messageAttributes{
				MessageReference: rec.reference,
				MessageStatus:    "created",
				Timestamps:       map[string]string{"created": javaScriptTime(rec.at)},
				RoutingPlan:      planOf(plan),
			},
			Links: map[string]string{"self": x.root() + path},
		}}),
	}
}

// appendString writes a JSON string.
func appendString(out []byte, s string) []byte {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || s[i] == '"' || s[i] == '\\' {
			return append(out, encodeJSON(s)...)
		}
	}
	out = append(out, '"')
	out = append(out, s...)
	return append(out, '"')
}
