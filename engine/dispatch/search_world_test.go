package dispatch

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"cohort/engine"
	"cohort/engine/enginetest"
	"cohort/engine/journal"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/record"
	"cohort/ingest/person"
)

// scope is one small run that is searched: its people, its faults and their number, and the
// policy that it follows. A set of messages is a mask over their positions.
type scope struct {
	kind            engine.Kind
	messages, batch int // people, and how many of them a batch holds
	routes          int // the people go to them in turn; fewer than two: there are none

	attempts int // requests, over all forms and processes
	crashes  int
	flying   int // requests that are under way at once, given up ones included
	repeats  int // requests that the network delivers once more, later
	losses   int // of the log
	retries  int // by a person who has refused messages sent again
	resends  int // by a person who has messages in doubt sent again

	bad, badLater uint8 // people that the validator refuses, on the first day and on the second
	most          int   // messages in a request, above which it is too large; 0: no limit
	whim          bool  // a gateway may call any request too large
	listed        uint8 // people that a suppression list names at some moment
	day           bool  // a day may pass
	settle        bool  // processes may start to settle what is in doubt, and no more
	unlocked      bool  // a second process may start beside the first
	takeover      bool  // the same, and the first then starts nothing new
	standing      bool  // a process may stand still between the log and the wire
	noPlan        bool  // the log may be lost together with the revisions
	foreign       bool  // the service knows the first batch's reference from elsewhere
	prompt        bool  // every request is answered
	lateReceipts  bool  // receipts may come late, or never; else within the settling time
	mends         uint8 // people that the validator accepts once a person has mended the cause. That also lets in
	// old requests that are still under way, so only people who are sent to again are judged

	policy policy
}

// policy holds the rules that a run follows. The zero policy is the product's own. Each field
// breaks one of its rules.
type policy struct {
	decide       func(engine.Kind, ledger.State, engine.Answer, time.Time) record.Result
	queue        engine.Kind // what a new process takes the service for; 0: what it is
	ask          ask
	newReference bool // each attempt has a reference of its own
	lateIntent   bool // the attempt is not durable when the request goes out
	noSecondCopy bool // revisions are in the log alone
	forgetFirst  bool // a recovered log takes the recovery for the first attempt
	rash         bool // a retry takes up whatever was refused
	deaf         bool // a list does not count for people with refused messages
	hasty        bool // a resend does not wait for the receipts
	blind        bool // a resend does not read them
	promised     bool // it is promised that what is sent again is not taken twice
	bold         bool // a resend takes whoever was accepted
	early        bool // a 425 is taken for a refusal
	copies       bool // a refusal says nothing about a copy of the request that comes later
}

// ask is a way to settle doubt at a service that can be asked.
type ask uint8

const (
	askNever    ask = iota
	askAtOnce       // and what it has not got is sent again
	askInCalm       // the same, but only when nothing is in the network
	askNoResend     // what it has not got stays in doubt
)

// world is everything that can be told apart: what the processes know, what is on
// disk, what is in the network, what the service has done, and what may still befall.
type world struct {
	owners  [2]owner
	kept    uint16 // the second copy of the revisions
	net     [4]packet
	taken   uint64   // references that the service has accepted
	count   [6]uint8 // how often it accepted each message
	listed  listing
	day     uint8
	sent    uint8
	crashes uint8
	repeats uint8
	losses  uint8
	retries uint8
	mended  bool
	retried uint8 // messages that were sent again by a person

	resends  uint8
	again    [6]uint8 // how often it was decided that each message in doubt is sent again
	last     [6]uint8 // 1 + the day of the last attempt of each
	taking   uint8    // messages that were accepted before this day
	receipts uint8    // messages that receipts name
}

// owner is a process with its log. tail holds the ledgers that a crash may leave: the
// first is on disk for certain, the last is what the process knows.
type owner struct {
	tail   [4]int32
	n      uint8
	settle bool
	again  [2]plan.FormID // numbered from 1: in its queue again, though a new process would not queue them
}

