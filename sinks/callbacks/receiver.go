package callbacks

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"cohort/engine/delivery"
)

// The paths. The NHS App appends its own to the base that it was given.
const (
	MessagesPath  = "/callbacks/notify/messages"
	ChannelsPath  = "/callbacks/notify/channels"
	ResponsesPath = "/callbacks/notify/responses"
	ReceiptsPath  = "/callbacks/nhsapp/FHIR/R4/Task"
	RepliesPath   = "/callbacks/nhsapp/FHIR/R4/CommunicationRequest"
	HealthPath    = "/healthz" // the process lives
	ReadyPath     = "/readyz"  // it takes callbacks
)

const (
	mostBody = 1 << 20 // bytes
	bodyTime = 30 * time.Second
)

// way has the check of the sender, and the form of the body, for a path.
type way struct {
	certificate bool // by its client certificate, or else by API key and signature
	read        func(body []byte) []delivery.Event
}

var ways = map[string]way{
	MessagesPath:  {false, readStatuses},
	ChannelsPath:  {false, readStatuses},
	ResponsesPath: {true, readResponses},
	ReceiptsPath:  {true, readReceipt},
	RepliesPath:   {true, readReply},
}

// Store keeps events. Put returns when they are durable. It is safe for concurrent use.
type Store interface {
	Put(ctx context.Context, events []delivery.Event) error
}

// Options make a Receiver.
type Options struct {
	Store        Store
	Log          *slog.Logger
	APIKeyHeader string        // the name of the header with the API key; empty: no path with signatures
	ClientNames  []string      // a client certificate must carry one; empty: no path with certificates
	BodyTime     time.Duration // the longest time that a body may take; 30 s when zero
	Now          func() time.Time
	Seen         func(Seen) // is told of each callback after its answer is known; may be nil
}

// Seen is a callback, and its answer.
type Seen struct {
	Path   string // not of this receiver: NotFound
	Answer Answer
	Events []delivery.Event // nil: it was not stored; they may hold personal data
	Took   time.Duration    // to store them
}

// Receiver answers callbacks. It answers 503 until TrustKeys, and TrustClients where there are
// ClientNames, were called. All methods are safe for concurrent use.
type Receiver struct {
	o             Options
	keys, clients atomic.Pointer[trust]
	counts        [answerEnd]atomic.Int64 // of callbacks, since the latest Report
	failing       atomic.Bool             // the latest callback could not be stored
	gate          sync.RWMutex            // held for reading by each callback, and for ever once stopped
}

// New makes a receiver.
func New(o Options) *Receiver {
	o.BodyTime = cmp.Or(o.BodyTime, bodyTime)
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Seen == nil {
		o.Seen = func(Seen) {}
	}
	return &Receiver{o: o}
}

// Stop makes every later callback a 503, and waits until those under way are answered. It is called once.
func (r *Receiver) Stop() { r.gate.Lock() }

// enter reports whether callbacks are taken. After true, gate.RUnlock must be called.
func (r *Receiver) enter() bool {
	if !r.gate.TryRLock() {
		return false
	}
	if r.o.APIKeyHeader != "" && r.keys.Load() == nil || len(r.o.ClientNames) > 0 && r.clients.Load() == nil {
		r.gate.RUnlock()
		return false
	}
	return true
}

// ready reports if the next callback would be stored, as far as is known.
func (r *Receiver) ready() Answer {
	if !r.enter() {
		return Unready
	}
	defer r.gate.RUnlock()
	if r.failing.Load() {
		return NotStored
	}
	return Healthy
}

// ServeHTTP answers one callback, or one question about this process.
func (r *Receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	switch req.URL.Path {
	case HealthPath:
		Healthy.write(w)
	case ReadyPath:
		r.ready().write(w)
	default:
		seen := Seen{Path: req.URL.Path}
		seen.Answer = r.answer(w, req, &seen)
		r.counts[seen.Answer].Add(1)
		r.o.Seen(seen)
		seen.Answer.write(w)
	}
}

// answer decides about a callback, and stores it. It notes in seen what was stored.
func (r *Receiver) answer(w http.ResponseWriter, req *http.Request, seen *Seen) Answer {
	way, found := ways[req.URL.Path]
	switch {
	case !found, way.certificate && len(r.o.ClientNames) == 0, !way.certificate && r.o.APIKeyHeader == "":
		return NotFound
	case req.Method != http.MethodPost:
		return WrongMethod
	case !r.enter():
		return Unready
	}
	defer r.gate.RUnlock()
	verify := r.bySignature
	if way.certificate {
		verify = r.byCertificate
	}
	body, refused := verify(w, req)
	if refused != Stored {
		return refused
	}
	events, began := way.read(body), time.Now()
	stored := r.store(events)
	if stored == Stored {
		seen.Events, seen.Took = events, time.Since(began)
	}
	return stored
}

// bySignature reads the body of a callback and checks its sender. While nothing has verified, a wrong
// signature counts more than a wrong API key: our own secret may be the cause of both.
func (r *Receiver) bySignature(w http.ResponseWriter, req *http.Request) ([]byte, Answer) {
	t := r.keys.Load()
	hasKey := t.hasKey(req.Header.Get(r.o.APIKeyHeader))
	if !hasKey && t.verified.Load() {
		return nil, WrongKey // without reading what a stranger sends
	}
	body, failed := r.body(w, req)
	if failed != Stored {
		return nil, failed
	}
	switch signed := t.signed(body, req.Header.Get(signatureHeader)); {
	case signed && !hasKey:
		return nil, WrongKey
	case !hasKey:
		return nil, r.unverified(t, WrongKey)
	case !signed:
		return nil, r.unverified(t, WrongSignature)
	}
	t.verified.Store(true)
	return body, Stored
}

// byCertificate checks the sender of a callback and reads its body.
func (r *Receiver) byCertificate(w http.ResponseWriter, req *http.Request) ([]byte, Answer) {
	t := r.clients.Load()
	if !t.knows(req.TLS, r.o.ClientNames, r.o.Now()) {
		return nil, r.unverified(t, WrongCertificate)
	}
	t.verified.Store(true)
	return r.body(w, req)
}

// body reads the bytes of a callback. Without them the answer is not Stored.
func (r *Receiver) body(w http.ResponseWriter, req *http.Request) ([]byte, Answer) {
	// A recorder of a test has no deadlines. The server sets its own before the next request.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(r.o.BodyTime))
	body, err := io.ReadAll(http.MaxBytesReader(w, req.Body, mostBody))
	switch {
	case errors.As(err, new(*http.MaxBytesError)):
		return nil, TooLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, TooSlow
	case err != nil:
		return nil, Broken
	}
	return body, Stored
}

// store keeps the events of a callback, also if its sender has left.
func (r *Receiver) store(events []delivery.Event) Answer {
	for i := range events {
		events[i].Received = r.o.Now()
	}
	if err := r.o.Store.Put(context.Background(), events); err != nil {
		r.Fail(err)
		return NotStored
	}
	r.Recovered()
	return Stored
}

// Fail says that callbacks cannot be stored.
func (r *Receiver) Fail(cause error) {
	if !r.failing.Swap(true) {
		r.o.Log.Error("ALARM: callbacks cannot be stored; they get 503, and the services repeat them for two hours", "cause", cause)
	}
}

// Failing reports whether callbacks cannot be stored, as far as is known.
func (r *Receiver) Failing() bool { return r.failing.Load() }

// Recovered says that the store works again.
func (r *Receiver) Recovered() {
	if r.failing.Load() && r.failing.Swap(false) {
		r.o.Log.Info("callbacks can be stored again")
	}
}
