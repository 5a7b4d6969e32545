package dispatch

import (
	"fmt"
	"log/slog"
	"time"

	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/ledger"
	"cohort/engine/plan"
)

// Job is one process's part of a run: what may differ from one start to the next.
// What may not is in the Plan.
type Job struct {
	Plan   *plan.Plan
	Log    *ledger.Log
	Source engine.Source
	Sink   engine.Sink
	Start  ledger.Start // what this process says of itself

	// Opened is called when the start is in the log and nothing is attempted yet. An error
	// ends the run, which then has attempted nothing. May be nil.
	Opened func() error

	Levers      <-chan Order // what people ask of the run while it is at work; may be nil
	Lists       Lists        // the suppression lists, applied before anything is sent; nil: there are none
	Pace        campaign.Pace
	OneWindow   bool // end with the window instead of waiting for the next
	Settle      bool // replay what is in doubt, and send nothing else
	StopIf      campaign.StopIf
	GiveUpAfter time.Duration // without an answer that settles or refuses anything; see silence
	Service     string        // as people call it; empty: the service

	Grace   time.Duration // how long requests under way may go on after a stop; 45 s when zero
	Ceiling int           // most requests under way at once; when zero 16 of batches, 256 of single messages
	Budget  int64         // most bytes of requests under way at once, or one request; 32 MiB when zero

	Logger   *slog.Logger   // events that an operator wants to know of; none when nil
	Progress func(Snapshot) // called about four times a second, and once at the end; may be nil
}

// What is under way at once when a Job does not say. An answer and what is made of it take some
// three times as much memory again as the request. Beyond mostFlatOut single messages nothing gets faster when
// there is no rate to keep to.
const (
	mostBatches = 16
	mostSingles = 256
	mostFlatOut = 64
	mostBytes   = 32 << 20
)

func (j Job) withDefaults() Job {
	if j.Grace == 0 {
		j.Grace = 45 * time.Second
	}
	if j.Ceiling == 0 {
		switch {
		case j.Plan.Largest > 1:
			j.Ceiling = mostBatches
		case j.Pace.Window == nil && j.Pace.PerSecond == 0:
			j.Ceiling = mostFlatOut
		default:
			j.Ceiling = mostSingles
		}
	}
	if j.Budget == 0 {
		j.Budget = mostBytes
	}
	if j.Service == "" {
		j.Service = "the service"
	}
	if j.Logger == nil {
		j.Logger = slog.New(slog.DiscardHandler)
	}
	if j.Progress == nil {
		j.Progress = func(Snapshot) {}
	}
	return j
}

// Snapshot is where a run stands at a moment.
type Snapshot struct {
	At        time.Time
	Account   ledger.Account
	Left      int64           // messages for which something is still to be sent: not those that wait for a person
	Attempts  uint64          // requests answered or given up, over all starts
	Revisions uint64          // in the second copy
	InFlight  int             // messages in requests under way; the account calls them not sent or in doubt
	Requests  int             // under way
	Rate      float64         // what the pace allows now, messages a second; 0: no limit
	Closes    time.Time       // when the window ends; zero: never
	Latency   Latency         // of the latest answers
	Retries   Retries         // answers of this process that call for another request, by code
	Remain    int64           // messages that the window will not hold at this rate
	Paused    bool            // by a person, or because the clock was set
	State     ledger.RunState // in one word: one of those of a run that sends
	Waiting   string          // why nothing starts; empty while something does
	Until     time.Time       // of the waiting
}

// Retries counts answers by their code.
type Retries map[string]int

// Summary is how a run, or this process's part of it, ended.
type Summary struct {
	Account    ledger.Account
	Routes     []ledger.RouteAccount // by route; nil where there are none
	Attempts   uint64                // requests, over all starts
	Revisions  uint64                // in their second copy
	Held       int                   // forms in doubt that no replay can settle
	Foreign    int                   // forms that the service holds and this run never got there
	ListedLate int                   // people whom a suppression list named when their message had been attempted
	Finished   bool                  // every record has its final fate, but for those Held
}

// Stopped is the error of a run that ended before it was finished and can go on.
type Stopped struct {
	Code  string // names the reason; it stays the same when Why is reworded
	Why   string // in words, with what to do about it
	Cause error  // nil when a person, a window or a limit stopped it
	Halt  bool   // the run stopped itself because something is wrong
}

// Error says why the run stopped.
func (s *Stopped) Error() string {
	if s.Cause != nil {
		return fmt.Sprintf("%s: %v", s.Why, s.Cause)
	}
	return s.Why
}

// Unwrap gives the cause.
func (s *Stopped) Unwrap() error { return s.Cause }
