package share

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"cohort/engine/disk"
	"cohort/engine/pace"
)

// Errors of Open and Ask, beside those of the disk.
var (
	ErrFull      = fmt.Errorf("%d runs are at work on it already", seats)
	ErrElsewhere = errors.New("runs on another machine are at work on it, and a share is for one machine")
	errBusy      = errors.New("another process has the file")
)

// Options describe a run of a share.
type Options struct {
	Name   string // pace.share
	Weight int    // from 1
	Urgent bool
	Quota  int  // requests a minute, from 1; the lowest of the runs counts
	Sent   bool // runs of the register have sent: a folder of shares that is not there is lost, and not new
}

// Share is one run's place in a share. It is a pace.Permits.
type Share struct {
	o     Options
	path  string
	boot  [36]byte
	clock func() time.Duration

	mu     sync.Mutex
	lock   *os.File // bytes of it are the seats of living runs, and guard the file
	seat   int
	seated bool // the seat's earlier run is dealt with
	astray bool // the folder was lost
	gen    int  // the file's generation: see next

	inAir          uint32
	answered, lost uint32 // that the file does not count yet
	held           time.Duration
	asked          time.Duration // when it began to ask for the next permit; 0: it has not
	urgent         bool          // since then, an urgent run came first
	busy           int           // times in a row that another process had the file
	use            pace.KeyUse
}

// stays is in the lock file once the share has been used. Without it the file is new, and not lost.
const stays = "Runs that share a key lock this file. Leave it here.\n"

const (
	busyWait = 10 * time.Millisecond
	mostBusy = 100             // then the process that has the file stands still
	longWait = 5 * time.Second // an operator wants to know the reason
)

// Folder is the folder of the files, in a register.
const Folder = "shares"

// Open takes a place in the share. Its files are in the Folder of a register.
func Open(register string, o Options) (*Share, error) {
	text, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	s := &Share{o: o, clock: monotonic}
	copy(s.boot[:], text)
	if err := s.open(register); err != nil {
		return nil, err
	}
	return s, nil
}

func monotonic() time.Duration {
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) // every Linux has it
	return time.Duration(now.Nano())
}

func (s *Share) open(register string) error {
	dir := filepath.Join(register, Folder)
	_, err := os.Stat(dir)
	s.astray = s.o.Sent && errors.Is(err, fs.ErrNotExist)
	if err = errors.Join(os.MkdirAll(register, 0o700), disk.MakeFolder(dir)); err != nil {
		return err
	}
	s.path = filepath.Join(dir, s.o.Name)
	err = s.note(1000) // which takes a seat
	if err == errBusy {
		s.next()
		err = s.note(1000)
	}
	if err != nil {
		s.leave()
	}
	return err
}

// Close leaves the share.
func (s *Share) Close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.leave()
}

// sit opens the lock file and takes a seat.
func (s *Share) sit() (err error) {
	s.leave()
	if s.lock, err = os.OpenFile(s.path+".lock", os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o600); err != nil {
		return err
	}
	err = errBusy
	for s.seat = -1; err == errBusy && s.seat < seats-1; {
		s.seat++
		err = s.take(s.seat)
	}
	switch s.seated = false; {
	case err == nil:
		return nil
	case err == errBusy:
		err = ErrFull
	default:
		err = fmt.Errorf("%s cannot be locked: %w", s.lock.Name(), err)
	}
	s.leave()
	return err
}

// leave closes the lock file. The kernel drops its locks, and another run clears the seat.
func (s *Share) leave() {
	if s.lock != nil {
		_ = s.lock.Close()
		s.lock = nil
	}
}

// take locks a byte of the lock file, for this open file alone (F_OFD_SETLK of fcntl(2)).
func (s *Share) take(at int) error {
	err := unix.FcntlFlock(s.lock.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK, Start: int64(at), Len: 1})
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return errBusy
	}
	return err
}

// lives reports whether another run has a seat.
func (s *Share) lives(seat int) bool {
	l := unix.Flock_t{Type: unix.F_WRLCK, Start: int64(seat), Len: 1}
	return unix.FcntlFlock(s.lock.Fd(), unix.F_OFD_GETLK, &l) != nil || l.Type != unix.F_UNLCK
}

// file is the name of a generation of the file.
func (s *Share) file(gen int) string {
	if gen == 0 {
		return s.path
	}
	return fmt.Sprintf("%s.%d", s.path, gen)
}

// isOver reports whether another generation has begun.
func (s *Share) isOver() bool {
	_, err := os.Lstat(s.file(s.gen + 1))
	return err == nil
}

// next begins another generation of the file, because a process stands still with the lock of this one. It may be wrong
// about that. Whoever changes a generation looks afterwards if it is over, and then the change is void. So what the next
// generation finds in this one has every change that holds.
func (s *Share) next() {
	if f, err := os.OpenFile(s.file(s.gen+1), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); err == nil {
		_, _ = f.WriteString(begun)
		_ = f.Close()
	}
}

// What a generation of the file has before its first change, and after its last.
const (
	begun = "begun\n"
	over  = "over\n"
)

