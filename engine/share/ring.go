package share

import (
	"encoding/binary"
	"hash/crc32"
	"time"

	"cohort/engine/pace"
)

const (
	minute = time.Minute + time.Minute/1000
	second = time.Second + time.Second/1000
	slice  = 50 * time.Millisecond
	kept   = 1280 // more than a minute before now and a permit's life after it
	ahead  = int64(pace.PermitLife/slice) + 1
	seats  = 24

	demand = 250 * time.Millisecond // a run that wants a permit asks again within this time
	light  = 1 << 20                // the cost of a permit for a run of weight 1
	page   = 4096                   // a write of one page is never half done when its process is killed
)

var mark = [8]byte{'s', 'h', 'a', 'r', 'e', ' ', '1', '\n'}

// ring is the contents of the file. Moments are of the kernel's monotonic clock. Its methods need the lock.
type ring struct {
	head
	Ended [kept]uint16 // requests that may have reached the service until the end of a slice of time, by its number
	Seats [seats]seat
}

type head struct {
	Mark  [8]byte
	Boot  [36]byte      // the start of the machine that the moments are of
	At    int64         // the slice that was now at the latest change
	Last  time.Duration // the latest permit
	Held  time.Duration // nobody sends before: the service asked for quiet
	Blank time.Duration // nobody sends before: the minute before is not known
	Paid  int64         // by the run that got the latest permit, before it
}

// seat is one run's. Weight 0: nobody has it.
type seat struct {
	Weight uint16
	Urgent bool
	Quota  uint32
	InAir  uint32        // requests with a permit and without an answer
	Wants  time.Duration // the run wants a permit, until then
	Paid   int64
}

// parts are what stands in the file, with a checksum behind it.
func (r *ring) parts() [3]any { return [3]any{&r.head, r.Ended[:], &r.Seats} }

func (r *ring) encode() []byte {
	b := make([]byte, 0, page)
	for _, part := range r.parts() {
		b, _ = binary.Append(b, binary.LittleEndian, part) // the sizes are fixed: it cannot fail
	}
	b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b))
	return b[:page]
}

// decode reports whether b is what encode made.
func (r *ring) decode(b []byte) bool {
	if len(b) < page {
		return false
	}
	n := 0
	for _, part := range r.parts() {
		size, _ := binary.Decode(b[n:], binary.LittleEndian, part)
		n += size
	}
	return r.Mark == mark && binary.LittleEndian.Uint32(b[n:]) == crc32.ChecksumIEEE(b[:n])
}

// advance forgets what is over at now.
func (r *ring) advance(now time.Duration) {
	at := int64(now / slice)
	for i := max(r.At, at-kept) + 1; i <= at; i++ {
		r.Ended[(i+ahead)%kept] = 0
	}
	r.At = at
}

// end counts n requests until a moment, at most a permit's life after now.
func (r *ring) end(n uint32, at time.Duration) { r.Ended[int64(at/slice)%kept] += uint16(n) }

// leave frees a seat. What it had in the air may still be on its way.
func (r *ring) leave(i int, now time.Duration) {
	r.end(r.Seats[i].InAir, now+pace.PermitLife)
	r.Seats[i] = seat{}
}

// count returns how many requests may have reached the service since a window before now, or may still.
func (r *ring) count(now, window time.Duration) (n int) {
	for i := max(0, int64((now-window)/slice)); i <= r.At+ahead; i++ {
		n += int(r.Ended[i%kept])
	}
	for _, s := range r.Seats {
		n += int(s.InAir)
	}
	return n
}

// quota is the lowest that a run states.
func (r *ring) quota() int {
	least := uint32(0)
	for _, s := range r.Seats {
		if s.Weight > 0 && (least == 0 || s.Quota < least) {
			least = s.Quota
		}
	}
	return int(least)
}

// isNext reports whether no other run that wants a permit at now comes before the run on a seat. urgent: one that
// comes before it is urgent, and it is not.
func (r *ring) isNext(me int, now time.Duration) (next, urgent bool) {
	mine := &r.Seats[me]
	next = true
	for i := range r.Seats {
		s := &r.Seats[i]
		switch {
		case i == me || s.Wants <= now:
		case s.Urgent != mine.Urgent:
			urgent = urgent || s.Urgent
		case s.Paid < mine.Paid || s.Paid == mine.Paid && i < me:
			next = false
		}
	}
	return next && !urgent, urgent
}

// ask gives the run on a seat a permit, or returns how long to wait before asking again. urgent is that of isNext.
func (r *ring) ask(me int, now time.Duration) (wait time.Duration, urgent bool) {
	s, quota := &r.Seats[me], r.quota()
	gap := time.Minute / time.Duration(quota) * 4 / 5 // no bursts, and some room to make up for late timers
	wait = min(max(gap/4, time.Millisecond), demand/5)
	if until := max(r.Held, r.Blank); now < until {
		return until - now, false
	}
	s.Wants, s.Paid = now+demand, max(s.Paid, r.Paid-light)
	next, urgent := r.isNext(me, now)
	if !next || now < r.Last+gap || r.count(now, second) > quota/60 || r.count(now, minute) >= quota {
		return wait, urgent
	}
	r.Last, r.Paid, s.Wants = now, max(r.Paid, s.Paid), 0
	s.Paid += light / int64(s.Weight)
	s.InAir++
	return 0, false
}
