package nhsapp

import (
	"encoding/binary"
	"encoding/json"
	"math/rand/v2"

	"github.com/google/uuid"
	"github.com/tidwall/gjson"

	"cohort/sinks/simulator/gateway"
	"cohort/sinks/simulator/ledger"
)

func (s *Service) acceptInApp(x *gateway.Exchange) gateway.Reply { return s.accept(x, inApp) }

func (s *Service) acceptPush(x *gateway.Exchange) gateway.Reply { return s.accept(x, push) }

// accept is a POST behind the gates. Every valid request is another message to the person,
// with any request-id.
func (s *Service) accept(x *gateway.Exchange, channel string) gateway.Reply {
	if x.Large {
		return gatewayFault(413, "protocol.http.TooBigBody")
	}
	v := &validator{channel: channel, intermediary: s.o.Intermediary, poisoned: s.gateway.Dice.Poison}
	c := v.read(x.Body)
	if len(v.issues) > 0 {
		return x.Refuse(v.issues...)
	}
	if rep, ok := s.gateway.FaultBefore(x); !ok {
		return rep
	}
	s.gateway.Think(x)
	r := &ledger.Request{
		Application: x.Application, Reference: c.request, Single: true, Channel: channel, CampaignID: c.campaign,
		ID: s.communicationID(), AcceptedAt: s.gateway.Options.Now().UTC().Round(0), BodyCRC32C: ledger.Checksum(x.Body),
		Messages: []ledger.Message{{Reference: c.request, NHSNumber: c.nhsNumber, Personalisation: json.RawMessage(c.payload.Raw)}},
	}
	if err := s.ledger.Accept(nil, r, nil); err != nil {
		return s.gateway.NotKept(x, err)
	}
	return s.gateway.FaultAfter(x, created(x, r.ID, c))
}

func (s *Service) communicationID() string {
	return uuidOf(rand.NewPCG(s.gateway.Options.Seed, uint64(s.ledger.NextCommunication())^0x636f6d6d756e6963))
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

// identifiersOf lists the identifiers that the service knows, its own first.
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

// created is the 201: the request again, with the communication's id.
func created(x *gateway.Exchange, id string, c communication) gateway.Reply {
	identifiers := identifiersOf(id, c.campaign, c.request)
	if c.behalf != "" {
		identifiers = append(identifiers, fhirIdentifier{behalfSystem, c.behalf})
	}
	body := object{"resourceType": "CommunicationRequest", "identifier": identifiers, "status": "active"}
	for name, v := range map[string]gjson.Result{
		"payload": c.payload, "contained": c.contained, "extension": c.extension, "recipient": c.recipient, "requester": c.requester,
	} {
		if v.Exists() {
			body[name] = json.RawMessage(v.Raw)
		}
	}
	return gateway.Reply{Status: 201, Location: x.Root() + "/communication/" + id, Body: gateway.EncodeJSON(body)}
}
