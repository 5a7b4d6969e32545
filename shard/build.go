package shard

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"cohort/engine/durable"
	"cohort/ingest/person"
)

// Options say how a spool is built.
type Options struct {
	Shards    int
	Fields    []string // the campaign's fields, in the order of the incoming records
	BatchRows int      // records in a record batch; 4096 when zero

	// Exclude yields people who must not be sent to, each with the reason code; a person
	// may come more than once, and the first reason counts. May be nil.
	Exclude iter.Seq2[Exclusion, error]
}

// Exclusion is one person who must not be sent to.
type Exclusion struct {
	Number person.NHSNumber
	Reason string
}

// Build writes the spool of a cohort into dir, which must exist, and returns its
// manifest and the manifest's digest. What an earlier, unfinished build left there is
// overwritten. The spool is valid when Build returns nil and not before: the manifest
// is written last. records, laid out as package person draws it, stay the caller's:
// Build retains the one it works on.
func Build(ctx context.Context, dir string, records iter.Seq2[arrow.Record, error], o Options) (Manifest, [32]byte, error) {
	if o.BatchRows == 0 {
		o.BatchRows = 4096
	}
	b := &build{dir: dir, o: o}
	defer b.abandon()
	err := b.begin()
	if err == nil {
		err = b.partition(ctx, records)
	}
	if err == nil {
		err = b.exclude(ctx)
	}
	if err == nil {
		err = b.judge(ctx)
	}
	if err != nil {
		return Manifest{}, [32]byte{}, err
	}
	return b.seal()
}

// build is one spool in the making.
type build struct {
	dir      string
	o        Options
	shards   []*shardBuild
	invalid  *file
	manifest Manifest
	verdicts *file
}

// shardBuild is one shard in the making.
type shardBuild struct {
	file    *file
	builder *array.RecordBuilder
	rows    int
	keys    *keyFile // the numbers of its records, in order
	listed  *keyFile // the numbers that must not be sent to
}

func (b *build) begin() error {
	if err := os.Remove(filepath.Join(b.dir, manifestFile)); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("spool: %w", err)
	}
	b.manifest = Manifest{Version: manifestVersion, Hash: hashName, Fields: b.o.Fields, BatchRows: b.o.BatchRows}
	schema := shardSchema(b.o.Fields)
	for i := range b.o.Shards {
		s := &shardBuild{builder: array.NewRecordBuilder(memory.DefaultAllocator, schema)}
		b.shards = append(b.shards, s)
		var err error
		if s.file, err = createFile(b.dir, fmt.Sprintf("shard-%03d.arrow", i), schema); err != nil {
			return err
		}
		if s.keys, err = createKeyFile(b.dir, fmt.Sprintf("keys-%03d.tmp", i)); err != nil {
			return err
		}
		if s.listed, err = createKeyFile(b.dir, fmt.Sprintf("listed-%03d.tmp", i)); err != nil {
			return err
		}
	}
	var err error
	b.invalid, err = createFile(b.dir, invalidFile, invalidSchema)
	return err
}

// abandon lets go of what a failed build still holds, and of the temporary files of
// any build.
func (b *build) abandon() {
	for _, s := range b.shards {
		s.builder.Release()
		for _, k := range []*keyFile{s.keys, s.listed} {
			if k != nil {
				k.remove()
			}
		}
		if s.file != nil {
			_ = s.file.f.Close()
		}
	}
	for _, f := range []*file{b.invalid, b.verdicts} {
		if f != nil {
			_ = f.f.Close()
		}
	}
}

