// Package nhsapp stands in for the NHS App API.
//
// The service knows no reference. Each valid request that reaches its backend is another
// message to the person, and the ledger counts it as one. Its gates are
//
//	read body ─ token 401 ─ permission 403 ─ rate 429 ─ path 404 ─ method 405 ─ Accept 406
//	  ─ Content-Type 415 ─ validator 400 ─ accepted: written to the ledger ─ 201
//
// Where the contract is silent, the simulator has chosen. It counts lengths in UTF-16 units.
// The gateway's own JSON answers a request that belongs to no proxy (404 of a path, 405, 406,
// 413, 415). Pages count from 1. A day's receipts are the events of that day in UTC so far,
// and a day without any is 404.
package nhsapp

import (
	"cmp"
	"net/http"
	"strings"
	"sync"
	"time"

	"cohort/sinks/simulator/faults"
	"cohort/sinks/simulator/gateway"
	"cohort/sinks/simulator/ledger"
)

const (
	// Root begins every path of the NHS App.
	Root = "/nhs-app"

	inAppPath    = "/communication/in-app/FHIR/R4/CommunicationRequest"
	pushPath     = "/communication/notification/FHIR/R4/CommunicationRequest"
	receiptsPath = "/communication/report/receipts/FHIR/R4/Task"
	patientsPath = "/communication/report/patients"

	inApp = "in-app"
	push  = "notification"
)

// Options hold the permissions of the application that sends, and the reports of the service.
// The zero value permits everything but on-behalf-of.
type Options struct {
	NoInApp      bool // 403 for in-app messages
	NoPush       bool // 403 for push notifications
	NoReports    bool // 403 for both reports
	Intermediary bool // may send on behalf of others

	Receipts Receipts
	Patients map[string][]Patient // by ODS code, for NHS Notify's report too; nil: 25 of every code, 250 of T00001
	PageSize int                  // entries in a page of a report; 100 when zero
}

// Receipts decide the outcome of accepted messages, and its time. Shares are from 0 to 1;
// below 0 is none.
type Receipts struct {
	Rejected   float64 // of messages: nobody has the NHS number; 0.02 when zero
	Unnotified float64 // of the others: the push did not get through; 0.2 when zero
	Read       float64 // of the others; 0.5 when zero
	Unknown    float64 // of messages with an extra receipt of an unlisted code; 0.05 when zero
	Repeated   float64 // of receipts that come twice; 0.02 when zero
	Hasten     float64 // divides the delays; above 1, pushes go at night too. 1 when zero
}

// Patient is one of an ODS code's app users.
type Patient struct {
	NHSNumber            string `json:"nhsNumber"`
	NotificationsEnabled bool   `json:"notificationsEnabled"`
}

func (o Options) withDefaults() Options {
	r := &o.Receipts
	o.PageSize = cmp.Or(o.PageSize, 100)
	r.Rejected, r.Unnotified, r.Read = cmp.Or(r.Rejected, 0.02), cmp.Or(r.Unnotified, 0.2), cmp.Or(r.Read, 0.5)
	r.Unknown, r.Repeated, r.Hasten = cmp.Or(r.Unknown, 0.05), cmp.Or(r.Repeated, 0.02), cmp.Or(r.Hasten, 1)
	return o
}

// Service is a simulated NHS App. It is safe for concurrent use.
type Service struct {
	API *gateway.API // its place behind the gateway

	o       Options
	gateway *gateway.Gateway
	ledger  *ledger.Ledger

	mu     sync.Mutex // guards what follows
	day    string     // of the report that is being paged through
	report []task     // kept, so that its pages fit together
}

// New makes a Service behind a gateway.
func New(o Options, g *gateway.Gateway, l *ledger.Ledger) *Service {
	s := &Service{o: o.withDefaults(), gateway: g, ledger: l}
	s.API = &gateway.API{
		Root: Root, Route: s.route, Refuse: outcome, MediaType: func(*http.Request) string { return fhirJSON }, Silent: true,
		Invalid: tokenInvalid, Expired: tokenExpired, Throttled: throttled, BusyFault: true,
	}
	return s
}

type endpoint struct {
	method    string
	forbidden func(Options) bool
	channel   string // in the text of a 403
	answer    func(*Service, *gateway.Exchange) gateway.Reply
}

var endpoints = map[string]endpoint{
	inAppPath:    {http.MethodPost, func(o Options) bool { return o.NoInApp }, "App Message", (*Service).acceptInApp},
	pushPath:     {http.MethodPost, func(o Options) bool { return o.NoPush }, "Push Notification", (*Service).acceptPush},
	receiptsPath: {http.MethodGet, func(o Options) bool { return o.NoReports }, "Receipts Report", (*Service).receipts},
	patientsPath: {http.MethodGet, func(o Options) bool { return o.NoReports }, "Patient Report", (*Service).patients},
}

func (s *Service) route(x *gateway.Exchange) gateway.Reply {
	if rep, ok := s.gateway.SignIn(x); !ok {
		return rep
	}
	to, known := endpoints[strings.TrimPrefix(x.R.URL.Path, Root)]
	if s.gateway.Dice.Hit(faults.Banned) || s.gateway.Options.NotOnboarded || known && to.forbidden(s.o) {
		return x.Refuse(mayNot(x.Application, to.channel))
	}
	if rep, ok := s.gateway.Limit(x); !ok {
		return rep
	}
	switch {
	case !known:
		return gatewayFault(404, "messaging.adaptors.http.flow.ApplicationNotFound")
	case x.R.Method != to.method:
		return gatewayFault(405, "messaging.adaptors.http.flow.MethodNotAllowed")
	case !acceptable(x.R.Header):
		return gatewayFault(406, "messaging.adaptors.http.flow.NotAcceptable")
	case to.method == http.MethodPost && !gateway.IsMedia(x.R.Header.Get("Content-Type"), fhirJSON, gateway.JSON):
		return gatewayFault(415, "messaging.adaptors.http.flow.UnsupportedMediaType")
	}
	return to.answer(s, x)
}

const fhirJSON = "application/fhir+json"

func acceptable(h http.Header) bool {
	value := strings.Join(h["Accept"], ", ")
	return value == "" || value == "*/*" || gateway.IsMedia(value, fhirJSON, gateway.JSON)
}

func fhirTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }
