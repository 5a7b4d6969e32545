// Package faults decides which requests a simulator spoils, and how.
//
// A faults file is YAML. Each key names a fault. Its value is a share (the probability,
// from 0 to 1, that the fault strikes a request) or a mapping with the share and further
// settings:
//
//	reset_after: 0.02
//	truncated_201: {share: 1, limit: 1}       # once, on the first 201
//	quota_429: {share: 0.05, retry_after: 1s}
//	latency: {fixed: 20ms, jitter: 30ms}
//
// Every fault but poisoned_recipients, clock_ahead and clock_behind takes "after" (the
// number of chances it lets pass first) and "limit" (the number of times it strikes at
// most; 0 means no limit). The table kinds has every fault's key, settings and defaults, and
// the constants say what each does.
//
// At the NHS App, too_early_425, slow_accept, delivered_twice and no_such_plan never
// strike. There every 5xx is an OperationOutcome of code unknown, spike_429 and busy_429
// carry no Retry-After, and a revoked token is called expired.
//
// Another file spoils the callbacks that the simulator sends. A callback says one thing about
// one message. Hasten divides the delays. Receipts of the NHS App have no signature, key, items or
// idempotencyKey, and faults of these never strike them.
//
// Each fault draws from its own stream, made from the seed. A fault that is added to a file
// leaves the decisions of the others as they were.
package faults

import (
	"cmp"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"time"
)

// Kind names one fault.
type Kind uint8

// The faults. A decided request was accepted, or was found to be a duplicate.
//
// TooEarly425 is drawn once for each reference. Its RetryAfter also goes with every 425 that no
// fault made. Of DeliveredTwice, the first delivery is accepted after Processing, and the second,
// which this answers, gets 425.
const (
	ResetBefore        Kind = iota // connection reset; nothing was accepted
	ResetAfter                     // decided, then reset
	TimeoutAfter                   // decided, held for Hold, then 504 CM_TIMEOUT
	Gateway504After                // decided, then 504 CM_TIMEOUT at once
	Gateway504Before               // 504 CM_TIMEOUT; nothing was accepted
	Truncated201                   // accepted; the 201 stops in the middle of its body
	Quota429                       // 429 CM_QUOTA
	Spike429                       // 429 CM_QUOTA
	TooEarly425                    // a replay of an accepted reference is answered 425 for Processing
	SlowAccept                     // accepted, reset, and replays get 425 for Processing
	Unavailable503                 // 503 with a Retry-After
	Unavailable503Bare             // 503 without Retry-After, as the live policy
	Error500Before                 // 500 CM_INTERNAL_SERVER_ERROR; nothing was accepted
	Error500After                  // decided, then the same 500
	BadGateway502                  // 502 CM_BAD_GATEWAY; nothing was accepted
	HTMLError                      // 502 with an HTML body; nothing was accepted
	TokenRevoked                   // 401 CM_DENIED, and the token is void; only after five answered requests with it
	TokenEndpoint500               // the token endpoint answers 500; the jti is used up
	TokenJWKS403                   // the token endpoint cannot reach the public keys
	Latency                        // the backend waits for Fixed plus up to Jitter
	PoisonedRecipients             // the share of valid NHS numbers, the same for one seed, that the validator refuses
	Banned                         // 403 CM_SERVICE_BAN
	NoSuchPlan                     // 404 CM_NO_SUCH_ROUTING_PLAN
	NotOnboarded                   // 403 CM_FORBIDDEN
	TokenRefused                   // 401 CM_DENIED to every token: the application may not use this service
	TokenAudience401               // the token endpoint knows itself by another address, and refuses 'aud'
	ClockAhead                     // the service's clock, and the Date of every answer, is off by Fixed
	ClockBehind                    // the same in the other direction
	Busy429                        // 429 because the whole API is busy (NHS App only)
	DeliveredTwice                 // a gateway delivers the POST twice

	// These change a callback of the service, and none of them changes its truth.
	Reordered        // sent after the message's next callback
	Late             // sent Fixed later
	NewFields        // has members that no contract names
	SeveralItems     // its body begins with an unknown item and the earlier callbacks of that kind; the new item is the last
	WrongSecretFirst // the first attempt is signed wrong, and the next ones right, as after a rotation

	// These add a callback that must be acknowledged.
	Duplicated   // the same bytes again, up to Jitter later
	Replayed     // the same bytes again, Fixed later
	Alike        // the same status and idempotencyKey with a later time; only of statuses that are not the last
	UnknownValue // a status that no contract lists
	UnknownType  // an item of an unknown type

	// These add one that must be refused. What Forged and WrongAPIKey say is untrue.
	Forged      // a wrong signature; for a receipt no client certificate, if the simulator has one
	WrongAPIKey // a right signature, and a wrong API key in the header
	Oversized   // 2 MiB of body
	SlowBody    // half the body, and the rest after Hold of real time

	kindCount
)

