package share

import (
	"cmp"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"cohort/engine/pace"
)

// world is a machine with a clock of its own: runs that share a key, and a service that notes when requests reach it.
type world struct {
	t       *testing.T
	random  *rand.Rand
	folder  string
	now     time.Duration
	runs    []*process
	quota   int
	arrived []time.Duration
	frozen  *os.File // a process stands still in the middle of a change; nil: none does
}

// process is a run: what it has under way survives neither its death nor a longer stop than is said.
type process struct {
	*Share
	flights []*flight
	still   time.Duration // it stands still until then
	asks    time.Duration // it asks for the next permit then
	sent    int
}

// flight is a request on its way. After some time the process looks at the age of the permit. Then it may stand still
// before the first byte leaves. What has left lands whatever becomes of the process.
type flight struct {
	permit, look, wire time.Duration
	passed             bool // the age of the permit was good
	left               bool // its bytes are out of the process
	travel, lands      time.Duration
	landed             bool
	back, ends         time.Duration // the process has the answer, or gives up
	lost               bool          // it gives up
}

func newModel(t *testing.T, seed uint64, quota int) *world {
	random := rand.New(rand.NewPCG(seed, 1))
	return &world{t: t, random: random, folder: t.TempDir(), quota: quota, now: time.Hour + time.Duration(random.Int64N(int64(time.Hour)))}
}

// begin starts a run.
func (w *world) begin(o Options) *process {
	w.t.Helper()
	w.thaw()
	o.Name, o.Quota = "key", cmp.Or(o.Quota, w.quota)
	s := &Share{o: o, clock: func() time.Duration { return w.now }}
	if err := s.open(w.folder); err != nil {
		w.t.Fatal(err)
	}
	p := &process{Share: s}
	w.runs = append(w.runs, p)
	return p
}

// under returns a random time under d, often a short one.
func (w *world) under(d time.Duration) time.Duration {
	return time.Duration(w.random.Int64N(int64(d)>>w.random.IntN(8) + 1))
}

// kill ends a process as SIGKILL does. What it has written may still land.
func (w *world) kill(i int) {
	p := w.runs[i]
	p.Close()
	for _, f := range p.flights {
		if f.left && !f.landed {
			w.arrived = append(w.arrived, w.now+w.under(pace.PermitLife))
		}
	}
	w.runs = slices.Delete(w.runs, i, i+1)
}

// ask lets a process ask for a permit, and send with it.
func (w *world) ask(p *process, slow time.Duration) {
	w.t.Helper()
	wait, _, err := p.Ask()
	if err != nil {
		w.t.Fatal(err)
	}
	if p.asks = w.now + wait; wait > 0 {
		return
	}
	f := &flight{permit: w.now, look: w.now + w.under(slow), travel: w.under(slow), back: w.under(slow), lost: w.random.IntN(50) == 0}
	if w.random.IntN(20) == 0 {
		f.look, f.wire = w.now+w.under(2*pace.PermitLife), w.under(pace.PermitLife)
	}
	p.flights = append(p.flights, f)
}

// next is the next moment at which something happens to a run.
func (w *world) next() time.Duration {
	next := w.now + time.Minute
	for _, p := range w.runs {
		next = min(next, max(p.asks, p.still))
		for _, f := range p.flights {
			switch {
			case !f.passed:
				next = min(next, max(f.look, p.still))
			case !f.left:
				next = min(next, max(f.wire, p.still))
			case !f.landed:
				next = min(next, f.lands)
			default:
				next = min(next, max(f.ends, p.still))
			}
		}
	}
	return next
}

// land lets what has left reach the service.
func (w *world) land(p *process) {
	for _, f := range p.flights {
		if f.left && !f.landed && w.now >= f.lands {
			f.landed = true
			w.arrived = append(w.arrived, w.now)
			p.sent++
		}
	}
}

