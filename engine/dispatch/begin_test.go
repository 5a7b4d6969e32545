package dispatch

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"cohort/engine"
	"cohort/engine/enginetest"
	"cohort/engine/journal"
	"cohort/engine/ledger"
	"cohort/engine/record"
)

// logged lists what the log of a folder holds on the disk: control records by their verb.
func (b *bench) logged() (all []string) {
	b.Helper()
	_, err := journal.Read(filepath.Join(b.dir, ledger.LogFolder), enginetest.TestRun, journal.Options{}, func(r journal.Record) error {
		switch r.Type {
		case record.KindRunOpened:
			all = append(all, "start")
		case record.KindAttempt:
			all = append(all, "attempt")
		case record.KindControl:
			decoded, err := record.Decode(r.Type, r.Payload)
			enginetest.Must(b.T, err)
			all = append(all, decoded.(*record.Control).Verb)
		}
		return nil
	})
	enginetest.Must(b.T, err)
	return all
}

// What stands before the first attempt stands there in this order: the log, the folder, the
// register. Each step finds what is before it on the disk, and nothing of what is after it.
func TestTheOrderOfABeginning(t *testing.T) {
	const before = "start, witness, send_again, rest_of"
	for sentence, test := range map[string]struct {
		fails string // the step that fails; empty: none
		done  string
	}{
		"nothing fails":                {"", "folder, register, wire"},
		"the folder cannot be written": {"folder", "folder"},
		"the register forbids it":      {"register", "folder, register"},
	} {
		synctest.Test(t, func(t *testing.T) {
			s := newService(1)
			b := newBench(t, enginetest.NewPeople(10, 1, nil), engine.Limits{Messages: 10, Bytes: 1 << 20})
			var done []string
			broken := errors.New("it is broken")
			step := func(name, log string) error {
				done = append(done, name)
				if got := strings.Join(b.logged(), ", "); got != log {
					t.Errorf("%s: at the step %s the log holds %s", sentence, name, got)
				}
				if name == test.fails {
					return broken
				}
				return nil
			}
			c := &connection{kind: engine.Deduplicates, service: s, onSend: func(n int, _ *engine.Request) {
				if n == 0 {
					_ = step("wire", before+", attempt")
				}
			}}
			summary, err := b.start(t.Context(), c, func(j *Job) {
				j.Begin = &Beginning{
					Notes:    []record.Control{{Verb: record.ControlSendAgain, Detail: "asked for"}, {Verb: record.ControlRestOf, Detail: "another"}},
					Remember: func() error { return step("folder", before) },
					Register: func() error { return step("register", before) },
				}
			})
			if got := strings.Join(done, ", "); got != test.done {
				t.Errorf("%s: the steps were %s", sentence, got)
			}
			if test.fails == "" {
				b.finished(s, summary, err)
				return
			}
			if !errors.Is(err, broken) || len(s.requests) > 0 || slices.Contains(b.logged(), "attempt") {
				t.Errorf("%s: %v, and %d requests", sentence, err, len(s.requests))
			}
			if last := b.ledger().Facts().LastControl; last != "stopped: before anything was sent: it is broken" {
				t.Errorf("%s: the log ends with %q", sentence, last)
			}
		})
	}
}
