package dispatch

import (
	"slices"

	"cohort/engine"
	"cohort/engine/enginetest"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/record"
	"cohort/engine/recovery"
)

// crash ends a process at this moment and starts the next one: with every state of the
// log that the crash may leave, and without the log.
func (s *search) crash(w world, yield func(world)) {
	for o := range w.owners {
		if !w.owners[o].isAlive() {
			continue
		}
		for _, left := range w.owners[o].tail[:w.owners[o].n] {
			s.restarts(w, o, left, yield)
		}
		if int(w.losses) < s.losses {
			s.loses(w, o, yield)
		}
	}
}

// dies takes a process out of the network. Nobody waits for its answers, and its unsent
// requests are gone.
func (w *world) dies(o int) {
	for i := range w.net {
		switch p := &w.net[i]; {
		case int(p.owner) != o+1:
		case p.state == standing:
			*p = packet{}
		default:
			*p = packet{ref: p.ref, mask: p.mask}
		}
	}
}

// restarts starts a process after a crash. left is the log that the crash has left.
func (s *search) restarts(w world, o int, left int32, yield func(world)) {
	w.dies(o)
	if kept, logged := s.copies[w.kept], s.copies[s.nodes[left].revisions]; len(kept) > len(logged) || !slices.Equal(kept, logged[:len(kept)]) {
		s.t.Fatal("the second copy of the revisions is ahead of the log: no process would start" + s.history(int32(len(s.worlds)-1)))
	}
	w.owners[o] = owner{}
	w.owners[o].synced(s.open(left, w.day))
	s.second(&w, o)
	yield(w)
	if s.scope.settle {
		w.owners[o].settle = true
		yield(w)
	}
}

// loses starts a process that has recovered its log from the plan and the second copy
// of the revisions: every newest form is in doubt.
func (s *search) loses(w world, o int, yield func(world)) {
	w.dies(o)
	w.losses++
	w.owners[o] = owner{}
	w.owners[o].synced(s.recovered(s.copies[w.kept], w.day, false))
	if w.listed == applied {
		w.listed = toBeApplied // the log says no more which lists were applied
	}
	yield(w)
	if s.noPlan {
		w.owners[o].synced(s.recovered(nil, w.day, true))
		w.kept = 0
		yield(w)
	}
}

// recovered is the ledger of a log that was made again. Without the revisions nobody
// knows which form went out last, and everything is held.
func (s *search) recovered(revisions []string, day uint8, hold bool) int32 {
	if s.retries+s.resends > 0 {
		return s.recoveredAsTheProductDoes(revisions, day, hold)
	}
	fresh, err := ledger.New(s.plan)
	enginetest.Must(s.t, err)
	at := searchStart // nobody knows when a form was first attempted, only that it was not before the plan
	if s.policy.forgetFirst {
		at = clock(day)
	}
	l := s.open(s.intern(fresh, 0), 0)
	try := func(id plan.FormID, n uint16) {
		l = s.logged(l, &record.Attempt{Form: id, N: n, At: at})
	}
	for _, payload := range revisions {
		rec, err := record.Decode(record.KindRevision, []byte(payload))
		enginetest.Must(s.t, err)
		r := rec.(*record.Revision)
		for n := uint16(1); n <= r.N; n++ {
			try(r.Form, n)
			if n < r.N {
				l = s.logged(l, &record.InDoubt{Form: r.Form, N: n, At: at})
			}
		}
		l = s.logged(l, r)
	}
	for _, id := range formIDs(s.nodes[l].Ledger) {
		if st := s.nodes[l].State(id); !st.IsSettled() {
			try(id, 1)
			if hold {
				l = s.logged(l, ledger.OutcomeOf(record.ResultHeld, id, 1, engine.Answer{}, at))
			}
		}
	}
	return s.open(l, 0)
}

// recoveredAsTheProductDoes is recovered by the product's own record.
func (s *search) recoveredAsTheProductDoes(revisions []string, day uint8, hold bool) int32 {
	first := &record.Recovered{Plan: s.plan.Digest, At: clock(day), Since: searchStart, Revisions: uint64(len(revisions))}
	if hold {
		first.Hold = ledger.HoldRevisionsLost
	}
	l, err := recovery.Ledger(s.plan, first, revisions)
	enginetest.Must(s.t, err)
	enginetest.Must(s.t, l.Whole())
	return s.open(s.intern(l, s.keep(revisions)), day)
}

