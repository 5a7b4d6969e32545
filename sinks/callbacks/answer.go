package callbacks

import (
	"fmt"
	"io"
	"net/http"
	"strings"

	"cohort/engine/event"
)

// Answer is the answer to a request.
type Answer int

// The answers.
const (
	Stored Answer = iota
	WrongKey
	WrongSignature
	WrongCertificate
	Unproven // one of the three above, while our own secret may be wrong
	NotStored
	Unready
	Broken
	TooLarge
	TooSlow
	WrongMethod
	NotFound
	Healthy // of this process; not to a callback

	answerEnd
)

var answers = [answerEnd]struct {
	status int
	words  string
}{
	Stored:           {http.StatusAccepted, "stored"},
	WrongKey:         {http.StatusUnauthorized, "API key missing or wrong"},
	WrongSignature:   {http.StatusForbidden, "signature missing or wrong"},
	WrongCertificate: {http.StatusForbidden, "no trusted client certificate"},
	Unproven:         {http.StatusServiceUnavailable, "not verified, and nothing has been so far"},
	NotStored:        {http.StatusServiceUnavailable, "could not be stored"},
	Unready:          {http.StatusServiceUnavailable, "starting or stopping"},
	Broken:           {http.StatusServiceUnavailable, "body incomplete"},
	TooLarge:         {http.StatusRequestEntityTooLarge, "body over 1 MiB"},
	TooSlow:          {http.StatusRequestTimeout, "body took too long"},
	WrongMethod:      {http.StatusMethodNotAllowed, "not POST"},
	NotFound:         {http.StatusNotFound, "no such path"},
	Healthy:          {http.StatusOK, "ok"},
}

// String is the answer in words.
func (a Answer) String() string { return answers[a].words }

func (a Answer) write(w http.ResponseWriter) {
	header := w.Header()
	header.Set("Content-Type", "text/plain; charset=utf-8")
	switch a {
	case WrongMethod:
		header.Set("Allow", http.MethodPost)
	case TooSlow, Broken: // what is left of the body may follow
		header.Set("Connection", "close")
	}
	w.WriteHeader(answers[a].status)
	_, _ = io.WriteString(w, a.String()+"\n") // the client may be gone
}

// toCheck has what may be wrong on our side when callbacks get an answer.
var toCheck = map[Answer]string{
	WrongKey: "api_key_file of callbacks in the campaign file (or else the one of sink) and api_key_header; " +
		"or the API key was changed at the service: see Renewing in docs/callbacks.md",
	WrongSignature:   "application_id of callbacks in the campaign file (the API key is right): see docs/callbacks.md",
	WrongCertificate: "client_ca_file and client_names of callbacks in the campaign file: see Renewing in docs/callbacks.md",
}

// manyLost is the number of callbacks between two reports from which on a refusal is no stranger's work.
const manyLost = 20

// Report tells in words how many callbacks came since the latest Report, and their answers. It is empty if
// none came. It logs an alarm if many were lost because they did not verify.
func (r *Receiver) Report() string {
	for a, check := range toCheck {
		if n := r.counts[a].Load(); n >= manyLost {
			r.o.Log.Error("ALARM: callbacks are being lost: they do not verify, and the service repeats none of them. "+
				"When this is mended, cohort reconcile asks for what was lost", event.CallbacksLost, "lost", n, "found", a.String(), "check", check)
		}
	}
	var all []string
	received := int64(0)
	for i := range r.counts {
		if n := r.counts[i].Swap(0); n > 0 {
			received += n
			all = append(all, fmt.Sprintf("%d %s (%d)", n, answers[i].words, answers[i].status))
		}
	}
	if received == 0 {
		return ""
	}
	return fmt.Sprintf("%d received: %s", received, strings.Join(all, ", "))
}