// requeue puts a form in the process's queue again.
func (o *owner) requeue(id plan.FormID) {
	id.Batch++
	for i := range o.again {
		if o.again[i] == id || o.again[i] == (plan.FormID{}) {
			o.again[i] = id
			return
		}
	}
}

func (o *owner) now() int32     { return o.tail[o.n-1] }
func (o *owner) synced(l int32) { o.tail, o.n = [4]int32{l}, 1 }
func (o *owner) isAlive() bool  { return o.n > 0 }
func (o *owner) append(l int32) {
	if int(o.n) == len(o.tail) { // by now the committer has written the oldest
		copy(o.tail[:], o.tail[1:])
		o.n--
	}
	o.tail[o.n] = l
	o.n++
}

// packet is a request that has left a process.
type packet struct {
	form  plan.FormID
	n     uint16
	ref   uint8 // 1 + index of its reference; 0: no packet
	mask  uint8 // its messages
	owner uint8 // 1 + index of who waits for the answer; 0: nobody
	state transit
}

type transit uint8

const (
	onTheWire transit = iota
	standing          // its process has logged it, and stands still before the wire
	inWork            // the service has it and works on it for longer than anybody waits
)

type listing uint8

const (
	nobodyListed listing = iota
	toBeApplied
	applied
)

// node is a ledger that the search has met, with what is asked of it often.
type node struct {
	*ledger.Ledger
	revisions uint16 // in its log, as an index into search.copies
	fates     [6]person.Fate
	ready     [2][]plan.FormID // what may be sent; the second in a process that only settles
}

// search walks every world that can be reached in a scope, nearest first.
type search struct {
	scope
	t       testing.TB
	plan    *plan.Plan
	builder plan.Builder
	scratch plan.Body

	nodes   []*node
	byKey   map[string]int32
	applied map[string]int32 // ledger and record: the ledger after it
	copies  [][]string       // lists of revisions, as the second copy holds them
	byCopy  map[string]uint16
	refs    map[engine.Reference]uint8
	settled map[settling]settlement
	bodies  map[[2]uint64][]uint32

	seen    map[world]int32
	worlds  []world
	parents []int32
	good    map[prospect]bool

	enough  bool     // one thing that is wrong is enough
	worst   int      // times that one message was accepted
	decided int      // above 0: one was accepted that was sent again
	lies    []string // the first, with its history
	stuck   []string // the first that does not come to its end
}

var searchStart = time.Date(2026, 11, 21, 6, 0, 0, 0, time.UTC)

// clock is a moment of a day: what happens on the second is more than the validator's
// memory behind the first.
func clock(day uint8) time.Time {
	return searchStart.Add(time.Duration(day) * (ledger.ValidatorMemory + time.Hour))
}

func newSearch(t testing.TB, c scope) *search {
	p := enginetest.NewRouted(c.messages, 1, c.routes, nil)
	s := &search{
		scope: c, t: t, plan: enginetest.SealPlan(t, t.TempDir(), p, engine.Limits{Messages: c.batch, Bytes: 1 << 20}),
		builder: plan.Builder{References: enginetest.TestRun.References(), Source: p, Sink: enginetest.Encoding{}},
		byKey:   map[string]int32{}, applied: map[string]int32{}, byCopy: map[string]uint16{}, refs: map[engine.Reference]uint8{},
		settled: map[settling]settlement{}, bodies: map[[2]uint64][]uint32{}, seen: map[world]int32{}, good: map[prospect]bool{},
	}
	s.plan.Created = searchStart // so that states are packed
	s.plan.NeverAgain = c.resends > 0
	s.keep(nil)
	if s.queueKind() == 0 {
		t.Fatal("a scope without a kind of service")
	}
	return s
}

func (s *search) queueKind() engine.Kind {
	if s.policy.queue != 0 {
		return s.policy.queue
	}
	return s.kind
}

