package dispatch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"cohort/engine"
	"cohort/engine/enginetest"
	"cohort/engine/journal"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/record"
	"cohort/ingest/person"
)

// recordsOn reads the log on a disk, and folds what it gives, as a resume does. The
// payloads are copies.
func recordsOn(d *journalDisk, dir string, plan *plan.Plan) (records []journal.Record, err error) {
	ledger, err := ledger.New(plan)
	if err != nil {
		return nil, err
	}
	_, err = journal.Read(dir, enginetest.TestRun, journal.Options{FS: d}, func(r journal.Record) error {
		r.Payload = bytes.Clone(r.Payload)
		records = append(records, r)
		return ledger.Apply(r)
	})
	return records, err
}

func sameRecord(a, b journal.Record) bool {
	return a.Seq == b.Seq && a.Type == b.Type && a.At == b.At && bytes.Equal(a.Payload, b.Payload)
}

// runOfEveryKind runs a small cohort in two processes, with everything that makes the
// engine write a record of each kind, and returns the folder.
func runOfEveryKind(t *testing.T) *bench {
	s := newService(1)
	b := newBench(t, enginetest.NewPeople(12, 1, nil), engine.Limits{Messages: 2, Bytes: 1 << 20})
	s.refuseRows(3)
	l := newRegistry(b.people)
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	hang := func(*engine.Request) bool { // the third request is never answered
		if n++; n == 3 {
			cancel()
		}
		return n == 3
	}
	_, err := b.start(ctx, &connection{kind: engine.Deduplicates, service: s, hang: hang}, func(j *Job) { j.Lists, j.Ceiling = l.lists, 1 })
	stoppedBy(t, err, false, "by a signal")
	var doubtful, fresh int64
	for row, o := range b.outcomes() {
		switch o.Fate {
		case person.InDoubt:
			doubtful = max(doubtful, row)
		case person.Accepted, person.Refused:
		default:
			fresh = max(fresh, row)
		}
	}
	l.list("deceased_formal", doubtful, fresh)
	summary, err := b.start(t.Context(), &connection{kind: engine.Deduplicates, service: s}, func(j *Job) { j.Lists = l.lists })
	if err != nil || !summary.Finished {
		t.Fatalf("%+v, %v", summary, err)
	}
	return b
}

// kindsOf names the kinds of records. A revision that a suppression list asked for is
// one more.
func kindsOf(t *testing.T, records []journal.Record) []string {
	kinds := map[string]bool{}
	for _, r := range records {
		rec, err := record.Decode(r.Type, r.Payload)
		enginetest.Must(t, err)
		name := fmt.Sprint(r.Type)
		if rev, ok := rec.(*record.Revision); ok && rev.N == 0 {
			name += " by a list"
		}
		kinds[name] = true
	}
	return slices.Sorted(maps.Keys(kinds))
}

// damaged is a log on a disk that is damaged and read, again and again.
type damaged struct {
	*testing.T
	disk *journalDisk
	dir  string
	plan *plan.Plan
	want []journal.Record
	last string // the file that is not sealed
}

// names lists the log's files in order.
func (d *damaged) names() []string { return slices.Sorted(maps.Keys(d.disk.files)) }

// check reads the log when a file is damaged from byte at on. It must give whole records up
// to the one that at is in, and be refused there. With torn it must say that they end there.
func (d *damaged) check(name string, at int64, torn bool) {
	segment := uint64(slices.Index(d.names(), name) + 1)
	n := 0 // records before the damage
	for n < len(d.want) && (d.want[n].At.Segment < segment || d.want[n].At.Segment == segment && d.end(n) <= at) {
		n++
	}
	got, err := recordsOn(d.disk, d.dir, d.plan)
	if len(got) > n || !slices.EqualFunc(got, d.want[:len(got)], sameRecord) {
		d.Fatalf("%s, byte %d: %d records: one is wrong, or one too many", name, at, len(got))
	}
	var damage *journal.CorruptError
	switch {
	case torn && (err != nil || len(got) != n):
		d.Fatalf("%s, byte %d: %d records, want %d before a torn tail: %v", name, at, len(got), n, err)
	case !torn && (!errors.As(err, &damage) || damage.File != name || damage.Offset > at || damage.Offset < 0):
		d.Fatalf("%s, byte %d: not refused there: %v", name, at, err)
	}
}

// end returns where a record ends in its file: a frame is its payload and 17 bytes.
func (d *damaged) end(n int) int64 { return d.want[n].At.Offset + 17 + int64(len(d.want[n].Payload)) }

// everywhere damages the log: each bit, or one of each step in turn, and each length.
func (d *damaged) everywhere(step int) (ways int) {
	lastRecord := d.want[len(d.want)-1].At
	for _, name := range d.names() {
		file := d.disk.files[name]
		whole := file.data
		for bit := 0; bit < len(whole)*8; bit += step {
			ways++
			at := int64(bit / 8)
			whole[at] ^= 1 << (bit % 8)
			d.check(name, at, name == d.last && at >= lastRecord.Offset)
			whole[at] ^= 1 << (bit % 8)
		}
		for cut := range whole {
			ways++
			file.data = whole[:cut:cut]
			d.check(name, int64(cut), name == d.last && cut >= segmentHeader)
		}
		file.data = whole
	}
	return ways
}

// A log that the engine wrote, with a record of each kind: as it was written, with all its
// records in one group, and with each in a group of its own. Every bit is flipped (of the
// latter two every seventh, but for the proof at length), and every file cut off at every
// byte. No wrong record ever comes of it. What
// is damaged is refused, with its file and its place, and only the last record of all is
// taken for torn, or what stands behind a cut at the end of all.
func TestDamageToRecordsOfEveryKind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := runOfEveryKind(t)
		dir, plan := filepath.Join(b.dir, ledger.LogFolder), enginetest.OpenPlan(t, b.dir)
		written := newJournalDisk()
		enginetest.Must(t, written.load(dir))
		want, err := recordsOn(written, dir, plan)
		enginetest.Must(t, err)
		if kinds := strings.Join(kindsOf(t, want), ", "); kinds != "1, 2, 3, 4, 5, 5 by a list, 7, 8, 9" {
			t.Fatalf("the log holds records of the kinds %s", kinds)
		}
		oneGroup, ownGroups := newJournalDisk(), newJournalDisk()
		for _, disk := range []*journalDisk{oneGroup, ownGroups} {
			l, err := journal.Open(dir, enginetest.TestRun, journal.Options{FS: disk, Reserve: -1, Delay: time.Hour}, nil)
			enginetest.Must(t, err)
			for _, r := range want {
				enginetest.Must(t, l.Append(r.Type, r.Payload))
				if disk == ownGroups {
					enginetest.Must(t, l.Flush())
				}
			}
			enginetest.Must(t, l.Close())
		}
		for name, disk := range map[string]*journalDisk{"as it was written": written, "in one group": oneGroup, "in groups of their own": ownGroups} {
			d := &damaged{T: t, disk: disk, dir: dir, plan: plan}
			if d.want, err = recordsOn(disk, dir, plan); err != nil || len(d.want) != len(want) {
				t.Fatalf("%s: %d records, want %d: %v", name, len(d.want), len(want), err)
			}
			d.last = d.names()[len(d.names())-1]
			step := 1
			if disk != written && os.Getenv("COHORT_PROVE") == "" {
				step = 7 // so that the bits of a byte take turns
			}
			t.Logf("%s: %d records, damaged in %d ways", name, len(want), d.everywhere(step))
		}
	})
}
