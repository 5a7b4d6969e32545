package dispatch

import (
	"fmt"
	"math/bits"
	"slices"
	"time"

	"cohort/engine"
	"cohort/engine/enginetest"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/record"
)

// steps calls yield for every world that may come next.
func (s *search) steps(w world, yield func(world)) {
	for o := range w.owners {
		if w.owners[o].isAlive() && (o == 1 || !s.takeover || !w.owners[1].isAlive()) {
			s.sends(w, o, yield)
		}
	}
	for i := range w.net {
		if w.net[i].ref != 0 {
			s.packet(w, i, yield)
		}
	}
	if int(w.crashes) < s.crashes {
		w.crashes++
		s.crash(w, yield)
		w.crashes--
	}
	if (s.unlocked || s.takeover) && !w.owners[1].isAlive() {
		next := w
		next.owners[1].synced(s.open(w.owners[0].now(), w.day))
		yield(next)
	}
	if s.mends != 0 && !w.mended {
		next := w
		next.mended = true
		yield(next)
	}
	if s.waits(&w) {
		return
	}
	if int(w.retries) < s.retries && (w.mended || s.mends == 0) {
		s.retry(w, yield)
	}
	if s.resends > 0 && !w.owners[1].isAlive() {
		s.resend(w, yield)
		s.reports(w, yield)
	}
	if w.listed == nobodyListed && s.scope.listed != 0 {
		next := w
		next.listed = toBeApplied
		yield(next)
	}
	if w.listed == toBeApplied {
		for o := range w.owners {
			if w.owners[o].isAlive() && !w.owners[o].settle {
				s.apply(w, o, yield)
			}
		}
	}
	if s.day && w.day < s.lastDay() {
		yield(s.passes(w))
	}
}

// waits reports whether a process waits for an answer.
func (s *search) waits(w *world) bool {
	return slices.ContainsFunc(w.net[:], func(p packet) bool { return p.owner != 0 })
}

func (w *world) put(p packet, room int) bool {
	for i := range min(room, len(w.net)) {
		if w.net[i].ref == 0 {
			w.net[i] = p
			return true
		}
	}
	return false
}

func (w *world) compact() {
	kept := slices.DeleteFunc(slices.Clone(w.net[:]), func(p packet) bool { return p.ref == 0 })
	w.net = [4]packet{}
	copy(w.net[:], kept)
}

// sends has a process hand out what may be sent.
func (s *search) sends(w world, o int, yield func(world)) {
	if w.listed == toBeApplied && !w.owners[o].settle && (o == 1 || !w.owners[1].isAlive()) {
		return // the lists come first
	}
	n := s.nodes[w.owners[o].now()]
	ready := slices.Clone(n.ready[flag(w.owners[o].settle)])
	for _, id := range w.owners[o].again {
		id.Batch--
		if st := n.State(id); !st.IsSettled() && !st.IsPending() && !slices.Contains(ready, id) {
			ready = append(ready, id)
		}
	}
	for _, id := range ready {
		if next, out := s.leaveOutLate(w, o, id); out {
			yield(next)
			continue
		}
		s.send(w, o, id, yield)
	}
	if s.policy.ask == askNever {
		return
	}
	for _, id := range formIDs(n.Ledger) {
		if st := n.State(id); st.Phase == ledger.InDoubt {
			s.asks(w, o, id, yield)
		}
	}
}

// leaveOutLate does the same as run.leaveOutLate.
func (s *search) leaveOutLate(w world, o int, id plan.FormID) (world, bool) {
	l := s.nodes[w.owners[o].now()]
	form, err := l.Form(id)
	enginetest.Must(s.t, err)
	people, _ := l.SplitListed(id, form, l.TooLate(id.Batch))
	if len(people) == 0 {
		return w, false
	}
	w.owners[o].synced(s.leaveOut(w.owners[o].now(), w.day, id, form, people))
	s.second(&w, o)
	return w, true
}

func (s *search) leaveOut(ledger int32, day uint8, id plan.FormID, form plan.Form, people []record.RefusedRow) int32 {
	r := s.nodes[ledger].WithoutListed(id, form, people, clock(day))
	s.sealed(r)
	return s.logged(ledger, r)
}

func (s *search) sealed(r *record.Revision) {
	planned, err := s.plan.Batch(r.Form.Batch)
	enginetest.Must(s.t, err)
	enginetest.Must(s.t, s.builder.NewForms(&s.scratch, &planned, r.Part(0), r.Parts))
}

// second brings the second copy up to the log.
func (s *search) second(w *world, o int) {
	if !s.policy.noSecondCopy {
		w.kept = s.nodes[w.owners[o].now()].revisions
	}
}