// run searches the whole scope.
func (s *search) run() {
	l, err := ledger.New(s.plan)
	enginetest.Must(s.t, err)
	first := world{}
	first.owners[0].synced(s.open(s.intern(l, 0), 0))
	if s.foreign {
		first.taken |= 1 << (s.reference(plan.FormID{}, 1) - 1)
	}
	s.visit(first, -1)
	for i := int32(0); int(i) < len(s.worlds) && !(s.enough && s.isWrong()); i++ {
		s.steps(s.worlds[i], func(w world) { s.visit(w, i) })
	}
}

func (s *search) isWrong() bool { return s.worst > 1 || len(s.lies)+len(s.stuck) > 0 }

// visit notes a world once, and what is wrong with it.
func (s *search) visit(w world, from int32) {
	slices.SortFunc(w.net[:], func(a, b packet) int { return bytes.Compare(a.key(), b.key()) })
	if _, known := s.seen[w]; known {
		return
	}
	at := int32(len(s.worlds))
	s.seen[w] = at
	s.worlds, s.parents = append(s.worlds, w), append(s.parents, from)
	for m := range s.messages {
		if s.mends == 0 || w.retried&(1<<m) != 0 {
			times := int(w.count[m])
			s.decided = max(s.decided, times*int(w.again[m]))
			if s.lateReceipts && !s.policy.promised {
				times -= int(w.again[m]) // what was decided may have been wrong
			}
			s.worst = max(s.worst, times)
		}
	}
	if lie := s.lie(&w); lie != "" && len(s.lies) == 0 {
		s.lies = append(s.lies, lie+s.history(at))
	}
	if s.kind == engine.Deduplicates && !s.foreign && s.mends == 0 && len(s.stuck) == 0 {
		if end := s.end(w); end != "" {
			s.stuck = append(s.stuck, end+s.history(at))
		}
	}
}

func (p packet) key() []byte {
	b := []byte{p.ref, p.mask, p.owner, byte(p.state)}
	b = binary.BigEndian.AppendUint32(b, p.form.Batch)
	return append(b, byte(p.form.Revision), byte(p.form.Part), byte(p.n))
}

// lie says which message's fate is not what the service knows.
func (s *search) lie(w *world) string {
	if s.mends != 0 {
		return ""
	}
	for i := range w.owners {
		if !w.owners[i].isAlive() {
			continue
		}
		n := s.nodes[w.owners[i].now()]
		for m := range s.messages {
			took := w.count[m] > 0
			switch fate := n.fates[m]; {
			case fate == person.Accepted && !took,
				(fate == person.Refused || fate == person.Suppressed) && took,
				fate == person.NotSent && took && !w.owners[1].isAlive():
				return fmt.Sprintf("message %d is %q and was accepted %d times", m, fate, w.count[m])
			}
		}
	}
	return ""
}

// history lists the steps to a world.
func (s *search) history(at int32) string {
	var lines []string
	for i := at; i >= 0; i = s.parents[i] {
		w := &s.worlds[i]
		line := fmt.Sprintf("  sent %d, crashes %d, day %d, listed %d, accepted %v, kept %d, net", w.sent, w.crashes, w.day, w.listed, w.count[:s.messages], w.kept)
		for _, p := range w.net {
			if p.ref != 0 {
				line += fmt.Sprintf(" {%v n%d ref %d mask %b owner %d state %d}", p.form, p.n, p.ref, p.mask, p.owner, p.state)
			}
		}
		for j := range w.owners {
			if w.owners[j].isAlive() {
				line += fmt.Sprintf("\n    process %d:", j)
				n := s.nodes[w.owners[j].now()]
				for _, id := range formIDs(n.Ledger) {
					line += fmt.Sprintf(" %v %+v", id, n.State(id))
				}
			}
		}
		lines = append(lines, line)
	}
	slices.Reverse(lines)
	return "\n" + strings.Join(lines, "\n")
}

