package dispatch

import (
	"iter"
	"maps"
	"slices"

	"cohort/engine/decision"
	"cohort/engine/enginetest"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/record"
)

// resend is a person who has the receipts read, and sent again what is in doubt and what
// they do not name: at every moment, since the run's process may be stopped or killed then.
// A crash may come at every moment of it. The next start sends.
func (s *search) resend(w world, yield func(world)) {
	w.dies(0)
	for _, left := range w.owners[0].tail[:w.owners[0].n] {
		at := s.open(left, w.day)
		ends := func(next world) {
			s.restarts(next, 0, at, yield)
			if int(next.losses) < s.losses {
				s.loses(next, 0, yield)
			}
		}
		l := s.nodes[at].Ledger
		found, attempted := map[plan.FormID]string{}, map[plan.FormID]decision.Attempted{}
		for _, id := range formIDs(l) {
			st := l.State(id)
			if st.Messages != 1 || !l.IsAsked(st) && !s.policy.bold {
				continue
			}
			m := s.positions(l, id)[0]
			if w.receipts&(1<<m) != 0 && !s.policy.blind && !s.policy.bold {
				found[id] = "id"
			}
			if w.last[m] > 0 {
				attempted[id] = decision.Attempted{Last: clock(w.last[m] - 1), Keys: []string{""}}
			}
		}
		again, err := decision.ResendCandidates(s.t.Context(), l, decision.Evidence{Found: found, Attempts: attempted, People: s.namedNow(&w)}, clock(w.day))
		enginetest.Must(s.t, err)
		for _, id := range slices.SortedFunc(maps.Keys(found), byForm) {
			at = s.logged(at, &record.Resolved{Form: id, At: clock(w.day), Result: record.ResultAccepted, IDs: []string{found[id]}})
			ends(w)
		}
		if int(w.resends) == s.resends || again.Young > 0 && !s.policy.hasty {
			continue
		}
		for _, r := range again.Late {
			at = s.logged(at, r)
			ends(w)
		}
		ids := again.IDs
		if s.policy.bold {
			for _, id := range formIDs(l) {
				if l.State(id).Phase == ledger.Accepted {
					ids = append(ids, id)
				}
			}
		}
		if len(ids) == 0 {
			continue
		}
		next := w
		next.resends++
		at = s.logged(at, &record.Control{At: clock(w.day), Verb: record.ControlResent})
		ends(next)
		for _, id := range ids {
			at = s.logged(at, &record.Resolved{Form: id, At: clock(w.day), Result: record.ResultResend})
			next.again[s.positions(l, id)[0]]++
			ends(next)
		}
	}
}

// namedNow yields the people on the suppression list.
func (s *search) namedNow(w *world) iter.Seq2[plan.Listed, error] {
	if w.listed == nobodyListed {
		return nil
	}
	return func(yield func(plan.Listed, error) bool) {
		for m := range s.messages {
			if s.scope.listed&(1<<m) != 0 && !yield(plan.Listed{Position: uint32(m), Code: "listed"}, nil) {
				return
			}
		}
	}
}

// lastDay is the number of days that may pass.
func (s *search) lastDay() uint8 {
	if s.resends > 0 {
		return uint8(2 * s.resends)
	}
	return 1
}

// reports has receipts come, where they are of any use: one by one, and in time, or else
// perhaps never.
func (s *search) reports(w world, yield func(world)) {
	for m := range s.messages {
		if w.count[m] > 0 && w.receipts&(1<<m) == 0 {
			next := w
			next.receipts |= 1 << m
			yield(next)
		}
	}
}

// passes has a day pass: nothing stays in the network, and the receipts of what was
// accepted before the day that ends are there.
func (s *search) passes(w world) world {
	w.day, w.net = w.day+1, [4]packet{}
	if s.resends == 0 {
		return w
	}
	if !s.lateReceipts {
		w.receipts |= w.taking
	}
	for m := range s.messages {
		if w.count[m] > 0 {
			w.taking |= 1 << m
		}
	}
	return w
}
