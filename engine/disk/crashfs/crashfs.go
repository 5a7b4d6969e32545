// Package crashfs is a filesystem in memory for tests: the power may go at any of its operations.
package crashfs

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"sync"
	"syscall"

	"cohort/engine/disk"
)

const (
	// SegmentHeader is the size of a segment's header in engine/journal, in bytes.
	SegmentHeader = 92

	sector = 512 // the unit of bytes that a power cut takes or leaves
)

// ErrCut is the error of every operation after the power cut or the end of the process.
var ErrCut = errors.New("the power is off")

// FS is a filesystem in memory that forgets unsynced bytes and unsynced directory entries when the
// power is cut. Files only ever grow, as those of a journal do.
// An operation has a name: mkdir, readdir, create, open, rename, remove, syncdir, allocate, write,
// sync, syncheader (a sync of a segment's header alone) or settle. Reads are no operations.
type FS struct {
	Ops      int   // operations so far
	CutAt    int   // the operation at which the power goes; never when 0
	CutAfter bool  // after it rather than before
	Capacity int64 // bytes of files; unlimited when 0

	Fault func(n int, op, name string) Fault
	Lie   func(op, name string) bool // true: report success and do nothing
	Late  bool                       // a sync takes place only when the next operation begins

	Failed          bool // a sync has failed
	Reads, FailRead int  // reads so far, and the one that fails

	Root *Node

	Mu sync.Mutex // guards all fields

	cut  bool   // the power is off
	owed func() // the sync that is late
}

// Fault is an error to inject; with Part, a write first writes half of its bytes.
type Fault struct {
	Err  error
	Part bool
}

// Node is a file or, with Live, a directory.
type Node struct {
	Data   []byte           // as the cache shows it
	Synced int              // this many bytes of Data are on the disk, but for those lost
	Live   map[string]*Node // the entries, as the cache shows them

	lost    [][2]int // ranges that the cache shows and calls clean, and no disk has: a sync of them failed
	alloc   int64    // allocated beyond Data
	durable map[string]*Node
	pending []change // of Live, that durable has not seen
}

// change is one change of a directory: a name goes, a name comes, or both.
type change struct {
	gone, come string
	node       *Node
}

func (ch change) apply(m map[string]*Node) {
	delete(m, ch.gone)
	if ch.come != "" {
		m[ch.come] = ch.node
	}
}

func newDir() *Node { return &Node{Live: map[string]*Node{}, durable: map[string]*Node{}} }

// New makes an empty filesystem.
func New() *FS { return &FS{Root: newDir()} }

// enter counts an operation and decides its fate.
func (c *FS) enter(op, name string) (lie bool, f Fault) {
	if c.cut {
		return false, Fault{Err: ErrCut}
	}
	c.Ops++
	if c.owed != nil && (c.Ops != c.CutAt || c.CutAfter) {
		c.owed()
		c.owed = nil
	}
	past := c.CutAt > 0 && c.Ops > c.CutAt // the operation failed, and what fails has no after
	if c.Ops == c.CutAt && !c.CutAfter || past {
		c.cut = true
		return false, Fault{Err: ErrCut}
	}
	if c.Fault != nil {
		f = c.Fault(c.Ops, op, name)
	}
	return c.Lie != nil && c.Lie(op, name), f
}

// leave ends an operation that took place.
func (c *FS) leave() error {
	if c.Ops == c.CutAt {
		c.cut = true
		return ErrCut
	}
	return nil
}

// do is an operation without a part.
func (c *FS) do(op, name string, f func() error) error {
	c.Mu.Lock()
	defer c.Mu.Unlock()
	lie, fault := c.enter(op, name)
	if fault.Err != nil {
		return fault.Err
	}
	if !lie {
		if err := f(); err != nil {
			return err
		}
	}
	return c.leave()
}

func (c *FS) dir(name string) *Node {
	d := c.Root
	if name != "." {
		d = c.Root.Live[name]
	}
	return d
}

func (d *Node) change(ch change) {
	ch.apply(d.Live)
	d.pending = append(d.pending, ch)
}

func (c *FS) Mkdir(name string) error {
	return c.do("mkdir", name, func() error {
		if c.Root.Live[name] == nil {
			made := newDir()
			c.Root.change(change{come: name, node: made})
		}
		return nil
	})
}

func (c *FS) ReadDir(name string) (names []string, err error) {
	err = c.do("readdir", name, func() error {
		d := c.dir(name)
		if d == nil {
			return fs.ErrNotExist
		}
		names = slices.Collect(maps.Keys(d.Live))
		return nil
	})
	return names, err
}

