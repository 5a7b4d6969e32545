package record

// The verbs of Control records: what a person or the run itself decided.
const (
	ControlHalted     = "halted"           // detail: why, in words
	ControlStopped    = "stopped"          // by a signal, a person, or the window's end; detail: why, in words
	ControlInDoubt    = "in_doubt"         // ended with messages in doubt that no replay can settle; detail: how many
	ControlLeft       = "left"             // the end of a command that sends nothing; people are not told
	ControlFinished   = "finished"         // never in the log, where a RunClosed says it
	ControlSuperseded = "superseded"       // detail: the run that took this one's place
	ControlUpload     = "upload_refused"   // detail: which file, by whom and what was read; what it is about follows
	ControlConfirmed  = "upload_confirmed" // detail: the file's reference, by whom and what was read
	ControlTaken      = "upload_taken"     // detail: batches, as numbers and from-to; by whom and what was read. Their upload was refused, and taken all the same
	ControlRetried    = "retried"          // detail: how many refused messages, by whom and why
	ControlResent     = "resent"           // detail: how many messages in doubt, by whom and why; what it is about follows
	ControlSendAgain  = "send_again"       // detail: the reason a person gave
	ControlStretch    = "window"           // detail: the stretch that was begun, as JSON
	ControlLists      = "lists"            // detail: what was read of the suppression lists when they were applied, as JSON
	ControlWitness    = "witness"          // detail: which files the log is written to, as JSON
	ControlLatest     = "latest"           // detail: by whom, and why: a person says that this folder is the latest
	ControlRestOf     = "rest_of"          // detail: the campaigns whose people the plan leaves out
)
