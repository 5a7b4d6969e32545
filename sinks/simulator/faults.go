package simulator

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
	"sync"
	"time"
)

// Kind names one fault. The package comment says what each does.
type Kind uint8

// The faults.
const (
	ResetBefore Kind = iota
	ResetAfter
	TimeoutAfter
	Gateway504After
	Gateway504Before
	Truncated201
	Quota429
	Spike429
	TooEarly425
	SlowAccept
	Unavailable503
	Unavailable503Bare
	Error500Before
	Error500After
	BadGateway502
	HTMLError
	TokenRevoked
	TokenEndpoint500
	TokenJWKS403
	Latency
	PoisonedRecipients
	Banned
	NoSuchPlan
	NotOnboarded
	TokenRefused
	TokenAudience401
	ClockAhead
	ClockBehind
	Busy429
	DeliveredTwice
	kindCount
)

// A setting is one key that a fault's mapping may have.
type setting uint16

const (
	setShare setting = 1 << iota
	setAfter
	setLimit
	setRetryAfter
	setHold
	setProcessing
	setFixed
	setJitter

	setUsual = setShare | setAfter | setLimit
)

// kinds holds each fault's name in a faults file, the keys it takes and what
// those are when not given.
var kinds = [kindCount]struct {
	name     string
	takes    setting
	defaults Fault
}{
	ResetBefore:        {name: "reset_before", takes: setUsual},
	ResetAfter:         {name: "reset_after", takes: setUsual},
	TimeoutAfter:       {name: "timeout_after", takes: setUsual | setHold, defaults: Fault{Hold: 29 * time.Second}},
	Gateway504After:    {name: "gateway_504_after", takes: setUsual},
	Gateway504Before:   {name: "gateway_504_before", takes: setUsual},
	Truncated201:       {name: "truncated_201", takes: setUsual},
	Quota429:           {name: "quota_429", takes: setUsual | setRetryAfter, defaults: Fault{RetryAfter: time.Minute}},
	Spike429:           {name: "spike_429", takes: setUsual | setRetryAfter, defaults: Fault{RetryAfter: time.Second}},
	TooEarly425:        {name: "too_early_425", takes: setUsual | setRetryAfter | setProcessing, defaults: Fault{RetryAfter: 300 * time.Second}},
	SlowAccept:         {name: "slow_accept", takes: setUsual | setRetryAfter | setProcessing, defaults: Fault{RetryAfter: 300 * time.Second}},
	Unavailable503:     {name: "unavailable_503", takes: setUsual | setRetryAfter, defaults: Fault{RetryAfter: 5 * time.Second}},
	Unavailable503Bare: {name: "unavailable_503_bare", takes: setUsual},
	Error500Before:     {name: "error_500_before", takes: setUsual},
	Error500After:      {name: "error_500_after", takes: setUsual},
	BadGateway502:      {name: "bad_gateway_502", takes: setUsual},
	HTMLError:          {name: "html_error", takes: setUsual},
	TokenRevoked:       {name: "token_revoked", takes: setUsual},
	TokenEndpoint500:   {name: "token_endpoint_500", takes: setUsual},
	TokenJWKS403:       {name: "token_jwks_403", takes: setUsual},
	Latency:            {name: "latency", takes: setUsual | setFixed | setJitter, defaults: Fault{Share: 1}},
	PoisonedRecipients: {name: "poisoned_recipients", takes: setShare},
	Banned:             {name: "banned", takes: setUsual, defaults: Fault{Share: 1}},
	NoSuchPlan:         {name: "no_such_plan", takes: setUsual},
	NotOnboarded:       {name: "not_onboarded", takes: setUsual, defaults: Fault{Share: 1}},
	TokenRefused:       {name: "token_refused", takes: setUsual, defaults: Fault{Share: 1}},
	TokenAudience401:   {name: "token_audience_401", takes: setUsual},
	ClockAhead:         {name: "clock_ahead", takes: setFixed, defaults: Fault{Share: 1}},
	ClockBehind:        {name: "clock_behind", takes: setFixed, defaults: Fault{Share: 1}},
	Busy429:            {name: "busy_429", takes: setUsual},
	DeliveredTwice:     {name: "delivered_twice", takes: setUsual | setRetryAfter | setProcessing, defaults: Fault{RetryAfter: 300 * time.Second}},
}

