package delivery

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"cohort/engine"
	"cohort/engine/delivery"
	"cohort/engine/pace"
	"cohort/ingest/person"
	"cohort/sinks/notify"
)

// oracle answers questions, and remembers when each was asked. It is in a bubble, where time
// passes only when everybody waits.
type oracle struct {
	mu     sync.Mutex
	asked  map[string][]time.Time
	answer func(id string, nth int) error // of the nth time that it is asked, from 1; nil: it is delivered
	delay  time.Duration
}

var sweptRun = engine.NewRunID("swept", [32]byte{}, "")

func idOf(row int64) string { return fmt.Sprintf("id-%d", row) }

func (o *oracle) Message(ctx context.Context, id string) (notify.Status, error) {
	o.mu.Lock()
	if o.asked == nil {
		o.asked = map[string][]time.Time{}
	}
	o.asked[id] = append(o.asked[id], time.Now())
	nth := len(o.asked[id])
	o.mu.Unlock()
	if err := pause(ctx, o.delay); err != nil {
		return notify.Status{}, err
	}
	if o.answer != nil {
		if err := o.answer(id, nth); err != nil {
			return notify.Status{}, err
		}
	}
	var row int64
	_, _ = fmt.Sscanf(id, "id-%d", &row)
	return notify.Status{Reference: sweptRun.References().Message(row).String(), Status: delivery.Delivered}, nil
}

// moments are when questions were asked, in order.
func (o *oracle) moments() (all []time.Time) {
	for _, times := range o.asked {
		all = append(all, times...)
	}
	slices.SortFunc(all, time.Time.Compare)
	return all
}

// notebook is where a sweep saves.
type notebook struct {
	rows  map[int64]delivery.Event
	saves int
	fails error
}

func (n *notebook) save(ctx context.Context, events []delivery.Event) error {
	if err := errors.Join(n.fails, ctx.Err()); err != nil {
		return err
	}
	if len(events) > 0 {
		n.saves++
	}
	for _, e := range events {
		row, _ := sweptRun.References().Row(e.Reference)
		n.rows[row] = e
	}
	return nil
}

func newSweep(o *oracle, perSecond float64) (*StatusPoll, *notebook) {
	n := &notebook{rows: map[int64]delivery.Event{}}
	return &StatusPoll{Ask: o.Message, References: sweptRun.References(), Limiter: NewLimiter(perSecond), Save: n.save, Log: slog.New(slog.DiscardHandler)}, n
}

func messagesFrom(first, last int64) iter.Seq2[Question, error] {
	return func(yield func(Question, error) bool) {
		for row := first; row <= last; row++ {
			if !yield(Question{row, idOf(row)}, nil) {
				return
			}
		}
	}
}

func unansweredBy(status int, code string, after time.Duration) error {
	return &notify.AskError{Kind: notify.AskLater, Status: status, Code: code, RetryAfter: after, HoldAll: status == 429 || status == 503}
}

// Every message is asked for once, never more of them in a second than is polite, however
// slow the answers are; and what was learnt is saved on the way.
func TestASweepAsksPolitely(t *testing.T) {
	for _, delay := range []time.Duration{0, time.Second} {
		synctest.Test(t, func(t *testing.T) {
			o := &oracle{delay: delay}
			s, n := newSweep(o, 10)
			began := time.Now()
			if err := s.All(t.Context(), messagesFrom(1, 600)); err != nil {
				t.Fatal(err)
			}
			if s.Asked != 600 || len(n.rows) != 600 || len(o.asked) != 600 || s.Unanswered != 0 {
				t.Errorf("asked %d, learnt %d of %d", s.Asked, len(n.rows), len(o.asked))
			}
			at := o.moments()
			for i := 11; i < len(at); i++ {
				if span := at[i].Sub(at[i-11]); span < time.Second {
					t.Fatalf("12 questions in %s", span)
				}
			}
			if took := time.Since(began); took < 59*time.Second || took > 62*time.Second {
				t.Errorf("it took %s", took)
			}
			if n.saves < 55 || n.saves > 63 {
				t.Errorf("%d savings in a minute", n.saves)
			}
		})
	}
}