// goOn lets time pass for a process. One that stood still goes on where it was.
func (w *world) goOn(p *process) {
	p.flights = slices.DeleteFunc(p.flights, func(f *flight) bool {
		switch {
		case !f.passed && w.now >= f.look && w.now-f.permit >= pace.PermitLife:
			p.Done(pace.Unsent)
			return true
		case !f.passed && w.now >= f.look:
			f.passed, f.wire = true, w.now+f.wire
		case f.passed && !f.left && w.now >= f.wire:
			f.left, f.lands = true, w.now+f.travel
			f.ends = f.lands + f.back
			if f.lost {
				f.ends = w.now + f.back
				f.lands = min(f.lands, f.ends+pace.PermitLife)
			}
		case f.left && f.lost && w.now >= f.ends:
			p.Done(pace.Unanswered)
			if !f.landed {
				w.arrived = append(w.arrived, max(f.lands, w.now))
			}
			return true
		case f.landed && !f.lost && w.now >= f.ends:
			p.Done(pace.Answered)
			return true
		}
		return false
	})
}

// check fails if more requests reached the service in a window than may.
func (w *world) check() {
	w.t.Helper()
	slices.Sort(w.arrived)
	for window, most := range map[time.Duration]int{time.Minute: w.quota, time.Second: w.quota/60 + 1} {
		for i := most; i < len(w.arrived); i++ {
			if w.arrived[i]-w.arrived[i-most] < window {
				w.t.Fatalf("%d requests in %s of a quota of %d", most+1, w.arrived[i]-w.arrived[i-most], w.quota)
			}
		}
	}
}

// misfortune lets something happen to the runs or to the file.
func (w *world) misfortune() {
	i := w.random.IntN(len(w.runs))
	p := w.runs[i]
	path := p.path // of the file
	switch w.random.IntN(14) {
	case 0, 1, 11, 12:
		w.kill(i)
		w.begin(w.anyRun())
	case 2, 3, 4:
		p.still = w.now + w.under(20*time.Second)
	case 5:
		w.kill(i)
	case 6:
		w.begin(w.anyRun())
	case 7:
		p.asks = w.now + w.under(20*time.Second)
	case 8:
		p.Hold(w.under(10 * time.Second))
	case 9: // a process stands still with the lock, and is killed later
		if w.frozen == nil {
			w.frozen, _ = os.OpenFile(path+".lock", os.O_RDWR, 0)
			_ = unix.FcntlFlock(w.frozen.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK, Start: 0, Len: 1})
		}
	case 10:
		if w.random.IntN(4) == 0 {
			w.damage(path)
		}
	}
	if w.random.IntN(3) == 0 {
		w.thaw()
	}
	if len(w.runs) == 0 {
		w.begin(w.anyRun())
	}
}

func (w *world) thaw() {
	if w.frozen != nil {
		_ = w.frozen.Close()
		w.frozen = nil
	}
}

func (w *world) anyRun() Options {
	return Options{Weight: 1 + w.random.IntN(10), Urgent: w.random.IntN(3) == 0}
}

// damage spoils the file in one of the ways that files are spoilt.
func (w *world) damage(path string) {
	text, err := os.ReadFile(path)
	if err != nil {
		return
	}
	switch w.random.IntN(5) {
	case 0:
		_ = os.Remove(path)
	case 1:
		_ = os.Truncate(path, w.random.Int64N(page))
	case 2:
		_ = os.Truncate(path, 0)
	case 3:
		text[w.random.IntN(3000)] ^= 1 << w.random.IntN(8)
		_ = os.WriteFile(path, text, 0o600)
	case 4:
		_ = os.WriteFile(path, []byte("nonsense"), 0o600)
	}
}

// Whatever happens to the runs and to the file, the service never gets more than the quota.
func TestModelOfShares(t *testing.T) {
	t.Parallel()
	seeds, steps := uint64(12), 4000
	if os.Getenv("COHORT_PROVE") != "" {
		seeds = 200
	}
	total, best, span := 0, 0, time.Duration(0)
	for seed := range seeds {
		w := newModel(t, seed, []int{40, 90, 1200, 2400}[seed%4])
		began := w.now
		slow := []time.Duration{20 * time.Millisecond, 300 * time.Millisecond, 3 * time.Second}[seed%3]
		for range 1 + w.random.IntN(3) {
			w.begin(w.anyRun())
		}
		for range steps {
			w.now = max(w.next(), w.now+time.Millisecond) + w.under(20*time.Millisecond)
			if w.frozen == nil && w.random.IntN(100) == 0 || w.frozen != nil && w.random.IntN(20) == 0 {
				w.misfortune()
			}
			for _, p := range slices.Clone(w.runs) {
				w.land(p)
				if w.now < p.still {
					continue
				}
				w.goOn(p)
				if w.now >= p.asks {
					w.ask(p, slow)
				}
			}
		}
		total, span, best = total+len(w.arrived), span+w.now-began, max(best, len(w.arrived))
		w.check()
		w.thaw()
	}
	if best < 500 {
		t.Errorf("the service never got more than %d requests: the test has lost its point", best)
	}
	t.Logf("%d requests in %s, at most %d of one key", total, span.Round(time.Minute), best)
}