// intern gives a ledger its number: the same for all that nothing can tell apart.
func (s *search) intern(l *ledger.Ledger, revisions uint16) int32 {
	b := binary.LittleEndian.AppendUint16(nil, revisions)
	for _, id := range formIDs(l) {
		st := l.State(id)
		b = append(b, byte(id.Batch), byte(id.Revision), byte(id.Part), byte(st.Messages), byte(st.Attempts), byte(st.Unsent), byte(st.Phase))
		if st.First != 0 {
			b = append(b, byte(1+st.First.Time().Sub(searchStart)/ledger.ValidatorMemory))
		}
		if s.retries+s.resends > 0 { // then lost logs are recovered as the product does it
			b = append(b, byte(st.Loss), byte(st.Resend))
		}
		b = append(b, 255)
	}
	for batch := range uint32(s.plan.Batches()) {
		for _, rows := range [][]record.RefusedRow{l.Refused(batch), l.LeftOut(batch), l.TooLate(batch)} {
			for _, r := range rows {
				b = append(b, byte(r.Position))
			}
			b = append(b, 255)
		}
		if s.retries > 0 {
			b = append(b, flag(l.IsUnsure(batch)))
		}
	}
	b = append(b, flag(*inside[bool](l, "deciding")))
	if id, known := s.byKey[string(b)]; known {
		return id
	}
	n := &node{Ledger: l, revisions: revisions}
	s.fill(n)
	s.byKey[string(b)] = int32(len(s.nodes))
	s.nodes = append(s.nodes, n)
	return int32(len(s.nodes) - 1)
}

func flag(b bool) byte {
	if b {
		return 1
	}
	return 0
}

// fill works out what is asked of a ledger often, and holds it to the law of
// conservation: each message has one fate, and the account adds up.
func (s *search) fill(n *node) {
	if err := n.Account().Check(); err != nil {
		s.t.Fatal(err)
	}
	say := func(position uint32, fate person.Fate) {
		if n.fates[position] != "" {
			s.t.Fatalf("message %d is %q and %q", position, n.fates[position], fate)
		}
		n.fates[position] = fate
	}
	for batch := range uint32(s.plan.Batches()) {
		for id, st := range n.Forms(batch) {
			positions := s.positions(n.Ledger, id)
			if len(positions) != int(st.Messages) {
				s.t.Fatalf("form %v has %d messages and says %d", id, len(positions), st.Messages)
			}
			for _, p := range positions {
				say(p, st.Fate())
			}
		}
		for _, r := range n.Refused(batch) {
			say(r.Position, person.Refused)
		}
		for _, r := range n.LeftOut(batch) {
			say(r.Position, person.Suppressed)
		}
	}
	for m := range s.messages {
		if n.fates[m] == "" {
			s.t.Fatalf("message %d has no fate", m)
		}
	}
	for i, settle := range []bool{false, true} {
		now := clock(9)
		q := newQueue(n.Ledger, s.queueKind(), settle, now)
		for {
			id, _, ok := q.next(now)
			if !ok {
				break
			}
			q.take(id)
			if !n.State(id).IsPending() { // that one is in hand
				n.ready[i] = append(n.ready[i], id)
			}
		}
		slices.SortFunc(n.ready[i], byForm)
		for _, id := range formIDs(n.Ledger) {
			if st := n.State(id); st.Resend.IsDue() && st.Phase == ledger.InDoubt && slices.Contains(n.ready[i], id) == settle {
				s.t.Fatalf("a message that is to be sent again, in a process that settles %v: %v", settle, n.ready[i])
			}
		}
	}
}

