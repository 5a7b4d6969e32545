package delivery

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"

	"cohort/engine"
	"cohort/engine/pace"
	"cohort/engine/report"
	"cohort/ingest/person"
	"cohort/sinks/notify"
)

const (
	askersAtOnce  = 16              // questions under way
	mostAsked     = 6               // questions about one message, before it is left for the next poll
	mostSilent    = askersAtOnce    // unanswered messages in a row, after which the poll ends
	mostUnsaved   = 5 * time.Minute // the work that a crash may cost
	savingShare   = 50              // saving takes at most one part in so many of the time
	progressEvery = time.Minute
)

// Question is a message that the service is asked about.
type Question struct {
	row int64
	id  string
}

// Questions yields the accepted messages without a final fact, except those about which the poll
// that began at began has an answer. It counts accepted messages without an id.
func (d *Facts) Questions(began time.Time, withoutID *int64) iter.Seq2[Question, error] {
	return func(yield func(Question, error) bool) {
		*withoutID = 0
		for m, err := range d.Known() {
			if err != nil {
				yield(Question{}, err)
				return
			}
			over := m.Fact != nil && (m.Fact.Final() || !m.Fact.Learned.Before(began))
			switch {
			case m.Fate != person.Accepted || over:
			case m.id == "":
				*withoutID++
			case !yield(Question{m.Row, m.id}, nil):
				return
			}
		}
	}
}

// StatusPoll asks NHS Notify for the status of messages. It changes nothing at the service, so it
// may end at any time. It saves its facts first after a second, then now and then, and at its end.
type StatusPoll struct {
	Ask        func(ctx context.Context, id string) (notify.Status, error)
	References engine.References
	Limiter    *Limiter
	Save       func([]report.Fact) error // in any order
	Total      int64                     // number of questions
	Log        *slog.Logger

	Asked, Unanswered int64 // messages with and without an answer
	silent            int   // messages without an answer, in a row
	learnt            []report.Fact
	saved, logged     time.Time
	patience          time.Duration // until the next saving
}

type answer struct {
	fact report.Fact
	err  error
}

// errGone ends a poll that gets no answers.
var errGone = errors.New("the service answers nothing any more")

// All asks the questions. Its error is the reason for an early end: the context's, an
// *notify.AskError, or that something could not be read or saved.
func (s *StatusPoll) All(ctx context.Context, questions iter.Seq2[Question, error]) error {
	asking, end := context.WithCancelCause(ctx)
	defer end(nil)
	todo, answers := make(chan Question), make(chan answer)
	var askers sync.WaitGroup
	for range askersAtOnce {
		askers.Go(func() {
			for q := range todo {
				answers <- s.ask(asking, q)
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
	s.saved, s.logged, s.patience = time.Now(), time.Now(), time.Second
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case a, more := <-answers:
			if !more {
				return errors.Join(context.Cause(asking), s.save())
			}
			if err := s.count(asking, a); err != nil {
				end(err)
			}
		case now := <-tick.C:
			if now.Sub(s.saved) >= s.patience {
				if err := s.save(); err != nil {
					end(err)
				}
			}
			s.logProgress(now)
		}
	}
}

// ask asks about one message until there is an answer, at most mostAsked times.
func (s *StatusPoll) ask(ctx context.Context, q Question) answer {
	for try := 1; ; {
		at, err := s.Limiter.wait(ctx)
		if err != nil {
			return answer{err: err}
		}
		status, err := s.Ask(ctx, q.id)
		now := time.Now().Truncate(time.Millisecond)
		e := (*notify.AskError)(nil)
		switch {
		case err == nil:
			s.Limiter.answered()
			if reference := s.References.Message(q.row).String(); status.Reference != reference {
				s.Log.Error("the service has a message of this run under another reference; it is left out", "id", q.id, "reference", reference)
				return answer{err: errUnlike}
			}
			return answer{fact: factOf(q, &status, now)}
		case !errors.As(err, &e) || e.Kind == notify.AskStop:
			return answer{err: err}
		case e.Kind == notify.AskNoSuch:
			s.Limiter.answered()
			return answer{fact: report.Fact{Row: q.row, MessageID: q.id, Status: report.NoSuch, Code: e.Code, Origin: report.OfStatus, Learned: now}}
		case e.HoldAll:
			if s.Limiter.refused(at, e.RetryAfter) {
				s.Log.Warn("the service asks for fewer questions: there are half as many for now", "answer", fmt.Sprintf("%d %s", e.Status, e.Code), "wait", max(e.RetryAfter, time.Second).String())
			}
			if e.Status == http.StatusTooManyRequests {
				continue // however often: it does answer
			}
		}
		if try == mostAsked {
			return answer{err: err}
		}
		if err := pause(ctx, max(e.RetryAfter, pace.Backoff(try, 0.5+rand.Float64()/2))); err != nil {
			return answer{err: err}
		}
		try++
	}
}

var errUnlike = errors.New("the answer is about another message")

// count counts an answer. An error ends the poll.
func (s *StatusPoll) count(ctx context.Context, a answer) error {
	e := (*notify.AskError)(nil)
	switch {
	case a.err == nil:
		s.Asked++
		s.silent = 0
		s.learnt = append(s.learnt, a.fact)
	case ctx.Err() != nil: // the poll is ending
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

func (s *StatusPoll) save() error {
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

// logProgress logs the progress of the poll now and then.
func (s *StatusPoll) logProgress(now time.Time) {
	if now.Sub(s.logged) < progressEvery {
		return
	}
	s.logged = now
	perSecond := float64(s.Limiter.limiter.Limit())
	s.Log.Info("asking", "asked", s.Asked, "of", s.Total, "unanswered", s.Unanswered, "per_second", fmt.Sprintf("%.3g", perSecond), "left", Lasts(s.Total-s.Asked-s.Unanswered, perSecond))
}

// Lasts returns the time that questions take, in words.
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

// factOf makes the fact of a status. Its channel is the one that reached the person, or else the
// last that was tried.
func factOf(q Question, s *notify.Status, learned time.Time) report.Fact {
	f := report.Fact{Row: q.row, MessageID: q.id, Status: s.Status, Code: s.FailureCode, Origin: report.OfStatus, Learned: learned}
	var steps []string
	reached, cause := false, ""
	for _, c := range s.Channels {
		if c.Status == "created" || c.Status == "" { // its turn has not come
			continue
		}
		steps = append(steps, c.Channel+" "+c.Status)
		if c.FailureCode != "" {
			cause = c.FailureCode
		}
		if reached || c.Status == "skipped" {
			continue
		}
		f.Channel, reached = c.Channel, c.Status == report.Delivered
	}
	f.Steps = strings.Join(steps, ", ")
	if f.Status == report.Failed && f.Code == "" {
		f.Code = cause
	}
	for _, t := range []time.Time{s.Created, s.Enriched, s.Failed, s.Delivered} {
		if !t.IsZero() {
			f.At = t.Truncate(time.Millisecond).UTC()
		}
	}
	return f
}
