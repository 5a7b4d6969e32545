package simulator

import (
	"net/http"
	"strings"
	"time"
)

const (
	appRoot      = "/nhs-app"
	inAppPath    = "/communication/in-app/FHIR/R4/CommunicationRequest"
	pushPath     = "/communication/notification/FHIR/R4/CommunicationRequest"
	receiptsPath = "/communication/report/receipts/FHIR/R4/Task"
	patientsPath = "/communication/report/patients"

	inApp = "in-app"
	push  = "notification"
)

// NHSApp holds what the NHS App grants the application that sends, and how its reports
// come. The zero value grants all but on-behalf-of.
type NHSApp struct {
	NoInApp      bool // 403 for in-app messages
	NoPush       bool // 403 for push notifications
	NoReports    bool // 403 for both reports
	Intermediary bool // may send on behalf of others

	Receipts Receipts
	Patients map[string][]Patient // by ODS code, for NHS Notify's report too; nil: 25 of every code, 250 of T00001
	PageSize int                  // entries in a page of a report; 100 when zero
}

// Receipts says what becomes of accepted messages, and when. Shares are from 0 to 1;
// below 0 is none.
type Receipts struct {
	Rejected   float64 // of messages: nobody has the NHS number; 0.02 when zero
	Unnotified float64 // of the others: the push did not get through; 0.2 when zero
	Read       float64 // of the others; 0.5 when zero
	Unknown    float64 // of messages that have, besides, a receipt of a code that no list has; 0.05 when zero
	Repeated   float64 // of receipts that come twice; 0.02 when zero
	Hasten     float64 // their delays are divided by it; above 1, pushes go at night too. 1 when zero
}

// Patient is one of an ODS code's app users.
type Patient struct {
	NHSNumber            string `json:"nhsNumber"`
	NotificationsEnabled bool   `json:"notificationsEnabled"`
}

func (a NHSApp) withDefaults() NHSApp {
	if a.PageSize == 0 {
		a.PageSize = 100
	}
	for _, d := range []struct {
		of    *float64
		usual float64
	}{
		{&a.Receipts.Rejected, 0.02}, {&a.Receipts.Unnotified, 0.2}, {&a.Receipts.Read, 0.5},
		{&a.Receipts.Unknown, 0.05}, {&a.Receipts.Repeated, 0.02}, {&a.Receipts.Hasten, 1},
	} {
		if *d.of == 0 {
			*d.of = d.usual
		}
	}
	return a
}

// appRoute is one path under /nhs-app.
type appRoute struct {
	method    string
	forbidden func(NHSApp) bool
	channel   string // as the text of a 403 has it
	answer    func(*Server, *exchange) reply
}

var appRoutes = map[string]appRoute{
	inAppPath:    {http.MethodPost, func(a NHSApp) bool { return a.NoInApp }, "App Message", func(s *Server, x *exchange) reply { return s.communicate(x, inApp) }},
	pushPath:     {http.MethodPost, func(a NHSApp) bool { return a.NoPush }, "Push Notification", func(s *Server, x *exchange) reply { return s.communicate(x, push) }},
	receiptsPath: {http.MethodGet, func(a NHSApp) bool { return a.NoReports }, "Receipts Report", (*Server).receipts},
	patientsPath: {http.MethodGet, func(a NHSApp) bool { return a.NoReports }, "Patient Report", (*Server).patients},
}

// answerApp takes a request to the NHS App through the gates.
func (s *Server) answerApp(x *exchange) reply {
	if x.r.Method == http.MethodPost {
		if _, hit := s.dice.strike(ResetBefore); hit {
			return reply{manner: reset}
		}
	}
	authorization := x.r.Header.Get("Authorization")
	if x.token = s.tokens.find(authorization, x.now); x.token == nil {
		if s.tokens.stale(authorization) {
			return x.refuse(tokenExpired)
		}
		return x.refuse(tokenInvalid)
	}
	if s.tokens.wellUsed(x.token) {
		if _, hit := s.dice.strike(TokenRevoked); hit {
			s.tokens.revoke(x.token)
			return x.refuse(tokenExpired)
		}
	}
	to, known := appRoutes[strings.TrimPrefix(x.r.URL.Path, appRoot)]
	_, banned := s.dice.strike(Banned)
	if banned || s.o.Account.NotOnboarded || known && to.forbidden(s.o.NHSApp) {
		return x.refuse(mayNot(x.token.application, to.channel))
	}
	if f, limited := s.appLimited(x); limited {
		return x.refuse(f)
	}
	switch {
	case !known:
		return gatewayFault(404, "messaging.adaptors.http.flow.ApplicationNotFound")
	case x.r.Method != to.method:
		return gatewayFault(405, "messaging.adaptors.http.flow.MethodNotAllowed")
	case !fhirAcceptable(x.r.Header):
		return gatewayFault(406, "messaging.adaptors.http.flow.NotAcceptable")
	case to.method == http.MethodPost && !fhirMedia(x.r.Header.Get("Content-Type")):
		return gatewayFault(415, "messaging.adaptors.http.flow.UnsupportedMediaType")
	}
	return to.answer(s, x)
}

// appLimited is the rate gate: the quota that was set, then the faults. The contract has
// no Retry-After; quota_429 sends one all the same and the other two do not.
func (s *Server) appLimited(x *exchange) (refusal, bool) {
	quota := s.o.QuotaPerMinute
	if quota > 0 && s.rates.over(x.token.application, x.now.Unix()/60, quota) {
		return throttled.saying(quotaDetail(s.o.Account.Name, quota)), true
	}
	if f, hit := s.dice.strike(Quota429); hit {
		if quota == 0 {
			quota = 1200
		}
		return throttled.saying(quotaDetail(s.o.Account.Name, quota)).retryIn(f.RetryAfter), true
	}
	if _, hit := s.dice.strike(Spike429); hit {
		return throttled.saying(spikeDetail(s.o.Account.Name)), true
	}
	if _, hit := s.dice.strike(Busy429); hit {
		return throttled, true
	}
	return refusal{}, false
}

// fhirMedia takes the media types that the service's specification and tests post.
func fhirMedia(value string) bool {
	media, parameter, has := strings.Cut(value, ";")
	if media = strings.TrimSpace(media); media != fhirJSON && media != plainJSON {
		return false
	}
	return !has || strings.EqualFold(strings.TrimSpace(parameter), "charset=utf-8")
}

func fhirAcceptable(h http.Header) bool {
	value := strings.Join(h["Accept"], ", ")
	return value == "" || value == "*/*" || fhirMedia(value)
}

// fhirTime is the form of every time in a receipt.
func fhirTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }
