package dispatch

import (
	"context"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"cohort/engine"
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
		r := plan.NewRenderer(enginetest.TestRun, b.people, enginetest.Encoding{})
		for f, err := range l.Accepted() {
			enginetest.Must(t, err)
			if f.ID.Batch < last.Batch {
				t.Errorf("batch %d comes after %d", f.ID.Batch, last.Batch)
			}
			last = f.ID
			request, err := r.Render(&f.Planned, f.ID, &f.Form)
			enginetest.Must(t, err)
			if request.Reference != f.Reference || sha256.Sum256(request.Body) != f.SHA256 || !s.batches[f.Reference] {
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
		b.people.Lanes[0][0].Fields[0] = "another"
		for f := range l.Accepted() {
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

// lines is a sink of rows that end by themselves.
type lines struct{ enginetest.Encoding }

func (lines) AppendHead(dst []byte, _ engine.Reference, _ uint8) []byte { return dst }
func (lines) AppendMessage(dst []byte, message engine.Reference, _ *person.Recipient) []byte {
	return append(append(dst, message[:]...), '\n')
}
func (lines) AppendTail(dst []byte) []byte { return dst }
func (lines) Separator() string            { return "" }

func TestNothingStandsBetweenLines(t *testing.T) {
	p := enginetest.NewPeople(20, 1, some(5, person.Suppressed))
	limits := engine.Limits{Messages: 8, Bytes: 37 * 4}
	shards, err := plan.Cut(t.Context(), enginetest.TestRun, p, lines{}, limits)
	enginetest.Must(t, err)
	r, rows := plan.NewRenderer(enginetest.TestRun, p, lines{}), []string{}
	for _, b := range shards[0] {
		request, err := r.Render(&b, plan.FormID{}, &b.Form)
		enginetest.Must(t, err)
		rows = append(rows, strings.Split(strings.TrimSuffix(string(request.Body), "\n"), "\n")...)
	}
	want := []string{}
	for _, row := range p.ToSend() {
		want = append(want, enginetest.TestRun.MessageReference(row).String())
	}
	if strings.Join(rows, " ") != strings.Join(want, " ") || len(shards[0]) != 5 {
		t.Errorf("%d batches of %q", len(shards[0]), rows)
	}
}