// send logs an attempt and lets the request go.
func (s *search) send(w world, o int, id plan.FormID, yield func(world)) {
	if int(w.sent) == s.attempts {
		return
	}
	l := s.nodes[w.owners[o].now()]
	n := l.State(id).Attempts + 1
	p := packet{form: id, n: n, ref: s.reference(id, n), mask: maskOf(s.positions(l.Ledger, id)), owner: uint8(o + 1)}
	if s.scope.standing {
		p.state = standing
	}
	w.compact()
	if !w.put(p, s.flying) {
		return
	}
	if w.listed == applied && (n == 1 || l.State(id).Resend.IsDue()) && p.mask&s.scope.listed != 0 && !w.owners[o].settle && len(s.lies) == 0 {
		s.lies = append(s.lies, fmt.Sprintf("somebody who is listed is sent to for the first time, or again: %v", id))
	}
	w.sent++
	for m := range s.messages {
		if s.resends > 0 && p.mask&(1<<m) != 0 {
			w.last[m] = w.day + 1
		}
	}
	after := s.logged(w.owners[o].now(), &record.Attempt{Form: id, N: n, At: clock(w.day)})
	if s.policy.lateIntent {
		w.owners[o].append(after)
	} else {
		w.owners[o].synced(after)
	}
	yield(w)
}

// asks settles doubt as unsafe policies do: by the service's word at that moment.
func (s *search) asks(w world, o int, id plan.FormID, yield func(world)) {
	l := s.nodes[w.owners[o].now()]
	got := true
	for _, p := range s.positions(l.Ledger, id) {
		got = got && w.count[p] > 0
	}
	busy := slices.ContainsFunc(w.net[:], func(p packet) bool { return p.ref != 0 && p.state != standing })
	switch {
	case got: // the answer that it gives is taken for one to a further attempt
		if int(w.sent) < s.attempts {
			w.sent++
			n := l.State(id).Attempts + 1
			at := s.logged(w.owners[o].now(), &record.Attempt{Form: id, N: n, At: clock(w.day)})
			w.owners[o].synced(s.logged(at, ledger.OutcomeOf(record.ResultAcceptedUnknown, id, n, engine.Answer{Status: 200}, clock(w.day))))
			yield(w)
		}
	case s.policy.ask == askAtOnce, s.policy.ask == askInCalm && !busy:
		s.send(w, o, id, yield)
	}
}

// packet lets something happen to a request that is under way.
func (s *search) packet(w world, i int, yield func(world)) {
	p := w.net[i]
	rest := w
	rest.net[i] = packet{}
	if p.state == standing {
		w.net[i].state = onTheWire
		yield(w)
		return
	}
	if p.state == inWork {
		yield(rest) // it comes to nothing
		yield(s.accepts(rest, p))
		return
	}
	if p.owner == 0 {
		yield(rest) // lost
		s.arrives(rest, p, yield)
		return
	}
	if s.prompt {
		s.arrives(rest, p, yield)
		return
	}
	s.answer(rest, p, engine.Answer{Reply: engine.Unknown, Code: "lost"}, yield) // before it was accepted, or a 5xx
	s.answer(rest, p, engine.Answer{Reply: engine.Unsent, Code: "window_closed"}, yield)
	w.net[i] = packet{ref: p.ref, mask: p.mask} // given up, and still on its way
	s.answer(w, p, engine.Answer{Reply: engine.Unknown, Code: "timeout"}, yield)
	w.net[i] = p
	s.arrives(rest, p, yield)
}

// accepts is the service taking a request.
func (s *search) accepts(w world, p packet) world {
	if s.kind == engine.Deduplicates {
		if w.taken&(1<<(p.ref-1)) != 0 {
			return w
		}
		w.taken |= 1 << (p.ref - 1)
	}
	for m := range s.messages {
		if p.mask&(1<<m) != 0 && w.count[m] < 9 {
			w.count[m]++
		}
	}
	return w
}

// arrives lets a request reach the service: every answer that it may give, and each
// accepted one also without its answer.
func (s *search) arrives(w world, p packet, yield func(world)) {
	waits := p.owner != 0
	if waits {
		s.answer(w, p, engine.Answer{Reply: engine.Refused, Status: 429}, yield) // or 401, 403, a 400 about no row
		if s.whim {
			s.answer(w, p, engine.Answer{Reply: engine.TooLarge, Status: 413}, yield)
		}
	}
	if a, takes := s.verdict(&w, p); !takes {
		if waits {
			s.answer(w, p, a, yield)
			if bad := len(a.Rows); bad > 1 { // a validator that stops at the first
				a.Rows, a.RowsCut = a.Rows[:1], true
				s.answer(w, p, a, yield)
			}
			if !s.prompt {
				s.answer(w, p, engine.Answer{Reply: engine.Unknown, Status: 504}, yield)
			}
		}
		return
	}
	in := s.accepts(w, p)
	slow := w
	slow.compact()
	room := slow.put(packet{ref: p.ref, mask: p.mask, state: inWork}, len(slow.net))
	if !waits {
		yield(in)
		if room {
			yield(slow)
		}
		return
	}
	s.answer(in, p, engine.Answer{Reply: engine.Accepted, Status: 201, IDs: make([]string, bits.OnesCount8(p.mask))}, yield)
	if s.prompt {
		return
	}
	s.answer(in, p, engine.Answer{Reply: engine.Unknown, Status: 201, Code: "unreadable_201"}, yield)
	if room && s.kind == engine.Deduplicates {
		s.answer(slow, p, engine.Answer{Reply: engine.Unknown, Code: "timeout"}, yield)
		s.answer(slow, p, engine.Answer{Reply: engine.Unknown, Status: 425}, yield) // a gateway delivered it twice: one is in work, the other is too early
	}
}

