package dispatch

import (
	"cohort/engine/decision"
	"cohort/engine/enginetest"
)

// retry is a person who has what was refused sent again: at every moment, since the run's
// process may be stopped or killed then. A crash may come at every moment of it. The next
// start sends.
func (s *search) retry(w world, yield func(world)) {
	w.retries++
	w.dies(0)
	for _, left := range w.owners[0].tail[:w.owners[0].n] {
		l := s.nodes[left].Clone()
		if s.policy.rash {
			clear(*inside[map[uint32]bool](l, "unsure"))
		}
		again := decision.RetryCandidates(l, nil)
		if again.Sum().Again == 0 {
			continue
		}
		revisions, err := again.Revisions(s.nodes[left].Ledger, s.builder.Source, s.builder.Sink, clock(w.day))
		enginetest.Must(s.t, err)
		ends := func(at int32, kept uint16) {
			next := w
			next.kept = kept
			for _, rows := range again.Rows {
				for _, row := range rows {
					next.retried |= 1 << row.Position
				}
			}
			s.restarts(next, 0, at, yield)
			if int(next.losses) < s.losses {
				s.loses(next, 0, yield)
			}
		}
		at, before := left, w
		if !s.policy.noSecondCopy {
			before.kept = s.nodes[left].revisions // as the log is opened
		}
		ends(at, before.kept)
		for _, r := range revisions {
			at = s.logged(at, r)
			ends(at, before.kept)
		}
		kept, all := s.copies[before.kept], s.copies[s.nodes[at].revisions]
		for n := len(kept) + 1; n <= len(all) && !s.policy.noSecondCopy; n++ {
			ends(at, s.keep(append([]string(nil), all[:n]...)))
		}
	}
}