// positions lists the messages of a form.
func (s *search) positions(l *ledger.Ledger, id plan.FormID) []uint32 {
	f, err := l.Form(id)
	enginetest.Must(s.t, err)
	var mask uint64
	for _, d := range f.Dropped {
		mask |= 1 << d
	}
	planned, err := s.plan.Batch(id.Batch)
	enginetest.Must(s.t, err)
	key := [2]uint64{uint64(f.From)<<32 | uint64(f.To), mask | uint64(planned.Lane)<<32}
	if known, ok := s.bodies[key]; ok {
		return known
	}
	enginetest.Must(s.t, s.builder.Encode(&s.scratch, engine.Reference{}, planned.Lane, &f))
	s.bodies[key] = slices.Clone(s.scratch.Positions)
	return s.bodies[key]
}

func maskOf(positions []uint32) (m uint8) {
	for _, p := range positions {
		m |= 1 << p
	}
	return m
}

// logged folds a record into a ledger as production does: from its bytes.
func (s *search) logged(folded int32, rec record.Record) int32 {
	key := binary.LittleEndian.AppendUint32(nil, uint32(folded))
	key = record.Append(append(key, byte(rec.Kind())), rec)
	if after, known := s.applied[string(key)]; known {
		return after
	}
	l, payload := s.nodes[folded].Clone(), key[5:]
	if s.policy.rash {
		clear(*inside[map[uint32]bool](l, "unsure"))
	}
	if r, ok := rec.(*record.Resolved); ok && s.policy.bold && r.Result == record.ResultResend {
		base := inside[struct {
			packed []struct {
				rest [5]uint16
				kind uint16
			}
			kinds []ledger.State
		}](l, "base")
		held := l.State(r.Form)
		held.Phase, held.First, held.Settled = ledger.Held, 0, 0
		base.packed[r.Form.Batch].kind, base.kinds = uint16(len(base.kinds)), append(base.kinds, held)
	}
	if err := l.Apply(journal.Record{Type: rec.Kind(), Payload: payload}); err != nil {
		s.t.Fatalf("%v\nledger %+v\nrecord %+v", err, formIDs(s.nodes[folded].Ledger), rec)
	}
	revisions := s.nodes[folded].revisions
	if rec.Kind() == record.KindRevision {
		revisions = s.keep(append(slices.Clone(s.copies[revisions]), string(payload)))
	}
	after := s.intern(l, revisions)
	s.applied[string(key)] = after
	return after
}

// inside is a field of a ledger that nothing but the fold may change, for rules that are unsafe.
func inside[T any](l *ledger.Ledger, field string) *T {
	return (*T)(reflect.ValueOf(l).Elem().FieldByName(field).Addr().UnsafePointer())
}

// keep gives a list of revisions its number.
func (s *search) keep(revisions []string) uint16 {
	key := strings.Join(revisions, "\x00|\x00")
	if id, known := s.byCopy[key]; known {
		return id
	}
	id := uint16(len(s.copies))
	s.byCopy[key], s.copies = id, append(s.copies, revisions)
	return id
}

// open has a process take a ledger on.
func (s *search) open(ledger int32, day uint8) int32 {
	return s.logged(ledger, &record.RunOpened{Plan: s.plan.Digest, At: clock(day)})
}

// reference is the name under which a form goes out, as a number from 1.
func (s *search) reference(id plan.FormID, n uint16) uint8 {
	planned, err := s.plan.Batch(id.Batch)
	enginetest.Must(s.t, err)
	r := s.builder.Reference(&planned, id)
	if s.policy.newReference {
		r[0], r[1] = 'n', byte(n)
	}
	if _, known := s.refs[r]; !known {
		if s.refs[r] = uint8(len(s.refs) + 1); len(s.refs) > 64 {
			s.t.Fatal("more references than the search has room for")
		}
	}
	return s.refs[r]
}

func (s *search) refusedBy(w *world, mask uint8) uint8 {
	switch {
	case w.mended:
		return s.bad &^ s.mends & mask
	case w.day > 0:
		return s.badLater & mask
	}
	return s.bad & mask
}

func (s *search) isTooLarge(mask uint8) bool { return s.most > 0 && bits.OnesCount8(mask) > s.most }