func (c *FS) Create(name string) (disk.File, error) {
	made := &Node{}
	err := c.do("create", name, func() error {
		c.dir(path.Dir(name)).change(change{come: path.Base(name), node: made})
		return nil
	})
	return &file{c, made, name}, err
}

func (c *FS) Open(name string) (opened disk.File, err error) {
	err = c.do("open", name, func() error {
		n := c.dir(path.Dir(name)).Live[path.Base(name)]
		if n == nil {
			return fs.ErrNotExist
		}
		opened = &file{c, n, name}
		return nil
	})
	return opened, err
}

func (c *FS) Rename(from, to string) error {
	return c.do("rename", to, func() error {
		d := c.dir(path.Dir(to))
		n := d.Live[path.Base(from)]
		if d.Live[path.Base(to)] != nil {
			return fs.ErrExist
		}
		d.change(change{path.Base(from), path.Base(to), n})
		return nil
	})
}

func (c *FS) Remove(name string) error {
	return c.do("remove", name, func() error {
		d := c.dir(path.Dir(name))
		if d.Live[path.Base(name)] == nil {
			return fs.ErrNotExist
		}
		d.change(change{gone: path.Base(name)})
		return nil
	})
}

func (c *FS) SyncDir(name string) error {
	return c.do("syncdir", name, func() error {
		d := c.dir(name)
		d.durable, d.pending = maps.Clone(d.Live), nil
		return nil
	})
}

func (c *FS) Allocate(name string, size int64) error {
	return c.do("allocate", name, func() error {
		d := c.dir(path.Dir(name))
		n := d.Live[path.Base(name)]
		if n == nil {
			n = &Node{}
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
func (c *FS) room() int64 {
	if c.Capacity == 0 {
		return 1 << 40
	}
	return c.Capacity - used(c.Root)
}

func used(n *Node) int64 {
	sum := max(int64(len(n.Data)), n.alloc)
	for _, child := range n.Live {
		sum += used(child)
	}
	return sum
}

// file is an open file of a FS.
type file struct {
	fs   *FS
	node *Node
	name string
}

func (f *file) Write(b []byte) (int, error) {
	f.fs.Mu.Lock()
	defer f.fs.Mu.Unlock()
	_, fault := f.fs.enter("write", f.name)
	if fault.Err != nil && !fault.Part {
		return 0, fault.Err
	}
	n := len(b)
	if fault.Part {
		n /= 2
	}
	if room := f.fs.room(); int64(n) > room {
		n, fault.Err = int(max(room, 0)), syscall.ENOSPC
	}
	f.node.Data = append(f.node.Data, b[:n]...)
	if fault.Err != nil || fault.Part {
		return n, fault.Err
	}
	return n, f.fs.leave()
}

func (f *file) ReadAt(b []byte, off int64) (int, error) {
	f.fs.Mu.Lock()
	defer f.fs.Mu.Unlock()
	if f.fs.cut {
		return 0, ErrCut
	}
	if f.fs.Reads++; f.fs.Reads == f.fs.FailRead {
		return 0, syscall.EIO
	}
	if off >= int64(len(f.node.Data)) {
		return 0, io.EOF
	}
	n := copy(b, f.node.Data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// sync is Sync and Settle. As on Linux, a failed sync leaves pages that look clean, and no later
// sync reports or writes them.
func (f *file) sync(op string, then func(n *Node)) error {
	f.fs.Mu.Lock()
	defer f.fs.Mu.Unlock()
	n := f.node
	if op == "sync" && len(n.Data) == SegmentHeader {
		op = "syncheader"
	}
	lie, fault := f.fs.enter(op, f.name)
	if fault.Err != nil {
		if fault.Err != ErrCut && n.Synced < len(n.Data) {
			n.lost = append(n.lost, [2]int{n.Synced, len(n.Data)})
			n.Synced, f.fs.Failed = len(n.Data), true
		}
		return fault.Err
	}
	switch {
	case f.fs.Late && op == "sync":
		f.fs.owed = func() { then(n) }
	case !lie:
		then(n)
	}
	return f.fs.leave()
}

func (f *file) Sync() error {
	return f.sync("sync", func(n *Node) { n.Synced = len(n.Data) })
}

func (f *file) Settle() error {
	return f.sync("settle", func(n *Node) {
		n.Synced = len(n.Data)
		n.dropCache()
	})
}

// dropCache shows what is really on the disk.
func (n *Node) dropCache() {
	for _, l := range n.lost {
		clear(n.Data[l[0]:l[1]])
	}
	n.lost = nil
}

func (f *file) Close() error { return nil }

func (f *file) Size() (int64, error) {
	f.fs.Mu.Lock()
	defer f.fs.Mu.Unlock()
	return int64(len(f.node.Data)), nil
}
