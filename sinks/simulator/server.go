package simulator

import (
	"crypto/rsa"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

const (
	apiRoot      = "/comms"
	tokenPath    = "/oauth2/token"
	nameHeader   = "X-Cohort-Simulator" // on every answer, with the version
	gatewayBytes = 10 << 20             // what the gateway itself takes
	drainBytes   = 64 << 20             // what is read of a body beyond that, to answer it
)

// Account holds the rules of the account that sends. The zero value may set ODS
// codes, has a default one, and, like a new account, may not set contact details.
type Account struct {
	Name            string // in the text of a 429; "simulated" when empty
	ContactDetails  bool   // approved to send recipient.contactDetails
	ODSCodeRequired bool   // no default ODS code: every message needs one
	ODSCodeFixed    bool   // may not set an ODS code
	NotOnboarded    bool   // 403 CM_FORBIDDEN for everything
}

// Options configure a Server. The zero value is a strict service without faults
// that takes any credentials.
type Options struct {
	Seed    uint64
	Faults  Faults
	Version string // by which every answer names the simulator; "devel" when empty

	// The credentials that the token endpoint knows. With PublicKey nil any key
	// id and API key are taken and signatures are not checked; every other claim
	// is checked either way. An empty APIKey or KeyID admits any.
	APIKey    string
	KeyID     string
	PublicKey *rsa.PublicKey
	Keys      map[string]*rsa.PublicKey // by key id, as ReadJWKS has them; in place of KeyID and PublicKey

	TokenLifetime time.Duration // 599 s when zero
	Account       Account
	Statuses      Statuses
	NHSApp        NHSApp

	// RoutingPlans that exist. Empty: every well-formed id does, but for the
	// published fault plans, which answer with their fault either way.
	RoutingPlans []string

	QuotaPerMinute int // requests for each application; 0, no limit
	MaxBytes       int // of a body that the backend takes; 5,200,000 when zero

	ForgetPersonalisation bool // leave personalisation out of the ledger, for size

	// State outlives the Server; nil: what was accepted is forgotten with it. One State
	// serves one Server.
	State *State

	Now func() time.Time // time.Now when nil
	Log *slog.Logger     // silent when nil
}

// Server is a simulated NHS Notify, and a simulated NHS App beside it. It is an http.Handler, safe for concurrent
// use, and starts nothing that outlives a request.
type Server struct {
	o      Options
	plans  map[string]bool // nil: all
	dice   *dice
	ledger *ledger
	tokens *tokens
	rates  *rates
	tally  *tally
	days   *days
}

// New makes a Server.
func New(o Options) *Server {
	if o.TokenLifetime == 0 {
		o.TokenLifetime = 599 * time.Second
	}
	if o.Version == "" {
		o.Version = "devel"
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = 5_200_000
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Now = o.Faults.shift(o.Now)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.NHSApp, o.Statuses = o.NHSApp.withDefaults(), o.Statuses.withDefaults()
	if o.Account.Name == "" {
		o.Account.Name = "simulated"
	}
	s := &Server{
		o:      o,
		dice:   newDice(o.Seed, o.Faults),
		ledger: newLedger(o.Seed),
		tokens: newTokens(),
		rates:  &rates{windows: map[string]window{}},
		tally:  &tally{byStatus: map[string]int{}},
		days:   &days{},
	}
	if o.State != nil {
		s.ledger.remember(o.State.kept, !o.ForgetPersonalisation)
		o.State.kept = nil
	}
	if len(o.RoutingPlans) > 0 {
		s.plans = map[string]bool{}
		for _, plan := range o.RoutingPlans {
			s.plans[strings.ToLower(plan)] = true
		}
	}
	return s
}

// Poisoned says whether the fault poisoned_recipients makes the validator refuse
// this person.
func (s *Server) Poisoned(nhsNumber string) bool { return s.dice.poisoned(nhsNumber) }

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set(nameHeader, s.o.Version)
	switch path := r.URL.Path; {
	case path == tokenPath:
		s.serve(w, r, s.answerToken)
	case strings.HasPrefix(path, apiRoot+"/"):
		s.serve(w, r, s.answerAPI)
	case strings.HasPrefix(path, appRoot+"/"):
		s.serve(w, r, s.answerApp)
	case path == "/_simulator/ledger" && r.Method == http.MethodGet:
		s.serveLedger(w, r)
	case path == "/_simulator/stats" && r.Method == http.MethodGet:
		s.serveStats(w)
	default:
		http.NotFound(w, r)
	}
}

// exchange is one request on its way through the gates.
type exchange struct {
	r     *http.Request
	id    string // the gateway's message id
	now   time.Time
	body  []byte
	large bool   // more than the gateway takes; body is then incomplete
	token *token // once known
	app   bool   // to the NHS App API
}

// refuse answers with errors in the form of the API that was asked.
func (x *exchange) refuse(list ...refusal) reply {
	if x.app {
		return outcome(x.id, list...)
	}
	return refuse(x.id, list...)
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request, answer func(*exchange) reply) {
	s.tally.begin()
	defer s.tally.end()
	x := &exchange{r: r, id: s.dice.messageID(), now: s.o.Now(), app: strings.HasPrefix(r.URL.Path, appRoot+"/")}
	var rep reply
	if err := x.readBody(); err != nil {
		rep = x.refuse(notReceived)
	} else {
		s.tally.body(len(x.body))
		x.now = s.o.Now()
		rep = answer(x)
	}
	s.deliver(w, x, rep)
}

// readBody takes the whole body, or an error if it stopped half way.
func (x *exchange) readBody() error {
	size := x.r.ContentLength
	if size >= 0 && size <= gatewayBytes {
		x.body = make([]byte, size)
		_, err := io.ReadFull(x.r.Body, x.body)
		return err
	}
	body, err := io.ReadAll(io.LimitReader(x.r.Body, gatewayBytes+1))
	if err != nil {
		return err
	}
	if x.body = body; len(body) > gatewayBytes {
		x.large = true
		_, err = io.CopyN(io.Discard, x.r.Body, drainBytes)
		if errors.Is(err, io.EOF) {
			err = nil
		}
	}
	return err
}
