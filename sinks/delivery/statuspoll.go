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
	"cohort/engine/delivery"
	"cohort/engine/event"
	"cohort/engine/pace"
	"cohort/ingest/person"
	"cohort/sinks/notify"
)

const (
	askersAtOnce  = 16             // questions under way
	mostAsked     = 6              // questions about one message, before it is left for the next poll
	mostSilent    = askersAtOnce   // unanswered messages in a row, after which the poll ends
	overdue       = 24 * time.Hour // after which a callback that has not come may be lost
	progressEvery = time.Minute
)

// Question is a message that the service is asked about.
type Question struct {
	row int64
	id  string
}

// Questions yields the accepted messages that the service is to be asked about, in the poll that began
// at began. It counts those that it cannot ask about because their id is not known, and those left out because of
// a recent callback.
func Questions(messages iter.Seq2[Message, error], began, now time.Time, withoutID, recent *int64) iter.Seq2[Question, error] {
	return func(yield func(Question, error) bool) {
		*withoutID, *recent = 0, 0
		for m, err := range messages {
			switch {
			case err != nil:
				yield(Question{}, err)
				return
			case m.Fate != person.Accepted:
			case !m.isDue(began, now):
				if s := m.State; !s.Final() && s.Polled.Before(began) {
					*recent++
				}
			case m.ID() == "":
				*withoutID++
			case !yield(Question{m.Row, m.ID()}, nil):
				return
			}
		}
	}
}

// isDue reports whether the service is to be asked about the message. It is not if the state is final,
// if the poll has an answer, or if callbacks come that tell more.
func (m *Message) isDue(began, now time.Time) bool {
	s := m.State
	switch {
	case s == nil:
		return true
	case s.Final() || !s.Polled.Before(began):
		return false
	}
	return !s.Callback || now.Sub(s.LastEventAt) > overdue
}

// StatusPoll asks NHS Notify for the status of messages. It changes nothing at the service, so it
// may end at any time. It saves what it learns each second, and at its end.
type StatusPoll struct {
	Ask        func(ctx context.Context, id string) (notify.Status, error)
	References engine.References
	Limiter    *Limiter
	Save       func(context.Context, []delivery.Event) error
	Total      int64 // number of questions
	Log        *slog.Logger

	Asked, Unanswered int64            // messages with and without an answer
	Statuses          map[string]int64 // messages with an answer, by status
	silent            int              // messages without an answer, in a row
	learnt            []delivery.Event
	logged            time.Time
}

type answer struct {
	events []delivery.Event // the first is of the message
	err    error
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
	s.logged, s.Statuses = time.Now(), map[string]int64{}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case a, more := <-answers:
			if !more {
				return errors.Join(context.Cause(asking), s.save(ctx))
			}
			if err := s.count(asking, a); err != nil {
				end(err)
			}
		case now := <-tick.C:
			if err := s.save(ctx); err != nil {
				end(err)
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
		s.Limiter.done()
		e, reference := (*notify.AskError)(nil), s.References.Message(q.row).String()
		switch {
		case err == nil:
			s.Limiter.answered()
			if status.Reference != reference {
				s.Log.Error("the service has a message of this run under another reference; it is left out", event.ForeignMessage, "id", q.id, "reference", reference)
				return answer{err: errUnlike}
			}
			return answer{events: eventsOf(q, &status, time.Now())}
		case !errors.As(err, &e) || e.Kind == notify.AskStop:
			return answer{err: err}
		case e.Kind == notify.AskNoSuch:
			s.Limiter.answered()
			none := notify.Status{Reference: reference, Status: delivery.NoSuch, FailureCode: e.Code}
			return answer{events: eventsOf(q, &none, time.Now())}
		case e.HoldAll:
			if s.Limiter.refused(at, e.RetryAfter) {
				s.Log.Warn("the service asks for fewer questions: there are half as many for now", event.FewerQuestions, "answer", fmt.Sprintf("%d %s", e.Status, e.Code), "wait", max(e.RetryAfter, time.Second).String())
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
		s.Statuses[a.events[0].Status]++
		s.learnt = append(s.learnt, a.events...)
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

// save saves what was learnt, also when the poll is stopped.
func (s *StatusPoll) save(ctx context.Context) error {
	err := s.Save(context.WithoutCancel(ctx), s.learnt)
	s.learnt = s.learnt[:0]
	return err
}

func (s *StatusPoll) logProgress(now time.Time) {
	if now.Sub(s.logged) < progressEvery {
		return
	}
	s.logged = now
	perSecond := float64(s.Limiter.limiter.Limit())
	s.Log.Info("asking", event.Asking, "asked", s.Asked, "of", s.Total, "unanswered", s.Unanswered, "per_second", fmt.Sprintf("%.3g", perSecond), "left", Lasts(s.Total-s.Asked-s.Unanswered, perSecond))
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

// eventsOf returns what a status says: of the message, and of each channel that was tried.
func eventsOf(q Question, s *notify.Status, received time.Time) []delivery.Event {
	message := delivery.Event{
		Source: delivery.Status, Kind: delivery.OfMessage, Reference: s.Reference, MessageID: q.id, Status: s.Status,
		Code: s.FailureCode, RoutingVersion: s.RoutingVersion, At: s.At, Received: received,
	}
	events := []delivery.Event{message}
	for _, c := range s.Channels {
		if c.Status == "created" || c.Status == "" { // its turn has not come
			continue
		}
		of := message
		of.Kind, of.Channel, of.Cascade, of.Order = delivery.OfChannel, c.Channel, c.Cascade, c.Order
		of.Status, of.Supplier, of.Code, of.At = c.Status, c.Supplier, c.FailureCode, c.At
		events = append(events, of)
	}
	return events
}
