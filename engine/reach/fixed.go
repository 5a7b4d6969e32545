package reach

import (
	"encoding/binary"
	"fmt"
	"maps"
	"os"
	"slices"
	"sort"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"cohort/ingest/person"
)

// Fixed has the reports for one reading of a cohort. It is safe for concurrent use, except Close.
type Fixed struct {
	Day       string // UTC, as 2026-11-25
	Digest    string // SHA-256 of the file, in hexadecimal
	practices map[string]*section
	mapped    []byte

	mu      sync.Mutex
	unasked map[string]bool
}

type section struct {
	state  State
	users  []byte
	wanted atomic.Bool // the cohort has a patient of it
}

// OpenFixed opens and verifies a file that Fix wrote.
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

// Close closes the file. No other method may be called afterwards.
func (x *Fixed) Close() error {
	x.practices = nil
	return unix.Munmap(x.mapped)
}

// mostUnasked limits the list of Unasked.
const mostUnasked = 100_000

// Of returns whether the app reaches a person. practice is the value of the cohort's column; it may be no code at all.
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

// Practices counts the known practices that Of was called with, by their state.
func (x *Fixed) Practices() map[State]int {
	counts := map[State]int{}
	for _, s := range x.practices {
		if s.wanted.Load() {
			counts[s.state]++
		}
	}
	return counts
}

// Unasked lists the practices that Of was called with but that have no file, sorted.
func (x *Fixed) Unasked() (codes []string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.Sorted(maps.Keys(x.unasked))
}
