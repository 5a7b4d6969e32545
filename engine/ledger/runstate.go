package ledger

import (
	"time"
)

// RunState names the state of a run. Every place that shows a state uses this word.
type RunState string

// The states of a run. Those up to Reconciling are of a run that a process is at work on.
const (
	Preparing      RunState = "preparing"
	WaitingWindow  RunState = "waiting_window"
	WaitingService RunState = "waiting_service"
	Sending        RunState = "sending"
	Paused         RunState = "paused"
	Reconciling    RunState = "reconciling"
	RunStopped     RunState = "stopped"
	Died           RunState = "died" // the process is gone and left no word
	Halted         RunState = "halted"
	EndedInDoubt   RunState = "in_doubt"
	SupersededRun  RunState = "superseded"
	Finished       RunState = "finished"
)

// Process identifies a process that works, or has worked, on a run.
type Process struct {
	PID   int
	Host  string
	Since time.Time
}
