package notify

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"cohort/engine"
	"cohort/sinks/apim"
	"cohort/sinks/exchange"
)

type serviceError struct {
	Code   string `json:"code"`
	Source struct {
		Pointer string `json:"pointer"`
	} `json:"source"`
}

// classify classifies every answer but a 201, by the error table of the contract (section 8).
func (s *Sink) classify(r *engine.Request, status int, h apim.Header, body []byte) engine.Answer {
	var reply struct {
		Errors []serviceError `json:"errors"`
	}
	_ = json.Unmarshal(body, &reply) // gateways answer with other bodies too
	a := engine.Answer{Status: status, RetryAfter: exchange.RetryAfter(h, time.Now())}
	if len(reply.Errors) > 0 {
		a.Code = exchange.Plain(reply.Errors[0].Code)
	}
	if a.Code == "" {
		a.Code = "HTTP_" + strconv.Itoa(status)
	}
	switch {
	case status == http.StatusBadRequest:
		return s.badRequest(a, r, reply.Errors)
	case status == http.StatusUnauthorized:
		a.Reply, a.RetryAfter = engine.Refused, time.Millisecond // at once, with a fresh token
		if s.o.Tokens.Hopeless() {
			a.Halt = refusesTokens
		}
	case status == http.StatusRequestEntityTooLarge:
		a.Reply = engine.TooLarge
	case status == http.StatusUnprocessableEntity && a.Code == "CM_DUPLICATE_REQUEST":
		a.Reply = engine.Known
	case status == http.StatusUnprocessableEntity:
		a.Reply, a.Halt = engine.Refused, fmt.Sprintf("the service gave an answer outside its contract (422 %s); check base_url", a.Code)
	case status == http.StatusTooEarly:
		a.Reply = engine.Unknown
		if a.RetryAfter == 0 {
			a.RetryAfter = 5 * time.Minute
		}
	case status == http.StatusTooManyRequests:
		a.Reply, a.HoldAll = engine.Refused, true
	case status == http.StatusRequestTimeout:
		a.Reply = engine.Unknown
	case halts[statusCode{status, a.Code}] != "":
		a.Reply, a.Halt = engine.Refused, halts[statusCode{status, a.Code}]
	case status == http.StatusForbidden, status == http.StatusNotFound:
		a.Reply, a.Halt = engine.Refused, fmt.Sprintf("the service answered %d (%s); check base_url and that this application is set up for NHS Notify", a.Status, a.Code)
	case status == http.StatusMethodNotAllowed, status == http.StatusNotAcceptable, status == http.StatusUnsupportedMediaType:
		a.Reply, a.Halt = engine.Refused, fmt.Sprintf("the service refuses requests of this form (%d %s); check base_url, and whether this version of cohort is still current", a.Status, a.Code)
	case status == http.StatusServiceUnavailable:
		a.Reply, a.HoldAll = engine.Unknown, true
	case status >= 500:
		a.Reply = engine.Unknown
	default: // redirects, other successes, answers outside the contract
		a.Reply, a.Halt = engine.Unknown, fmt.Sprintf("the service gave an answer outside its contract (%d %s); check base_url", a.Status, a.Code)
	}
	return a
}

// refusesTokens is the halt when fresh tokens are refused.
const refusesTokens = "the service refuses every access token (401); check that this application is allowed to use NHS Notify in this environment, and that base_url and token_url belong together"

type statusCode struct {
	status int
	code   string
}

// frozen is the advice for a key that a planned run no longer takes.
const frozen = "The key is frozen: give the campaign a new name and send with --rest-of the old one (a follow-up: cohort followup with --rest-of). A new name alone would send again to the people this run has reached"

