package simulator

import (
	"encoding/binary"
	"hash/crc32"
	"math/rand/v2"

	"github.com/google/uuid"
)

// communicate is a POST to the NHS App behind the gates. Every request that gets here
// and is valid is another message to the person, whatever its request-id.
func (s *Server) communicate(x *exchange, channel string) reply {
	if x.large {
		return gatewayFault(413, "protocol.http.TooBigBody")
	}
	hits := 0
	p := &reading{channel: channel, intermediary: s.o.NHSApp.Intermediary, poisoned: func(nhsNumber string) bool {
		hit := s.dice.poisoned(nhsNumber)
		if hit {
			hits++
		}
		return hit
	}}
	c := p.read(x.body)
	s.dice.countPoisoned(hits)
	if len(p.issues) > 0 {
		return x.refuse(p.issues...)
	}
	if rep, hit := s.faultBefore(x); hit {
		return rep
	}
	wait(x.r.Context(), s.dice.wait()) // a client that hangs up does not stop the backend
	rec := &record{
		application: x.token.application, reference: c.request, single: true,
		channel: channel, campaign: c.campaign, id: s.communicationID(), at: s.o.Now().UTC().Round(0),
	}
	messages := []message{{reference: c.request, nhsNumber: c.nhsNumber, personalisation: c.payload}}
	if s.o.State != nil {
		if err := s.o.State.keep(rec, crc32.Checksum(x.body, castagnoli), messages, !s.o.ForgetPersonalisation); err != nil {
			s.o.Log.Error("nothing is accepted any more: the state cannot be written", "error", err)
			return x.refuse(internalError)
		}
	}
	rec.pack(messages, !s.o.ForgetPersonalisation)
	rep := createdCommunication(x, rec, c)
	s.ledger.enter(rec, messages)
	return s.faultAfter(x, rep)
}

// enter takes a communication, without any claim.
func (l *ledger) enter(r *record, messages []message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.add(r, messages)
}

// communicationID is the id of the next communication. Those that a State remembers
// have theirs already, and their number keeps the others apart from them.
func (s *Server) communicationID() string {
	s.ledger.mu.Lock()
	s.ledger.named++
	n := s.ledger.named
	s.ledger.mu.Unlock()
	return uuidOf(rand.NewPCG(s.o.Seed, uint64(n)^0x636f6d6d756e6963))
}

// uuidOf makes a version 4 UUID of a stream.
func uuidOf(stream rand.Source) string {
	var id uuid.UUID
	binary.BigEndian.PutUint64(id[:8], stream.Uint64())
	binary.BigEndian.PutUint64(id[8:], stream.Uint64())
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return id.String()
}

type fhirIdentifier struct {
	System string `json:"system"`
	Value  string `json:"value"`
}

// identifiersOf are those that the service knows, its own first.
func identifiersOf(communicationID, campaign, request string) []fhirIdentifier {
	list := []fhirIdentifier{{communicationSystem, communicationID}}
	if campaign != "" {
		list = append(list, fhirIdentifier{campaignSystem, campaign})
	}
	if request != "" {
		list = append(list, fhirIdentifier{requestSystem, request})
	}
	return list
}

// createdCommunication is the 201: the request again, with the communication's id.
func createdCommunication(x *exchange, rec *record, c communication) reply {
	identifiers := identifiersOf(rec.id, c.campaign, c.request)
	if c.behalf != "" {
		identifiers = append(identifiers, fhirIdentifier{behalfSystem, c.behalf})
	}
	body := append([]byte(`{"resourceType":"CommunicationRequest","identifier":`), encodeJSON(identifiers)...)
	body = append(append(body, `,"status":"active","payload":`...), c.payload...)
	if c.contained != nil {
		body = append(append(body, `,"contained":`...), c.contained...)
		body = append(append(body, `,"extension":`...), c.extension...)
	}
	body = append(append(body, `,"recipient":`...), c.recipient...)
	if c.requester != nil {
		body = append(append(body, `,"requester":`...), c.requester...)
	}
	return reply{status: 201, location: x.base() + "/communication/" + rec.id, body: append(body, '}')}
}

// base is the service's address as the client spelt it.
func (x *exchange) base() string {
	scheme := "http"
	if x.r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + x.r.Host + appRoot
}
