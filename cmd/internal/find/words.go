package find

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"

	"cohort/engine/delivery"
	"cohort/engine/inspect"
	"cohort/engine/ledger"
	"cohort/engine/plan"
)

// happenedIn puts a record of the progress log into words for the message at a position. held has the forms with the
// message; false: the record is about other messages.
func happenedIn(e *inspect.Entry, held map[plan.FormID]bool, position uint32) (Happened, bool) {
	h := Happened{At: e.At, Source: "progress log"}
	if e.Revision != nil && !held[plan.FormID{Batch: *e.Batch, Revision: *e.Revision, Part: *e.Part}] {
		return h, false
	}
	answer, named := "", ""
	if e.Status > 0 {
		answer = fmt.Sprintf(" (HTTP %d)", e.Status)
	}
	if e.Code != "" {
		answer += " (" + e.Code + ")"
	}
	for _, p := range e.People {
		if p.Position == position {
			named = " (" + p.Code + ")" + detail(p.Reason)
		}
	}
	attempt := fmt.Sprintf("attempt %d: ", e.Attempt)
	switch {
	case e.Record == "attempt":
		h.What = attempt + "the message is sent, in request " + e.BatchReference
	case e.Record == "in_doubt":
		h.What = attempt + "no clear answer, so it may have been accepted" + answer
	case e.Record == "outcome":
		h.What = attempt + results[e.Result] + answer
	case e.Record == "resolved" && e.Result == "foreign":
		h.What = results[e.Result]
	case e.Record == "resolved":
		h.What = "decided: " + results[e.Result] + detail(e.Detail)
	case strings.HasPrefix(named, " ("+ledger.CodeContradicted):
		h.What = "the service reports about the message, and by the log it does not have it" + named
	case named != "" && e.Record == "listed_late":
		h.What = "after the message was attempted, a list names the person" + named
	case named != "" && e.Attempt > 0:
		h.What = attempt + "the message is refused" + named
	case named != "":
		h.What = "the message is left out" + named
	case e.Code == ledger.CodeRetried:
		h.What = "decided: the refused message is to be sent again"
	case len(e.Parts) > 0:
		h.What = "the message goes on in another request" + answer
	}
	return h, h.What != ""
}

func detail(text string) string {
	if text == "" {
		return ""
	}
	return ": " + text
}

var results = map[string]string{
	"accepted":             "the message is accepted",
	"accepted_ids_unknown": "the service had it already, so an earlier attempt was accepted",
	"not_accepted":         "certainly not accepted",
	"held":                 "it may have been accepted, and is not sent again without a decision",
	"foreign":              "the service has the batch, and this run never sent it",
	"replay":               "the request is to be sent again under the same reference",
	"resend":               "the message is to be sent again, though it may have been accepted",
}

// subjects name what an event is about.
var subjects = map[string]string{
	"nhsapp": "the NHS App message", "sms": "the text message", "email": "the email", "letter": "the letter",
}

// statuses say what a status means. Any other is shown as it is.
var statuses = map[string]string{
	"created": "is taken by the service", "pending_enrichment": "waits for the person's details",
	"enriched": "has the person's details", "sending": "is on its way", "delivered": "is delivered", "failed": "failed",
	"skipped": "is not sent: another channel was enough, or was not there", "read": "is read", "rejected": "is rejected",
	"notified": "is announced on the person's phone", "unnotified": "could not be announced on the person's phone",
	"notification_attempted": "is being announced on the person's phone", "open": "is not delivered yet",
	"no_such_message": "is not known to the service", "permanent_failure": "cannot be delivered",
	"temporary_failure": "could not be delivered for now", "technical_failure": "could not be delivered: a technical fault",
	"accepted": "is with its supplier", "printed": "is printed", "enclosed": "is in its envelope",
	"dispatched": "is in the post", "returned": "came back",
}

func statusWords(status string) string {
	if w, known := statuses[status]; known {
		return w
	}
	return "has the status " + status
}

