package shard

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"

	"cohort/ingest/person"
)

// Spool is a sealed spool, open for reading. It is an engine.Source: the spool's lanes are its
// shards. It is safe for concurrent use.
type Spool struct {
	Manifest Manifest
	Digest   [32]byte // of the manifest; zero if the spool is not sealed
	dir      string
	shards   []*shard
	messages messages // that are read from the shards

	superseded succession
}

// shard is one shard of a spool. It keeps the record batch that was read last, because the
// messages of neighbouring batches are read one after another.
type shard struct {
	verdicts []uint8
	routes   []uint8         // nil when there is one route
	texts    []*array.String // those of the first record batch of a spool to count; else nil

	ready func() error // opens file; nil when it is open

	mu   sync.Mutex
	file *os.File
	ipc  *ipc.FileReader
	last []lastPage // by route, because each has its own pace
}

// lastPage is the record batch that was read last; number -1 before the first.
type lastPage struct {
	page   *page
	number int
}

// page is one record batch, decoded. It is read-only.
type page struct {
	rows, lines []int64
	files       []uint16
	numbers     []uint64
	references  *array.String
	texts       []*array.String // by column of person.Texts
}

// Open opens the sealed spool in dir. The error is ErrNotSealed when there is none. Every file
// is compared with its digest first, because the Arrow library trusts what it reads: a damaged
// byte can make it ask for more memory than there is.
func Open(dir string) (*Spool, error) {
	m, digest, err := ReadManifest(dir)
	if err == nil {
		err = m.Verify(dir)
	}
	if err != nil {
		return nil, err
	}
	return open(dir, m, digest)
}

// OpenPart is Open for a reader of few records. It compares a shard with its digest when it first reads it, and all
// other files now.
func OpenPart(dir string) (*Spool, error) {
	m, digest, err := ReadManifest(dir)
	if err == nil {
		err = Manifest{Others: m.Others}.Verify(dir)
	}
	if err != nil {
		return nil, err
	}
	s := &Spool{Manifest: m, Digest: digest, dir: dir}
	for _, info := range m.Shards {
		sh := &shard{last: s.noPages()}
		sh.ready = sync.OnceValue(func() error {
			err := info.verify(filepath.Join(dir, info.File))
			if err == nil {
				sh.file, sh.ipc, err = openArrow(filepath.Join(dir, info.File), ipc.WithAllocator(&s.messages))
			}
			return err
		})
		s.shards = append(s.shards, sh)
	}
	return s.openOthers()
}

// open opens a spool that is as it was built.
func open(dir string, m Manifest, digest [32]byte) (*Spool, error) {
	s := &Spool{Manifest: m, Digest: digest, dir: dir}
	for _, info := range m.Shards {
		sh, err := s.openShard(info)
		if err != nil {
			_ = s.Close()
			return nil, err
		}
		s.shards = append(s.shards, sh)
	}
	return s.openOthers()
}

