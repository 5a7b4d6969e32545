package shard

import (
	"context"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"runtime"

	"github.com/apache/arrow/go/v15/arrow"

	"cohort/ingest/person"
)

// Options say how a spool is built.
type Options struct {
	Shards     int
	Fields     []string // the campaign's fields, in the order of the incoming records
	Duplicates Rule     // which record of a person counts
	Routes     int      // by which the records go, up to 256; one when zero
	BatchRows  int      // records in a record batch; chosen by the number of fields when zero

	// Superseded yields the numbers that were superseded, ascending, each with the number
	// that its person's records bear here. May be nil. It is asked once records has ended,
	// before Exclude, which it holds for too: either number leaves the person out.
	Superseded iter.Seq2[person.NHSNumber, person.NHSNumber]

	// Replaced yields numbers that earlier files say were replaced, each with the number that
	// took its place, in any order. A record under the old one is left out, as
	// person.CodeReplaced, where this cohort has the person's newer number too. May be nil. It
	// is asked once records has ended.
	Replaced iter.Seq2[person.NHSNumber, person.NHSNumber]

	// Exclude yields people who must not be sent to, each with the reason code; a person
	// may come more than once, and the first reason counts. May be nil. It is asked once
	// records has ended.
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
// is written last. records, laid out as package person draws it, and o.Exclude are
// ranged over on the caller's goroutine; the record batches stay the caller's, and Build
// retains those it still works on. Nothing that Build starts outlives it.
func Build(ctx context.Context, dir string, records iter.Seq2[arrow.Record, error], o Options) (Manifest, [32]byte, error) {
	if o.BatchRows == 0 {
		o.BatchRows = batchRows(len(o.Fields))
	}
	b := &build{dir: dir, o: o, workers: max(1, min(runtime.GOMAXPROCS(0), o.Shards, 8))}
	defer b.abandon()
	err := b.begin()
	if err == nil {
		err = b.partition(ctx, records)
	}
	if err == nil {
		err = b.supersede()
	}
	if err == nil {
		err = b.exclude(ctx)
	}
	if err == nil {
		err = b.judge(ctx)
	}
	if err == nil {
		err = b.writeRoutes()
	}
	if err != nil {
		return Manifest{}, [32]byte{}, err
	}
	return b.seal(ctx)
}

// batchRows is how many records a record batch has when nobody says so: 4096, and fewer
// for a cohort of many fields, since every shard has one in memory while it is filled. Of
// five fields it is 2048: 4096 are no faster and 2 % smaller, at 35 MiB more memory.
func batchRows(fields int) int {
	rows := 4096
	for rows > 256 && rows*(fields+2) > 16<<10 {
		rows /= 2
	}
	return rows
}

// build is one spool in the making.
type build struct {
	dir      string
	o        Options
	workers  int // how many shards are worked on at once
	shards   []*shardBuild
	invalid  *file
	keys     keyFiles // the numbers of all records
	listed   keyFiles // the numbers that must not be sent to, tagged with their verdict; may be empty
	manifest Manifest
	verdicts *file
	routes   *file // nil where there is one route

	superseded  succession
	successions *file // nil when nobody says which numbers were superseded
}

// shardBuild is one shard in the making. Only one goroutine works on it at a time.
type shardBuild struct {
	file   *file
	schema *arrow.Schema
	record recordBuilder
	keys   *keyFile // the numbers of its records, in order, with the tag withdrawn
	routes []uint8  // of its records, in order; nil where there is one route

	withdrawn bool // some record says that its person is not to be invited
}

func (b *build) begin() error {
	if err := os.Remove(filepath.Join(b.dir, manifestFile)); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("spool: %w", err)
	}
	if !b.o.Duplicates.known() {
		return fmt.Errorf("spool: there is no %s for duplicates", b.o.Duplicates)
	}
	b.manifest = Manifest{Version: manifestVersion, Hash: hashName, Fields: b.o.Fields, BatchRows: b.o.BatchRows, Duplicates: b.o.Duplicates}
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
	schema := shardSchema(b.o.Fields)
	for i := range b.o.Shards {
		s := &shardBuild{schema: schema, keys: b.keys[i]}
		b.shards = append(b.shards, s)
		if s.file, err = createFile(b.dir, fmt.Sprintf("shard-%03d.arrow", i), schema); err != nil {
			return err
		}
	}
	b.invalid, err = createFile(b.dir, invalidFile, invalidSchema)
	return err
}

// abandon lets go of what a failed build still holds, and of the temporary files of
// any build.
func (b *build) abandon() {
	b.keys.remove()
	b.listed.remove()
	for _, s := range b.shards {
		if s.file != nil {
			_ = s.file.f.Close()
		}
	}
	for _, f := range []*file{b.invalid, b.verdicts, b.successions, b.routes} {
		if f != nil {
			_ = f.f.Close()
		}
	}
}
