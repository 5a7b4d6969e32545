package notify

import (
	"cmp"
	"strings"
	"time"

	"cohort/sinks/simulator/faults"
	"cohort/sinks/simulator/gateway"
	"cohort/sinks/simulator/ledger"
)

// faultPlans are the published plans that answer with a fault.
var faultPlans = map[string]gateway.Refusal{
	"d895ade5-0029-4fc3-9fb5-86e1e5370854": tooEarly,
	"3bb82e6a-9873-4683-b2b9-fdf33c9ba86f": gateway.InternalError,
	"c8857ccf-06ec-483f-9b3a-7fc732d9ad48": missingTemplates,
	"aeb16ab8-cb9c-4d23-92e9-87c78119175c": missingTemplates,
	"a3a4e55d-7a21-45a6-9286-8eb595c872a8": duplicateTemplates,
	"4ead415a-c033-4b39-9b05-326ac237a3be": invalidValue.At(pointerPlan),
}

// submitBatch is POST /v1/message-batches.
func (s *Service) submitBatch(x *gateway.Exchange) gateway.Reply { return s.submit(x, false) }

// submitSingle is POST /v1/messages.
func (s *Service) submitSingle(x *gateway.Exchange) gateway.Reply { return s.submit(x, true) }

func (s *Service) submit(x *gateway.Exchange, single bool) gateway.Reply {
	if x.Large {
		return gateway.Page(413, "Request Entity Too Large")
	}
	sub, wrong := validate(x.Body, single, s.gateway.Dice.Poison)
	if len(wrong) > 0 {
		return x.Refuse(wrong...)
	}
	if rep, ok := s.gateway.FaultBefore(x); !ok {
		return rep
	}
	if s.gateway.Dice.Hit(faults.NoSuchPlan) {
		return x.Refuse(noSuchPlan)
	}
	if wrong := s.backendRefusals(x, sub, single); len(wrong) > 0 {
		return x.Refuse(wrong...)
	}
	return s.accept(x, sub, single)
}

// backendRefusals are the backend's own reasons to take nothing.
func (s *Service) backendRefusals(x *gateway.Exchange, sub submission, single bool) []gateway.Refusal {
	if len(x.Body) > s.o.MaxBytes {
		return []gateway.Refusal{tooLarge}
	}
	if sub.empty {
		return []gateway.Refusal{gateway.InternalError}
	}
	for _, m := range sub.messages {
		if s.o.ODSCodeRequired && m.odsCode == "" {
			return []gateway.Refusal{odsCodeRequired}
		}
		if s.o.ODSCodeFixed && m.odsCode != "" {
			return []gateway.Refusal{cannotSetODSCode}
		}
	}
	if wrong := s.contactErrors(sub, single); len(wrong) > 0 {
		return wrong
	}
	plan := strings.ToLower(sub.plan)
	if f, faulty := faultPlans[plan]; faulty {
		if f.Status == tooEarly.Status {
			f.RetryAfter = s.gateway.Dice.Fault(faults.TooEarly425).RetryAfter
		}
		return []gateway.Refusal{f}
	}
	if s.plans != nil && !s.plans[plan] {
		return []gateway.Refusal{noSuchPlan}
	}
	return nil
}

// accept claims the reference. When it was free, the backend takes the whole request.
func (s *Service) accept(x *gateway.Exchange, sub submission, single bool) gateway.Reply {
	r := &ledger.Request{
		Application: x.Application, Reference: sub.reference, Single: single, RoutingPlanID: sub.plan,
		AcceptedAt: x.Now, BodyCRC32C: ledger.Checksum(x.Body), Messages: make([]ledger.Message, len(sub.messages)),
	}
	for i, m := range sub.messages {
		r.Messages[i] = m.kept
	}
	usual := s.gateway.Dice.Fault(faults.TooEarly425).RetryAfter
	claim, verdict, wait := s.ledger.Claim(r, usual, func() *ledger.Delay { return s.delay(faults.TooEarly425) })
	if verdict == ledger.StillProcessing {
		return x.Refuse(tooEarly.RetryIn(wait))
	}
	s.gateway.Think(x)
	noteDelivery := func(status int) { s.ledger.Delivered(claim, status) }
	if verdict == ledger.AlreadyAccepted {
		rep := x.Refuse(duplicateBatch)
		if single {
			rep = x.Refuse(duplicateMessage)
		}
		rep.Delivered = noteDelivery
		return s.gateway.FaultAfter(x, rep)
	}
	r.AcceptedAt = s.gateway.Options.Now().UTC().Round(0)
	rep := s.created(x, r)
	rep.Delivered = noteDelivery
	slow, twice := s.delay(faults.SlowAccept), s.delay(faults.DeliveredTwice)
	if err := s.ledger.Accept(claim, r, cmp.Or(slow, twice)); err != nil {
		return s.gateway.NotKept(x, err)
	}
	switch {
	case slow != nil:
		return gateway.Reset
	case twice != nil:
		_, _, wait := s.ledger.Claim(r, 0, nil)
		return x.Refuse(tooEarly.RetryIn(wait))
	}
	return s.gateway.FaultAfter(x, rep)
}

// delay draws a fault that makes replays too early; nil when it does not strike.
func (s *Service) delay(k faults.Kind) *ledger.Delay {
	f, hit := s.gateway.Dice.Strike(k)
	if !hit {
		return nil
	}
	return &ledger.Delay{Processing: f.Processing, RetryAfter: f.RetryAfter}
}

// javaScriptTime is the form of every time in a reply.
func javaScriptTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
