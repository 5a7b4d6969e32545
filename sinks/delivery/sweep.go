package delivery

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"cohort/engine"
	"cohort/engine/pace"
	"cohort/engine/report"
	"cohort/sinks/notify"
)

const (
	askersAtOnce   = 16              // questions under way
	mostAsked      = 6               // times that one message is asked for before it is left for the next sweep
	mostSilent     = askersAtOnce    // messages left in a row, after which the service is as good as gone
	mostUnsaved    = 5 * time.Minute // of a sweep, which a crash may cost
	savingShare    = 50              // of the time, one in so many is spent on saving at most
	progressSpoken = time.Minute
)

// question is a message that the service is asked for.
type Question struct {
	row int64
	id  string
}

// sweep asks the service what has become of messages, one question after another at a polite
// rate. It changes nothing, so it may be ended at any moment; what was learnt is saved now and
// then, first after a second, and at its end.
type StatusPoll struct {
	Ask   func(ctx context.Context, id string) (notify.Status, error)
	Run   engine.RunID
	Pace  *Limiter
	Save  func([]report.Fact) error // in any order
	Total int64                     // questions that there are
	Log   *slog.Logger

	Asked, Unanswered int64 // messages that the service told of, and those that it did not
	silent            int   // of the latter, in a row
	learnt            []report.Fact
	saved, spoke      time.Time
	patience          time.Duration // until the next saving
}

// told is what came of a question.
type pollAnswer struct {
	fact report.Fact
	err  error // nothing: there is a fact
}

// errGone ends a sweep that gets no answers.
var errGone = errors.New("the service answers nothing any more")

// all asks the questions. An error is why it ended before the last of them: the context's, an
// *notify.AskError, or that something could not be read or saved.
func (s *StatusPoll) All(ctx context.Context, questions iter.Seq2[Question, error]) error {
	asking, end := context.WithCancelCause(ctx)
	defer end(nil)
	todo, answers := make(chan Question), make(chan pollAnswer)
	var askers sync.WaitGroup
	for range askersAtOnce {
		askers.Go(func() {
			for q := range todo {
				answers <- s.one(asking, q)
			}
		})
	}
	askers.Go(func() {
		defer close(todo)
		for q, err := range questions {
			if err != nil {
				end(err)
				return
			}
			select {
			case todo <- q:
			case <-asking.Done():
				return
			}
		}
	})
	go func() { askers.Wait(); close(answers) }()
	s.saved, s.spoke, s.patience = time.Now(), time.Now(), time.Second
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for {
		select {
		case a, more := <-answers:
			if !more {
				return errors.Join(context.Cause(asking), s.keep())
			}
			if err := s.take(asking, a); err != nil {
				end(err)
			}
		case now := <-look.C:
			if now.Sub(s.saved) >= s.patience {
				if err := s.keep(); err != nil {
					end(err)
				}
			}
			s.speak(now)
		}
	}
}

// one asks for one message until there is an answer, a few times at most.
func (s *StatusPoll) one(ctx context.Context, q Question) pollAnswer {
	for try := 1; ; {
		at, err := s.Pace.wait(ctx)
		if err != nil {
			return pollAnswer{err: err}
		}
		status, err := s.Ask(ctx, q.id)
		now := time.Now().Truncate(time.Millisecond)
		e := (*notify.AskError)(nil)
		switch {
		case err == nil:
			s.Pace.answered()
			if reference := s.Run.MessageReference(q.row).String(); status.Reference != reference {
				s.Log.Error("the service has a message of this run under another reference; it is left out", "id", q.id, "reference", reference)
				return pollAnswer{err: errUnlike}
			}
			return pollAnswer{fact: factOf(q, &status, now)}
		case !errors.As(err, &e) || e.Kind == notify.AskStop:
			return pollAnswer{err: err}
		case e.Kind == notify.AskNoSuch:
			s.Pace.answered()
			return pollAnswer{fact: report.Fact{Row: q.row, MessageID: q.id, Status: report.NoSuch, Code: e.Code, Origin: report.OfStatus, Learned: now}}
		case e.HoldAll:
			if s.Pace.refused(at, e.RetryAfter) {
				s.Log.Warn("the service asks for fewer questions: there are half as many for now", "answer", fmt.Sprintf("%d %s", e.Status, e.Code), "wait", max(e.RetryAfter, time.Second).String())
			}
			if e.Status == http.StatusTooManyRequests {
				continue // however often: it does answer
			}
		}
		if try == mostAsked {
			return pollAnswer{err: err}
		}
		if err := pause(ctx, max(e.RetryAfter, pace.Backoff(try, 0.5+rand.Float64()/2))); err != nil {
			return pollAnswer{err: err}
		}
		try++
	}
}

var errUnlike = errors.New("the answer is about another message")

// take counts an answer. An error ends the sweep.
func (s *StatusPoll) take(ctx context.Context, a pollAnswer) error {
	e := (*notify.AskError)(nil)
	switch {
	case a.err == nil:
		s.Asked++
		s.silent = 0
		s.learnt = append(s.learnt, a.fact)
	case ctx.Err() != nil: // it is ending
	case errors.Is(a.err, errUnlike):
		s.Unanswered++
	case errors.As(a.err, &e) && e.Kind == notify.AskLater:
		s.Unanswered++
		if s.silent++; s.silent == mostSilent {
			return fmt.Errorf("%w (%w)", errGone, a.err)
		}
	default:
		return a.err
	}
	return nil
}

// keep saves what was learnt since it last did.
func (s *StatusPoll) keep() error {
	began := time.Now()
	if len(s.learnt) > 0 {
		if err := s.Save(s.learnt); err != nil {
			return err
		}
		s.learnt = s.learnt[:0]
		s.patience = max(min(2*s.patience, mostUnsaved), savingShare*time.Since(began))
	}
	s.saved = time.Now()
	return nil
}

// speak tells of the sweep now and then.
func (s *StatusPoll) speak(now time.Time) {
	if now.Sub(s.spoke) < progressSpoken {
		return
	}
	s.spoke = now
	perSecond := float64(s.Pace.limiter.Limit())
	s.Log.Info("asking", "asked", s.Asked, "of", s.Total, "unanswered", s.Unanswered, "per_second", fmt.Sprintf("%.3g", perSecond), "left", Lasts(s.Total-s.Asked-s.Unanswered, perSecond))
}

// lasts is how long so many questions take, in words.
func Lasts(questions int64, perSecond float64) string {
	seconds := float64(questions) / perSecond
	switch {
	case seconds < 100:
		return fmt.Sprintf("%.0f seconds", seconds)
	case seconds < 100*60:
		return fmt.Sprintf("%.0f minutes", seconds/60)
	}
	return fmt.Sprintf("%.0f hours", seconds/3600)
}
