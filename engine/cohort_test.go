package engine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"testing"
	"time"

	"cohort/engine/campaign"
	"cohort/engine/journal"
	"cohort/ingest/person"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// testNumber is the i-th valid NHS number of the 999 range.
func testNumber(i int) person.NHSNumber {
	for body := uint64(999_000_000 + i); ; body += 500_000 {
		sum, rest := uint64(0), body
		for weight := uint64(2); weight <= 10; weight++ {
			sum += rest % 10 * weight
			rest /= 10
		}
		if check := (11 - sum%11) % 11; check < 10 {
			return person.NHSNumber(body*10 + check)
		}
	}
}

// people is a cohort in memory. Row i of them lives in shard i modulo the number of
// shards; duplicates keep their position and are not yielded.
type people struct {
	shards  [][]person.Recipient // by lane, where there are routes
	ways    []PlannedRoute       // none: there are no routes
	dropped map[int64]bool       // rows that are duplicates
	failAt  int64                // the row at which reading fails; never when 0
	static  map[string]int64
	rows    int64
}

var errUnreadable = errors.New("the spool cannot be read")

// newPeople makes a cohort of n sendable records, of which role says "duplicate" or
// "suppressed", or nothing.
func newPeople(n, shards int, role func(row int64) person.Fate) *people {
	p := &people{shards: make([][]person.Recipient, shards), dropped: map[int64]bool{}, static: map[string]int64{}, rows: int64(n)}
	for i := range n {
		row, shard := int64(i+1), i%shards
		r := person.Recipient{
			Row: row, Number: testNumber(i), Position: uint32(len(p.shards[shard])),
			Fields: []string{fmt.Sprintf("Given%d", i%97), "Family \"" + string(rune('a'+i%26)) + "\""},
		}
		if role != nil {
			switch role(row) {
			case person.Duplicate:
				p.dropped[row] = true
				p.static[string(person.Duplicate)]++
			case person.Suppressed:
				r.Suppressed = true
				p.static[string(person.Suppressed)]++
			}
		}
		p.shards[shard] = append(p.shards[shard], r)
	}
	return p
}

// newRouted makes the same cohort, of which row i goes by route i modulo the number of
// routes, counted
// within its shard. With one route the campaign has none.
func newRouted(n, shards, routes int, role func(row int64) person.Fate) *people {
	p := newPeople(n, shards, role)
	if routes < 2 {
		return p
	}
	for route := range routes {
		p.ways = append(p.ways, PlannedRoute{Name: fmt.Sprint("way", route), Template: fmt.Sprint("t", route), Static: map[string]int64{}})
	}
	lanes := make([][]person.Recipient, shards*routes)
	for shard, all := range p.shards {
		for _, r := range all {
			r.Route = uint8((r.Row - 1) / int64(shards) % int64(routes))
			lane := person.Lane(shard, routes, r.Route)
			lanes[lane] = append(lanes[lane], r)
			switch {
			case p.dropped[r.Row]:
				p.ways[r.Route].Static[string(person.Duplicate)]++
			case r.Suppressed:
				p.ways[r.Route].Static[string(person.Suppressed)]++
			}
		}
	}
	p.shards = lanes
	return p
}

func (p *people) Routes() int { return max(1, len(p.ways)) }
func (p *people) Shards() int { return len(p.shards) }
func (p *people) Positions(shard int) (n uint32) {
	first := shard / p.Routes() * p.Routes()
	for _, lane := range p.shards[first : first+p.Routes()] {
		if len(lane) > 0 {
			n = max(n, lane[len(lane)-1].Position+1)
		}
	}
	return n
}
func (p *people) Recipients(shard int, from, to uint32) iter.Seq2[person.Recipient, error] {
	return func(yield func(person.Recipient, error) bool) {
		for _, r := range p.shards[shard] {
			if r.Position < from || r.Position >= to {
				continue
			}
			if r.Row == p.failAt {
				yield(person.Recipient{}, errUnreadable)
				return
			}
			if !p.dropped[r.Row] && !yield(r, nil) {
				return
			}
		}
	}
}

// toSend lists the rows that are to be sent to.
func (p *people) toSend() []int64 {
	var rows []int64
	for _, shard := range p.shards {
		for _, r := range shard {
			if !r.Suppressed && !p.dropped[r.Row] {
				rows = append(rows, r.Row)
			}
		}
	}
	return rows
}

// plainBody encodes requests as a plain JSON document. It says by which route they go, unless
// by the first.
type plainBody struct{}

