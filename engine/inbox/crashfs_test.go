package inbox

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"sync"
	"syscall"

	"cohort/engine/journal"
)

// The crash filesystem of engine/journal's own tests, word for word. Tests of another package
// cannot import it.

const (
	segmentHeader = 92  // bytes, as in engine/journal
	sector        = 512 // the unit of bytes that a power cut takes or leaves
)

// errCut is the error of every operation after the power cut or the end of the process.
var errCut = errors.New("the power is off")

// crashFS is a filesystem in memory that forgets unsynced bytes and unsynced directory
// entries when the power is cut. Files only ever grow, as those of a journal do.
type crashFS struct {
	mu       sync.Mutex
	root     *node
	ops      int   // operations so far
	cutAt    int   // the operation at which the power goes; never when 0
	cutAfter bool  // after it rather than before
	cut      bool  // the power is off
	capacity int64 // bytes of files; unlimited when 0

	fault func(n int, op, name string) fault
	lie   func(op, name string) bool // true: report success and do nothing
	late  bool                       // a sync takes place only when the next operation begins
	owed  func()                     // the sync that is late

	failed bool // a sync has failed

	reads, failRead int // reads so far, and the one that fails
}

// fault is an error to inject; with part, a write first writes half of its bytes.
type fault struct {
	err  error
	part bool
}

// node is a file or, with entries, a directory.
type node struct {
	data   []byte   // as the cache shows it
	synced int      // this many bytes of data are on the disk, but for those lost
	lost   [][2]int // ranges that the cache shows and calls clean, and no disk has: a sync of them failed
	alloc  int64    // allocated beyond data

	live, durable map[string]*node
	pending       []change // of live, that durable has not seen
}

// change is one change of a directory: a name goes, a name comes, or both.
type change struct {
	gone, come string
	node       *node
}

func (ch change) apply(m map[string]*node) {
	delete(m, ch.gone)
	if ch.come != "" {
		m[ch.come] = ch.node
	}
}

func newDir() *node { return &node{live: map[string]*node{}, durable: map[string]*node{}} }

func newCrashFS() *crashFS { return &crashFS{root: newDir()} }

// enter counts an operation and decides its fate.
func (c *crashFS) enter(op, name string) (lie bool, f fault) {
	if c.cut {
		return false, fault{err: errCut}
	}
	c.ops++
	if c.owed != nil && (c.ops != c.cutAt || c.cutAfter) {
		c.owed()
		c.owed = nil
	}
	if c.ops == c.cutAt && !c.cutAfter {
		c.cut = true
		return false, fault{err: errCut}
	}
	if c.fault != nil {
		f = c.fault(c.ops, op, name)
	}
	return c.lie != nil && c.lie(op, name), f
}

// leave ends an operation that took place.
func (c *crashFS) leave() error {
	if c.ops == c.cutAt {
		c.cut = true
		return errCut
	}
	return nil
}

// do is an operation without a part.
func (c *crashFS) do(op, name string, f func() error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	lie, fault := c.enter(op, name)
	if fault.err != nil {
		return fault.err
	}
	if !lie {
		if err := f(); err != nil {
			return err
		}
	}
	return c.leave()
}

func (c *crashFS) dir(name string) *node {
	d := c.root
	if name != "." {
		d = c.root.live[name]
	}
	return d
}

func (d *node) change(ch change) {
	ch.apply(d.live)
	d.pending = append(d.pending, ch)
}

func (c *crashFS) Mkdir(name string) error {
	return c.do("mkdir", name, func() error {
		if c.root.live[name] == nil {
			made := newDir()
			c.root.change(change{come: name, node: made})
		}
		return nil
	})
}

func (c *crashFS) ReadDir(name string) (names []string, err error) {
	err = c.do("readdir", name, func() error {
		d := c.dir(name)
		if d == nil {
			return fs.ErrNotExist
		}
		names = slices.Collect(maps.Keys(d.live))
		return nil
	})
	return names, err
}

func (c *crashFS) Create(name string) (journal.File, error) {
	made := &node{}
	err := c.do("create", name, func() error {
		c.dir(path.Dir(name)).change(change{come: path.Base(name), node: made})
		return nil
	})
	return &crashFile{c, made, name}, err
}

func (c *crashFS) Open(name string) (file journal.File, err error) {
	err = c.do("open", name, func() error {
		n := c.dir(path.Dir(name)).live[path.Base(name)]
		if n == nil {
			return fs.ErrNotExist
		}
		file = &crashFile{c, n, name}
		return nil
	})
	return file, err
}

func (c *crashFS) Rename(from, to string) error {
	return c.do("rename", to, func() error {
		d := c.dir(path.Dir(to))
		n := d.live[path.Base(from)]
		if d.live[path.Base(to)] != nil {
			return fs.ErrExist
		}
		d.change(change{path.Base(from), path.Base(to), n})
		return nil
	})
}

func (c *crashFS) Remove(name string) error {
	return c.do("remove", name, func() error {
		d := c.dir(path.Dir(name))
		if d.live[path.Base(name)] == nil {
			return fs.ErrNotExist
		}
		d.change(change{gone: path.Base(name)})
		return nil
	})
}

func (c *crashFS) SyncDir(name string) error {
	return c.do("syncdir", name, func() error {
		d := c.dir(name)
		d.durable, d.pending = maps.Clone(d.live), nil
		return nil
	})
}

func (c *crashFS) Allocate(name string, size int64) error {
	return c.do("allocate", name, func() error {
		d := c.dir(path.Dir(name))
		n := d.live[path.Base(name)]
		if n == nil {
			n = &node{}
			d.change(change{come: path.Base(name), node: n})
		}
		n.alloc = min(size, n.alloc+c.room())
		if n.alloc < size {
			return syscall.ENOSPC
		}
		return nil
	})
}

