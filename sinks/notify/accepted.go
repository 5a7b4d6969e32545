package notify

import (
	"encoding/json"
	"net/http"
	"strings"

	"cohort/engine"
)

// accepted reads a 201 and joins its ids to the messages of the request. The order of
// the messages in the answer is not promised, so they are joined by reference. An
// answer that is not exactly about this request is unreadable, and the request in
// doubt: a replay settles it.
func accepted(r *engine.Request, body []byte) engine.Answer {
	unreadable := engine.Answer{Reply: engine.Unknown, Status: http.StatusCreated, Code: codeUnreadable}
	var reply struct {
		Data struct {
			Attributes struct {
				MessageBatchReference string `json:"messageBatchReference"`
				Messages              []struct {
					MessageReference string `json:"messageReference"`
					ID               string `json:"id"`
				} `json:"messages"`
			} `json:"attributes"`
		} `json:"data"`
	}
	if json.Unmarshal(body, &reply) != nil {
		return unreadable
	}
	attributes := &reply.Data.Attributes
	if attributes.MessageBatchReference != r.Reference.String() || len(attributes.Messages) != len(r.Messages) {
		return unreadable
	}
	place := make(map[engine.Reference]int, len(r.Messages))
	for i, reference := range r.Messages {
		place[reference] = i
	}
	ids := make([]string, len(r.Messages))
	for _, m := range attributes.Messages {
		var reference engine.Reference
		copy(reference[:], m.MessageReference)
		i, ours := place[reference]
		if !ours || len(m.MessageReference) != len(reference) || ids[i] != "" || m.ID == "" || len(m.ID) > 64 {
			return unreadable
		}
		ids[i] = strings.Clone(m.ID)
	}
	return engine.Answer{Reply: engine.Accepted, Status: http.StatusCreated, IDs: ids}
}