// apply is a process reading its suppression lists, with nothing in hand. A crash may
// come at every moment of it.
func (s *search) apply(w world, o int, yield func(world)) {
	own := &w.owners[o]
	crashes := func(left int32, kept uint16) {
		if int(w.crashes) == s.crashes {
			return
		}
		next := w
		next.crashes++
		next.kept = kept
		s.restarts(next, o, left, yield)
		if int(next.losses) < s.losses {
			s.loses(next, o, yield)
		}
	}
	l := own.now()
	for batch := range uint32(s.plan.Batches()) {
		var named []record.RefusedRow
		planned, err := s.plan.Batch(batch)
		enginetest.Must(s.t, err)
		for r := range s.builder.Source.Recipients(planned.Lane, planned.From, planned.To) {
			if s.scope.listed&(1<<r.Position) != 0 {
				named = append(named, record.RefusedRow{Position: r.Position, Code: "listed"})
			}
		}
		var forms []plan.FormID
		for id := range s.nodes[l].Forms(batch) {
			forms = append(forms, id)
		}
		for _, id := range forms {
			form, err := s.nodes[l].Form(id)
			enginetest.Must(s.t, err)
			out, late := s.nodes[l].SplitListed(id, form, slices.Clone(named))
			if len(out) > 0 {
				l = s.leaveOut(l, w.day, id, form, out)
				crashes(l, w.kept)
			}
			if len(late) > 0 {
				l = s.logged(l, &record.ListedLate{Batch: batch, At: clock(w.day), People: late})
				crashes(l, w.kept)
			}
		}
		if rows := s.nodes[l].BlockedRefused(batch, named); len(rows) > 0 && !s.policy.deaf {
			l = s.logged(l, s.nodes[l].BlockRefused(batch, rows, clock(w.day)))
			crashes(l, w.kept)
		}
	}
	kept, all := s.copies[w.kept], s.copies[s.nodes[l].revisions]
	for n := len(kept) + 1; n < len(all) && !s.policy.noSecondCopy; n++ {
		crashes(l, s.keep(slices.Clone(all[:n])))
	}
	own.synced(l)
	s.second(&w, o)
	w.listed = applied
	yield(w)
}

// prospect holds the facts that decide the end of a run without further faults.
type prospect struct {
	ledger int32
	taken  uint64
	count  [6]uint8
	listed listing
	day    uint8
	mended bool
}

// end lets a process finish the run at a service that works, with time left. It returns what
// is wrong at the end: an unsent message, needless doubt, or a false fate.
func (s *search) end(w world) string {
	w.net = [4]packet{}
	w.owners[1] = owner{}
	w.owners[0].synced(s.open(w.owners[0].now(), w.day))
	w.owners[0].settle = false
	last := func(next world) { w = next } // what befalls it is said first, and that nothing does last
	if w.listed == toBeApplied {
		s.apply(w, 0, last)
	}
	w.sent, w.repeats = 0, uint8(s.repeats)
	budget := s.scope.attempts
	defer func() { s.scope.attempts = budget }()
	s.scope.attempts = 100
	var passed []prospect
	for range 100 {
		here := prospect{w.owners[0].now(), w.taken, w.count, w.listed, w.day, w.mended}
		if s.good[here] {
			break
		}
		passed = append(passed, here)
		n := s.nodes[here.ledger]
		if len(n.ready[0]) == 0 {
			live, held, foreign := n.Unsettled()
			if live > 0 {
				return "a dead end: something is still to be sent, and nothing sends it"
			}
			for m := range s.messages {
				if n.fates[m] == "in_doubt" && held+foreign == 0 || n.fates[m] == "not_sent" {
					return "at the end somebody is " + string(n.fates[m])
				}
			}
			if lie := s.lie(&w); lie != "" {
				return "at the end " + lie
			}
			break
		}
		id := n.ready[0][0]
		if next, out := s.leaveOutLate(w, 0, id); out {
			w = next
			continue
		}
		s.send(w, 0, id, last)
		p := w.net[0]
		w.net[0] = packet{}
		a, takes := s.verdict(&w, p)
		if takes {
			w = s.accepts(w, p)
			a = engine.Answer{Reply: engine.Accepted, Status: 201, IDs: make([]string, len(s.positions(n.Ledger, id)))}
		}
		s.answer(w, p, a, last)
	}
	if len(passed) == 100 {
		return "a run that does not come to an end"
	}
	for _, p := range passed {
		s.good[p] = true
	}
	return ""
}