// String is the fault's key in a faults file.
func (k Kind) String() string {
	if k < kindCount {
		return kinds[k].name
	}
	return "unknown fault"
}

// Fault says how often one kind of fault strikes and how hard. A zero setting
// takes the default that the package comment gives it.
type Fault struct {
	Share      float64       // probability that it strikes, 0 to 1
	After      int           // chances it lets pass before the first draw
	Limit      int           // times it strikes at most; 0, no limit
	RetryAfter time.Duration // the Retry-After header, rounded up to whole seconds
	Hold       time.Duration // TimeoutAfter: how long before the 504
	Processing time.Duration // TooEarly425, SlowAccept, DeliveredTwice: how long replays get 425
	Fixed      time.Duration // Latency: the least wait; ClockAhead, ClockBehind: by how much
	Jitter     time.Duration // Latency: the most that is added to it
}

// Faults are the faults of one simulator. Nil is none.
type Faults map[Kind]Fault

// of is the fault with its defaults filled in.
func (f Faults) of(k Kind) Fault {
	v, given := f[k]
	d := kinds[k].defaults
	if given && v.Share == 0 && d.Share > 0 {
		v.Share = d.Share
	}
	if v.RetryAfter == 0 {
		v.RetryAfter = d.RetryAfter
	}
	if v.Hold == 0 {
		v.Hold = d.Hold
	}
	if v.Processing == 0 {
		v.Processing = v.RetryAfter
	}
	return v
}

// shift sets a clock ahead or behind.
func (f Faults) shift(now func() time.Time) func() time.Time {
	by := f[ClockAhead].Fixed - f[ClockBehind].Fixed
	if by == 0 {
		return now
	}
	return func() time.Time { return now().Add(by) }
}

// dice makes every random decision of one simulator. Safe for concurrent use.
type dice struct {
	seed   uint64
	faults [kindCount]Fault

	mu      sync.Mutex // guards what follows
	streams [kindCount]*rand.Rand
	names   *rand.Rand // message ids and tokens
	chances [kindCount]int
	struck  [kindCount]int
}

func newDice(seed uint64, faults Faults) *dice {
	d := &dice{seed: seed, names: rand.New(rand.NewPCG(seed, math.MaxUint64))}
	for k := range kindCount {
		d.faults[k] = faults.of(k)
		d.streams[k] = rand.New(rand.NewPCG(seed, uint64(k)))
	}
	return d
}

// strike draws whether a fault happens now.
func (d *dice) strike(k Kind) (Fault, bool) {
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

// wait draws how long the backend thinks about one request.
func (d *dice) wait() time.Duration {
	f, slow := d.strike(Latency)
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

// poisoned says whether the validator refuses this person. It is a function of
// the seed and the number alone.
func (d *dice) poisoned(nhsNumber string) bool {
	share := d.faults[PoisonedRecipients].Share
	if share <= 0 {
		return false
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(nhsNumber))
	return share >= 1 || rand.New(rand.NewPCG(d.seed, h.Sum64())).Float64() < share
}

func (d *dice) countPoisoned(n int) {
	d.mu.Lock()
	d.struck[PoisonedRecipients] += n
	d.mu.Unlock()
}

// injected counts the faults so far by name.
func (d *dice) injected() map[string]int {
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

// Kinds lists the faults there are.
func Kinds() []Kind {
	all := make([]Kind, kindCount)
	for i := range all {
		all[i] = Kind(i)
	}
	return all
}
