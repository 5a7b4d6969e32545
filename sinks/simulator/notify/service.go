// Package notify stands in for the NHS Notify API.
//
// A request passes these gates, in the order of the live service:
//
//	read body ─ token 401 ─ account 403 ─ rate 429 ─ Accept 406 ─ Content-Type 415
//	  ─ path 404 ─ method 405 ─ gateway size 413 ─ validator 400/413 ┐
//	┌──────────────────────────── "the backend" ────────────────────┘
//	└ size 413 ─ account rules 400 ─ routing plan 4xx/500 ─ reference 425/422
//	  ─ accepted: written to the ledger ─ 201
package notify

import (
	"net/http"
	"slices"
	"strings"

	"cohort/sinks/simulator/faults"
	"cohort/sinks/simulator/gateway"
	"cohort/sinks/simulator/ledger"
	"cohort/sinks/simulator/nhsapp"
)

// Options hold the rules of the account that sends. The zero value may set ODS codes, has a
// default one, and, like a new account, may not set contact details.
type Options struct {
	ContactDetails  bool // approved to send recipient.contactDetails
	ODSCodeRequired bool // no default ODS code: every message needs one
	ODSCodeFixed    bool // may not set an ODS code

	// RoutingPlans that exist. Empty: every well-formed id exists. The published fault plans
	// answer with their fault either way.
	RoutingPlans []string
	MaxBytes     int // of a body that the backend takes; 5,200,000 when zero
	Statuses     Statuses
}

// Service is a simulated NHS Notify. It is safe for concurrent use.
type Service struct {
	API *gateway.API // its place behind the gateway

	o       Options
	plans   map[string]bool // nil: all
	gateway *gateway.Gateway
	ledger  *ledger.Ledger
	app     *nhsapp.Service // NHS Notify passes on its report of app users
}

// New makes a Service behind a gateway.
func New(o Options, g *gateway.Gateway, l *ledger.Ledger, app *nhsapp.Service) *Service {
	if o.MaxBytes == 0 {
		o.MaxBytes = 5_200_000
	}
	o.Statuses = o.Statuses.withDefaults()
	s := &Service{o: o, gateway: g, ledger: l, app: app}
	if len(o.RoutingPlans) > 0 {
		s.plans = map[string]bool{}
		for _, plan := range o.RoutingPlans {
			s.plans[strings.ToLower(plan)] = true
		}
	}
	s.API = &gateway.API{
		Root: Root, Route: s.route, Refuse: refuse, MediaType: mediaType,
		Invalid: denied, Expired: denied, Throttled: quotaReached, NamesWait: true,
	}
	return s
}

// Root begins every path of NHS Notify.
const Root = "/comms"

const messagePath = "/v1/messages/"

type endpoint struct {
	methods []string
	answer  func(*Service, *gateway.Exchange) gateway.Reply
	open    func(http.Header) bool // when set, the only gate before the answer
}

var (
	getOrHead = []string{http.MethodGet, http.MethodHead}
	withBody  = []string{http.MethodPost, http.MethodPut, http.MethodPatch}
	endpoints = map[string]endpoint{
		"/v1/message-batches": {methods: []string{http.MethodPost}, answer: (*Service).submitBatch},
		"/v1/messages":        {methods: []string{http.MethodPost}, answer: (*Service).submitSingle},
		messagePath:           {methods: getOrHead, answer: (*Service).show}, // and an id behind it
		accountsPath:          {methods: []string{http.MethodGet}, answer: (*Service).accounts},
		"/_ping":              {methods: getOrHead, answer: ping, open: func(http.Header) bool { return true }},
		"/_status":            {methods: getOrHead, answer: status, open: func(h http.Header) bool { return h.Get("apikey") != "" }},
	}
)

func ping(*Service, *gateway.Exchange) gateway.Reply { return about("") }

func status(*Service, *gateway.Exchange) gateway.Reply { return about(`"status":"pass",`) }

func about(more string) gateway.Reply {
	body := `{` + more + `"version":"simulator","revision":"1","releaseId":"simulator","commitId":"simulator"}`
	return gateway.Reply{Status: 200, ContentType: gateway.JSON, Body: []byte(body)}
}

// route takes a request through the gates, in the live service's order.
func (s *Service) route(x *gateway.Exchange) gateway.Reply {
	h := x.R.Header
	path := strings.TrimPrefix(x.R.URL.Path, Root)
	if strings.HasPrefix(path, messagePath) {
		path = messagePath
	}
	to, known := endpoints[path]
	allowed := slices.Contains(to.methods, x.R.Method)
	if allowed && to.open != nil {
		if !to.open(h) {
			return x.Refuse(denied)
		}
		return to.answer(s, x)
	}
	if rep, ok := s.gateway.SignIn(x); !ok {
		return rep
	}
	switch {
	case s.gateway.Dice.Hit(faults.TokenRefused):
		return x.Refuse(denied)
	case s.gateway.Dice.Hit(faults.NotOnboarded) || s.gateway.Options.NotOnboarded:
		return x.Refuse(forbidden)
	case s.gateway.Dice.Hit(faults.Banned):
		return x.Refuse(serviceBan)
	}
	if rep, ok := s.gateway.Limit(x); !ok {
		return rep
	}
	switch {
	case !acceptable(h):
		return x.Refuse(notAcceptable)
	case slices.Contains(withBody, x.R.Method) && !gateway.IsMedia(h.Get("Content-Type"), jsonAPI, gateway.JSON):
		return x.Refuse(unsupported)
	case !known:
		return x.Refuse(notFound)
	case !allowed:
		return x.Refuse(notAllowed)
	}
	return to.answer(s, x)
}

const jsonAPI = "application/vnd.api+json"

func mediaType(r *http.Request) string {
	if r.Header.Get("Accept") == gateway.JSON {
		return gateway.JSON
	}
	return jsonAPI
}

// acceptable is the gate for Accept. The header may be absent, but not empty.
func acceptable(h http.Header) bool {
	values, present := h["Accept"]
	value := strings.Join(values, ", ")
	return !present || value == "*/*" || gateway.IsMedia(value, jsonAPI, gateway.JSON)
}