// A refusal for load quietens everybody for as long as the service says, and then halves the
// rate, which comes back.
func TestASweepSlowsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &oracle{delay: 10 * time.Millisecond}
		o.answer = func(id string, nth int) error {
			if id == idOf(50) && nth <= 2 {
				return unansweredBy(429, "CM_QUOTA", time.Minute)
			}
			return nil
		}
		s, n := newSweep(o, 10)
		if err := s.All(t.Context(), messagesFrom(1, 400)); err != nil {
			t.Fatal(err)
		}
		if len(n.rows) != 400 || s.Unanswered != 0 || len(o.asked[idOf(50)]) != 3 {
			t.Errorf("learnt %d, asked three times: %v", len(n.rows), o.asked[idOf(50)])
		}
		at, refused := o.moments(), o.asked[idOf(50)]
		for _, r := range refused[:2] {
			for _, m := range at {
				if since := m.Sub(r); since > 100*time.Millisecond && since < time.Minute {
					t.Fatalf("a question %s after the refusal", since)
				}
			}
		}
		second := func(from time.Time) (n int) {
			for _, m := range at {
				if d := m.Sub(from); d >= 0 && d < 10*time.Second {
					n++
				}
			}
			return n
		}
		if before, after, end := second(at[0]), second(refused[2]), second(at[len(at)-1].Add(-10*time.Second)); before < 45 || after > 45 || end < 70 {
			t.Errorf("questions in ten seconds: %d before, %d after two refusals, %d at the end", before, after, end)
		}
	})
}

// What comes of single questions: an answer that is late, none at all, no such message.
func TestWhatComesOfQuestions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &oracle{answer: func(id string, nth int) error {
			switch {
			case id == idOf(1) && nth < 4:
				return unansweredBy(504, "CM_TIMEOUT", 0)
			case id == idOf(2):
				return unansweredBy(500, "CM_INTERNAL_SERVER_ERROR", 0)
			case id == idOf(3):
				return &notify.AskError{Kind: notify.AskNoSuch, Status: 404, Code: "CM_NOT_FOUND"}
			}
			return nil
		}}
		s, n := newSweep(o, 20)
		if err := s.All(t.Context(), messagesFrom(1, 5)); err != nil {
			t.Fatal(err)
		}
		if s.Asked != 4 || s.Unanswered != 1 || len(o.asked[idOf(1)]) != 4 || len(o.asked[idOf(2)]) != mostAsked || len(o.asked[idOf(3)]) != 1 {
			t.Errorf("asked %d, unanswered %d, %v", s.Asked, s.Unanswered, o.asked)
		}
		if _, there := n.rows[2]; there || n.rows[3].Status != delivery.NoSuch || n.rows[1].Status != delivery.Delivered {
			t.Errorf("%+v", n.rows)
		}
	})
}

// A sweep ends early when it is stopped, when nothing is answered any more, when a person must
// mend something, when a record cannot be read and when nothing can be saved. But for the last
// it has then saved what it had learnt.
func TestASweepEndsEarly(t *testing.T) {
	broken := errors.New("broken")
	for _, row := range []struct {
		sentence string
		answer   func(id string, nth int) error
		stop     time.Duration
		unread   bool
		unsaved  bool
		want     error
	}{
		{sentence: "it is stopped", stop: 5 * time.Second, want: context.Canceled},
		{sentence: "it is stopped while everybody is quiet", stop: 30 * time.Second, want: context.Canceled, answer: func(id string, _ int) error {
			if id == idOf(50) {
				return unansweredBy(429, "CM_QUOTA", time.Hour)
			}
			return nil
		}},
		{sentence: "the service has gone", want: errGone, answer: func(id string, _ int) error {
			if len(id) > 4 { // from row 10 on
				return unansweredBy(0, "no_answer", 0)
			}
			return nil
		}},
		{sentence: "the service wants nothing to do with us", want: broken, answer: func(id string, _ int) error {
			if id == idOf(30) {
				return errors.Join(&notify.AskError{Kind: notify.AskStop, Why: "ban"}, broken)
			}
			return nil
		}},
		{sentence: "a record cannot be read", unread: true, want: broken},
		{sentence: "the disk is full", unsaved: true, want: broken},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := &oracle{answer: row.answer}
				s, n := newSweep(o, 10)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if row.stop > 0 {
					time.AfterFunc(row.stop, cancel)
				}
				if row.unsaved {
					n.fails = broken
				}
				questions := messagesFrom(1, 5000)
				if row.unread {
					questions = func(yield func(Question, error) bool) {
						for q := range messagesFrom(1, 40) {
							if !yield(q, nil) {
								return
							}
						}
						yield(Question{}, broken)
					}
				}
				err := s.All(ctx, questions)
				if !errors.Is(err, row.want) {
					t.Fatalf("it ended with %v", err)
				}
				if !row.unsaved && (len(n.rows) != int(s.Asked) || s.Asked == 0) || len(o.asked) > 1000 {
					t.Errorf("%d asked, %d told, %d saved", len(o.asked), s.Asked, len(n.rows))
				}
			})
		})
	}
}

