package nhsapp

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"cohort/engine"
	"cohort/sinks/exchange"
	"cohort/sinks/wire"
)

// issue is one issue of an OperationOutcome. Its diagnostics are never read: they may repeat parts
// of the message.
type issue struct {
	Code       string   `json:"code"`
	Expression []string `json:"expression"`
}

// classify classifies every answer but a 201, by the table of the contract (section 5).
func (s *Sink) classify(reply *wire.Answer) engine.Answer {
	var outcome struct {
		Issue []issue `json:"issue"`
	}
	if json.Unmarshal(reply.Body, &outcome) != nil { // gateways answer with other bodies too
		outcome.Issue = nil
	}
	a := engine.Answer{Status: reply.Status, RetryAfter: exchange.RetryAfter(reply, time.Now())}
	if len(outcome.Issue) > 0 {
		a.Code = exchange.Plain(outcome.Issue[0].Code)
	}
	if a.Code == "" {
		a.Code = "HTTP_" + strconv.Itoa(reply.Status)
	}
	switch status := reply.Status; {
	case status == http.StatusBadRequest:
		return s.badRequest(a, outcome.Issue)
	case status == http.StatusUnauthorized && a.Code == "forbidden":
		a.Reply, a.Halt = engine.Refused, "the service refuses this application's access token (401 forbidden); check that base_url and token_url belong together and that the application is allowed to use the NHS App API"
	case status == http.StatusUnauthorized:
		a.Reply, a.RetryAfter = engine.Refused, time.Millisecond // at once, with a fresh token
		if s.o.Tokens.Hopeless() {
			a.Halt = "the service refuses every access token (401); check that this application is allowed to use the NHS App API in this environment, and that base_url and token_url belong together"
		}
	case status == http.StatusForbidden:
		a.Reply, a.Halt = engine.Refused, fmt.Sprintf("this application may not send this (403 %s); ask the NHS App team for the channel, and check that key_id's public key is linked to the permissions%s", a.Code, s.intermediary(""))
	case status == http.StatusTooManyRequests:
		a.Reply, a.HoldAll = engine.Refused, true
	case status == http.StatusRequestTimeout:
		a.Reply = engine.Unknown
	case status == http.StatusServiceUnavailable:
		a.Reply, a.HoldAll = engine.Unknown, true
	case status >= 500:
		a.Reply = engine.Unknown
	case status == http.StatusNotFound:
		a.Reply, a.Halt = engine.Refused, fmt.Sprintf("there is no such address at the service (404 %s); check sink.nhsapp.base_url", a.Code)
	case status == http.StatusMethodNotAllowed, status == http.StatusNotAcceptable, status == http.StatusUnsupportedMediaType, status == http.StatusRequestEntityTooLarge:
		a.Reply, a.Halt = engine.Refused, fmt.Sprintf("the service refuses requests of this form (%d %s); check sink.nhsapp.base_url, and whether this version of cohort is still current", status, a.Code)
	default: // redirects, other successes, answers outside the contract
		a.Reply, a.Halt = engine.Unknown, fmt.Sprintf("the service gave an answer outside its contract (%d %s); check sink.nhsapp.base_url", status, a.Code)
	}
	return a
}

// personal are the places of a request that differ from person to person, with the reason of a
// refusal there. Everything else is the campaign's.
var personal = map[string]string{
	"recipient[0].identifier.value": "the service refuses the NHS number",
	"payload[0].contentString":      "the service refuses the text of the message",
}

// badRequest distinguishes a refusal of one message from a refusal of the campaign. Only the message
// is refused when every issue is about the person.
func (s *Sink) badRequest(a engine.Answer, issues []issue) engine.Answer {
	for _, i := range issues {
		code, at := exchange.Plain(i.Code), ""
		if len(i.Expression) == 1 {
			at = place(i.Expression[0])
		}
		reason := personal[at]
		if code != "invalid" || reason == "" {
			if code == "" {
				code = "HTTP_400"
			}
			if at != "" {
				code += " " + at
			}
			a.Reply, a.Rows, a.Code = engine.Refused, nil, code
			a.Halt = fmt.Sprintf("the service refuses a part that every message of the campaign has (400 %s); check sink.nhsapp in the campaign file%s", code, s.intermediary(at))
			return a
		}
		a.Rows = append(a.Rows, engine.RowError{Code: code + " " + at, Reason: reason})
	}
	if len(a.Rows) == 0 {
		a.Reply, a.Halt = engine.Refused, "the service refuses the request without a reason (400); check sink.nhsapp.base_url"
		return a
	}
	a.Reply, a.Code = engine.RowsRefused, a.Rows[0].Code
	return a
}

// intermediary is the advice when on_behalf_of may be the problem: when it is sent, and the service
// names no place or an identifier. The contract permits it to intermediaries only, and does not
// give the form of the error.
func (s *Sink) intermediary(at string) string {
	if s.o.OnBehalfOf == "" || at != "" && !strings.HasPrefix(at, "identifier") {
		return ""
	}
	return ". Only an application that is registered as an intermediary may send sink.nhsapp.on_behalf_of: have the NHS App team register it and resume, or remove the key. The key is frozen: give the campaign a new name and send with --rest-of the old one (a follow-up: cohort followup with --rest-of). A new name alone would send again to the people this run has reached"
}

var placeForm = regexp.MustCompile(`^[A-Za-z][A-Za-z.-]*(\[\d{1,2}\](\.[A-Za-z.-]+)?)*$`)

// place is an expression that may go into the log and the report; empty when it is not plainly
// one.
func place(expression string) string {
	if len(expression) > 80 || !placeForm.MatchString(expression) {
		return ""
	}
	return expression
}