func (s *Spool) openOthers() (*Spool, error) {
	if err := errors.Join(s.readVerdicts(), s.readRoutes(), s.readSuperseded()); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

func (s *Spool) openShard(info FileInfo) (*shard, error) {
	f, r, err := openArrow(filepath.Join(s.dir, info.File), ipc.WithAllocator(&s.messages))
	if err != nil {
		return nil, err
	}
	return &shard{file: f, ipc: r, last: s.noPages()}, nil
}

func (s *Spool) noPages() []lastPage { return slices.Repeat([]lastPage{{number: -1}}, s.Routes()) }

func (s *Spool) readVerdicts() error {
	return s.readBytes(verdictsFile, "verdicts", func(sh *shard, verdicts []uint8) error {
		sh.verdicts = verdicts
		return nil
	})
}

// readBytes reads a file with one byte for each record, shard by shard.
func (s *Spool) readBytes(file, what string, take func(*shard, []uint8) error) error {
	name := filepath.Join(s.dir, file)
	f, r, err := openArrow(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if r.NumRecords() != len(s.shards) {
		err = fmt.Errorf("it has %d shards and the manifest %d", r.NumRecords(), len(s.shards))
	}
	for i := 0; err == nil && i < len(s.shards); i++ {
		var record arrow.Record
		if record, err = r.RecordAt(i); err != nil {
			break
		}
		values := record.Column(0).(*array.Uint8).Uint8Values()
		if err = take(s.shards[i], values); err == nil && int64(len(values)) != s.Manifest.Shards[i].Rows {
			err = fmt.Errorf("shard %d has %d records and %d %s", i, s.Manifest.Shards[i].Rows, len(values), what)
		}
	}
	if err != nil {
		return fmt.Errorf("%s is damaged: %w", name, err)
	}
	return nil
}

// Close closes the spool's files.
func (s *Spool) Close() error {
	var errs []error
	for _, sh := range s.shards {
		if sh.file != nil {
			errs = append(errs, sh.file.Close())
		}
	}
	return errors.Join(errs...)
}

// Lanes implements engine.Source.
func (s *Spool) Lanes() int { return len(s.shards) * s.Routes() }

// Positions implements engine.Source. The lanes of a shard have its positions in common.
func (s *Spool) Positions(lane person.Lane) uint32 {
	return uint32(len(s.shards[int(lane)/s.Routes()].verdicts))
}

// Readable is how many positions of a lane Recipients can read. Only in a spool ToCount they are
// not all of them.
func (s *Spool) Readable(lane person.Lane) uint32 {
	if s.shards[int(lane)/s.Routes()].texts != nil {
		return min(s.Positions(lane), uint32(s.Manifest.BatchRows))
	}
	return s.Positions(lane)
}

// Recipients implements engine.Source. Behind the readable positions is an error.
func (s *Spool) Recipients(lane person.Lane, from, to uint32) iter.Seq2[person.Recipient, error] {
	return func(yield func(person.Recipient, error) bool) {
		shard, route := int(lane)/s.Routes(), uint8(int(lane)%s.Routes())
		sh, size := s.shards[shard], uint32(s.Manifest.BatchRows)
		p := person.Recipient{Fields: make([]string, len(s.Manifest.Fields)), Route: route}
		for at := from; at < to; {
			page, err := sh.page(int(at/size), route)
			if err == nil && at >= s.Readable(lane) {
				err = errors.New("the texts of its records were not kept")
			}
			if err != nil {
				yield(person.Recipient{}, fmt.Errorf("%s: %w", filepath.Join(s.dir, s.Manifest.Shards[shard].File), err))
				return
			}
			for end := min(to, (at/size+1)*size); at < end; at++ {
				verdict := sh.verdicts[at]
				if verdict == duplicate || sh.routes != nil && sh.routes[at] != route {
					continue
				}
				i := int(at % size)
				p.Row, p.Number, p.Position = page.rows[i], person.NHSNumber(page.numbers[i]), at
				p.Suppressed = verdict >= suppressed
				for f := range p.Fields {
					p.Fields[f] = page.texts[f].Value(i)
				}
				if !yield(p, nil) {
					return
				}
			}
		}
		if to == s.Positions(lane) { // nobody reads on from here
			sh.forget(route)
		}
	}
}

// forget frees the record batch that a route's reader read last.
func (sh *shard) forget(route uint8) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	sh.last[route] = lastPage{number: -1}
}

// page returns record batch n of the shard, for a reader of one route's records. A reader of all
// records uses route 0.
func (sh *shard) page(n int, route uint8) (*page, error) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	last := &sh.last[route]
	if last.number == n {
		return last.page, nil
	}
	p, err := sh.read(n)
	if err == nil {
		*last = lastPage{p, n}
	}
	return p, err
}

// bare reads record batch n with those of its texts. It is for one reader, beside others.
func (sh *shard) bare(n int, keep ...int) (*page, error) {
	p, err := sh.read(n)
	if err == nil {
		all := p.texts
		p.texts = nil // frees the others
		for _, i := range keep {
			p.texts = append(p.texts, all[i])
		}
	}
	return p, err
}

// read reads record batch n.
func (sh *shard) read(n int) (*page, error) {
	if sh.ready != nil {
		if err := sh.ready(); err != nil {
			return nil, err
		}
	}
	if n >= sh.ipc.NumRecords() {
		return nil, fmt.Errorf("it has no record batch %d", n)
	}
	// The garbage collector frees the memory: a page may outlive its place in last.
	record, err := sh.ipc.RecordAt(n)
	if err != nil {
		return nil, fmt.Errorf("record batch %d: %w", n, err)
	}
	p := &page{
		rows:       record.Column(shardRow).(*array.Int64).Int64Values(),
		files:      record.Column(shardFile).(*array.Uint16).Uint16Values(),
		lines:      record.Column(shardLine).(*array.Int64).Int64Values(),
		numbers:    record.Column(shardNumber).(*array.Uint64).Uint64Values(),
		references: record.Column(shardReference).(*array.String),
	}
	if n == 0 {
		p.texts = sh.texts
	}
	for i := shardField; i < int(record.NumCols()); i++ {
		p.texts = append(p.texts, record.Column(i).(*array.String))
	}
	return p, nil
}
