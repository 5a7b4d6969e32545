package page

import (
	"time"

	"cohort/cmd/internal/status"
	"cohort/engine/dispatch"
	"cohort/engine/ledger"
	"cohort/ingest/person"
)

var london, _ = time.LoadLocation("Europe/London")

const folder = "/srv/cohort/runs/flu-reminder-2026-11-8c41f0a7"

// at is a moment of today, so that clocks show times of day.
func at(hour, minute int) time.Time {
	now := time.Now().In(london)
	return time.Date(now.Year(), now.Month(), now.Day(), hour, minute, 7, 0, london)
}

func pointer(t time.Time) *time.Time { return &t }

// sending is a run of 3.4 million in the afternoon.
func sending() *status.Run {
	fates := map[person.Fate]int64{
		person.Accepted: 1_683_412, person.Refused: 974, person.InDoubt: 1_180, person.NotSent: 1_558_222,
		person.Suppressed: 118_026, person.Invalid: 21_304, person.Duplicate: 16_882,
	}
	s := &status.Status{
		RunID: "8c41f0a7b2d94e6f8a0b1c2d3e4f5a6b", Campaign: "flu-reminder-2026-11", Service: "notify https://api.service.nhs.uk/comms",
		Folder: folder, State: ledger.Sending, PID: 48213, Host: "sender-a", Records: 3_400_000, Fates: fates, AddsUp: true, Batches: 6_500,
		Attempts: 2_849, Starts: 1, FirstStart: pointer(at(6, 0)), LastAnswer: pointer(at(14, 12)), Zone: london, Position: 5_721,
		Live: &dispatch.Snapshot{
			State: ledger.Sending, InFlight: 1180, Requests: 2,
			Latency: dispatch.Latency{P50: 180 * time.Millisecond, P95: 700 * time.Millisecond, P99: 1400 * time.Millisecond},
			Retries: dispatch.Retries{"429 QUOTA": 212},
		},
		ExpectedEnd: pointer(at(21, 31)),
		Events: []ledger.Event{
			{At: at(6, 0), Verb: "lists", Detail: "624 more are left out"},
			{At: at(12, 0), Verb: "pace", Detail: "by m.castell: booking line staffed again"},
		},
		Traffic: ledger.Traffic{
			Results: ledger.Results{Accepted: 2849, Duplicate: 3, Throttled: 212, Refused: 611, Unanswered: 1},
			Answers: []ledger.Answers{{Status: 201, N: 2849}, {Status: 429, Code: "CM_QUOTA", N: 212}, {Status: 400, Code: "CM_INVALID_VALUE", N: 611}},
		},
	}
	outlook(s, 59.1, "pace.messages over pace.window", 0)
	return run(s)
}

func outlook(s *status.Status, rate float64, rule string, remain int64) {
	s.Rate = &status.Rate{PerSecond: rate, Allowed: 59.1, Even: 59.1, Rule: rule}
	s.Window = &status.Window{Opens: pointer(at(6, 0)), Closes: pointer(at(21, 59)), Remain: remain}
}

func run(s *status.Status, waits ...status.Wait) *status.Run {
	return &status.Run{
		RunID: s.RunID, Campaign: s.Campaign, Title: "Flu vaccination reminder, November 2026", Service: s.Service, Folder: s.Folder,
		State: s.State, Records: s.Records, Fates: s.Fates, Waits: waits, Status: s,
	}
}

// ended is a run without a process.
func ended(state ledger.RunState, last ledger.Event, waits ...status.Wait) *status.Run {
	s := sending().Status
	s.State, s.PID, s.Live, s.Rate, s.ExpectedEnd = state, 0, nil, nil, nil
	s.Events = append(s.Events, last)
	return run(s, waits...)
}

const resume = "cohort resume " + folder