// partition deals the records out. Reading and writing run side by side.
func (b *build) partition(ctx context.Context, records iter.Seq2[arrow.Record, error]) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type item struct {
		record arrow.Record
		err    error
	}
	items := make(chan item, 2)
	go func() {
		defer close(items)
		for record, err := range records {
			if record != nil {
				record.Retain()
			}
			select {
			case items <- item{record, err}:
			case <-ctx.Done():
				return
			}
		}
	}()
	for i := range items {
		if i.err != nil {
			cancel()
			for range items { // until the reader has noticed
			}
			return i.err
		}
		if err := b.deal(i.record); err != nil {
			cancel()
			for range items {
			}
			return err
		}
		i.record.Release()
	}
	for _, s := range b.shards {
		if err := s.flush(); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// deal puts each record of one batch where it belongs.
func (b *build) deal(r arrow.Record) error {
	rows := r.Column(person.ColumnRow).(*array.Int64)
	lines := r.Column(person.ColumnLine).(*array.Int64)
	numbers := r.Column(person.ColumnNumber).(*array.Uint64)
	fields := make([]*array.String, len(b.o.Fields))
	for i := range fields {
		fields[i] = r.Column(person.FirstField + i).(*array.String)
	}
	invalid := 0
	for i := range int(r.NumRows()) {
		if numbers.IsNull(i) {
			invalid++
			continue
		}
		n := person.NHSNumber(numbers.Value(i))
		s := b.shards[Of(n, len(b.shards))]
		s.builder.Field(0).(*array.Int64Builder).Append(rows.Value(i))
		s.builder.Field(1).(*array.Int64Builder).Append(lines.Value(i))
		s.builder.Field(2).(*array.Uint64Builder).Append(n.Uint64())
		for f, column := range fields {
			s.builder.Field(3 + f).(*array.StringBuilder).Append(column.Value(i))
		}
		if err := s.keys.add(n.Uint64(), 0); err != nil {
			return err
		}
		if s.rows++; s.rows == b.o.BatchRows {
			if err := s.flush(); err != nil {
				return err
			}
		}
	}
	b.manifest.Records += r.NumRows()
	b.manifest.Invalid += int64(invalid)
	if invalid == 0 {
		return nil
	}
	return b.dealInvalid(r, numbers)
}

// dealInvalid writes the invalid records of one batch.
func (b *build) dealInvalid(r arrow.Record, numbers *array.Uint64) error {
	builder := array.NewRecordBuilder(memory.DefaultAllocator, invalidSchema)
	defer builder.Release()
	texts := []int{person.ColumnFound, person.ColumnCode, person.ColumnReason}
	for i := range int(r.NumRows()) {
		if !numbers.IsNull(i) {
			continue
		}
		builder.Field(0).(*array.Int64Builder).Append(r.Column(person.ColumnRow).(*array.Int64).Value(i))
		builder.Field(1).(*array.Int64Builder).Append(r.Column(person.ColumnLine).(*array.Int64).Value(i))
		for to, from := range texts {
			column := r.Column(from).(*array.String)
			if column.IsNull(i) {
				builder.Field(2 + to).AppendNull()
			} else {
				builder.Field(2 + to).(*array.StringBuilder).Append(column.Value(i))
			}
		}
	}
	out := builder.NewRecord()
	defer out.Release()
	return b.invalid.write(out)
}

func (s *shardBuild) flush() error {
	if s.rows == 0 {
		return nil
	}
	r := s.builder.NewRecord()
	defer r.Release()
	s.rows = 0
	return s.file.write(r)
}

// seal ends every file and writes the manifest.
func (b *build) seal() (Manifest, [32]byte, error) {
	m := &b.manifest
	for _, s := range b.shards {
		info, err := s.file.seal()
		if err != nil {
			return Manifest{}, [32]byte{}, err
		}
		m.Shards = append(m.Shards, info)
	}
	for _, f := range []*file{b.invalid, b.verdicts} {
		info, err := f.seal()
		if err != nil {
			return Manifest{}, [32]byte{}, err
		}
		m.Others = append(m.Others, info)
	}
	m.Sendable = m.Records - m.Invalid - m.Duplicate - m.Suppressed
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return Manifest{}, [32]byte{}, fmt.Errorf("spool: %w", err)
	}
	err = durable.WriteFile(filepath.Join(b.dir, manifestFile), func(w io.Writer) error {
		_, err := io.Copy(w, bytes.NewReader(text))
		return err
	})
	if err != nil {
		return Manifest{}, [32]byte{}, fmt.Errorf("spool: %w", err)
	}
	return *m, sha256.Sum256(text), nil
}
