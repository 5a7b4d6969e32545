package dispatch

import (
	"cmp"
	"fmt"
	"log/slog"
	"time"

	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/ledger"
	"cohort/engine/pace"
	"cohort/engine/plan"
)

// Job is one process's part of a run: what may differ from one start to the next. The rest is in the Plan.
type Job struct {
	Plan   *plan.Plan
	Log    *ledger.Log
	Source engine.Source
	Sink   engine.Sink
	Start  ledger.Start // what this process says of itself
	Begin  *Beginning   // nil: a run in a test, which no register knows

	Orders      <-chan Order // what people ask of the run while it is at work; may be nil
	Lists       Lists        // the suppression lists, applied before anything is sent; nil: there are none
	News        bool         // Lists may change at any time and at midnight: they are applied again while the run sends
	Inbox       Inbox        // what the services say of messages; nil: nobody listens
	Pace        campaign.Pace
	Permits     pace.Permits // of the key's requests, which other runs share; nil: nobody does
	OneWindow   bool         // end with the window, and do not wait for the next
	Settle      bool         // replay what is in doubt, and send nothing else
	StopIf      campaign.StopIf
	GiveUpAfter time.Duration // without an answer that settles or refuses anything; see silence
	Service     string        // the name that people know; empty: the service

	Grace   time.Duration // for requests under way after a stop; 45 s when zero
	Ceiling int           // most requests under way at once; when zero 16 of batches, 256 of single messages
	Budget  int64         // most bytes of requests under way at once, or one request; 32 MiB when zero

	Logger   *slog.Logger   // events that an operator wants to know of; none when nil
	Progress func(Snapshot) // called about four times a second, and once at the end; may be nil
}

// What is under way at once when a Job does not say. A request and its answer take some four times the memory of the
// request. Without a rate, more than mostFlatOut single messages at once are no faster.
const (
	mostBatches = 16
	mostSingles = 256
	mostFlatOut = 64
	mostBytes   = 32 << 20
)

func (j Job) withDefaults() Job {
	ceiling := mostSingles
	switch {
	case j.Plan.Largest > 1:
		ceiling = mostBatches
	case j.Pace.Window == nil && j.Pace.PerSecond == 0:
		ceiling = mostFlatOut
	}
	j.Grace, j.Ceiling, j.Budget = cmp.Or(j.Grace, 45*time.Second), cmp.Or(j.Ceiling, ceiling), cmp.Or(j.Budget, mostBytes)
	j.Service, j.Logger = cmp.Or(j.Service, "the service"), cmp.Or(j.Logger, slog.New(slog.DiscardHandler))
	if j.Progress == nil {
		j.Progress = func(Snapshot) {}
	}
	return j
}

type Snapshot struct {
	At        time.Time
	State     ledger.RunState // one of a run that sends
	Account   ledger.Account
	Left      int64        // messages that are still to be sent; without those that wait for a person
	Attempts  uint64       // requests answered or given up, over all starts
	Revisions uint64       // in the second copy
	InFlight  int          // messages in requests under way; the account calls them not sent or in doubt
	Requests  int          // under way
	Rate      float64      // what the pace allows now, messages a second; 0: no limit
	Speed     float64      // messages a second that were accepted of late
	Expected  pace.Outlook // what is expected from now on
	Latency   Latency      // of the latest answers
	Retries   Retries      // answers of this process that call for another request, by code
	Key       *pace.KeyUse // of the API key, when runs share it; nil: none does
	Paused    bool         // by a person, or because the clock was set
	Waiting   string       // why nothing starts; empty while something does
	Until     time.Time    // of the waiting
	Traffic   ledger.Traffic
	Own       Own
}

// Own has what only the process at work knows. A count begins with the process.
type Own struct {
	Waited       time.Duration // in which nothing started, because of Waiting
	Syncs        int64         // writes of the log that became durable
	SyncTook     time.Duration // all of them together
	TokenExpires time.Time     // of the access token; zero: there is none
	TokenFailing time.Time     // since when no new access token comes; zero: it does, or none was asked for
	Keys         []KeyRate     // of the API keys that the run shares with others; empty: it shares none
}

// KeyRate is the use of an API key by all runs that share it.
type KeyRate struct {
	Name      string  // of the share, or the key id; never the key
	PerMinute float64 // requests in the latest minute
	Quota     float64 // requests a minute
}

type Retries map[string]int

// Summary describes the end of a run, or of this process's part of it.
type Summary struct {
	Account      ledger.Account
	Routes       []ledger.RouteAccount // by route; nil where there are none
	Attempts     uint64                // requests, over all starts
	Revisions    uint64                // in their second copy
	Held         int                   // forms in doubt that no replay can settle
	Foreign      int                   // forms that the service holds, and that this run never sent there
	ListedLate   int                   // people who were listed after their message was attempted
	Contradicted int                   // people whose message a service spoke of, though the account says that it does not have it
	Finished     bool                  // every record has its final fate, except those in Held
}

// Stopped is the error of a run that ended before it was finished and can go on.
type Stopped struct {
	Code  string // names the reason; it stays the same when Why is reworded
	Why   string // in words, with what to do about it
	Cause error  // nil when a person, a window or a limit stopped it
	Halt  bool   // the run stopped itself because something is wrong
}

func (s *Stopped) Error() string {
	if s.Cause != nil {
		return fmt.Sprintf("%s: %v", s.Why, s.Cause)
	}
	return s.Why
}

func (s *Stopped) Unwrap() error { return s.Cause }

// noted is how the log tells of a halt: in words, and with the code behind them, as messages have it.
func (s *Stopped) noted() string { return s.Error() + " [" + s.Code + "]" }
