package callbacks

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"

	"cohort/engine/delivery"
	"cohort/engine/disk"
	"cohort/engine/inbox"
	"cohort/engine/refusal"
)

// store is the shared inbox. One that failed takes nothing more, so it can be opened again.
type store struct {
	dir   string
	mu    sync.RWMutex // held for reading during a Put, and for writing while inbox changes
	inbox *inbox.Inbox // nil: not open
}

// Put stores events.
func (s *store) Put(ctx context.Context, events []delivery.Event) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.inbox == nil {
		return errors.New("the inbox is not open")
	}
	return s.inbox.Put(ctx, events)
}

// open opens the inbox. An error is a refusal.
func (s *store) open() error {
	err := os.MkdirAll(filepath.Dir(s.dir), 0o755)
	var opened *inbox.Inbox
	if err == nil {
		opened, err = inbox.Open(s.dir, "callbacks")
	}
	switch {
	case errors.As(err, new(*disk.HeldError)):
		return refusal.New("inbox_busy", "folder", s.dir, "cause", err)
	case err != nil:
		return refusal.New("inbox_unusable", "folder", s.dir, "cause", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inbox = opened
	return nil
}

// close closes the inbox, if it is open.
func (s *store) close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	opened := s.inbox
	s.inbox = nil
	if opened == nil {
		return nil
	}
	return opened.Close()
}
