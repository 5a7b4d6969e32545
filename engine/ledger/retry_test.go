package ledger

import (
	"errors"
	"slices"
	"testing"
	"time"

	"cohort/engine"
	"cohort/engine/enginetest"
	"cohort/engine/journal"
	"cohort/engine/plan"
	"cohort/engine/record"
)

// What of the refused may be sent again, and how that stands in the log.
func TestTransitionsOfARetry(t *testing.T) {
	planned := enginetest.SealPlan(t, t.TempDir(), enginetest.NewPeople(8, 1, nil), engine.Limits{Messages: 4, Bytes: 1 << 20})
	at := time.UnixMilli(1_795_000_000_000)
	open := &record.RunOpened{Plan: planned.Digest, At: at}
	first, rest, again := plan.FormID{}, plan.FormID{Revision: 1}, plan.FormID{Revision: 2}
	try := func(id plan.FormID, n uint16) *record.Attempt { return &record.Attempt{Form: id, N: n, At: at} }
	rows := func(positions ...uint32) (all []record.RefusedRow) {
		for _, p := range positions {
			all = append(all, record.RefusedRow{Position: p, Code: "TOO_LONG"})
		}
		return all
	}
	refuse := &record.Revision{Form: first, N: 1, Number: 1, Parts: []plan.Form{{From: 0, To: 4, Dropped: []uint32{1, 3}, Messages: 2}}, Refused: rows(1, 3), Sure: true}
	refuseAll := &record.Revision{Form: first, N: 1, Number: 1, Refused: rows(0, 1, 2, 3), Sure: true}
	send := func(number uint16, messages, from, to uint32, dropped ...uint32) *record.Revision {
		return &record.Revision{Form: plan.FormID{Revision: number}, Number: number, Code: CodeRetried, Parts: []plan.Form{{From: from, To: to, Dropped: dropped, Messages: messages}}}
	}
	bar := func(number uint16, positions ...uint32) *record.Revision {
		return &record.Revision{Form: plan.FormID{Revision: number}, Number: number, Code: CodeListed, Refused: rows(positions...)}
	}
	foreign := func(id plan.FormID) *record.Resolved { return &record.Resolved{Form: id, Result: record.ResultForeign} }
	late := func(p uint32) *record.ListedLate { return &record.ListedLate{People: rows(p)} }
	lost := func(revisions uint64) *record.Recovered {
		return &record.Recovered{Plan: planned.Digest, At: at, Since: at, Revisions: revisions}
	}
	doubted := &record.Revision{Form: first, N: 2, Number: 1, Parts: refuse.Parts, Refused: refuse.Refused}
	refused := []step{{open, true}, {try(first, 1), true}, {refuse, true}}
	unsure := []step{{open, true}, {try(first, 1), true}, {&record.InDoubt{Form: first, N: 1, At: at}, true}, {try(first, 2), true}, {doubted, true}}
	for sentence, test := range map[string]struct{ before, history []step }{
		"foreign when the service reports about them": {refused, []step{{send(2, 2, 1, 4, 2), true}, {foreign(rest), true}, {foreign(again), true}, {foreign(again), false}, {try(again, 1), false},
			{&record.Revision{Form: rest, Number: 3, Parts: []plan.Form{{From: 1, To: 2, Messages: 1}}, Refused: rows(2)}, false}, {&record.Resolved{Form: again, Result: record.ResultAcceptedUnknown}, true}}},
		"and not foreign when they are under way or in doubt": {refused, []step{{send(2, 2, 1, 4, 2), true}, {try(again, 1), true}, {foreign(again), false}, {&record.InDoubt{Form: again, N: 1}, true}, {foreign(again), false}}},
		"both who were refused are sent again":                {refused, []step{{send(2, 2, 1, 4, 2), true}, {try(again, 1), true}, {&record.Outcome{Form: again, N: 1, Result: record.ResultAccepted}, true}}},
		"one of them, and then the other":                     {refused, []step{{send(2, 1, 1, 2), true}, {send(3, 1, 3, 4), true}, {try(again, 1), true}}},
		"nobody twice":                                        {refused, []step{{send(2, 2, 1, 4, 2), true}, {send(3, 2, 1, 4, 2), false}}},
		"nobody who was not refused":                          {refused, []step{{send(2, 1, 0, 1), false}}},
		"nobody else beside one who was refused":              {refused, []step{{send(2, 2, 0, 2), false}}},
		"not nobody":                                          {refused, []step{{send(2, 0, 0, 1), false}}},
		"not before anything was refused":                     {[]step{{open, true}}, []step{{send(1, 4, 0, 4), false}}},
		"in the next revision and no other":                   {refused, []step{{send(3, 2, 1, 4, 2), false}, {send(1, 2, 1, 4, 2), false}}},
		"in one form":                                         {refused, []step{{&record.Revision{Form: again, Number: 2, Parts: []plan.Form{{From: 1, To: 2, Messages: 1}, {From: 3, To: 4, Messages: 1}}}, false}}},
		"as no answer to an attempt":                          {refused, []step{{&record.Revision{Form: again, Number: 2, N: 1, Parts: []plan.Form{{From: 1, To: 2, Messages: 1}}}, false}}},
		"of a batch that there is":                            {refused, []step{{&record.Revision{Form: plan.FormID{Batch: 7, Revision: 1, Part: 0}, Number: 1, Parts: []plan.Form{{From: 1, To: 2, Messages: 1}}}, false}}},
		"refused again, and sent again":                       {refused, []step{{send(2, 2, 1, 4, 2), true}, {try(again, 1), true}, {&record.Revision{Form: again, N: 1, Number: 3, Refused: rows(1, 3), Sure: true}, true}, {send(4, 2, 1, 4, 2), true}}},
		"while the others are under way":                      {refused, []step{{try(rest, 1), true}, {send(2, 2, 1, 4, 2), true}, {&record.InDoubt{Form: rest, N: 1}, true}, {try(again, 1), true}}},
		"and split when they are too large":                   {refused, []step{{send(2, 2, 1, 4, 2), true}, {try(again, 1), true}, {&record.Revision{Form: again, N: 1, Number: 3, Parts: []plan.Form{{From: 1, To: 2, Messages: 1}, {From: 2, To: 4, Dropped: []uint32{2}, Messages: 1}}}, true}}},
		"and left out when a list names them":                 {refused, []step{{send(2, 2, 1, 4, 2), true}, {&record.Revision{Form: again, Number: 3, Parts: []plan.Form{{From: 1, To: 2, Messages: 1}}, Refused: rows(3)}, true}, {send(4, 1, 3, 4), false}}},
		"while the others are held":                           {refused, []step{{try(rest, 1), true}, {&record.Outcome{Form: rest, N: 1, Result: record.ResultHeld}, true}, {send(2, 1, 1, 2), true}}},
		"in doubt they are sent again by nobody":              {refused, []step{{send(2, 2, 1, 4, 2), true}, {try(again, 1), true}, {open, true}, {send(3, 2, 1, 4, 2), false}, {try(again, 2), true}}},
		"a batch of which everybody was refused":              {[]step{{open, true}, {try(first, 1), true}, {refuseAll, true}}, []step{{send(2, 4, 0, 4), true}, {try(again, 1), true}}},
		"not when a request went unanswered before":           {unsure, []step{{send(2, 2, 1, 4, 2), false}}},
		"also not when they are refused once more":            {unsure, []step{{try(rest, 1), true}, {&record.Revision{Form: rest, N: 1, Number: 2, Refused: rows(0, 2), Sure: true}, true}, {send(3, 2, 0, 3, 1), false}}},
		"nobody who was listed when they were refused":        {refused, []step{{bar(2, 3), true}, {send(3, 2, 1, 4, 2), false}, {send(3, 1, 3, 4), false}, {send(3, 1, 1, 2), true}}},
		"nobody who was listed when they were in doubt":       {[]step{{open, true}, {try(first, 1), true}, {late(3), true}, {refuse, true}}, []step{{send(2, 2, 1, 4, 2), false}, {send(2, 1, 1, 2), true}}},
		"nobody is barred who was not refused":                {refused, []step{{bar(2, 0), false}, {bar(2, 0, 1), false}}},
		"nor twice":                                           {refused, []step{{bar(2, 1), true}, {bar(3, 1), false}}},
		"a lost log knows of it, and puts it in doubt":        {nil, []step{{lost(2), true}, {refuse, true}, {send(2, 2, 1, 4, 2), true}, {open, true}, {try(again, 1), true}, {&record.Outcome{Form: again, N: 1, Result: record.ResultAcceptedUnknown}, true}}},
		"and nobody in it is sent again":                      {nil, []step{{lost(2), true}, {refuse, true}, {send(2, 2, 1, 4, 2), true}, {open, true}, {send(3, 2, 1, 4, 2), false}}},
		"a lost log knows who is listed":                      {nil, []step{{lost(2), true}, {refuse, true}, {bar(2, 3), true}, {open, true}, {send(3, 2, 1, 4, 2), false}, {send(3, 1, 1, 2), true}}},
		"what was refused for certain is so after a loss":     {nil, []step{{lost(1), true}, {refuse, true}, {open, true}, {send(2, 2, 1, 4, 2), true}, {try(again, 1), true}}},
		"what may not have been refused is not sent again":    {nil, []step{{lost(1), true}, {doubted, true}, {open, true}, {send(2, 2, 1, 4, 2), false}}},
		"a lost form that is refused is refused in doubt":     {nil, []step{{lost(0), true}, {open, true}, {try(first, 1), true}, {refuse, true}, {send(2, 2, 1, 4, 2), false}}},
		"nothing comes between a recovery and its retry":      {nil, []step{{lost(2), true}, {refuse, true}, {open, false}, {send(2, 2, 1, 4, 2), true}}},
		"a lost log that lacks the refusal is no whole one":   {nil, []step{{lost(1), true}, {send(1, 2, 1, 4, 2), false}}},
	} {
		l, err := New(planned)
		enginetest.Must(t, err)
		for i, s := range slices.Concat(test.before, test.history) {
			if err := l.Fold(s.record, journal.Position{}); (err == nil) != s.legal || err != nil && !errors.Is(err, ErrIllegal) {
				t.Errorf("%s: record %d: %v", sentence, i+1, err)
			}
			if err := l.Account().Check(); err != nil {
				t.Errorf("%s: after record %d: %v", sentence, i+1, err)
			}
		}
	}
}