// update changes the file under its lock. errBusy: another process has it.
func (s *Share) update(change func(*ring, time.Duration)) error {
	named, err := os.Stat(s.path + ".lock")
	mine, _ := s.lock.Stat()
	if err != nil || !os.SameFile(mine, named) { // somebody has removed it
		if err := s.sit(); err != nil {
			return err
		}
	}
	for s.isOver() {
		s.gen++
	}
	guard := seats + s.gen
	if err := s.take(guard); err != nil {
		return err
	}
	defer func() {
		_ = unix.FcntlFlock(s.lock.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_UNLCK, Start: int64(guard), Len: 1})
	}()
	now := s.clock()
	r, from, err := s.read(now)
	if err != nil {
		return err
	}
	r.advance(now)
	for i := range r.Seats {
		if dead := i == s.seat && !s.seated || i != s.seat && r.Seats[i].Weight > 0 && !s.lives(i); dead {
			r.leave(i, now)
		}
	}
	me := &r.Seats[s.seat]
	me.Weight, me.Urgent, me.Quota, me.InAir = uint16(s.o.Weight), s.o.Urgent, uint32(s.o.Quota), s.inAir
	r.end(s.answered, now)
	r.end(s.lost, now+pace.PermitLife)
	r.Held = max(r.Held, s.held)
	if change != nil {
		change(r, now)
	}
	if err := s.write(r); err != nil {
		return err
	}
	if from != s.gen {
		_ = os.WriteFile(s.file(from), []byte(over), 0o600)
	}
	if s.isOver() {
		return errBusy
	}
	s.seated, s.inAir, s.answered, s.lost = true, me.InAir, 0, 0
	s.use = pace.KeyUse{Share: s.o.Name, Requests: r.count(now, minute), Quota: r.quota()}
	for _, other := range r.Seats {
		if other.Weight > 0 {
			s.use.Runs++
		}
	}
	return nil
}

// read reads the file, or the generation that this one goes on from. A file that cannot be trusted leaves the minute
// before unknown.
func (s *Share) read(now time.Duration) (r *ring, from int, err error) {
	from = s.gen
	b, err := os.ReadFile(s.file(from))
	for ; string(b) == begun && from > 0; b, err = os.ReadFile(s.file(from)) {
		from--
	}
	r = &ring{}
	isWhole := err == nil && r.decode(b)
	switch {
	case isWhole && r.Boot == s.boot && r.At <= int64(now/slice):
		return r, from, nil
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return nil, from, err
	case isWhole:
		for i := range r.Seats {
			if i != s.seat && s.lives(i) {
				return nil, from, ErrElsewhere
			}
		}
	}
	r = &ring{head: head{Mark: mark, Boot: s.boot}}
	info, err := s.lock.Stat()
	if err == nil && (info.Size() > 0 || s.astray) {
		r.Blank = now + minute + pace.PermitLife
	}
	return r, from, err
}

func (s *Share) write(r *ring) error {
	f, err := os.OpenFile(s.file(s.gen), os.O_WRONLY|os.O_CREATE|unix.O_NOFOLLOW, 0o600)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(r.encode(), 0)
	if err = errors.Join(err, f.Close()); err != nil || s.seated {
		return err
	}
	_, err = s.lock.WriteAt([]byte(stays), 0)
	return err
}

// note writes the changes that are not in the file yet. While another process has the file, it tries for some milliseconds.
func (s *Share) note(tries int) error {
	err := s.update(nil)
	for ; err == errBusy && tries > 0; tries-- {
		time.Sleep(time.Millisecond)
		err = s.update(nil)
	}
	return err
}

// Ask implements pace.Permits.
func (s *Share) Ask() (wait time.Duration, why string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var now time.Duration
	err = s.update(func(r *ring, at time.Duration) {
		urgent := false
		wait, urgent = r.ask(s.seat, at)
		now, s.urgent = at, s.urgent || urgent
		why = s.reason(r, at)
	})
	switch {
	case err == errBusy:
		if s.busy++; s.busy%mostBusy == 0 {
			s.next()
		}
		return busyWait, "", nil
	case err != nil:
		return 0, "", fmt.Errorf("%s: %w", s.path, err)
	case wait == 0:
		s.asked, s.urgent = 0, false
	case s.asked == 0:
		s.asked = now
	}
	s.busy = 0
	return wait, why, nil
}

// reason says why there is no permit; empty: the wait is short.
func (s *Share) reason(r *ring, now time.Duration) string {
	switch patient := s.asked == 0 || now-s.asked < longWait || s.use.Runs < 2; {
	case r.Blank > now && r.Blank >= r.Held:
		return fmt.Sprintf("%s was damaged or lost, or the machine was started anew: the key's requests of the last minute are not known", s.path)
	case r.Held > now:
		return fmt.Sprintf("the service asked for quiet, and all runs of the share %s keep it", s.o.Name)
	case patient:
		return ""
	case s.urgent:
		return s.use.Others() + ": urgent ones go first"
	}
	return s.use.Others() + ": others are before it, or wait for answers"
}

// Done implements pace.Permits. What cannot be noted now is noted with the next permit, and counts until then.
func (s *Share) Done(u pace.Used) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inAir--
	switch u {
	case pace.Answered:
		s.answered++
	case pace.Unanswered:
		s.lost++
	}
	_ = s.note(10)
}

// Hold implements pace.Permits.
func (s *Share) Hold(quiet time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = max(s.held, s.clock()+quiet)
	_ = s.note(10)
}

// Use implements pace.Permits. It is the latest that is known while another process has the file.
func (s *Share) Use() pace.KeyUse {
	s.mu.Lock()
	defer s.mu.Unlock()
	_ = s.note(3)
	return s.use
}
