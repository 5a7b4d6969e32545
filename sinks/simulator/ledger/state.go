package ledger

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// State is a file that keeps accepted requests, as the live service's database does. The
// ledger and the references outlive the process with it. It holds personal data. It is safe
// for concurrent use.
//
// A request is a line of JSON. It is written and synced before the answer: a request that was
// accepted and never answered is a duplicate afterwards. An unfinished last line was never
// answered, and is cut off.
//
// Tokens, counters and the draws of faults are not kept. Clients sign in again, and a fault
// with a limit may strike again. The same seed gives the same message ids.
type State struct {
	mu   sync.Mutex
	file *os.File
	err  error // the first error of writing; nothing is written after it

	found []Request // at opening
}

const lineStart = `{"application":`

// OpenState opens or makes the file, and reads it. It fails when another process has the
// file, and when a line other than an unfinished last one cannot be read.
func OpenState(path string) (*State, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	s := &State{file: f}
	if err := s.open(); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

func (s *State) open() error {
	if err := unix.Flock(int(s.file.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return fmt.Errorf("another simulator uses this file (%w); name another file with --state", err)
	}
	text, err := io.ReadAll(s.file)
	if err != nil {
		return err
	}
	whole := bytes.LastIndexByte(text, '\n') + 1
	for n, rest := 1, text[:whole]; len(rest) > 0; n++ {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\n"))
		r, err := readLine(line, n)
		if err != nil {
			return err
		}
		s.found = append(s.found, r)
	}
	if rest := text[whole:]; len(rest) > 0 {
		if n := min(len(rest), len(lineStart)); string(rest[:n]) != lineStart[:n] {
			return errors.New("no simulator wrote this file, and it stays as it is; name another file with --state")
		}
		return s.file.Truncate(int64(whole))
	}
	return nil
}

func readLine(line []byte, n int) (r Request, err error) {
	if !bytes.HasPrefix(line, []byte(lineStart)) || json.Unmarshal(line, &r) != nil {
		err = fmt.Errorf("no simulator wrote line %d; name another file, or remove this one to begin with nothing", n)
	}
	return r, err
}

// Close closes the file. Nothing can be accepted after it.
func (s *State) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = os.ErrClosed
	}
	return s.file.Close()
}

// keep makes an accepted request durable. After an error it keeps nothing more: a line after
// half a line could not be read again.
func (s *State) keep(r *Request) error {
	var line bytes.Buffer
	out := json.NewEncoder(&line)
	out.SetEscapeHTML(false)
	if err := out.Encode(r); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err != nil {
		return s.err
	}
	_, err := s.file.Write(line.Bytes())
	s.err = errors.Join(err, s.file.Sync())
	return s.err
}

// ReadState yields the messages in the file of a State, in the order of acceptance, with the
// ids that a ledger of that seed gives. It counts no Times. It changes nothing, and a
// simulator may use the file meanwhile. Memory does not grow with the file.
func ReadState(path string, seed uint64) iter.Seq2[Accepted, error] {
	return func(yield func(Accepted, error) bool) {
		f, err := os.Open(path)
		if err != nil {
			yield(Accepted{}, err)
			return
		}
		defer func() { _ = f.Close() }()
		l, in := New(Options{Seed: seed}), bufio.NewReaderSize(f, 1<<20)
		for n := 1; ; n++ {
			line, err := in.ReadBytes('\n')
			if err == io.EOF { // an unfinished line was never answered
				return
			}
			var r Request
			if err == nil {
				r, err = readLine(line, n)
			}
			if err != nil {
				yield(Accepted{}, fmt.Errorf("%s: %w", path, err))
				return
			}
			for _, a := range l.unpack(pack(&r), 0, len(r.Messages)) {
				if a.Personalisation = nil; !yield(a, nil) {
					return
				}
			}
		}
	}
}
