package shard

import (
	"context"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync/atomic"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"

	"cohort/ingest/person"
)

// Options say how a spool is built.
type Options struct {
	Shards     int
	Fields     []string // the campaign's fields, in the order of the incoming records
	Keep       []string // columns to keep for reports
	Carry      []string // columns to keep for follow-ups; the incoming records have person.Texts of all
	Duplicates Rule     // which record of a person counts
	Routes     int      // the number of routes, up to 256; 0 means 1
	BatchRows  int      // records in a record batch; 0: the number of fields decides
	Use        Use      // what the spool is for
	Enough     func()   // called once, when a spool ToCount needs no more texts of fields; may be nil

	// Superseded yields the superseded numbers, ascending, each with the number of the person's
	// records here. Exclude may name a person by either number. May be nil. It is ranged over
	// once, behind the records and before Exclude.
	Superseded iter.Seq2[person.NHSNumber, person.NHSNumber]

	// Replaced yields the numbers that earlier files have replaced, each with the newer number,
	// in any order. A record under the old number is left out, as person.CodeReplaced, when
	// this cohort has the person's newer number too. May be nil. It is ranged over behind the
	// records.
	Replaced iter.Seq2[person.NHSNumber, person.NHSNumber]

	// Exclude yields people who must not be sent to, each with a reason code. Of several entries
	// for a person the first counts. May be nil. It is ranged over behind the records.
	Exclude iter.Seq2[Exclusion, error]
}

func (o *Options) texts() []string { return person.Texts(o.Fields, slices.Concat(o.Keep, o.Carry)) }

// Use says what a spool is for. Only one to send from is sealed. The others are for the process
// that builds them: they are not synced, have no digests, and Open refuses them.
type Use uint8

// The uses.
const (
	ToSend  Use = iota
	ToCut       // into batches, and to look at
	ToCount     // only the first records of each shard have the texts of the fields, in memory: see Spool.Readable
)

// Exclusion is one person who must not be sent to.
type Exclusion struct {
	Number person.NHSNumber
	Reason string
}

// Build writes the spool of a cohort into dir, which must exist, and opens it. It overwrites the
// files of an unfinished build. The spool is valid only when Build returns no error, because the
// manifest is written last.
//
// records has the columns that package person describes. Build ranges over it and over the
// options' sequences on the caller's goroutine, and retains the batches that it still needs.
// Nothing that Build starts outlives it.
func Build(ctx context.Context, dir string, records iter.Seq2[arrow.Record, error], o Options) (*Spool, error) {
	if o.BatchRows == 0 {
		o.BatchRows = batchRows(len(o.texts()))
	}
	b := &build{dir: dir, o: o, workers: max(1, min(runtime.GOMAXPROCS(0), o.Shards, 8))}
	defer b.abandon()
	for _, step := range []func(context.Context) error{
		b.begin, func(ctx context.Context) error { return b.partition(ctx, records) }, b.supersede, b.exclude, b.judge, b.writeRoutes,
	} {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	digest, err := b.seal(ctx)
	if err != nil {
		return nil, err
	}
	s, err := open(dir, b.manifest, digest)
	for i := range b.shards {
		if err == nil {
			s.shards[i].texts = b.shards[i].texts
		}
	}
	return s, err
}

// batchRows is the default for Options.BatchRows: 4096, and fewer for many fields, because
// every shard has one record batch in memory. For five fields it is 2048: with 4096 the spool
// was 2 % smaller and not faster, and took 35 MiB more memory.
func batchRows(fields int) int {
	rows := 4096
	for rows > 256 && rows*(fields+2) > 16<<10 {
		rows /= 2
	}
	return rows
}

// build is the state of one Build.
type build struct {
	dir       string
	o         Options
	workers   int     // shards that are worked on at once
	files     []*file // of the shards
	shards    []*shardBuild
	invalid   *file
	unwritten *array.RecordBuilder // invalid records
	keys      keyFiles             // the numbers of all records
	listed    keyFiles             // the numbers that must not be sent to, tagged with their verdict; may be empty
	manifest  Manifest
	verdicts  *file
	routes    *file        // nil when there is one route
	texted    atomic.Int32 // shards that have all texts they need

	superseded  succession
	successions *file // nil without Options.Superseded
}

// shardBuild is the state of one shard. One goroutine at a time works on it.
type shardBuild struct {
	file   *file
	schema *arrow.Schema
	record recordBuilder
	texts  []*array.String // by field, of the first record batch; nil until then, and unless counts
	keys   *keyFile        // the numbers of its records, in order, with the tag withdrawn
	listed *keyFile        // the numbers that must not be sent to; may be nil
	routes []uint8         // of its records, in order; nil when there is one route

	withdrawn bool // some record is withdrawn
	counts    bool // the spool is to count
}

func (b *build) begin(context.Context) error {
	if err := os.Remove(filepath.Join(b.dir, manifestFile)); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("spool: %w", err)
	}
	if !b.o.Duplicates.known() {
		return fmt.Errorf("spool: there is no %s for duplicates", b.o.Duplicates)
	}
	b.manifest = Manifest{Version: Version, Hash: hashName, Fields: b.o.Fields, Keep: b.o.Keep, Carry: b.o.Carry, BatchRows: b.o.BatchRows, Duplicates: b.o.Duplicates}
	if b.o.Routes > 1 {
		b.manifest.Routes = b.o.Routes
	}
	var err error
	if b.keys, err = createKeyFiles(b.dir, "keys", b.o.Shards, b.o.Duplicates == Latest); err != nil {
		return err
	}
	if b.o.Exclude != nil || b.o.Replaced != nil {
		if b.listed, err = createKeyFiles(b.dir, "listed", b.o.Shards, false); err != nil {
			return err
		}
	}
	schema := shardSchema(b.o.texts())
	counts := b.o.Use == ToCount
	if counts {
		schema = shardSchema(nil)
	}
	for i := range b.o.Shards {
		s := &shardBuild{schema: schema, keys: b.keys[i], counts: counts}
		b.shards = append(b.shards, s)
		if s.file, err = b.create(fmt.Sprintf("shard-%03d.arrow", i), schema); err != nil {
			return err
		}
		b.files = append(b.files, s.file)
		if b.listed != nil {
			s.listed = b.listed[i]
		}
	}
	b.unwritten = array.NewRecordBuilder(memory.DefaultAllocator, invalidSchema)
	b.invalid, err = b.create(invalidFile, invalidSchema)
	return err
}

// abandon closes the files of a failed build, and removes the temporary files of any build.
func (b *build) abandon() {
	b.keys.remove()
	b.listed.remove()
	for _, f := range append(b.files, b.invalid, b.verdicts, b.successions, b.routes) {
		if f != nil {
			_ = f.f.Close()
		}
	}
}
