package engine

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"
)

// health is what the answers so far tell of the service. The run's loop owns it.
type health struct {
	silent   time.Time // since when there has been no answer at all, or none that settles anything; zero: there was one
	anew     time.Time // when a person let the run continue: silence counts from then at the earliest
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
func codeOf(a Answer) string {
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
func (r *run) hold(a Answer) {
	if a.HoldAll && a.RetryAfter > 0 {
		r.gate.Hold(time.Now().Add(a.RetryAfter), fmt.Sprintf("the service asked for quiet (%d %s)", a.Status, a.Code))
	}
}

// isCostly reports whether no replay settles what an answer has left in doubt.
func (r *run) isCostly(a Answer) bool { return a.Reply == Unknown && r.Sink.Kind() != Deduplicates }

// note learns from an answer what concerns every request: how long one takes, whether
// the service goes on refusing, whether it is there at all.
func (r *run) note(res result, now time.Time) {
	a := res.answer
	if a.Status != 0 {
		r.latency.add(res.took)
	}
	r.answeredForLoad(a, res.attempt.At, now)
	switch a.Reply {
	case Accepted, Known, RowsRefused:
		r.isWell(now)
	default:
		r.retries[codeOf(a)]++
		r.isIll(a, res.attempt.At, now)
	}
	switch {
	case a.Reply == Unknown && !r.isCostly(a):
		r.Logger.Info("a request is in doubt and will be replayed", "batch", res.body.reference.String(), "messages", len(res.body.messages), "attempt", res.attempt.N, "status", a.Status, "code", a.Code)
	case a.Reply == Unsent:
		r.Logger.Info("a request could not be sent and will be tried again", "batch", res.body.reference.String(), "attempt", res.attempt.N, "code", a.Code)
	}
	r.hearSilence(a, res.attempt.At, now)
}

// continued notes that the run was paused until now. Nothing was sent, and so no silence tells
// anything; of what was under way when it was paused neither.
func (h *health) continued(now time.Time) {
	h.anew, h.silent, h.failures = now, time.Time{}, 0
}

// isWell notes that the service has looked at messages.
func (r *run) isWell(now time.Time) {
	r.health.failures, r.health.good = 0, now
	if r.health.probing {
		r.health.probing = false
		r.gate.Trust()
		r.Logger.Info("the service answers again")
	}
}

// isIll notes an answer that is none, or no good one, to an attempt.
//
// One failure is that request's business. Several in a row are the service's, and then every
// request holds back, so that it is not kept down by our knocking. Where each costs a message
// there is no patience, and one at a time finds out.
func (r *run) isIll(a Answer, attempted, now time.Time) {
	h, costly := &r.health, r.isCostly(a)
	switch {
	case a.HoldAll && a.RetryAfter > 0 && !costly: // the gate is told already
	case a.HoldAll, a.Reply == Unknown, a.Reply == Unsent:
		h.fail(attempted, now)
		rounds := h.failures - patience
		if costly && (h.probing || a.HoldAll && a.RetryAfter > 0) {
			rounds = h.failures
		}
		if rounds > 0 || a.HoldAll {
			r.gate.Hold(now.Add(min(time.Minute, Backoff(rounds, rand.Float64()))), fmt.Sprintf("the service does not answer well (%d %s)", a.Status, a.Code))
		}
	}
	if costly && !h.probing && (h.failures > 1 || now.Sub(h.good) > soon) {
		h.probing = true
		r.gate.Probe(0)
		r.Logger.Warn("the service leaves messages in doubt; until it answers again one at a time is sent", "status", a.Status, "code", a.Code)
	}
}

// hearSilence halts a run that has had no answer for too long.
func (r *run) hearSilence(a Answer, attempted, now time.Time) {
	h, costly := &r.health, r.isCostly(a)
	if a.Status != 0 && !costly {
		h.silent = time.Time{}
		return
	}
	if o, _ := NextOpening(r.Pace, attempted); h.silent.IsZero() || h.silent.Before(o.Opens) {
		h.silent = attempted // what was not answered before this window tells nothing of the night between
	}
	h.silent = later(h.silent, h.anew)
	// One request that failed is no silence, however long ago: at a slow pace the next may
	// be far off. It takes two rounds, and the time between them.
	if r.GiveUpAfter > 0 && h.failures > 1 && now.Sub(h.silent) >= r.GiveUpAfter {
		kind := "at all"
		if costly {
			kind = "that settles anything"
		}
		r.halt(&Stopped{Why: fmt.Sprintf("there has been no answer %s for %s (give_up_after); check the network and the service's status page", kind, r.GiveUpAfter), Halt: true})
	}
}
