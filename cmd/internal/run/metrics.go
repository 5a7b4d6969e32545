package run

import (
	"context"
	"errors"

	"cohort/cmd/internal/metrics"
	"cohort/engine/dispatch"
	"cohort/engine/ledger"
)

// Export begins to show the run in metrics. The caller calls end after the run.
func (r *Runner) Export(o metrics.Options) (end func(), err error) {
	r.exporter, err = o.Start(r.Log)
	return r.exporter.Close, err
}

// export shows the run from now on.
func (s *start) export() { s.run.exporter.Show(metrics.Runs(s.look)) }

// look is the run for metrics: from the latest snapshot, so that nothing waits for it.
func (s *start) look(context.Context) (all []*metrics.Run, unread int) {
	now := s.run.screen.Latest.Load()
	if now == nil {
		return nil, 0
	}
	r := metrics.Of(s.run.Folder.Path, &s.plan.Header, s.run.Campaign, *now)
	if end, over := s.ended.Load().(ledger.RunState); over {
		r.State = end
	}
	return []*metrics.Run{r}, 0
}

// endOf names the state in which dispatch has left a run.
func endOf(summary dispatch.Summary, err error) ledger.RunState {
	stopped := (*dispatch.Stopped)(nil)
	switch {
	case summary.Foreign > 0, errors.As(err, &stopped) && stopped.Halt:
		return ledger.Halted
	case err != nil, !summary.Finished:
		return ledger.RunStopped
	case summary.Held > 0:
		return ledger.EndedInDoubt
	}
	return ledger.Finished
}
