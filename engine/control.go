package engine

// The verbs of Control records: what a person or the run itself decided.
const (
	controlHalted     = "halted"     // detail: why, in words
	controlStopped    = "stopped"    // by a signal
	controlSuperseded = "superseded" // detail: the run that took this one's place
	controlRetried    = "retried"    // detail: how many refused messages, by whom and why
	controlResent     = "resent"     // detail: how many messages in doubt, by whom and why; what it is about follows
	controlSendAgain  = "send_again" // detail: the reason a person gave
	controlStretch    = "window"     // detail: the stretch that was begun, as JSON
	controlWitness    = "witness"    // detail: which files the log is written to, as JSON
	controlLatest     = "latest"     // detail: by whom, and why: a person says that this folder is the latest
	controlLists      = "lists"      // detail: what was read of the suppression lists when they were applied, as JSON
)