// usual are the settings of most faults.
const usual = "share after limit"

// kinds holds each fault's name in a faults file, the keys it takes, and their defaults.
var kinds = [kindCount]struct {
	name     string
	takes    string // the keys of its mapping, with blanks between
	defaults Fault
}{
	ResetBefore:        {name: "reset_before", takes: usual},
	ResetAfter:         {name: "reset_after", takes: usual},
	TimeoutAfter:       {name: "timeout_after", takes: usual + " hold", defaults: Fault{Hold: 29 * time.Second}},
	Gateway504After:    {name: "gateway_504_after", takes: usual},
	Gateway504Before:   {name: "gateway_504_before", takes: usual},
	Truncated201:       {name: "truncated_201", takes: usual},
	Quota429:           {name: "quota_429", takes: usual + " retry_after", defaults: Fault{RetryAfter: time.Minute}},
	Spike429:           {name: "spike_429", takes: usual + " retry_after", defaults: Fault{RetryAfter: time.Second}},
	TooEarly425:        {name: "too_early_425", takes: usual + " retry_after processing", defaults: Fault{RetryAfter: 300 * time.Second}},
	SlowAccept:         {name: "slow_accept", takes: usual + " retry_after processing", defaults: Fault{RetryAfter: 300 * time.Second}},
	Unavailable503:     {name: "unavailable_503", takes: usual + " retry_after", defaults: Fault{RetryAfter: 5 * time.Second}},
	Unavailable503Bare: {name: "unavailable_503_bare", takes: usual},
	Error500Before:     {name: "error_500_before", takes: usual},
	Error500After:      {name: "error_500_after", takes: usual},
	BadGateway502:      {name: "bad_gateway_502", takes: usual},
	HTMLError:          {name: "html_error", takes: usual},
	TokenRevoked:       {name: "token_revoked", takes: usual},
	TokenEndpoint500:   {name: "token_endpoint_500", takes: usual},
	TokenJWKS403:       {name: "token_jwks_403", takes: usual},
	Latency:            {name: "latency", takes: usual + " fixed jitter", defaults: Fault{Share: 1}},
	PoisonedRecipients: {name: "poisoned_recipients", takes: "share"},
	Banned:             {name: "banned", takes: usual, defaults: Fault{Share: 1}},
	NoSuchPlan:         {name: "no_such_plan", takes: usual},
	NotOnboarded:       {name: "not_onboarded", takes: usual, defaults: Fault{Share: 1}},
	TokenRefused:       {name: "token_refused", takes: usual, defaults: Fault{Share: 1}},
	TokenAudience401:   {name: "token_audience_401", takes: usual},
	ClockAhead:         {name: "clock_ahead", takes: "fixed", defaults: Fault{Share: 1}},
	ClockBehind:        {name: "clock_behind", takes: "fixed", defaults: Fault{Share: 1}},
	Busy429:            {name: "busy_429", takes: usual},
	DeliveredTwice:     {name: "delivered_twice", takes: usual + " retry_after processing", defaults: Fault{RetryAfter: 300 * time.Second}},

	Reordered:        {name: "reordered", takes: usual},
	Late:             {name: "late", takes: usual + " fixed", defaults: Fault{Fixed: 72 * time.Hour}},
	NewFields:        {name: "new_fields", takes: usual},
	SeveralItems:     {name: "several_items", takes: usual},
	WrongSecretFirst: {name: "wrong_secret_first", takes: usual},
	Duplicated:       {name: "duplicated", takes: usual + " jitter", defaults: Fault{Jitter: time.Minute}},
	Replayed:         {name: "replayed", takes: usual + " fixed", defaults: Fault{Fixed: 168 * time.Hour}},
	Alike:            {name: "alike", takes: usual},
	UnknownValue:     {name: "unknown_value", takes: usual},
	UnknownType:      {name: "unknown_type", takes: usual},
	Forged:           {name: "forged", takes: usual},
	WrongAPIKey:      {name: "wrong_api_key", takes: usual},
	Oversized:        {name: "oversized", takes: usual},
	SlowBody:         {name: "slow_body", takes: usual + " hold", defaults: Fault{Hold: 35 * time.Second}},
}

// String is the fault's key in a faults file.
func (k Kind) String() string { return kinds[k].name }

