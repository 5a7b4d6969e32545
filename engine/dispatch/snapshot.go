package dispatch

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"time"

	"cohort/engine/ledger"
	"cohort/engine/pace"
	"cohort/engine/record"
	"cohort/ingest/person"
)

func (r *run) snapshot(now time.Time, account ledger.Account, left int64) Snapshot {
	waiting := r.gate.Waiting()
	s := Snapshot{
		At: now, Account: account, Left: left, Attempts: r.ledger.Facts().Attempts, Revisions: r.log.Copied(),
		InFlight: int(r.workers.messages.Load()), Requests: int(r.workers.requests.Load()),
		Latency: r.latency.spread(), Retries: maps.Clone(r.retries), Key: r.gate.KeyUse(),
		Paused: r.ledger.Facts().Paused != "", Waiting: waiting.Why, Until: waiting.Until,
		Traffic: r.ledger.Traffic(),
	}
	s.Own.Syncs, s.Own.SyncTook = r.log.Syncs()
	if s.Waiting != "" {
		r.speed = pace.Speed{}
		r.waited += now.Sub(cmp.Or(r.looked, now))
	}
	r.looked, s.Own.Waited = now, r.waited
	r.speed.Add(now, account.Fates[person.Accepted])
	s.Speed = r.speed.PerSecond()
	s.Rate, _ = r.gate.Allowed(now)
	s.Expected = r.gate.Forecast(s.Speed, now)
	switch {
	case s.Paused:
		s.State = ledger.Paused
	case s.Expected.Opens.After(now):
		s.State = ledger.WaitingWindow
	case s.Waiting != "" || r.health.probing:
		s.State = ledger.WaitingService
	default:
		s.State = ledger.Sending
	}
	return s
}

// report hands a snapshot on. A run that keeps its rate may lack a batch, which is not said.
func (r *run) report(s Snapshot) {
	if s.Expected.Remain <= int64(r.job.Plan.Largest) {
		s.Expected.Remain = 0
	}
	r.job.Progress(s)
}

// end notes how the run ended and adds it up.
func (r *run) end(stop error) (Summary, error) {
	account, left := r.ledger.Tally()
	r.report(r.snapshot(time.Now(), account, left))
	s := Summary{Account: r.ledger.Account(), Routes: r.ledger.ByRoute(), Attempts: r.ledger.Facts().Attempts, Revisions: r.log.Copied()}
	if err := cmp.Or(r.defect, s.Account.Check(), ledger.CheckRoutes(s.Routes, s.Account)); err != nil {
		_ = r.log.End(time.Now(), record.ControlHalted, "a defect: "+err.Error()) // as far as it still can
		return s, err
	}
	live, held, foreign := r.ledger.Unsettled()
	s.Held, s.Foreign, s.Finished = held, foreign, live == 0 && foreign == 0
	s.ListedLate, s.Contradicted = r.ledger.ListedLate(), r.ledger.CountContradicted()
	return s, r.noteEnd(stop, s)
}

// noteEnd notes in the log how the run ended, and returns why it stopped, if it did.
func (r *run) noteEnd(stop error, s Summary) (err error) {
	now, why := time.Now(), (*Stopped)(nil)
	inDoubt := s.Account.Fates[person.InDoubt]
	switch {
	case errors.As(stop, &why) && why.Halt:
		err = r.log.End(now, record.ControlHalted, why.noted())
	case !s.Finished && stop != nil:
		err = r.log.End(now, record.ControlStopped, stop.Error())
	case !s.Finished:
		err = r.log.End(now, record.ControlStopped, "what could be settled is settled, and nothing else was sent")
	case inDoubt > 0:
		err = r.log.End(now, record.ControlInDoubt, fmt.Sprintf("%d messages, and no replay can settle them", inDoubt))
	default:
		if err = r.log.Finish(now, s.Account); err == nil {
			return nil
		}
		full := logStopped(r.log, err)
		_ = r.log.End(now, record.ControlHalted, full.noted()) // as far as it still can
		return full
	}
	if stop == nil && err != nil {
		return logStopped(r.log, err)
	}
	return stop
}
