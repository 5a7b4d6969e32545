package simulator

import (
	"hash/crc32"
	"strings"
	"time"
)

// The published plans that answer with a fault.
var faultPlans = map[string]refusal{
	"d895ade5-0029-4fc3-9fb5-86e1e5370854": tooEarly,
	"3bb82e6a-9873-4683-b2b9-fdf33c9ba86f": internalError,
	"c8857ccf-06ec-483f-9b3a-7fc732d9ad48": missingTemplates,
	"aeb16ab8-cb9c-4d23-92e9-87c78119175c": missingTemplates,
	"a3a4e55d-7a21-45a6-9286-8eb595c872a8": duplicateTemplates.withMeta(map[string]any{
		"duplicateTemplates": []map[string]string{{"name": "EMAIL_TEMPLATE", "type": "EMAIL"}, {"name": "SMS_TEMPLATE", "type": "SMS"}},
	}),
	"4ead415a-c033-4b39-9b05-326ac237a3be": invalidValue.at(pointerPlan),
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// submit is POST /v1/message-batches and POST /v1/messages behind the gates.
func (s *Server) submit(x *exchange, single bool) reply {
	if x.large {
		return reply{status: 413, contentType: html, body: []byte("<html><head><title>413 Request Entity Too Large</title></head><body>Request Entity Too Large</body></html>")}
	}
	sub, wrong := s.inspect(x.body, single)
	if len(wrong) > 0 {
		return refuse(x.id, wrong...)
	}
	if rep, hit := s.faultBefore(x); hit {
		return rep
	}
	if wrong := s.backendRefusals(x, sub, single); len(wrong) > 0 {
		return refuse(x.id, wrong...)
	}
	return s.accept(x, sub, single)
}

func (s *Server) inspect(body []byte, single bool) (submission, []refusal) {
	if s.dice.faults[PoisonedRecipients].Share <= 0 {
		return inspectBody(body, single, nil)
	}
	hits := 0
	sub, wrong := inspectBody(body, single, func(nhsNumber string) bool {
		hit := s.dice.poisoned(nhsNumber)
		if hit {
			hits++
		}
		return hit
	})
	s.dice.countPoisoned(hits)
	return sub, wrong
}

// faultBefore draws the faults that strike before anything is accepted.
func (s *Server) faultBefore(x *exchange) (reply, bool) {
	if _, hit := s.dice.strike(BadGateway502); hit {
		return x.refuse(badGateway), true
	}
	if _, hit := s.dice.strike(HTMLError); hit {
		return reply{status: 502, contentType: html, body: []byte("<html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>")}, true
	}
	if f, hit := s.dice.strike(Unavailable503); hit {
		return x.refuse(unavailable.retryIn(f.RetryAfter)), true
	}
	if _, hit := s.dice.strike(Unavailable503Bare); hit {
		return x.refuse(unavailable), true
	}
	if _, hit := s.dice.strike(Gateway504Before); hit {
		return x.refuse(gatewayTimeout), true
	}
	if _, hit := s.dice.strike(Error500Before); hit {
		return x.refuse(internalError), true
	}
	if x.app {
		return reply{}, false
	}
	if _, hit := s.dice.strike(NoSuchPlan); hit {
		return x.refuse(noSuchPlan), true
	}
	return reply{}, false
}

// backendRefusals are the backend's own reasons to take nothing.
func (s *Server) backendRefusals(x *exchange, sub submission, single bool) []refusal {
	if len(x.body) > s.o.MaxBytes {
		return []refusal{tooLarge}
	}
	if sub.empty {
		return []refusal{internalError}
	}
	for _, m := range sub.messages {
		if s.o.Account.ODSCodeRequired && m.odsCode == "" {
			return []refusal{odsCodeRequired}
		}
		if s.o.Account.ODSCodeFixed && m.odsCode != "" {
			return []refusal{cannotSetODSCode}
		}
	}
	if wrong := s.contactErrors(sub, single); len(wrong) > 0 {
		return wrong
	}
	plan := strings.ToLower(sub.plan)
	if f, faulty := faultPlans[plan]; faulty {
		if f.status == tooEarly.status {
			f = f.retryIn(s.dice.faults[TooEarly425].RetryAfter)
		}
		return []refusal{f}
	}
	if s.plans != nil && !s.plans[plan] {
		return []refusal{noSuchPlan}
	}
	return nil
}

// accept claims the reference and, if nobody had it, takes the request whole.
func (s *Server) accept(x *exchange, sub submission, single bool) reply {
	key := claimKey(x.token.application, single, sub.reference)
	body := crc32.Checksum(x.body, castagnoli)
	c, verdict, retryAfter := s.ledger.take(key, body, x.now, s.dice.faults[TooEarly425].RetryAfter,
		func() (Fault, bool) { return s.dice.strike(TooEarly425) })
	if verdict == stillProcessing {
		return refuse(x.id, tooEarly.retryIn(retryAfter))
	}
	// A client that hangs up does not stop the backend: it goes on at once.
	wait(x.r.Context(), s.dice.wait())
	if verdict == alreadyAccepted {
		f := duplicateBatch
		if single {
			f = duplicateMessage
		}
		rep := refuse(x.id, f)
		rep.claim = c
		return s.faultAfter(x, rep)
	}
	rec := &record{
		application: x.token.application,
		reference:   sub.reference,
		single:      single,
		plan:        sub.plan,
		at:          s.o.Now().UTC().Round(0),
	}
	if s.o.State != nil {
		if err := s.o.State.keep(rec, body, sub.messages, !s.o.ForgetPersonalisation); err != nil {
			// Neither accepted nor forgotten: whoever comes again is too early.
			s.o.Log.Error("nothing is accepted any more: the state cannot be written", "error", err)
			return refuse(x.id, internalError)
		}
	}
	rec.pack(sub.messages, !s.o.ForgetPersonalisation)
	rep := s.created(x, rec, sub)
	rep.claim = c
	var slow *Fault
	if f, hit := s.dice.strike(SlowAccept); hit {
		slow = &f
	}
	twice, delivered := s.dice.strike(DeliveredTwice)
	if delivered && slow == nil {
		s.ledger.accept(c, rec, sub.messages, &twice)
		_, _, wait := s.ledger.take(key, body, rec.at, 0, nil)
		return refuse(x.id, tooEarly.retryIn(wait))
	}
	s.ledger.accept(c, rec, sub.messages, slow)
	if slow != nil {
		return reply{manner: reset}
	}
	return s.faultAfter(x, rep)
}

// faultAfter draws the faults that destroy an answer the backend had ready.
func (s *Server) faultAfter(x *exchange, rep reply) reply {
	if _, hit := s.dice.strike(ResetAfter); hit {
		return reply{manner: reset}
	}
	if f, hit := s.dice.strike(TimeoutAfter); hit {
		if !wait(x.r.Context(), f.Hold) {
			return reply{manner: unspoken}
		}
		return x.refuse(gatewayTimeout)
	}
	if _, hit := s.dice.strike(Gateway504After); hit {
		return x.refuse(gatewayTimeout)
	}
	if _, hit := s.dice.strike(Error500After); hit {
		return x.refuse(internalError)
	}
	if rep.status == 201 {
		if _, hit := s.dice.strike(Truncated201); hit {
			rep.manner, rep.claim = cut, nil
		}
	}
	return rep
}

// javaScriptTime is the form of every time in a reply.
func javaScriptTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
