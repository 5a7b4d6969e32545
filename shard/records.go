package shard

import (
	"container/heap"
	"fmt"
	"iter"
	"path/filepath"

	"github.com/apache/arrow/go/v15/arrow/array"

	"cohort/ingest/person"
)

// Records yields every record of the cohort in the order of rows. The first error ends the
// sequence.
func (s *Spool) Records() iter.Seq2[person.Record, error] { return s.merged(false) }

// Rejected yields the invalid, duplicate and suppressed records in the order of rows. It reads
// only the parts of the spool that hold any.
func (s *Spool) Rejected() iter.Seq2[person.Record, error] { return s.merged(true) }

// Record is the record at a position of a lane.
func (s *Spool) Record(lane person.Lane, position uint32) (person.Record, error) {
	shard := int(lane) / s.Routes()
	c := &shardCursor{spool: s, shard: shard, after: position}
	there, err := c.next()
	if err == nil && !there {
		err = fmt.Errorf("spool: shard %d has no position %d", shard, position)
	}
	if err != nil {
		return person.Record{}, err
	}
	return c.record(), nil
}

func (s *Spool) merged(rejected bool) iter.Seq2[person.Record, error] {
	return func(yield func(person.Record, error) bool) {
		var sources merge
		for i := range s.shards {
			sources = append(sources, &shardCursor{spool: s, shard: i, rejected: rejected})
		}
		invalid, err := s.openInvalid()
		if err != nil {
			yield(person.Record{}, err)
			return
		}
		defer func() { _ = invalid.file.Close() }()
		sources = append(sources, invalid)

		live := sources[:0]
		for _, c := range sources {
			ok, err := c.next()
			if err != nil {
				yield(person.Record{}, err)
				return
			}
			if ok {
				live = append(live, c)
			}
		}
		heap.Init(&live)
		for len(live) > 0 {
			c := live[0]
			if !yield(c.record(), nil) {
				return
			}
			ok, err := c.next()
			if err != nil {
				yield(person.Record{}, err)
				return
			}
			if ok {
				heap.Fix(&live, 0)
			} else {
				heap.Pop(&live)
			}
		}
	}
}

// cursor walks over records in the order of rows.
type cursor interface {
	next() (bool, error) // moves to the next record, at first to the first
	row() int64
	record() person.Record
}

type merge []cursor

func (m merge) Len() int           { return len(m) }
func (m merge) Less(i, j int) bool { return m[i].row() < m[j].row() }
func (m merge) Swap(i, j int)      { m[i], m[j] = m[j], m[i] }
func (m *merge) Push(x any)        { *m = append(*m, x.(cursor)) }
func (m *merge) Pop() any {
	last := (*m)[len(*m)-1]
	*m = (*m)[:len(*m)-1]
	return last
}

// shardCursor walks over one shard.
type shardCursor struct {
	spool    *Spool
	shard    int
	rejected bool   // only over its duplicate and suppressed records
	after    uint32 // the position behind the current record
	page     *page
	pageN    uint32 // the number of page, from 1; 0 for none
}

func (c *shardCursor) next() (bool, error) {
	sh, size := c.spool.shards[c.shard], uint32(c.spool.Manifest.BatchRows)
	for c.rejected && int(c.after) < len(sh.verdicts) && sh.verdicts[c.after] == sendable {
		c.after++
	}
	if int(c.after) == len(sh.verdicts) {
		return false, nil
	}
	if n := c.after/size + 1; n != c.pageN {
		var err error
		if c.page, err = sh.bare(int(n - 1)); err != nil {
			return false, fmt.Errorf("%s: %w", filepath.Join(c.spool.dir, c.spool.Manifest.Shards[c.shard].File), err)
		}
		c.pageN = n
	}
	c.after++
	return true, nil
}

func (c *shardCursor) index() int { return int((c.after - 1) % uint32(c.spool.Manifest.BatchRows)) }
func (c *shardCursor) row() int64 { return c.page.rows[c.index()] }

func (c *shardCursor) record() person.Record {
	i := c.index()
	r := person.Record{
		Row: c.page.rows[i], File: int(c.page.files[i]), Line: c.page.lines[i], Reference: text(c.page.references, i), Number: person.NHSNumber(c.page.numbers[i]).Digits(),
		Shard: c.shard, Lane: c.spool.lane(c.shard, c.after-1), Position: c.after - 1,
	}
	r.Fate, r.Code = c.spool.verdict(c.shard, r.Position)
	r.Reason = c.spool.Manifest.Words(r.Code)
	return r
}

// text is the value of a column at i; empty when it is null.
func text(column *array.String, i int) string {
	if column.IsNull(i) {
		return ""
	}
	return column.Value(i)
}

// verdict is the fate and the reason code of a record; both empty for one to send.
func (s *Spool) verdict(shard int, position uint32) (person.Fate, string) {
	return verdictWords(s.shards[shard].verdicts[position], s.Manifest.Reasons)
}

func verdictWords(v uint8, reasons []string) (person.Fate, string) {
	switch v {
	case sendable:
		return "", ""
	case duplicate:
		return person.Duplicate, person.CodeDuplicate
	}
	return person.Suppressed, reasons[v-suppressed]
}

// Codes counts the duplicate and suppressed records by their reason codes.
func (s *Spool) Codes() map[string]int64 {
	var counts [256]int64
	for _, sh := range s.shards {
		for _, v := range sh.verdicts {
			counts[v]++
		}
	}
	codes := map[string]int64{}
	for v := duplicate; v < suppressed+len(s.Manifest.Reasons); v++ {
		if _, code := verdictWords(uint8(v), s.Manifest.Reasons); counts[v] > 0 {
			codes[code] += counts[v]
		}
	}
	return codes
}

// words explains this package's reason codes, except for duplicates: see ruleWords.
var words = map[string]string{
	person.CodeWithdrawn:     "the record says that the person is not to be invited",
	person.CodeAlreadySent:   "the person was accepted in an earlier run",
	person.CodeReplaced:      "an earlier file says that another NHS number of this cohort replaced this one",
	person.CodeInDoubtBefore: "the person is in doubt in an earlier run",
}

// Words explains the reason code of a duplicate or suppressed record of the spool. A code
// that is not of this program is a suppression list's.
func (m Manifest) Words(code string) string {
	if code == person.CodeDuplicate && m.Duplicates.known() {
		return ruleWords[m.Duplicates]
	}
	if w, known := words[code]; known || code == "" {
		return w
	}
	return "a suppression list names the person"
}
