package reach

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"sort"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"cohort/ingest/person"
)

// Fixed is the reports that a cohort is read with. It is safe for concurrent use, but for
// Close.
type Fixed struct {
	Day       string // UTC, as 2026-11-25
	Digest    string // SHA-256 of the file, in hexadecimal
	practices map[string]*section
	mapped    []byte

	mu      sync.Mutex
	unasked map[string]bool
}

// section is a practice's entries in the file.
type section struct {
	state  State
	users  []byte
	wanted atomic.Bool // somebody of the cohort is a patient there
}

// OpenFixed opens a file that Fix has written, having made sure that it is whole.
func OpenFixed(path string) (*Fixed, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	h, start, digest, err := check(f)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", path, err)
	}
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	x := &Fixed{Day: h.Day, Digest: digest, practices: make(map[string]*section, len(h.Practices)), unasked: map[string]bool{}}
	if x.mapped, err = unix.Mmap(int(f.Fd()), 0, int(info.Size()), unix.PROT_READ, unix.MAP_SHARED); err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", path, err)
	}
	for _, p := range h.Practices {
		end := start + int64(p.Users)*entry
		x.practices[p.Code] = &section{state: p.State, users: x.mapped[start:end:end]}
		start = end
	}
	return x, nil
}

// Close lets go of the file. Nothing may be asked any more.
func (x *Fixed) Close() error {
	x.practices = nil
	return unix.Munmap(x.mapped)
}

// mostUnasked is how many practices that were not asked about are noted.
const mostUnasked = 100_000

// Of says whether a person can be reached. practice is the value of the cohort's column,
// which need not be a code.
func (x *Fixed) Of(practice []byte, n person.NHSNumber) Answer {
	s := x.practices[string(practice)]
	if s == nil {
		code, ok := Code(string(practice))
		if !ok {
			return Unknown
		}
		if s = x.practices[code]; s == nil {
			x.mu.Lock()
			defer x.mu.Unlock()
			if len(x.unasked) < mostUnasked {
				x.unasked[code] = true
			}
			return Unknown
		}
	}
	if !s.wanted.Load() {
		s.wanted.Store(true)
	}
	if s.state != Reported {
		return Unknown
	}
	at := func(i int) uint64 { return binary.LittleEndian.Uint64(s.users[entry*i:]) }
	users := len(s.users) / entry
	i := sort.Search(users, func(i int) bool { return at(i)>>1 >= n.Uint64() })
	switch {
	case i == users || at(i)>>1 != n.Uint64():
		return No
	case at(i)&1 == 1:
		return Notifications
	}
	return Yes
}

// Practices counts the practices that were asked for by Of so far, by what the service has
// of them.
func (x *Fixed) Practices() map[State]int {
	counts := map[State]int{}
	for _, s := range x.practices {
		if s.wanted.Load() {
			counts[s.state]++
		}
	}
	return counts
}

// Unasked lists the practices that were asked for by Of and that the service was not asked
// about, sorted.
func (x *Fixed) Unasked() (codes []string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for code := range x.unasked {
		codes = append(codes, code)
	}
	slices.Sort(codes)
	return codes
}