// An answer about another message than the one of the row is not believed.
func TestAnUnlikeAnswerIsLeftOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &oracle{}
		s, n := newSweep(o, 20)
		questions := func(yield func(Question, error) bool) {
			_ = yield(Question{1, idOf(2)}, nil) && yield(Question{3, idOf(3)}, nil)
		}
		if err := s.All(t.Context(), questions); err != nil || s.Asked != 1 || s.Unanswered != 1 || len(n.rows) != 1 {
			t.Errorf("%v: %+v", err, n.rows)
		}
	})
}

// A status tells of the message, and of each channel that was tried. What it tells makes one state.
func TestWhatAStatusSays(t *testing.T) {
	at := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	channel := func(order int, name, status, code string) notify.ChannelStatus {
		return notify.ChannelStatus{Channel: name, Cascade: "primary", Order: order, Status: status, FailureCode: code, At: at}
	}
	for _, row := range []struct {
		sentence       string
		status         notify.Status
		by, code, want string
	}{
		{"it was just accepted", notify.Status{Status: "created"}, "", "", ""},
		{"it is looked up", notify.Status{Status: "enriched", Channels: []notify.ChannelStatus{channel(1, "nhsapp", "created", "")}}, "", "", ""},
		{"the second channel has reached the person", notify.Status{Status: "delivered", Channels: []notify.ChannelStatus{
			channel(1, "nhsapp", "failed", "CFR_PDSV_0004"), channel(2, "sms", "delivered", ""), channel(3, "letter", "created", "")}},
			"sms", "", "nhsapp failed CFR_PDSV_0004, sms delivered , "},
		{"every channel has failed, and the last was skipped", notify.Status{Status: "failed", Channels: []notify.ChannelStatus{
			channel(1, "nhsapp", "failed", ""), channel(2, "email", "failed", "CFR_PDSV_0002"), channel(3, "sms", "skipped", "")}},
			"", "CFR_PDSV_0002", "nhsapp failed , email failed CFR_PDSV_0002, sms skipped , "},
		{"the message has a code of its own", notify.Status{Status: "failed", FailureCode: "MFR_PDSV_0112"}, "", "MFR_PDSV_0112", ""},
		{"it was read in the app", notify.Status{Status: "delivered", Channels: []notify.ChannelStatus{channel(1, "nhsapp", "delivered", "")}},
			"nhsapp", "", "nhsapp delivered , "},
	} {
		row.status.Reference, row.status.At, row.status.RoutingVersion = "ref", at, "v7"
		var fold delivery.Fold
		for _, e := range eventsOf(Question{7, "id"}, &row.status, at.Add(time.Hour)) {
			if e.Reference != "ref" || e.MessageID != "id" || e.Source != delivery.Status {
				t.Errorf("%s: %+v", row.sentence, e)
			}
			fold.Add(&e)
		}
		got, tried := fold.State(), ""
		for _, a := range got.Attempts {
			tried += a.Channel + " " + a.Status + " " + a.Code + ", "
		}
		if got.Status != row.status.Status || got.DeliveredChannel != row.by || got.Code != row.code || tried != row.want ||
			got.RoutingVersion != "v7" || !got.At.Equal(at) || !got.Polled.Equal(at.Add(time.Hour)) || got.Callback || got.Read != (row.by == "nhsapp") {
			t.Errorf("%s: %+v, tried %q", row.sentence, got, tried)
		}
	}
}

