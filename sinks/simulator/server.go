package simulator

import (
	"bufio"
	"cmp"
	"context"
	"crypto/rsa"
	"encoding/json"
	"iter"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"cohort/sinks/simulator/callbacks"
	"cohort/sinks/simulator/faults"
	"cohort/sinks/simulator/gateway"
	"cohort/sinks/simulator/ledger"
	"cohort/sinks/simulator/nhsapp"
	"cohort/sinks/simulator/notify"
)

const (
	tokenPath  = "/oauth2/token"
	nameHeader = "X-Cohort-Simulator" // on every answer, with the version
)

// Options configure a Server. The zero value is a strict service without faults that takes any
// credentials.
type Options struct {
	Seed    uint64
	Faults  faults.Set
	Version string // in the header of every answer; "devel" when empty

	// The credentials that the token endpoint knows. With neither PublicKey nor Keys it
	// takes any key id and API key and checks no signature. It checks every other claim
	// either way. An empty APIKey or KeyID admits any.
	APIKey    string
	KeyID     string
	PublicKey *rsa.PublicKey
	Keys      map[string]*rsa.PublicKey // by key id, from gateway.ReadJWKS; in place of KeyID and PublicKey

	NotOnboarded   bool          // 403 for everything
	TokenLifetime  time.Duration // 599 s when zero
	QuotaPerMinute int           // requests of each application; 0: no limit

	Notify    notify.Options
	NHSApp    nhsapp.Options
	Callbacks callbacks.Options // without a URL there are none

	// State outlives the Server. Without one the ledger ends with the Server. One State
	// serves one Server.
	State                 *ledger.State
	ForgetPersonalisation bool // leave personalisation out of the ledger, for size

	Now func() time.Time // time.Now when nil
	Log *slog.Logger     // silent when nil
}

// Server is a simulated NHS Notify and a simulated NHS App. It is an http.Handler, is safe for
// concurrent use, and starts nothing that outlives a request. Callbacks go out during SendCallbacks.
type Server struct {
	version   string
	gateway   *gateway.Gateway
	ledger    *ledger.Ledger
	notify    *notify.Service
	app       *nhsapp.Service
	callbacks *callbacks.Sender // nil: none
}

// New makes a Server.
func New(o Options) *Server {
	now := o.Now
	if now == nil {
		now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		version: cmp.Or(o.Version, "devel"),
		gateway: gateway.New(gateway.Options{
			Seed: o.Seed, Faults: o.Faults, Credentials: gateway.Credentials{APIKey: o.APIKey, KeyID: o.KeyID, PublicKey: o.PublicKey, Keys: o.Keys},
			NotOnboarded: o.NotOnboarded, QuotaPerMinute: o.QuotaPerMinute,
			TokenLifetime: cmp.Or(o.TokenLifetime, 599*time.Second),
			Now:           o.Faults.Shift(now), Log: o.Log,
		}),
		ledger: ledger.New(ledger.Options{Seed: o.Seed, State: o.State, ForgetPersonalisation: o.ForgetPersonalisation}),
	}
	s.app = nhsapp.New(o.NHSApp, s.gateway, s.ledger)
	s.notify = notify.New(o.Notify, s.gateway, s.ledger, s.app)
	if o.Callbacks.URL != "" {
		s.callbacks = callbacks.New(o.Callbacks, o.Seed, s.gateway.Options.Now, s.ledger, func(a *ledger.Accepted) []callbacks.Event {
			if a.Channel == "" {
				return s.notify.Events(a)
			}
			return s.app.Events(a)
		})
	}
	return s
}

// SendCallbacks sends callbacks until ctx is done. It is called once, and returns at once when the
// Options have no URL for them.
func (s *Server) SendCallbacks(ctx context.Context) {
	if s.callbacks != nil {
		s.callbacks.Run(ctx)
	}
}

// Know replaces the credentials that the token endpoint knows, and revokes every token.
func (s *Server) Know(c gateway.Credentials) { s.gateway.Know(c) }

// Ledger yields every message that was accepted before the call, in the order of acceptance.
func (s *Server) Ledger() iter.Seq[ledger.Accepted] { return s.ledger.All() }

func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set(nameHeader, s.version)
	switch path := r.URL.Path; {
	case path == tokenPath:
		s.gateway.ServeToken(w, r, s.notify.API)
	case strings.HasPrefix(path, notify.Root+"/"):
		s.gateway.Serve(w, r, s.notify.API)
	case strings.HasPrefix(path, nhsapp.Root+"/"):
		s.gateway.Serve(w, r, s.app.API)
	case path == "/_simulator/ledger" && r.Method == http.MethodGet:
		s.serveLedger(w, r)
	case path == "/_simulator/stats" && r.Method == http.MethodGet:
		w.Header().Set("Content-Type", gateway.JSON)
		_, _ = w.Write(append(gateway.EncodeJSON(s.Stats()), '\n'))
	case path == "/_simulator/callbacks" && r.Method == http.MethodGet && s.callbacks != nil:
		w.Header().Set("Content-Type", gateway.JSON)
		_, _ = w.Write(append(gateway.EncodeJSON(s.callbacks.Counts()), '\n'))
	default:
		http.NotFound(w, r)
	}
}

// serveLedger streams the ledger as JSON lines. With ?twice=1 it lists only messages that were
// accepted more than once. With ?statuses=1 it adds the outcome of each so far, and with
// ?statuses=TIME the outcome at that time.
func (s *Server) serveLedger(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	twice, statuses := query.Get("twice") != "", query.Get("statuses") != ""
	now, err := time.Parse(time.RFC3339, query.Get("statuses"))
	if err != nil {
		now = s.gateway.Options.Now()
	}
	w.Header().Set("Content-Type", "application/jsonl")
	out := bufio.NewWriterSize(w, 64<<10)
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	for a := range s.Ledger() {
		if twice && !a.Twice() {
			continue
		}
		switch {
		case !statuses:
		case a.Channel == "":
			s.notify.Conclude(&a, now)
		default:
			s.app.Conclude(&a, now)
		}
		if err := lines.Encode(a); err != nil {
			return // the reader has gone
		}
	}
	_ = out.Flush()
}