// room returns how many bytes are free.
func (c *crashFS) room() int64 {
	if c.capacity == 0 {
		return 1 << 40
	}
	return c.capacity - used(c.root)
}

func used(n *node) int64 {
	sum := max(int64(len(n.data)), n.alloc)
	for _, child := range n.live {
		sum += used(child)
	}
	return sum
}

// crashFile is an open file of a crashFS.
type crashFile struct {
	fs   *crashFS
	node *node
	name string
}

func (f *crashFile) Write(b []byte) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	_, fault := f.fs.enter("write", f.name)
	if fault.err != nil && !fault.part {
		return 0, fault.err
	}
	n := len(b)
	if fault.part {
		n /= 2
	}
	if room := f.fs.room(); int64(n) > room {
		n, fault.err = int(max(room, 0)), syscall.ENOSPC
	}
	f.node.data = append(f.node.data, b[:n]...)
	if fault.err != nil || fault.part {
		return n, fault.err
	}
	return n, f.fs.leave()
}

func (f *crashFile) ReadAt(b []byte, off int64) (int, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.fs.cut {
		return 0, errCut
	}
	if f.fs.reads++; f.fs.reads == f.fs.failRead {
		return 0, syscall.EIO
	}
	if off >= int64(len(f.node.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.node.data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// sync is Sync and Settle. As on Linux, a failed sync leaves pages that look clean, and no later
// sync reports or writes them.
func (f *crashFile) sync(op string, then func(n *node)) error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	n := f.node
	if op == "sync" && len(n.data) == segmentHeader {
		op = "syncheader"
	}
	lie, fault := f.fs.enter(op, f.name)
	if fault.err != nil {
		if fault.err != errCut && n.synced < len(n.data) {
			n.lost = append(n.lost, [2]int{n.synced, len(n.data)})
			n.synced, f.fs.failed = len(n.data), true
		}
		return fault.err
	}
	switch {
	case f.fs.late && op == "sync":
		f.fs.owed = func() { then(n) }
	case !lie:
		then(n)
	}
	return f.fs.leave()
}

func (f *crashFile) Sync() error {
	return f.sync("sync", func(n *node) { n.synced = len(n.data) })
}

func (f *crashFile) Settle() error {
	return f.sync("settle", func(n *node) {
		n.synced = len(n.data)
		n.dropCache()
	})
}

// dropCache shows what is really on the disk.
func (n *node) dropCache() {
	for _, l := range n.lost {
		clear(n.data[l[0]:l[1]])
	}
	n.lost = nil
}

func (f *crashFile) Close() error { return nil }

func (f *crashFile) Size() (int64, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	return int64(len(f.node.data)), nil
}

// How a process ends.
const (
	killed     = iota // the machine goes on: everything written is there, durable or not
	powerCut          // of the unsynced bytes of a file a beginning stays, perhaps garbled at its end
	sectorsCut        // of the unsynced sectors any stay, and the others were never written
	staleCut          // the same, and where they were not written something else stands
)

// after returns the filesystem that the next process finds.
func (c *crashFS) after(end int, r *rand.Rand) *crashFS {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cut = true // whatever still runs is dead
	next := newCrashFS()
	next.capacity, next.failed = c.capacity, c.failed
	next.root = survive(c.root, end, r, map[*node]*node{})
	return next
}

// survive copies what is left of a node. A node with two names is copied once.
func survive(n *node, end int, r *rand.Rand, seen map[*node]*node) *node {
	if s := seen[n]; s != nil {
		return s
	}
	s := &node{alloc: n.alloc}
	seen[n] = s
	if n.live == nil {
		s.data, s.synced, s.lost = slices.Clone(n.data), n.synced, slices.Clone(n.lost)
		if end != killed {
			s.dropCache()
			s.data = surviveBytes(s.data, n.synced, end, r)
			s.synced = len(s.data)
		}
		return s
	}
	copied := func(m map[string]*node) map[string]*node {
		out := map[string]*node{}
		for _, name := range slices.Sorted(maps.Keys(m)) {
			out[name] = survive(m[name], end, r, seen)
		}
		return out
	}
	if end != killed {
		found := maps.Clone(n.durable)
		for _, ch := range n.pending {
			if r.IntN(2) == 0 {
				ch.apply(found)
			}
		}
		s.durable = copied(found)
		s.live = maps.Clone(s.durable)
		return s
	}
	s.live, s.durable = copied(n.live), copied(n.durable)
	for _, ch := range n.pending {
		if ch.node != nil {
			ch.node = survive(ch.node, end, r, seen)
		}
		s.pending = append(s.pending, ch)
	}
	return s
}

func surviveBytes(data []byte, synced int, end int, r *rand.Rand) []byte {
	loose := len(data) - synced
	if loose == 0 {
		return data
	}
	if end == sectorsCut || end == staleCut {
		if r.IntN(4) == 0 { // the file had not grown to its end
			data = data[:synced+r.IntN(loose+1)]
		}
		for at := synced; at < len(data); {
			next := min((at/sector+1)*sector, len(data))
			if r.IntN(2) == 0 {
				for i := at; i < next; i++ {
					data[i] = 0
					if end == staleCut {
						data[i] = byte(r.Uint32())
					}
				}
			}
			at = next
		}
		return data
	}
	switch r.IntN(4) {
	case 0:
		return data[:synced]
	case 1:
		return data
	}
	data = data[:synced+r.IntN(loose+1)]
	if garbled := min(len(data)-synced, r.IntN(40)); r.IntN(2) == 0 {
		for i := len(data) - garbled; i < len(data); i++ {
			data[i] = byte(r.Uint32())
		}
	}
	return data
}
