// Package gateway is the platform before both simulated APIs: the token endpoint, the gates
// and faults that the APIs share, and the way an answer leaves.
package gateway

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"cohort/sinks/simulator/faults"
)

const (
	gatewayBytes = 10 << 20 // the largest body that the gateway itself takes
	drainBytes   = 64 << 20 // the part of a larger body that is read, to answer it
)

// Options configure a Gateway.
type Options struct {
	Seed   uint64
	Faults faults.Set

	Credentials

	NotOnboarded   bool          // 403 for everything
	TokenLifetime  time.Duration // of every access token
	QuotaPerMinute int           // requests of each application; 0: no limit

	Now func() time.Time
	Log *slog.Logger
}

// Credentials are what the token endpoint knows, as simulator.Options explains them.
type Credentials struct {
	APIKey    string
	KeyID     string
	PublicKey *rsa.PublicKey
	Keys      map[string]*rsa.PublicKey // by key id, in place of KeyID and PublicKey
}

// Gateway serves the APIs behind it. It is safe for concurrent use. Its exported fields never
// change.
type Gateway struct {
	Dice    *faults.Dice
	Options Options

	knows  atomic.Pointer[Credentials]
	tokens sync.Map // of *token, by access token
	jtis   sync.Map // of used assertions

	mu      sync.Mutex // guards what follows
	minutes map[minute]int
	traffic Traffic
	names   *rand.Rand // message ids and tokens
}

// New makes a gateway. Every option is set but the credentials and the quota.
func New(o Options) *Gateway {
	g := &Gateway{
		Dice: faults.NewDice(o.Seed, o.Faults), Options: o, minutes: map[minute]int{},
		traffic: Traffic{ByStatus: map[string]int{}}, names: rand.New(rand.NewPCG(o.Seed, math.MaxUint64)),
	}
	g.knows.Store(&o.Credentials)
	return g
}

// Know replaces what the token endpoint knows, and revokes every token, as when keys are renewed.
func (g *Gateway) Know(c Credentials) {
	g.knows.Store(&c)
	g.tokens.Range(func(_, t any) bool { t.(*token).revoked.Store(true); return true })
}

// API is one API behind the gateway.
type API struct {
	Root      string // of its paths
	Route     func(*Exchange) Reply
	Refuse    func(messageID string, list ...Refusal) Reply // writes errors in the form of the API
	MediaType func(*http.Request) string                    // of a reply that names none
	Silent    bool                                          // it makes up no X-Correlation-Id

	Invalid, Expired Refusal // of an access token
	Throttled        Refusal // of the rate gate
	BusyFault        bool    // Busy429 can strike
	NamesWait        bool    // its 429 for the quota and for a spike have a Retry-After
}

// Exchange is one request on its way through the gates.
type Exchange struct {
	R           *http.Request
	ID          string // the gateway's message id
	Now         time.Time
	Body        []byte
	Large       bool   // the body is larger than the gateway takes, and Body is incomplete
	Application string // known behind the token gate

	api   *API
	token *token
}

// Refuse answers with errors in the form of the API that was asked.
func (x *Exchange) Refuse(list ...Refusal) Reply { return x.api.Refuse(x.ID, list...) }

// Root is the address of the API as the client knows it.
func (x *Exchange) Root() string { return address(x.R) + x.api.Root }

func address(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// ServeToken answers one request to the token endpoint. api writes the errors that are not
// the endpoint's own.
func (g *Gateway) ServeToken(w http.ResponseWriter, r *http.Request, api *API) {
	token := *api
	token.Route = g.answerToken
	g.Serve(w, r, &token)
}

// Serve answers one request with the API's Route.
func (g *Gateway) Serve(w http.ResponseWriter, r *http.Request, api *API) {
	g.count(func(c *Traffic) {
		c.Requests++
		c.open++
		c.MostConcurrent = max(c.MostConcurrent, c.open)
	})
	defer g.count(func(c *Traffic) { c.open-- })
	x := &Exchange{R: r, ID: g.messageID(), Now: g.Options.Now(), api: api}
	var rep Reply
	if err := x.readBody(); err != nil {
		rep = x.Refuse(notReceived)
	} else {
		g.count(func(c *Traffic) { c.LargestBody = max(c.LargestBody, len(x.Body)) })
		x.Now = g.Options.Now()
		rep = api.Route(x)
	}
	g.deliver(w, x, rep)
}

// readBody reads the whole body before the first gate. An early refusal then reaches the
// client, and does not get lost in a broken connection.
func (x *Exchange) readBody() error {
	size := x.R.ContentLength
	if size >= 0 && size <= gatewayBytes {
		x.Body = make([]byte, size)
		_, err := io.ReadFull(x.R.Body, x.Body)
		return err
	}
	body, err := io.ReadAll(io.LimitReader(x.R.Body, gatewayBytes+1))
	if err != nil {
		return err
	}
	if x.Body = body; len(body) > gatewayBytes {
		x.Large = true
		_, err = io.CopyN(io.Discard, x.R.Body, drainBytes)
		if errors.Is(err, io.EOF) {
			err = nil
		}
	}
	return err
}

func (g *Gateway) messageID() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return fmt.Sprintf("rrt-%019d-c-geu2-%d-%d-1", g.names.Int64(), g.names.IntN(1_000_000), g.names.IntN(10_000_000))
}

func (g *Gateway) accessToken() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return fmt.Sprintf("%016x%012x", g.names.Uint64(), g.names.Uint64()>>16)
}
