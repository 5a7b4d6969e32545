// Package callbacks sends callbacks about accepted messages, as the services do.
//
// NHS Notify posts the statuses of messages and of channels, and signs the raw body. The NHS App
// posts receipts (FHIR Task), with a client certificate and without a signature. Nothing is
// published about its second attempts, and the simulator gives it those of NHS Notify.
//
// Callbacks are not kept. A later process with the same ledger sends all of them again.
package callbacks

import (
	"cmp"
	"container/heap"
	"context"
	"io"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"cohort/sinks/simulator/faults"
	"cohort/sinks/simulator/gateway"
	"cohort/sinks/simulator/ledger"
)

// The kinds of events. They are the types in a body.
const (
	MessageStatus = "MessageStatus"
	ChannelStatus = "ChannelStatus"
	Task          = "Task" // a receipt of the NHS App
)

var paths = map[string]string{
	MessageStatus: "/callbacks/notify/messages", ChannelStatus: "/callbacks/notify/channels", Task: "/callbacks/nhsapp/FHIR/R4/Task",
}

// Event is one thing that a service says about one message.
type Event struct {
	At      time.Time
	Kind    string
	Status  string
	Content func() map[string]any // a new map: the attributes of an item, or a whole Task
}

// Options configure a Sender.
type Options struct {
	URL    string // of the receiver; the paths come after it
	Target Target
	Faults faults.Set
	Hasten float64   // divides the delays of faults and of second attempts; 1 when zero
	Log    io.Writer // gets a Line for each callback that is decided; nil: nobody
}

// Counts are the counters of a Sender.
type Counts struct {
	Pending  int            `json:"pending"`  // messages with events to come, and callbacks that are not decided
	ByAnswer map[int]int    `json:"byAnswer"` // attempts, by HTTP status; 0 is no answer
	Fates    map[string]int `json:"fates"`    // decided callbacks
	Faults   map[string]int `json:"faults"`   // by name
}

// Sender sends callbacks. It is safe for concurrent use.
type Sender struct {
	o                 Options
	dice              *faults.Dice
	now               func() time.Time
	ledger            *ledger.Ledger
	events            func(*ledger.Accepted) []Event
	trusted, stranger *http.Client // with and without the client certificate

	mu       sync.Mutex // guards what follows
	queue    queue
	requests int // of the ledger, taken so far
	messages int // in them
	inHand   int // taken from the queue and not decided
	counts   Counts
}

// New makes a Sender. It sends nothing before Run. events lists the events of a message in the order
// of time.
func New(o Options, seed uint64, now func() time.Time, l *ledger.Ledger, events func(*ledger.Accepted) []Event) *Sender {
	o.Hasten = cmp.Or(o.Hasten, 1)
	o.Target = o.Target.withDefaults(o.Hasten)
	subscribed := func(a *ledger.Accepted) []Event {
		return slices.DeleteFunc(events(a), func(e Event) bool {
			return len(o.Target.Statuses) > 0 && e.Kind != Task && !slices.Contains(o.Target.Statuses, e.Status)
		})
	}
	return &Sender{
		o: o, dice: faults.NewDice(seed, o.Faults), now: now, ledger: l, events: subscribed,
		trusted: o.Target.client(o.Target.Certificates), stranger: o.Target.client(nil),
		counts: Counts{ByAnswer: map[int]int{}, Fates: map[string]int{}},
	}
}

// Run sends callbacks until ctx is done. It is called once.
func (s *Sender) Run(ctx context.Context) {
	limit := rate.NewLimiter(rate.Inf, 0)
	if t := s.o.Target; t.Rate > 0 {
		limit = rate.NewLimiter(rate.Limit(t.Rate), t.Burst)
	}
	var workers sync.WaitGroup
	calls := make(chan *call)
	for range s.o.Target.Connections {
		workers.Go(func() {
			for c := range calls {
				s.attempt(ctx, c)
			}
		})
	}
	defer workers.Wait()
	defer close(calls)
	for ctx.Err() == nil {
		c := s.next()
		if c == nil {
			gateway.Wait(ctx, 5*time.Millisecond)
			continue
		}
		_ = limit.Wait(ctx)
		select {
		case calls <- c:
		case <-ctx.Done():
		}
	}
}

// next takes the next callback that is due from the queue; nil when none is. First it puts newly
// accepted messages into the queue.
func (s *Sender) next() *call {
	s.mu.Lock()
	defer s.mu.Unlock()
	for list, ok := s.ledger.Nth(s.requests); ok; list, ok = s.ledger.Nth(s.requests) {
		s.requests++
		s.messages += len(list)
		for i := range list {
			s.plan(&list[i], s.events(&list[i]), 0)
		}
	}
	for len(s.queue) > 0 && !s.queue[0].at.After(s.now()) {
		e := heap.Pop(&s.queue).(entry)
		if e.call != nil {
			s.inHand++
			return e.call
		}
		events := s.events(e.of)
		s.plan(e.of, events, e.nth+1)
		s.announce(e.of, events, e.nth)
	}
	return nil
}

// plan puts a message's nth event into the queue, if there is one. The caller holds s.mu.
func (s *Sender) plan(of *ledger.Accepted, events []Event, nth int) {
	if nth < len(events) {
		heap.Push(&s.queue, entry{at: events[nth].At, of: of, nth: nth})
	}
}

// push puts a callback into the queue. The caller holds s.mu.
func (s *Sender) push(at time.Time, c *call) { heap.Push(&s.queue, entry{at: at, call: c}) }

// hastened is a time of the service in real time.
func (s *Sender) hastened(d time.Duration) time.Duration {
	return time.Duration(float64(d) / s.o.Hasten)
}

// Counts returns the counters as they stand.
func (s *Sender) Counts() Counts {
	accepted := s.ledger.Totals().MessagesAccepted
	s.mu.Lock()
	defer s.mu.Unlock()
	return Counts{
		Pending:  len(s.queue) + s.inHand + max(0, accepted-s.messages),
		ByAnswer: maps.Clone(s.counts.ByAnswer), Fates: maps.Clone(s.counts.Fates), Faults: s.dice.Struck(),
	}
}

// entry is the nth event of a message, or a callback to send.
type entry struct {
	at   time.Time
	of   *ledger.Accepted
	nth  int
	call *call // nil for an event
}

// queue is a heap by time.
type queue []entry

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].at.Before(q[j].at) }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(e any)        { *q = append(*q, e.(entry)) }
func (q *queue) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = entry{}
	*q = (*q)[:last]
	return e
}