func (plainBody) AppendHead(dst []byte, batch Reference, route uint8) []byte {
	dst = AppendJSONString(append(dst, `{"batch":`...), batch.String())
	if route > 0 {
		dst = fmt.Appendf(dst, `,"route":%d`, route)
	}
	return append(dst, `,"messages":[`...)
}

func (plainBody) AppendMessage(dst []byte, message Reference, p *person.Recipient) []byte {
	dst = AppendJSONString(append(dst, `{"reference":`...), message.String())
	if p.Route > 0 {
		dst = fmt.Appendf(dst, `,"route":%d`, p.Route)
	}
	dst = append(p.Number.AppendDigits(append(dst, `,"to":"`...)), `","name":`...)
	return append(AppendJSONString(dst, p.Fields[0]+" "+p.Fields[1]), '}')
}

func (plainBody) AppendTail(dst []byte) []byte { return append(dst, "]}"...) }

// readPlainBody lists the message references of a body in its order. All of its messages go by
// the body's route.
func readPlainBody(body []byte) (batch string, messages []string, err error) {
	var b struct {
		Batch    string
		Route    int
		Messages []struct {
			Reference string
			Route     int
		}
	}
	err = json.Unmarshal(body, &b)
	for _, m := range b.Messages {
		if m.Route != b.Route {
			err = fmt.Errorf("a message of route %d goes by route %d", m.Route, b.Route)
		}
		messages = append(messages, m.Reference)
	}
	return b.Batch, messages, err
}

// encoding is a Sink that only encodes.
type encoding struct{ plainBody }

func (encoding) Kind() Kind { return Deduplicates }
func (encoding) Send(context.Context, *Request) Answer {
	panic("nothing is sent here")
}

var testRun = NewRunID("a-campaign", [32]byte{1}, "notify simulator")

// sealPlan seals a plan of people in dir and opens it.
func sealPlan(t testing.TB, dir string, p *people, limits Limits) *Plan {
	t.Helper()
	batches, err := Cut(t.Context(), testRun, p, encoding{}, limits)
	must(t, err)
	must(t, Seal(dir, testHeader(p), batches, nil))
	return openPlan(t, dir)
}

func testHeader(p *people) PlanHeader {
	return PlanHeader{
		RunID: testRun.String(), Campaign: "a-campaign", Service: "notify simulator", Records: p.rows, Static: p.static,
		Cohort: Cohort{SHA256: "01", Files: []CohortFile{{Path: "/somewhere/cohort.csv", SHA256: "01"}}}, Template: "t1",
		Frozen: []campaign.Setting{{Key: "campaign", Value: "a-campaign"}}, Routes: p.ways,
	}
}

func openPlan(t testing.TB, dir string) *Plan {
	t.Helper()
	plan, err := OpenPlan(dir)
	must(t, err)
	t.Cleanup(func() { _ = plan.Close() })
	return plan
}

func london(t testing.TB) *time.Location {
	t.Helper()
	l, err := time.LoadLocation("Europe/London")
	must(t, err)
	return l
}

// copyRun copies a run's folder as a crash at this moment would leave it. The second
// copy of the revisions goes first, since the log is written before it.
func copyRun(t testing.TB, from, to string) {
	t.Helper()
	must(t, os.MkdirAll(to, 0o700))
	for _, name := range []string{planFile, batchesFile, revisionsFolder, logFolder} {
		info, err := os.Stat(filepath.Join(from, name))
		must(t, err)
		if info.IsDir() {
			copyFolder(t, filepath.Join(from, name), filepath.Join(to, name))
		} else {
			copyFile(t, filepath.Join(from, name), filepath.Join(to, name))
		}
	}
}

func copyFolder(t testing.TB, from, to string) {
	t.Helper()
	must(t, os.MkdirAll(to, 0o700))
	entries, err := os.ReadDir(from)
	must(t, err)
	for _, e := range entries {
		if e.Name() != "reserve" {
			copyFile(t, filepath.Join(from, e.Name()), filepath.Join(to, e.Name()))
		}
	}
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	must(t, err)
	must(t, os.WriteFile(to, text, 0o600))
}

// kept lists the records of the second copy of the revisions.
func kept(t *testing.T, dir string, plan *Plan) (all []string) {
	t.Helper()
	_, err := journal.Read(filepath.Join(dir, revisionsFolder), plan.Run, journal.Options{}, func(r journal.Record) error {
		all = append(all, string(r.Payload))
		return nil
	})
	must(t, err)
	return all
}