// cases are runs in all states.
var cases = map[string]func() *status.Run{
	"sending": sending,
	"will-remain": func() *status.Run {
		r := sending()
		outlook(r.Status, 41.3, "what the service takes", 412_000)
		return r
	},
	"waiting-window": func() *status.Run {
		s := sending().Status
		s.State, s.Live.InFlight, s.Live.Requests = ledger.WaitingWindow, 0, 0
		s.Waiting = &status.Waiting{Reason: "window closed at 21:59", Until: at(6, 0).AddDate(0, 0, 1)}
		return run(s)
	},
	"waiting-service": func() *status.Run {
		s := sending().Status
		s.State, s.Live.Waiting, s.Live.Own.TokenFailing = ledger.WaitingService, "NHS Notify asked for quiet", at(14, 0)
		s.Waiting = &status.Waiting{Reason: "NHS Notify asked for quiet", Until: at(23, 58)}
		return run(s)
	},
	"paused": func() *status.Run {
		s := sending().Status
		s.State, s.Paused, s.Rate, s.ExpectedEnd, s.GoOnBy = ledger.Paused, "by m.castell: booking line is down", nil, nil, pointer(at(14, 39))
		s.Events = append(s.Events, ledger.Event{At: at(14, 12), Verb: "paused", Detail: "by m.castell: booking line is down"})
		return run(s, status.Wait{What: "it is paused by m.castell: booking line is down", Command: "cohort continue " + folder, Runbook: "paused-or-held"})
	},
	"halted": func() *status.Run {
		why := "more than 10 % of the latest 2000 messages were refused (stop_if); the latest refusal: CM_INVALID_VALUE"
		r := ended(ledger.Halted, ledger.Event{At: at(13, 47), Verb: "halted", Detail: why},
			status.Wait{What: "it has halted: " + why, Command: resume, Runbook: "halted-by-the-service"},
			status.Wait{What: "974 messages were refused", Command: "cohort decide " + folder})
		r.Status.GoOnBy = pointer(at(14, 14))
		return r
	},
	"died": func() *status.Run {
		r := ended(ledger.Died, ledger.Event{At: at(6, 0), Verb: "started", Detail: "by process 48213 on sender-a, which left no word since"},
			status.Wait{What: "its process is gone and left no word", Command: resume, Runbook: "died"})
		r.Status.Gone = ledger.Process{PID: 48213, Host: "sender-a"}
		return r
	},
	"in-doubt": func() *status.Run {
		r := ended(ledger.EndedInDoubt, ledger.Event{At: at(21, 59), Verb: "in_doubt", Detail: "1180 messages, and no replay can settle them"},
			status.Wait{What: "1180 messages are in doubt, and no replay settles them", Command: "cohort decide " + folder, Runbook: "in-doubt"})
		r.Fates[person.Accepted] += r.Fates[person.NotSent]
		r.Fates[person.NotSent] = 0
		return r
	},
	"finished": func() *status.Run {
		r := ended(ledger.Finished, ledger.Event{At: at(14, 13), Verb: "send_again", Detail: "measure"})
		r.Fates[person.Accepted] += r.Fates[person.NotSent] + r.Fates[person.InDoubt]
		r.Fates[person.NotSent], r.Fates[person.InDoubt] = 0, 0
		return r
	},
	"preparing": func() *status.Run {
		return run(&status.Status{RunID: "0123456789abcdef", Folder: folder, State: ledger.Preparing, PID: 7, Host: "sender-a", Silent: "the process at work does not listen; it may be preparing, or ending"})
	},
	"one": func() *status.Run {
		return run(&status.Status{
			RunID: "0123456789abcdef", Campaign: "pilot", Service: "notify simulator", Folder: folder, State: ledger.RunStopped, Records: 1, AddsUp: true,
			Fates: map[person.Fate]int64{person.NotSent: 1}, Starts: 1,
		}, status.Wait{What: "it was stopped before its end", Command: resume})
	},
	"unreadable": func() *status.Run {
		return &status.Run{Folder: folder, Problem: "the progress log is damaged: " + folder + "/log/0000000000000001.log: byte 4711: wrong checksum"}
	},
}
