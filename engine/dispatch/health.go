package dispatch

import (
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"cohort/engine"
	"cohort/engine/event"
	"cohort/engine/pace"
)

// health sums up the answers of the service. The run's loop owns it.
type health struct {
	failures int       // rounds of failures, over all requests, since the last good answer
	failed   time.Time // when the latest round was counted
	good     time.Time // when the service last looked at a message
	probing  bool      // single requests only, since the service leaves messages in doubt
}

const (
	patience = 4           // rounds of failures that may be chance
	soon     = time.Second // after a good answer, one bad answer may be chance
)

// fail counts a round of failures. Requests that were under way together count once.
func (h *health) fail(attempted, now time.Time) {
	if attempted.After(h.failed) {
		h.failures, h.failed = h.failures+1, now
	}
}

// codeOf names an answer by its status, if it has one, and its code.
func codeOf(a engine.Answer) string {
	if a.Status == 0 {
		return a.Code
	}
	return strings.TrimSpace(strconv.Itoa(a.Status) + " " + a.Code)
}

// holdForQuiet closes the gate for an answer that asks for quiet. Workers call it, since the
// loop may hear of the answer too late.
func (r *run) holdForQuiet(a engine.Answer) {
	if a.HoldAll && a.RetryAfter > 0 {
		r.gate.HoldAll(time.Now().Add(a.RetryAfter), trouble(r.job.Service, a))
	}
}

// isCostly reports whether no replay can settle the doubt that an answer leaves.
func (r *run) isCostly(a engine.Answer) bool {
	return a.Reply == engine.Unknown && r.job.Sink.Kind() != engine.Deduplicates
}

// learn takes from an answer what concerns every request: the latency, the load, and whether the service works at all.
func (r *run) learn(res result, now time.Time) {
	a := res.answer
	if a.Status != 0 {
		r.latency.add(res.took)
	}
	if a.Reply == engine.Unsent && (a.Code == codeWindowClosed || a.Code == codeNamed || a.Code == engine.CodeLate) {
		return // it tells nothing about the service
	}
	switch {
	case a.HoldAll:
		if lowered, share := r.gate.Refused(res.attempt.At, now, a.RetryAfter); lowered {
			r.job.Logger.Warn("the service goes on refusing: the rate is lowered until the service has kept up for a while", event.RateLowered,
				"percent_of_the_rate", int(100*share))
		}
	case a.Status != 0:
		r.gate.Answered()
	}
	switch a.Reply {
	case engine.Accepted, engine.Known, engine.RowsRefused:
		r.markHealthy(now)
	default:
		r.retries[codeOf(a)]++
		r.trouble = trouble(r.job.Service, a)
		r.markFailing(a, res.attempt.At, now)
	}
	switch {
	case a.Reply == engine.Unknown && !r.isCostly(a):
		r.job.Logger.Info("a request is in doubt and will be replayed", event.AnswerInDoubt, event.Correlation(res.attempt.Correlation), "batch", res.body.Reference.String(),
			"messages", len(res.body.Messages), "attempt", res.attempt.N, "status", a.Status, "code", a.Code)
	case a.Reply == engine.Unsent:
		r.job.Logger.Info("a request could not be sent and will be tried again", event.RequestNotSent, event.Correlation(res.attempt.Correlation), "batch", res.body.Reference.String(),
			"attempt", res.attempt.N, "code", a.Code, "why", a.Why)
	}
	r.checkSilence(a, res.attempt.At, now)
}

// markHealthy notes that the service has looked at messages.
func (r *run) markHealthy(now time.Time) {
	r.health.failures, r.health.good = 0, now
	if r.health.probing {
		r.health.probing = false
		r.gate.Probe(pace.NoProbe)
		r.job.Logger.Info("the service answers again", event.ServiceAnswers)
	}
}

// markFailing notes an attempt without a good answer.
//
// One failure concerns one request. After several in a row every request waits, so that the run does not keep a failing
// service down. Where each failure leaves a message in doubt, the first is enough, and single requests find out when
// the service works again. A 425 concerns its form alone: the service works.
func (r *run) markFailing(a engine.Answer, attempted, now time.Time) {
	h, costly := &r.health, r.isCostly(a)
	asksQuiet := a.HoldAll && a.RetryAfter > 0
	switch {
	case asksQuiet && !costly: // the gate is closed already
	case a.IsEarly() && !costly:
	case a.HoldAll, a.Reply == engine.Unknown, a.Reply == engine.Unsent:
		h.fail(attempted, now)
		rounds := h.failures - patience
		if costly && (h.probing || asksQuiet) {
			rounds = h.failures
		}
		hold := r.gate.Hold
		if a.HoldAll {
			hold = r.gate.HoldAll
		}
		if rounds > 0 || a.HoldAll {
			hold(now.Add(min(time.Minute, pace.Backoff(rounds, rand.Float64()))), trouble(r.job.Service, a))
		}
	}
	if costly && !h.probing && (h.failures > 1 || now.Sub(h.good) > soon) {
		h.probing = true
		r.gate.Probe(0)
		r.job.Logger.Warn("the service leaves messages in doubt; only single requests are sent until it answers again", event.SingleRequests,
			"status", a.Status, "code", a.Code)
	}
}
