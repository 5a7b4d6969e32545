package dispatch

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"

	"cohort/engine"
	"cohort/engine/decision"
	"cohort/engine/enginetest"
	"cohort/engine/plan"
	"cohort/ingest/person"
)

// idless takes messages and gives them no ids, as a file does.
type idless struct{ *connection }

func (s idless) Send(ctx context.Context, r *engine.Request) engine.Answer {
	a := s.connection.Send(ctx, r)
	if a.Reply == engine.Accepted {
		a.NoIDs, a.IDs = true, nil
	}
	return a
}

// A sink that gives no ids is accepted without: nothing is in doubt, the ids are not known,
// and the moment is. The forms that stand hold every accepted message once, in the plan's
// order, rows refused and parts cut included.
func TestMessagesAreAcceptedWithoutIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(3)
		s.refuseRows(3, 50, 51, 120)
		s.most, s.faults = 7, 0.2
		b := newBench(t, mixedPeople(200, 2), engine.Limits{Messages: 20, Bytes: 1 << 20})
		summary, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, func(j *Job) { j.Sink = idless{j.Sink.(*connection)} })
		if err != nil || !summary.Finished || summary.Account.Fates[person.Accepted] != int64(len(s.accepted)) || len(s.accepted) != len(b.people.ToSend())-len(s.bad) {
			t.Fatalf("%+v, %v", summary, err)
		}
		timed := 0
		for row, o := range b.outcomes() {
			if o.MessageID != "" {
				t.Errorf("row %d has the id %q", row, o.MessageID)
			}
			if !o.AcceptedAt.IsZero() {
				timed++
			}
		}
		if timed == 0 {
			t.Error("nobody knows when a message was accepted")
		}
		l, seen, last := b.ledger(), map[string]int{}, plan.FormID{}
		r := plan.NewRenderer(enginetest.TestRun.References(), b.people, enginetest.Encoding{})
		for f, err := range decision.Accepted(l) {
			enginetest.Must(t, err)
			if f.ID.Batch < last.Batch {
				t.Errorf("batch %d comes after %d", f.ID.Batch, last.Batch)
			}
			last = f.ID
			request, err := r.Render(&f.Planned, f.ID, &f.Form)
			enginetest.Must(t, err)
			if request.Reference != f.Reference || !f.Fits(request.Body) || !s.batches[f.Reference] {
				t.Errorf("batch %s is not what was accepted", f.Reference)
			}
			for _, m := range request.Messages {
				seen[m.String()]++
			}
		}
		for m := range s.accepted {
			if seen[m] != 1 {
				t.Errorf("message %s stands %d times", m, seen[m])
			}
		}
		if len(seen) != len(s.accepted) {
			t.Errorf("%d messages stand and %d were accepted", len(seen), len(s.accepted))
		}
		b.people.ByLane[0][0].Fields[0] = "another"
		for f := range decision.Accepted(l) {
			if f.ID.Batch == 0 {
				if _, err := r.Render(&f.Planned, f.ID, &f.Form); f.From == 0 && !errors.Is(err, plan.ErrChanged) {
					t.Errorf("a changed spool was rendered: %v", err)
				}
			}
		}
	})
}

// Both at once is a defect, as is neither.
func TestAnAnswerHasIDsOrSaysThatThereAreNone(t *testing.T) {
	for _, test := range []struct {
		words string
		a     engine.Answer
		fits  bool
	}{
		{"an id for each", engine.Answer{Reply: engine.Accepted, IDs: []string{"a", "b"}}, true},
		{"none, and says so", engine.Answer{Reply: engine.Accepted, NoIDs: true}, true},
		{"none", engine.Answer{Reply: engine.Accepted}, false},
		{"too few", engine.Answer{Reply: engine.Accepted, IDs: []string{"a"}}, false},
		{"none, it says, and there are", engine.Answer{Reply: engine.Accepted, IDs: []string{"a", "b"}, NoIDs: true}, false},
	} {
		if got := checked(test.a, 2); (got.Reply == engine.Accepted) != test.fits || test.fits == (got.Halt != "") {
			t.Errorf("%s: %+v", test.words, got)
		}
	}
}
