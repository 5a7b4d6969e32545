package shard

import "sync"

// messages gives the memory of one record batch, as it stood in the file, to the next. Arrow's
// reader copies the columns out of it, so it is half of what reading a spool would leave to the
// garbage collector. The zero value is ready. It is safe for concurrent use, and implements
// memory.Allocator.
type messages struct {
	mu    sync.Mutex
	spare [][]byte
}

// Allocate takes a spare one for a message. Columns are smaller, and stay with who reads them.
func (m *messages) Allocate(size int) []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	if last := len(m.spare) - 1; last >= 0 && size <= cap(m.spare[last]) && size > cap(m.spare[last])/2 {
		b := m.spare[last][:size]
		m.spare = m.spare[:last]
		return b
	}
	return make([]byte, size)
}

// Reallocate implements memory.Allocator.
func (m *messages) Reallocate(size int, old []byte) []byte {
	return append(make([]byte, 0, size), old...)[:size]
}

// mostSpare limits the spare ones, because those of other sizes stay.
const mostSpare = 4

// Free keeps the memory of a message.
func (m *messages) Free(b []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(b) >= 32<<10 && len(m.spare) < mostSpare {
		m.spare = append(m.spare, b)
	}
}