const measured = 20 * time.Second

// calmly lets runs send while nothing happens to them. It returns what the service got from each in the last seconds. Each run has a number of requests a second that it wants at most; 0: any.
func (w *world) calmly(last time.Duration, answer time.Duration, wants ...float64) (shares []int) {
	before := make([]int, len(w.runs))
	next, due := make([]time.Duration, len(w.runs)), make([]time.Duration, len(w.runs)) // to ask; to send, at the run's own pace
	for i := range due {
		due[i] = w.now
	}
	for end := w.now + last; w.now < end; w.now += 3 * time.Millisecond {
		if w.now > end-measured && w.now <= end-measured+3*time.Millisecond {
			for i, p := range w.runs {
				before[i] = p.sent
			}
		}
		for i, p := range w.runs {
			w.land(p)
			w.goOn(p)
			if w.now < next[i] {
				continue
			}
			if wait, _, err := p.Ask(); err != nil {
				w.t.Fatal(err)
			} else if wait > 0 {
				next[i] = max(next[i], w.now+wait)
				continue
			}
			p.flights = append(p.flights, &flight{permit: w.now, look: w.now, travel: answer / 2, back: answer / 2})
			if wants[i] > 0 {
				due[i] += time.Duration(float64(time.Second) / wants[i])
				next[i] = due[i]
			}
		}
	}
	for i, p := range w.runs {
		shares = append(shares, p.sent-before[i])
	}
	w.check()
	return shares
}

func TestHowTheQuotaIsDivided(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		runs   []Options
		wants  []float64
		answer time.Duration
		least  []int // requests in 20 seconds
	}{
		"a run alone has nearly all":              {[]Options{{Weight: 1}}, []float64{0}, 5 * time.Millisecond, []int{390}},
		"nine to one":                             {[]Options{{Weight: 9}, {Weight: 1}}, []float64{0, 0}, 5 * time.Millisecond, []int{350, 37}},
		"what one leaves, the other has":          {[]Options{{Weight: 9}, {Weight: 1}}, []float64{2, 0}, 5 * time.Millisecond, []int{38, 345}},
		"a paced urgent run has what it wants":    {[]Options{{Weight: 1, Urgent: true}, {Weight: 9}}, []float64{10, 0}, 5 * time.Millisecond, []int{190, 185}},
		"an urgent run in a hurry has everything": {[]Options{{Weight: 1, Urgent: true}, {Weight: 9}}, []float64{0, 0}, 5 * time.Millisecond, []int{385, 0}},
		"three":                   {[]Options{{Weight: 1}, {Weight: 2}, {Weight: 3}}, []float64{0, 0, 0}, 5 * time.Millisecond, []int{63, 126, 190}},
		"slow answers cost speed": {[]Options{{Weight: 1}}, []float64{0}, 100 * time.Millisecond, []int{350}},
		"the lowest quota counts": {[]Options{{Weight: 1}, {Weight: 1, Quota: 600}}, []float64{0, 0}, 5 * time.Millisecond, []int{92, 92}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newModel(t, 1, 1200)
			for _, o := range test.runs {
				w.begin(o)
			}
			got := w.calmly(measured+4*time.Second, test.answer, test.wants...)
			for i := range got {
				if got[i] < test.least[i] {
					t.Errorf("run %d got %d requests in the end, of %v, want at least %d", i+1, got[i], got, test.least[i])
				}
			}
			t.Log(got)
		})
	}
}
