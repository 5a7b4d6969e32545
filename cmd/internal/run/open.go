package run

import (
	"context"
	"errors"
	"time"

	"cohort/engine"
	"cohort/engine/dispatch"
	"cohort/engine/event"
	"cohort/engine/journal"
	"cohort/engine/ledger"
	"cohort/engine/record"
	"cohort/engine/refusal"
	"cohort/engine/register"
	"cohort/engine/runfolder"
)

// open makes the checks of a start, and opens the log.
func (s *start) open(ctx context.Context) (*ledger.Log, dispatch.Lists, error) {
	lists, err := s.ready(ctx)
	if err != nil {
		return nil, nil, err
	}
	log, err := s.log.Open()
	s.log = nil
	if errors.Is(err, journal.ErrFull) {
		return nil, nil, refusal.New("no_room_for_log", "cause", err)
	}
	if err != nil {
		return nil, nil, runfolder.Unsound(s.run.Folder.Path, err)
	}
	return log, lists, nil
}

// sendOn sends, and starts again each time that the API key is replaced.
func (s *start) sendOn(ctx context.Context, log *ledger.Log, lists dispatch.Lists) (dispatch.Summary, error) {
	summary, err := s.send(ctx, log, lists)
	for stopped := (*dispatch.Stopped)(nil); errors.As(err, &stopped) && stopped.Code == engine.CodeKeyReplaced; {
		if log, lists, err = s.openAgain(ctx, stopped); err == nil {
			summary, err = s.send(ctx, log, lists)
		}
		err = s.begun(ctx, err)
	}
	return summary, err
}

// openAgain opens the log for a start in the same process, with the API key that is in the place of a refused one. The
// checks of every start decide if that may be.
func (s *start) openAgain(ctx context.Context, why *dispatch.Stopped) (_ *ledger.Log, _ dispatch.Lists, err error) {
	r := s.run
	r.Log.Warn("the API key was replaced: the run starts again with the new one", event.KeyReplaced, "found", why.Why)
	r.Tokens.TakeUp()
	s.options.OneApplication = false // it was said of the keys that there were
	if s.log, err = runfolder.Fold(r.Folder.Path, s.plan); err != nil {
		return nil, nil, err
	}
	s.ledger, s.found = s.log.Ledger, register.FactsOf(s.log.Ledger)
	return s.open(ctx)
}

// begun turns the refusal of another start in the same process into a halt: the run has begun, and can be resumed.
func (s *start) begun(ctx context.Context, err error) error {
	switch {
	case err == nil, errors.As(err, new(*dispatch.Stopped)):
		return err
	case ctx.Err() != nil:
		return &dispatch.Stopped{Code: "signal", Why: "stopped while the run was to start again"}
	case refusal.Code(err) == "":
		return err
	}
	s.log, s.ledger = nil, nil
	stopped := &dispatch.Stopped{Code: refusal.Code(err), Why: "the run cannot go on with the new API key", Cause: err, Halt: true}
	_ = runfolder.WithLog(s.run.Folder.Path, s.plan, func(log *ledger.Log) error { // as far as it still can
		return log.End(time.Now(), record.ControlHalted, stopped.Error())
	})
	return stopped
}