// halts are the answers that concern the whole run, with the problem and the remedy.
var halts = map[statusCode]string{
	{403, "CM_FORBIDDEN"}:                        "the service does not know this application or has not onboarded it (403 CM_FORBIDDEN); ask NHS Notify onboarding",
	{403, "CM_SERVICE_BAN"}:                      "a service ban is in effect on this account (403 CM_SERVICE_BAN); call NHS Notify before anything else is sent",
	{404, "CM_NO_SUCH_ROUTING_PLAN"}:             "the routing plan does not exist or is not in a usable state (404 CM_NO_SUCH_ROUTING_PLAN); check sink.notify.routing_plan_id. " + frozen,
	{404, "CM_NOT_FOUND"}:                        "there is no such address at the service (404 CM_NOT_FOUND); check sink.notify.base_url",
	{500, "CM_MISSING_ROUTING_PLAN_TEMPLATE"}:    "the routing plan's templates were not found (500 CM_MISSING_ROUTING_PLAN_TEMPLATE); have the routing plan corrected in NHS Notify",
	{500, "CM_ROUTING_PLAN_DUPLICATE_TEMPLATES"}: "the routing plan has duplicate templates (500 CM_ROUTING_PLAN_DUPLICATE_TEMPLATES); have the routing plan corrected in NHS Notify",
	{400, "CM_ODS_CODE_REQUIRED"}:                "the account has no default ODS code (400 CM_ODS_CODE_REQUIRED); set sink.notify.ods_code. " + frozen,
	{400, "CM_CANNOT_SET_ODS_CODE"}:              "the account may not set ODS codes (400 CM_CANNOT_SET_ODS_CODE); remove sink.notify.ods_code and originator. " + frozen,
	{400, "CM_CANNOT_SET_CONTACT_DETAILS"}:       "the account may not set contact details (400 CM_CANNOT_SET_CONTACT_DETAILS); have NHS Notify onboarding approve them and resume, or remove sink.notify.contact_details. " + frozen,
}

// validatorCodes are the codes of a refused row, with their meaning. The gateway's validator gives
// them, and the backend for contact details. Both check a request before they accept any of it,
// and find the same errors in the same bytes.
var validatorCodes = map[string]string{
	"CM_MISSING_VALUE":      "a property of the message is missing",
	"CM_NULL_VALUE":         "a property of the message is null",
	"CM_INVALID_VALUE":      "the service refuses a value of the message",
	"CM_INVALID_NHS_NUMBER": "the service refuses the NHS number",
	"CM_DUPLICATE_VALUE":    "the message's reference is twice in one batch",
}

// badRequest distinguishes a refusal of rows from a refusal of the whole request. Rows are refused
// only when every error names one.
func (s *Sink) badRequest(a engine.Answer, r *engine.Request, errors []serviceError) engine.Answer {
	for _, e := range errors {
		code := exchange.Plain(e.Code)
		row, ok := s.rowOf(e.Source.Pointer)
		words := validatorCodes[code]
		if !ok || words == "" || row >= len(r.Messages) {
			if code == "" {
				code = "HTTP_400"
			}
			a.Reply, a.Rows, a.Code = engine.Refused, nil, code
			if a.Halt = halts[statusCode{a.Status, code}]; a.Halt == "" {
				a.Halt = fmt.Sprintf("the service refuses the request as a whole (400 %s); check routing_plan_id and ods_code in the campaign file", code)
			}
			return a
		}
		if strings.Contains(e.Source.Pointer, "/contactDetails") {
			words = "the service refuses the contact details"
		}
		a.Rows = append(a.Rows, engine.RowError{Index: row, Code: code, Reason: words})
	}
	if len(a.Rows) == 0 {
		a.Reply, a.Halt = engine.Refused, "the service refuses the request without a reason (400); check base_url"
		return a
	}
	a.Reply, a.RowsCut = engine.RowsRefused, len(errors) >= mostErrors
	return a
}

// mostErrors is the number of errors after which the validator stops.
const mostErrors = 100

// ofAMessage are the members of a message. A single message has them beside the members of the
// request.
var ofAMessage = []string{"messageReference", "recipient", "originator", "billingReference", "personalisation"}

// rowOf reads the index of a message out of a JSON pointer. A single message has index 0.
func (s *Sink) rowOf(pointer string) (int, bool) {
	if s.o.Single {
		rest, ok := strings.CutPrefix(pointer, "/data/attributes/")
		member, _, _ := strings.Cut(rest, "/")
		return 0, ok && slices.Contains(ofAMessage, member)
	}
	rest, ok := strings.CutPrefix(pointer, "/data/attributes/messages/")
	if !ok {
		return 0, false
	}
	index, _, _ := strings.Cut(rest, "/")
	row, err := strconv.ParseUint(index, 10, 31)
	return int(row), err == nil
}