// verdict is the answer of a service without faults to a request. takes: it accepts the
// request.
func (s *search) verdict(w *world, p packet) (a engine.Answer, takes bool) {
	if s.isTooLarge(p.mask) {
		return engine.Answer{Reply: engine.TooLarge, Status: 413}, false
	}
	if bad := s.refusedBy(w, p.mask); bad != 0 {
		a = engine.Answer{Reply: engine.RowsRefused, Status: 400}
		index := 0
		for m := range s.messages {
			if p.mask&(1<<m) == 0 {
				continue
			}
			if bad&(1<<m) != 0 {
				a.Rows = append(a.Rows, engine.RowError{Index: index, Code: "INVALID"})
			}
			index++
		}
		return a, false
	}
	if s.kind != engine.Deduplicates {
		return a, true
	}
	for _, other := range w.net {
		if other.state == inWork && other.ref == p.ref {
			return engine.Answer{Reply: engine.Unknown, Status: 425}, false
		}
	}
	if w.taken&(1<<(p.ref-1)) != 0 {
		return engine.Answer{Reply: engine.Known, Status: 422}, false
	}
	return a, true
}

type settling struct {
	ledger int32
	form   plan.FormID
	n      uint16
	reply  engine.Reply
	status int
	rows   uint8
	day    uint8
}

type settlement struct {
	after    int32
	revision bool
	again    bool // in the queue
}

// answer gives a process its answer, and it does with it what run.settle does.
func (s *search) answer(w world, p packet, a engine.Answer, yield func(world)) {
	if int(w.repeats) < s.repeats && (a.Reply == engine.Accepted || a.Reply == engine.Known || a.Reply == engine.RowsRefused || a.Reply == engine.Unknown || s.policy.copies) {
		again := w
		again.repeats++
		again.compact()
		if again.put(packet{ref: p.ref, mask: p.mask}, len(again.net)) {
			s.answered(again, p, a, yield)
		}
	}
	s.answered(w, p, a, yield)
}

func (s *search) answered(w world, p packet, a engine.Answer, yield func(world)) {
	o := &w.owners[p.owner-1]
	key := settling{o.now(), p.form, p.n, a.Reply, a.Status, uint8(len(a.Rows)), w.day}
	done, known := s.settled[key]
	if !known {
		done = s.settles(o.now(), p, a, clock(w.day))
		s.settled[key] = done
	}
	if !done.revision {
		o.append(done.after)
		if done.again && s.policy.ask == askNever && !slices.Contains(s.nodes[done.after].ready[flag(o.settle)], p.form) {
			o.requeue(p.form)
		}
		yield(w)
		return
	}
	o.synced(done.after)
	if int(w.losses) < s.losses && int(w.crashes) < s.crashes { // the log has it, the second copy not yet
		lost := w
		lost.crashes++
		s.loses(lost, int(p.owner-1), yield)
	}
	s.second(&w, int(p.owner-1))
	yield(w)
}

func (s *search) settles(folded int32, p packet, a engine.Answer, now time.Time) settlement {
	l := s.nodes[folded]
	positions := s.positions(l.Ledger, p.form)
	form, err := l.Form(p.form)
	enginetest.Must(s.t, err)
	a = checked(a, len(positions))
	if s.policy.early && a.Status == 425 {
		a = engine.Answer{Reply: engine.Refused, Status: 429} // as an older version had it
	}
	decide := s.policy.decide
	if decide == nil {
		decide = ledger.Decide
	}
	var parts []plan.Form
	var refused []record.RefusedRow
	switch step := decide(s.kind, l.State(p.form), a, now); step {
	case record.ResultReplay:
		return settlement{again: true, after: s.logged(folded, &record.InDoubt{Form: p.form, N: p.n, At: now, Status: a.Status})}
	case record.ResultRevise:
		refused = refusedRows(positions, a.Rows)
		parts = ledger.Without(form, len(positions), refused)
	case record.ResultSplit:
		parts, refused = smaller(form, positions, a.Code)
	default:
		return settlement{again: step == record.ResultNotAccepted, after: s.logged(folded, ledger.OutcomeOf(step, p.form, p.n, a, now))}
	}
	r := l.Revision(p.form, p.n, a, parts, refused, now)
	s.sealed(r)
	return settlement{after: s.logged(folded, r), revision: true}
}