// Fault holds the settings of one kind of fault. A zero setting takes the default in kinds.
type Fault struct {
	Share      float64       // probability that it strikes, 0 to 1
	After      int           // chances it lets pass before the first draw
	Limit      int           // the most times it strikes; 0: no limit
	RetryAfter time.Duration // the Retry-After header, rounded up to whole seconds
	Hold       time.Duration // TimeoutAfter: the wait before the 504; SlowBody: the pause within the body
	Processing time.Duration // TooEarly425, SlowAccept, DeliveredTwice: replays get 425 for so long; else RetryAfter
	Fixed      time.Duration // Latency: the shortest wait; ClockAhead, ClockBehind: the error of the clock; Late, Replayed: the delay
	Jitter     time.Duration // Latency: the longest addition to it; Duplicated: the longest delay
}

// Set holds the faults of one simulator. Nil is none.
type Set map[Kind]Fault

// of is the fault with its defaults filled in.
func (s Set) of(k Kind) Fault {
	f, given := s[k]
	d := kinds[k].defaults
	if given && f.Share == 0 {
		f.Share = d.Share
	}
	f.RetryAfter, f.Hold = cmp.Or(f.RetryAfter, d.RetryAfter), cmp.Or(f.Hold, d.Hold)
	f.Processing = cmp.Or(f.Processing, f.RetryAfter)
	f.Fixed, f.Jitter = cmp.Or(f.Fixed, d.Fixed), cmp.Or(f.Jitter, d.Jitter)
	return f
}

// Shift returns a clock that ClockAhead and ClockBehind have changed.
func (s Set) Shift(now func() time.Time) func() time.Time {
	by := s[ClockAhead].Fixed - s[ClockBehind].Fixed
	return func() time.Time { return now().Add(by) }
}

// Dice decides whether a fault strikes. It is safe for concurrent use.
type Dice struct {
	seed   uint64
	faults [kindCount]Fault

	mu      sync.Mutex // guards what follows
	streams [kindCount]*rand.Rand
	chances [kindCount]int
	struck  [kindCount]int
}

// NewDice makes the dice of a seed. The same seed gives the same decisions.
func NewDice(seed uint64, set Set) *Dice {
	d := &Dice{seed: seed}
	for k := range kindCount {
		d.faults[k] = set.of(k)
		d.streams[k] = rand.New(rand.NewPCG(seed, uint64(k)))
	}
	return d
}

// Fault returns the settings of a fault, with its defaults.
func (d *Dice) Fault(k Kind) Fault { return d.faults[k] }

// Hit draws whether a fault strikes now.
func (d *Dice) Hit(k Kind) bool { _, hit := d.Strike(k); return hit }

// Strike draws whether a fault strikes now, and returns its settings.
func (d *Dice) Strike(k Kind) (Fault, bool) {
	f := d.faults[k]
	if f.Share <= 0 {
		return f, false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.chances[k]++
	if d.chances[k] <= f.After || f.Limit > 0 && d.struck[k] >= f.Limit {
		return f, false
	}
	if f.Share < 1 && d.streams[k].Float64() >= f.Share {
		return f, false
	}
	d.struck[k]++
	return f, true
}

// Latency draws the time that the backend takes for one request.
func (d *Dice) Latency() time.Duration {
	f, slow := d.Strike(Latency)
	if !slow {
		return 0
	}
	if f.Jitter <= 0 {
		return f.Fixed
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return f.Fixed + time.Duration(d.streams[Latency].Int64N(int64(f.Jitter)+1))
}

// Poisoned reports whether the validator refuses this person. It is a function of the seed
// and the number alone.
func (d *Dice) Poisoned(nhsNumber string) bool {
	share := d.faults[PoisonedRecipients].Share
	if share <= 0 {
		return false
	}
	return share >= 1 || rand.New(Stream(d.seed, nhsNumber)).Float64() < share
}

// Stream makes the stream of random numbers of a name, such as an id.
func Stream(seed uint64, name string) *rand.PCG {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name))
	return rand.NewPCG(seed, h.Sum64())
}

// Poison is Poisoned for a request, and counts the refused rows.
func (d *Dice) Poison(nhsNumber string) bool {
	hit := d.Poisoned(nhsNumber)
	if hit {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.struck[PoisonedRecipients]++
	}
	return hit
}

// Struck counts the faults so far, by name.
func (d *Dice) Struck() map[string]int {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := map[string]int{}
	for k, n := range d.struck {
		if n > 0 {
			out[Kind(k).String()] = n
		}
	}
	return out
}

// Names lists faults as a faults file has them.
func Names(of []Kind) (all []string) {
	for _, k := range of {
		all = append(all, k.String())
	}
	return all
}

var every = func() (all [kindCount]Kind) {
	for k := range kindCount {
		all[k] = k
	}
	return all
}()

// Kinds lists the faults of requests to the services.
func Kinds() []Kind { return every[:Reordered] }

// CallbackKinds lists the faults of the callbacks that the services send.
func CallbackKinds() []Kind { return every[Reordered:] }
