package main

import (
	"bytes"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
)

// brokenLine lies between the sender and the service. While it breaks, a connection ends after
// a random number of bytes in either direction: by a reset, or as if its peer had closed it.
type brokenLine struct {
	t        *testing.T
	listener net.Listener
	service  string
	breaks   atomic.Bool
	broken   atomic.Int64
	mu       sync.Mutex
	random   *rand.Rand
}

// newBrokenLine starts a line to an address. It ends with the test.
func newBrokenLine(t *testing.T, service string, seed uint64) *brokenLine {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &brokenLine{t: t, listener: l, service: service, random: rand.New(rand.NewPCG(seed, 41))}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go b.carry(c.(*net.TCPConn))
		}
	}()
	return b
}

// carry passes bytes on in both directions until one of them ends, or its bytes are used up.
func (b *brokenLine) carry(sender *net.TCPConn) {
	defer func() { _ = sender.Close() }()
	c, err := net.Dial("tcp", b.service)
	if err != nil {
		_ = sender.SetLinger(0)
		return
	}
	service := c.(*net.TCPConn)
	defer func() { _ = service.Close() }()
	ended := make(chan bool, 2)
	pass := func(to, from *net.TCPConn, most int64) {
		var n int64
		for chunk := make([]byte, 4096); ; {
			left := int64(len(chunk))
			if b.breaks.Load() {
				left = min(left, most-n)
			}
			if left <= 0 {
				ended <- true
				return
			}
			k, err := from.Read(chunk[:left])
			n += int64(k)
			if _, e := to.Write(chunk[:k]); err == nil {
				err = e
			}
			if err != nil {
				ended <- false
				return
			}
		}
	}
	up, down, reset := b.chance()
	go pass(service, sender, up)
	go pass(sender, service, down)
	if <-ended {
		b.broken.Add(1)
		if reset {
			_ = sender.SetLinger(0)
		}
	}
}

// chance says after how many bytes a connection breaks, and how. A request is some thousand
// bytes long and an answer as well, so breaks fall before, within and behind both.
func (b *brokenLine) chance() (up, down int64, reset bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.random.Int64N(30_000), b.random.Int64N(30_000), b.random.IntN(2) == 0
}

// lineBreaks has the connections to the service break while a sender is at work.
func (l *life) lineBreaks() {
	l.line.breaks.Store(true)
	c, stderr := l.sends()
	l.moment(2500)
	l.line.breaks.Store(false)
	l.moment(500)
	l.kill(c, stderr)
}

// throughALine puts a line between the sender and the service, before anything is sent.
func (l *life) throughALine() {
	l.line = newBrokenLine(l.t, l.service.listen, l.seed)
	l.world.service = l.line.listener.Addr().String()
}

// registerLost takes the register away between two starts, or the end of its last line, as a
// restored disk or a torn write leaves it.
func (l *life) registerLost() {
	name := l.path(".cohort/register.jsonl")
	text, err := os.ReadFile(name)
	switch {
	case err != nil:
	case l.random.IntN(2) == 0:
		err = os.RemoveAll(l.path(".cohort"))
	default:
		err = os.WriteFile(name, text[:len(text)-1-l.random.IntN(len(text)-bytes.LastIndexByte(text[:len(text)-1], '\n')-1)], 0o600)
	}
	if err != nil && !os.IsNotExist(err) {
		l.t.Fatal(err)
	}
	l.senderKilled()
}

// folderMoved gives the run's folder another name between two starts, and the next start is
// told of it.
func (l *life) folderMoved() {
	if !l.began {
		l.senderKilled()
	}
	if !l.began {
		return // killed before there was a plan
	}
	moved := filepath.Join(filepath.Dir(l.folder), "moved-"+filepath.Base(l.folder))
	if err := os.Rename(l.folder, moved); err != nil {
		l.t.Fatal(err)
	}
	l.folder = moved
	l.senderKilled()
}
