package engine

// The verbs of Control records: what a person or the run itself decided.
const (
	controlHalted     = "halted"           // detail: why, in words
	controlStopped    = "stopped"          // by a signal, a person, or the window's end; detail: why, in words
	controlInDoubt    = "in_doubt"         // ended with messages in doubt that no replay can settle; detail: how many
	controlLeft       = "left"             // the end of a command that sends nothing; people are not told
	controlFinished   = "finished"         // never in the log, where a RunClosed says it
	controlSuperseded = "superseded"       // detail: the run that took this one's place
	controlUpload     = "upload_refused"   // detail: which file, by whom and what was read; what it is about follows
	controlConfirmed  = "upload_confirmed" // detail: the file's reference, by whom and what was read
	controlTaken      = "upload_taken"     // detail: batches, as numbers and from-to; by whom and what was read. Their upload was refused, and taken all the same
	controlRetried    = "retried"          // detail: how many refused messages, by whom and why
	controlResent     = "resent"           // detail: how many messages in doubt, by whom and why; what it is about follows
	controlSendAgain  = "send_again"       // detail: the reason a person gave
	controlStretch    = "window"           // detail: the stretch that was begun, as JSON
	controlLists      = "lists"            // detail: what was read of the suppression lists when they were applied, as JSON
	controlWitness    = "witness"          // detail: which files the log is written to, as JSON
	controlLatest     = "latest"           // detail: by whom, and why: a person says that this folder is the latest
	controlRestOf     = "rest_of"          // detail: the campaigns whose people the plan leaves out
)
