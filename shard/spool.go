package shard

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"sync"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/ipc"

	"cohort/ingest/person"
)

// Spool is a sealed spool, open for reading. It is an engine.Source, and safe for
// concurrent use.
type Spool struct {
	Manifest Manifest
	Digest   [32]byte // of the manifest
	dir      string
	shards   []*shard

	superseded succession
}

// shard is one shard of a spool: its verdicts, and the record batch that was read
// last, since neighbouring batches of messages are read one after another.
type shard struct {
	verdicts []uint8

	mu    sync.Mutex
	file  *os.File
	ipc   *ipc.FileReader
	last  *page
	lastN int
}

// page is one record batch, decoded. It is read-only and lives as long as anybody
// looks at it.
type page struct {
	rows, lines []int64
	files       []uint16
	numbers     []uint64
	references  *array.String
	fields      []*array.String
}

// Open opens the sealed spool in dir. ErrNotSealed says that there is none. Every file
// is held against its digest first: the Arrow library trusts what it reads, and a single
// damaged byte can have it ask for more memory than there is.
func Open(dir string) (*Spool, error) {
	m, digest, err := ReadManifest(dir)
	if err == nil {
		err = m.Verify(dir)
	}
	if err != nil {
		return nil, err
	}
	s := &Spool{Manifest: m, Digest: digest, dir: dir}
	for _, info := range m.Shards {
		sh, err := openShard(dir, info)
		if err != nil {
			_ = s.Close()
			return nil, err
		}
		s.shards = append(s.shards, sh)
	}
	if err := errors.Join(s.readVerdicts(), s.readSuperseded()); err != nil {
		_ = s.Close()
		return nil, err
	}
	return s, nil
}

func openShard(dir string, info FileInfo) (*shard, error) {
	name := filepath.Join(dir, info.File)
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("spool: %w", err)
	}
	r, err := ipc.NewFileReader(f)
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%s is damaged: %w", name, err)
	}
	return &shard{file: f, ipc: r, lastN: -1}, nil
}

func (s *Spool) readVerdicts() error {
	name := filepath.Join(s.dir, verdictsFile)
	f, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	defer func() { _ = f.Close() }()
	r, err := ipc.NewFileReader(f)
	if err == nil && r.NumRecords() != len(s.shards) {
		err = fmt.Errorf("it has %d shards and the manifest %d", r.NumRecords(), len(s.shards))
	}
	for i := 0; err == nil && i < len(s.shards); i++ {
		var record arrow.Record
		if record, err = r.RecordAt(i); err != nil {
			break
		}
		s.shards[i].verdicts = record.Column(0).(*array.Uint8).Uint8Values()
		if int64(len(s.shards[i].verdicts)) != s.Manifest.Shards[i].Rows {
			err = fmt.Errorf("shard %d has %d records and %d verdicts", i, s.Manifest.Shards[i].Rows, len(s.shards[i].verdicts))
		}
	}
	if err != nil {
		return fmt.Errorf("%s is damaged: %w", name, err)
	}
	return nil
}

// Close lets go of the spool's files.
func (s *Spool) Close() error {
	var err error
	for _, sh := range s.shards {
		if e := sh.file.Close(); err == nil {
			err = e
		}
	}
	return err
}

// Shards implements engine.Source.
func (s *Spool) Shards() int { return len(s.shards) }

// Positions implements engine.Source.
func (s *Spool) Positions(shard int) uint32 { return uint32(len(s.shards[shard].verdicts)) }

// Recipients implements engine.Source.
func (s *Spool) Recipients(shard int, from, to uint32) iter.Seq2[person.Recipient, error] {
	return func(yield func(person.Recipient, error) bool) {
		sh, size := s.shards[shard], uint32(s.Manifest.BatchRows)
		p := person.Recipient{Fields: make([]string, len(s.Manifest.Fields))}
		for at := from; at < to; {
			page, err := sh.page(int(at / size))
			if err != nil {
				yield(person.Recipient{}, fmt.Errorf("%s: %w", filepath.Join(s.dir, s.Manifest.Shards[shard].File), err))
				return
			}
			for end := min(to, (at/size+1)*size); at < end; at++ {
				verdict := sh.verdicts[at]
				if verdict == duplicate {
					continue
				}
				i := int(at % size)
				p.Row, p.Number, p.Position = page.rows[i], person.NHSNumber(page.numbers[i]), at
				p.Suppressed = verdict >= suppressed
				for f, column := range page.fields {
					p.Fields[f] = column.Value(i)
				}
				if !yield(p, nil) {
					return
				}
			}
		}
	}
}

// page returns record batch n of the shard.
func (sh *shard) page(n int) (*page, error) {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.lastN == n {
		return sh.last, nil
	}
	if n >= sh.ipc.NumRecords() {
		return nil, fmt.Errorf("it has no record batch %d", n)
	}
	// The memory is the garbage collector's: a page may outlive its place here.
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
	for i := shardField; i < int(record.NumCols()); i++ {
		p.fields = append(p.fields, record.Column(i).(*array.String))
	}
	sh.last, sh.lastN = p, n
	return p, nil
}
