package simulator

import "strings"

const messagePath = "/v1/messages/"

// shown is the answer to GET /v1/messages/{id}. Members that a message does not have yet,
// such as its channels, are left out.
type shown struct {
	Type          string             `json:"type"`
	ID            string             `json:"id"`
	Attributes    messageAttributes  `json:"attributes"`
	Relationships *shownRelationship `json:"relationships,omitempty"`
	Links         map[string]string  `json:"links"`
}

type messageAttributes struct {
	MessageReference string            `json:"messageReference"`
	MessageStatus    string            `json:"messageStatus"`
	Timestamps       map[string]string `json:"timestamps"`
	RoutingPlan      routingPlan       `json:"routingPlan"`
}

// shownRelationship names the batch that a message came in, by its id and not by the
// reference that the sender gave it.
type shownRelationship struct {
	MessageBatch struct {
		Data struct {
			Type string `json:"type"`
			ID   string `json:"id"`
		} `json:"data"`
	} `json:"messageBatch"`
}

// show is GET /v1/messages/{id}. An application sees its own messages, and no other's.
func (s *Server) show(x *exchange) reply {
	a, found := s.ledger.find(x.token.application, strings.TrimPrefix(x.r.URL.Path, apiRoot+messagePath))
	if !found {
		return refuse(x.id, notFound)
	}
	m := shown{
		Type: "Message", ID: a.MessageID, Links: map[string]string{"self": x.root() + messagePath + a.MessageID},
		Attributes: messageAttributes{a.MessageReference, "created", map[string]string{"created": javaScriptTime(a.AcceptedAt)}, planOf(a.RoutingPlanID)},
	}
	if a.BatchID != "" {
		m.Relationships = &shownRelationship{}
		m.Relationships.MessageBatch.Data.Type, m.Relationships.MessageBatch.Data.ID = "MessageBatch", a.BatchID
	}
	return reply{status: 200, body: encodeJSON(map[string]shown{"data": m})}
}

// root is the address of the API as the client knows it.
func (x *exchange) root() string {
	scheme := "http"
	if x.r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + x.r.Host + apiRoot
}