// The service is not asked about what is over, what it has answered in this poll, and what callbacks tell of.
func TestWhatTheServiceIsAskedAbout(t *testing.T) {
	began := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	now := began.Add(time.Hour)
	for i, row := range []struct {
		sentence string
		fate     person.Fate
		id       string
		state    *delivery.State
		want     string
	}{
		{"nothing is known", person.Accepted, "id", nil, "id"},
		{"it is in doubt", person.InDoubt, "id", nil, ""},
		{"it is no message of the run", "", "", &delivery.State{MessageID: "other"}, ""},
		{"its id was lost", person.Accepted, "", nil, "lost"},
		{"its id was lost, and an event has it", person.Accepted, "", &delivery.State{MessageID: "event", Status: "sending"}, "event"},
		{"it is delivered", person.Accepted, "id", &delivery.State{Status: delivery.Delivered, Source: delivery.Callback, Callback: true}, ""},
		{"an earlier poll has an answer", person.Accepted, "id", &delivery.State{Status: "sending", Polled: began.Add(-1), LastEventAt: now}, "id"},
		{"this poll has an answer", person.Accepted, "id", &delivery.State{Status: "sending", Polled: began}, ""},
		{"a callback has just come", person.Accepted, "id", &delivery.State{Status: "sending", Callback: true, LastEventAt: now.Add(-24 * time.Hour)}, "recent"},
		{"the next callback may be lost", person.Accepted, "id", &delivery.State{Status: "sending", Callback: true, LastEventAt: now.Add(-24*time.Hour - 1)}, "id"},
		{"nobody knows when the callback's event was", person.Accepted, "id", &delivery.State{Callback: true}, "id"},
	} {
		var lost, recent int64
		got := ""
		for q, err := range Questions(messagesOf(Message{Row: int64(i + 1), Fate: row.fate, id: row.id, State: row.state}), began, now, &lost, &recent) {
			if got = q.id; err != nil {
				t.Error(err)
			}
		}
		if lost > 0 {
			got = "lost"
		}
		if recent > 0 {
			got = "recent"
		}
		if got != row.want {
			t.Errorf("%s: %q is asked about, and not %q", row.sentence, got, row.want)
		}
	}
}

func TestHowLongQuestionsLast(t *testing.T) {
	for want, n := range map[string]int64{"94 hours": 3_400_000, "17 minutes": 10_000, "40 seconds": 400, "0 seconds": 0} {
		if got := Lasts(n, 10); got != want {
			t.Errorf("%d: %s, not %s", n, got, want)
		}
	}
}

// A message here and there that the service cannot tell of does not end a sweep, however many
// they are.
func TestASweepGoesOnPastSingleSilences(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &oracle{answer: func(id string, _ int) error {
			if id[len(id)-1] == '7' {
				return unansweredBy(500, "CM_INTERNAL_SERVER_ERROR", 0)
			}
			return nil
		}}
		s, n := newSweep(o, 20)
		if err := s.All(t.Context(), messagesFrom(1, 400)); err != nil || s.Unanswered != 40 || s.Asked != 360 || len(n.rows) != 360 {
			t.Errorf("%v: %d asked, %d unanswered", err, s.Asked, s.Unanswered)
		}
	})
}

// shared counts the permits of a key. It has none in the first minute.
type shared struct {
	mu          sync.Mutex
	from        time.Time
	asked, done int
	held        time.Duration
}

func (s *shared) Ask() (time.Duration, string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if wait := time.Until(s.from); wait > 0 {
		return wait, "", nil
	}
	s.asked++
	return 0, "", nil
}

func (s *shared) Done(pace.Used) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.done++
}

func (s *shared) Hold(quiet time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = max(s.held, quiet)
}

func (s *shared) Use() pace.KeyUse { return pace.KeyUse{} }

// Where runs share a key, each question takes a permit and gives it back, and a 429 holds all runs.
func TestQuestionsTakePermits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &oracle{delay: time.Second}
		s, _ := newSweep(o, 10)
		began := time.Now()
		key := &shared{from: began.Add(time.Minute)}
		s.Limiter.Permits = key
		if err := s.All(t.Context(), messagesFrom(1, 50)); err != nil {
			t.Fatal(err)
		}
		if first := o.moments()[0]; first.Before(key.from) || key.asked != 50 || key.done != 50 {
			t.Errorf("%d permits, %d given back, the first question after %s", key.asked, key.done, first.Sub(began))
		}
		if s.Limiter.refused(time.Now(), 30*time.Second); key.held != 30*time.Second {
			t.Errorf("held %s", key.held)
		}
	})
}
