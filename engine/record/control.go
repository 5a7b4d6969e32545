package record

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"cohort/engine/pace"
)

// The verbs of Control records: decisions of a person or of the run itself. "Detail" is the record's Detail.
const (
	ControlHalted     = "halted"           // detail: the reason, in words, and its code in brackets
	ControlStopped    = "stopped"          // by a signal, a person or the end of the window; detail: the reason, in words
	ControlInDoubt    = "in_doubt"         // ended with messages in doubt that no replay can settle; detail: their number
	ControlLeft       = "left"             // a command that sends nothing has ended; never shown to people
	ControlFinished   = "finished"         // never in the log, which has a RunClosed instead
	ControlSuperseded = "superseded"       // detail: the run that replaced this one, and its folder
	ControlUpload     = "upload_refused"   // detail: the file, the person and the evidence; Revisions follow
	ControlConfirmed  = "upload_confirmed" // detail: the file's reference, the person and the evidence
	ControlTaken      = "upload_taken"     // detail: batches (numbers and from-to), the person and the evidence
	ControlRetried    = "retried"          // detail: the number of refused messages, the person and the reason
	ControlResent     = "resent"           // detail: the number of messages in doubt, the person and the reason; Resolveds follow
	ControlSendAgain  = "send_again"       // detail: the reason that a person gave
	ControlStretch    = "window"           // detail: the window that opened, as JSON
	ControlLists      = "lists"            // detail: the suppression lists that were applied, as JSON
	ControlWitness    = "witness"          // detail: the files of the log, as JSON
	ControlLatest     = "latest"           // a person says that this folder is the latest; detail: the person and the reason
	ControlReported   = "reported"         // detail: the SHA-256 of the report of a finished run; never shown to people
	ControlRestOf     = "rest_of"          // detail: campaigns; the plan excludes their people
)

// Verb names a command of an operator. It is the verb of its Control record too.
type Verb string

const (
	VerbPause    Verb = "paused"      // nothing is sent until VerbContinue
	VerbContinue Verb = "continued"   // ends VerbPause
	VerbPace     Verb = "pace"        // sets another rate than the campaign's
	VerbStop     Verb = "stop_wanted" // requests on the wire finish, then the process ends
	VerbReason   Verb = "reason"      // gives the reason for an earlier command
)

// CommandDetail is the JSON in the Detail of a command's Control record.
type CommandDetail struct {
	By     string `json:"by"`
	Reason string `json:"reason,omitempty"`
	Of     Verb   `json:"of,omitempty"`
	pace.Override
}

// Words describes the command in words that are safe to print.
func (d CommandDetail) Words() string {
	text := "by " + Printable(d.By)
	switch {
	case d.PerSecond > 0 && !d.FinishBy.IsZero():
		text = fmt.Sprintf("%g a second, to finish by %s, %s", d.PerSecond, d.FinishBy.Format(time.RFC3339), text)
	case d.PerSecond > 0:
		text = fmt.Sprintf("%g a second, %s", d.PerSecond, text)
	case d.Of != "":
		text = fmt.Sprintf("for %s, %s", d.Of, text)
	}
	if d.Reason != "" {
		text += ": " + Printable(d.Reason)
	}
	return text
}

// Printable returns text with a space in place of each character that a terminal could obey, such as an escape.
func Printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return ' '
	}, text)
}
