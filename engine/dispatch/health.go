package dispatch

import (
	"math/rand/v2"
	"strconv"
	"time"

	"cohort/engine"
	"cohort/engine/pace"
)

// health is what the answers so far tell of the service. The run's loop owns it.
type health struct {
	failures int       // rounds of them, over all requests, since one went well
	failed   time.Time // when the latest was counted
	good     time.Time // when the service last looked at a message
	probing  bool      // one request at a time, since the service leaves messages in doubt
}

// patience is how many rounds of failures are taken for single requests' bad luck.
const patience = 4

// soon is how long after a good answer a bad one may be a single request's bad luck.
const soon = time.Second

// fail counts a round of failures. What was under way together when the service failed
// counts once.
func (h *health) fail(attempted, now time.Time) {
	if attempted.After(h.failed) {
		h.failures, h.failed = h.failures+1, now
	}
}

// codeOf names an answer for those who count them.
func codeOf(a engine.Answer) string {
	switch {
	case a.Status == 0:
		return a.Code
	case a.Code == "":
		return strconv.Itoa(a.Status)
	}
	return strconv.Itoa(a.Status) + " " + a.Code
}

// hold is called by workers with each answer, before they begin anything else: what asks for
// quiet must not wait for its turn with the loop.
func (r *run) hold(a engine.Answer) {
	if a.HoldAll && a.RetryAfter > 0 {
		r.gate.Hold(time.Now().Add(a.RetryAfter), trouble(r.job.Service, a))
	}
}

// isCostly reports whether no replay settles what an answer has left in doubt.
func (r *run) isCostly(a engine.Answer) bool {
	return a.Reply == engine.Unknown && r.job.Sink.Kind() != engine.Deduplicates
}

// note learns from an answer what concerns every request: how long one takes, whether
// the service goes on refusing, whether it is there at all.
func (r *run) note(res result, now time.Time) {
	a := res.answer
	if a.Status != 0 {
		r.latency.add(res.took)
	}
	if a.Reply == engine.Unsent && a.Code == codeWindowClosed {
		return // which says nothing of the service
	}
	r.answeredForLoad(a, res.attempt.At, now)
	switch a.Reply {
	case engine.Accepted, engine.Known, engine.RowsRefused:
		r.isWell(now)
	default:
		r.retries[codeOf(a)]++
		r.trouble = trouble(r.job.Service, a)
		r.isIll(a, res.attempt.At, now)
	}
	switch {
	case a.Reply == engine.Unknown && !r.isCostly(a):
		r.job.Logger.Info("a request is in doubt and will be replayed", "batch", res.body.Reference.String(), "messages", len(res.body.Messages), "attempt", res.attempt.N, "status", a.Status, "code", a.Code)
	case a.Reply == engine.Unsent:
		r.job.Logger.Info("a request could not be sent and will be tried again", "batch", res.body.Reference.String(), "attempt", res.attempt.N, "code", a.Code, "why", a.Why)
	}
	r.hearSilence(a, res.attempt.At, now)
}

// continued notes that the run was paused until now. Nothing was sent, and so no silence tells
// anything; of what was under way when it was paused neither.
func (r *run) continued(now time.Time) {
	r.health.failures = 0
	r.silence.begins(now)
}

// isWell notes that the service has looked at messages.
func (r *run) isWell(now time.Time) {
	r.health.failures, r.health.good = 0, now
	if r.health.probing {
		r.health.probing = false
		r.gate.Trust()
		r.job.Logger.Info("the service answers again")
	}
}

// isIll notes an answer that is none, or no good one, to an attempt.
//
// One failure is that request's business. Several in a row are the service's, and then every
// request holds back, so that it is not kept down by our knocking. Where each costs a message
// there is no patience, and one at a time finds out. A 425 is about its form alone: the service
// is at work.
func (r *run) isIll(a engine.Answer, attempted, now time.Time) {
	h, costly := &r.health, r.isCostly(a)
	switch {
	case a.HoldAll && a.RetryAfter > 0 && !costly: // the gate is told already
	case a.IsEarly() && !costly:
	case a.HoldAll, a.Reply == engine.Unknown, a.Reply == engine.Unsent:
		h.fail(attempted, now)
		rounds := h.failures - patience
		if costly && (h.probing || a.HoldAll && a.RetryAfter > 0) {
			rounds = h.failures
		}
		if rounds > 0 || a.HoldAll {
			r.gate.Hold(now.Add(min(time.Minute, pace.Backoff(rounds, rand.Float64()))), trouble(r.job.Service, a))
		}
	}
	if costly && !h.probing && (h.failures > 1 || now.Sub(h.good) > soon) {
		h.probing = true
		r.gate.Probe(0)
		r.job.Logger.Warn("the service leaves messages in doubt; until it answers again one at a time is sent", "status", a.Status, "code", a.Code)
	}
}