// happenedTo puts an event into words.
func happenedTo(e *delivery.Event) Happened {
	h := Happened{At: e.At, Source: string(e.Source)}
	if h.At.IsZero() {
		h.At = e.Received
	}
	subject := "the message"
	if e.Kind == delivery.OfChannel {
		subject = cmp.Or(subjects[e.Channel], "the message by "+e.Channel)
	}
	switch {
	case e.Kind == delivery.OfResponse:
		h.What = "the person answered" + detail(e.Answer)
	case e.Status == "" && e.Supplier == "":
		h.What = "the service said something that this version of cohort does not understand"
	case e.Kind == delivery.OfChannel && e.Supplier != "" && e.Supplier != e.Status:
		h.What = subject + " " + statusWords(e.Supplier)
	default:
		h.What = subject + " " + statusWords(cmp.Or(e.Status, e.Supplier))
	}
	if e.Code != "" {
		h.What += " (" + e.Code + ")"
	}
	h.What += detail(e.Reason)
	return h
}

// Print shows the answer to a person.
func (a *Answer) Print(w io.Writer) {
	fmt.Fprintf(w, "found      %s; searched %s\n", counted(len(a.Records), "record"), counted(a.Searched, "run"))
	for _, folder := range slices.Sorted(maps.Keys(a.Unread)) {
		fmt.Fprintf(w, "NOT READ   %s: %s\n", folder, a.Unread[folder])
	}
	for _, r := range a.Recorded {
		fmt.Fprintf(w, "look-up    record %d of %s\n", r.Records, r.Journal)
	}
	for _, r := range a.Requests {
		fmt.Fprintf(w, "request    the reference is of a request with %s, in %s\n           they are in the report, by batch_reference: %s\n",
			counted(int(r.Messages), "message"), r.Folder, r.Report)
	}
	for _, f := range a.Records {
		f.print(w)
	}
}

func counted(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

func (f *Found) print(w io.Writer) {
	when := func(t time.Time) string { return t.In(f.zone).Format("2 Jan 2006 15:04:05 MST") }
	line := func(name, format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		fmt.Fprintf(w, "%-10s %s\n", name, strings.ReplaceAll(clean(text), "\n", "\n           "))
	}
	fmt.Fprintln(w)
	line("run", "%s (%.8s) in %s, planned %s, to %s", f.Campaign, f.RunID, f.Folder, when(f.Planned), f.Service)
	if f.FollowUp != "" {
		line("follow-up", "%s", f.FollowUp)
	}
	if f.Purpose != "" {
		line("purpose", "%s", f.Purpose)
	}
	line("record", "row %d: %s, line %d", f.Row, f.File, f.Line)
	if f.FileReference != "" {
		line("", "its reference in the file is %s", f.FileReference)
	}
	if f.Route != "" {
		line("route", "%s", f.Route)
	}
	outcome := strings.ReplaceAll(string(f.Outcome), "_", " ")
	if f.Code != "" {
		outcome += " (" + f.Code + ")"
	}
	line("outcome", "%s%s", outcome, detail(f.Reason))
	if m := f.Message; m != nil {
		line("message", "reference %s", f.MessageReference)
		if f.MessageID != "" {
			line("", "the service's id is %s", f.MessageID)
		}
		m.print(line)
	}
	if f.Status != "" {
		line("delivery", "the message %s", statusWords(f.Status))
	}
	for i, h := range f.History {
		line([]string{"history", ""}[min(i, 1)], "%s  %s [%s]", when(h.At), h.What, h.Source)
	}
}

func (m *Message) print(line func(name, format string, args ...any)) {
	switch {
	case !m.Proven:
		line("", "its text cannot be shown: %s. These are the values from the cohort", m.Problem)
	case m.Plan != "":
		version := cmp.Or(m.PlanVersion, "not known")
		line("", "the words are in routing plan %s, version %s. These are its fields", m.Plan, version)
	default:
		line("", "its text, made again from the cohort; the request has the digest that was recorded")
	}
	for _, f := range m.Fields {
		line("", "  %s: %s", f.Name, f.Text)
	}
}

// clean replaces characters that would steer a terminal.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' || unicode.Is(unicode.Cf, r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
