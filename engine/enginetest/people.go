package enginetest

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

	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/journal"
	"cohort/engine/plan"
	"cohort/ingest/person"
)

func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// testNumber is the i-th valid NHS number of the 999 range.
func TestNumber(i int) person.NHSNumber {
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
type People struct {
	Lanes   [][]person.Recipient // by lane, where there are routes
	ways    []plan.Route         // none: there are no routes
	Dropped map[int64]bool       // rows that are duplicates
	FailAt  int64                // the row at which reading fails; never when 0
	Static  map[string]int64
	Rows    int64
}

var ErrUnreadable = errors.New("the spool cannot be read")

// newPeople makes a cohort of n sendable records, of which role says "duplicate" or
// "suppressed", or nothing.
func NewPeople(n, shards int, role func(row int64) person.Fate) *People {
	p := &People{Lanes: make([][]person.Recipient, shards), Dropped: map[int64]bool{}, Static: map[string]int64{}, Rows: int64(n)}
	for i := range n {
		row, shard := int64(i+1), i%shards
		r := person.Recipient{
			Row: row, Number: TestNumber(i), Position: uint32(len(p.Lanes[shard])),
			Fields: []string{fmt.Sprintf("Given%d", i%97), "Family \"" + string(rune('a'+i%26)) + "\""},
		}
		if role != nil {
			switch role(row) {
			case person.Duplicate:
				p.Dropped[row] = true
				p.Static[string(person.Duplicate)]++
			case person.Suppressed:
				r.Suppressed = true
				p.Static[string(person.Suppressed)]++
			}
		}
		p.Lanes[shard] = append(p.Lanes[shard], r)
	}
	return p
}

// newRouted makes the same cohort, of which row i goes by route i modulo the number of
// routes, counted
// within its shard. With one route the campaign has none.
func NewRouted(n, shards, routes int, role func(row int64) person.Fate) *People {
	p := NewPeople(n, shards, role)
	if routes < 2 {
		return p
	}
	for route := range routes {
		p.ways = append(p.ways, plan.Route{Name: fmt.Sprint("way", route), Template: fmt.Sprint("t", route), Static: map[string]int64{}})
	}
	lanes := make([][]person.Recipient, shards*routes)
	for shard, all := range p.Lanes {
		for _, r := range all {
			r.Route = uint8((r.Row - 1) / int64(shards) % int64(routes))
			lane := person.Lane(shard, routes, r.Route)
			lanes[lane] = append(lanes[lane], r)
			switch {
			case p.Dropped[r.Row]:
				p.ways[r.Route].Static[string(person.Duplicate)]++
			case r.Suppressed:
				p.ways[r.Route].Static[string(person.Suppressed)]++
			}
		}
	}
	p.Lanes = lanes
	return p
}

func (p *People) Routes() int { return max(1, len(p.ways)) }
func (p *People) Shards() int { return len(p.Lanes) }
func (p *People) Positions(shard int) (n uint32) {
	first := shard / p.Routes() * p.Routes()
	for _, lane := range p.Lanes[first : first+p.Routes()] {
		if len(lane) > 0 {
			n = max(n, lane[len(lane)-1].Position+1)
		}
	}
	return n
}
func (p *People) Recipients(shard int, from, to uint32) iter.Seq2[person.Recipient, error] {
	return func(yield func(person.Recipient, error) bool) {
		for _, r := range p.Lanes[shard] {
			if r.Position < from || r.Position >= to {
				continue
			}
			if r.Row == p.FailAt {
				yield(person.Recipient{}, ErrUnreadable)
				return
			}
			if !p.Dropped[r.Row] && !yield(r, nil) {
				return
			}
		}
	}
}

// toSend lists the rows that are to be sent to.
func (p *People) ToSend() []int64 {
	var rows []int64
	for _, shard := range p.Lanes {
		for _, r := range shard {
			if !r.Suppressed && !p.Dropped[r.Row] {
				rows = append(rows, r.Row)
			}
		}
	}
	return rows
}

// plainBody encodes requests as a plain JSON document. It says by which route they go, unless
// by the first.
type PlainBody struct{}

func (PlainBody) AppendHead(dst []byte, batch engine.Reference, route uint8) []byte {
	dst = engine.AppendJSONString(append(dst, `{"batch":`...), batch.String())
	if route > 0 {
		dst = fmt.Appendf(dst, `,"route":%d`, route)
	}
	return append(dst, `,"messages":[`...)
}

func (PlainBody) AppendMessage(dst []byte, message engine.Reference, p *person.Recipient) []byte {
	dst = engine.AppendJSONString(append(dst, `{"reference":`...), message.String())
	if p.Route > 0 {
		dst = fmt.Appendf(dst, `,"route":%d`, p.Route)
	}
	dst = append(p.Number.AppendDigits(append(dst, `,"to":"`...)), `","name":`...)
	return append(engine.AppendJSONString(dst, p.Fields[0]+" "+p.Fields[1]), '}')
}

func (PlainBody) AppendTail(dst []byte) []byte { return append(dst, "]}"...) }

// readPlainBody lists the message references of a body in its order. All of its messages go by
// the body's route.
func ReadPlainBody(body []byte) (batch string, messages []string, err error) {
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
type Encoding struct{ PlainBody }

func (Encoding) Kind() engine.Kind { return engine.Deduplicates }
func (Encoding) Send(context.Context, *engine.Request) engine.Answer {
	panic("nothing is sent here")
}

var TestRun = engine.NewRunID("a-campaign", [32]byte{1}, "notify simulator")

// sealPlan seals a plan of people in dir and opens it.
func SealPlan(t testing.TB, dir string, p *People, limits engine.Limits) *plan.Plan {
	t.Helper()
	batches, err := plan.Cut(t.Context(), TestRun, p, Encoding{}, limits)
	Must(t, err)
	Must(t, plan.Seal(dir, TestHeader(p), batches, nil))
	return OpenPlan(t, dir)
}

func TestHeader(p *People) plan.Header {
	return plan.Header{
		RunID: TestRun.String(), Campaign: "a-campaign", Service: "notify simulator", Records: p.Rows, Static: p.Static,
		Cohort: plan.Cohort{SHA256: "01", Files: []plan.CohortFile{{Path: "/somewhere/cohort.csv", SHA256: "01"}}}, Template: "t1",
		Frozen: []campaign.Setting{{Key: "campaign", Value: "a-campaign"}}, Routes: p.ways,
	}
}

func OpenPlan(t testing.TB, dir string) *plan.Plan {
	t.Helper()
	plan, err := plan.Open(dir)
	Must(t, err)
	t.Cleanup(func() { _ = plan.Close() })
	return plan
}

func London(t testing.TB) *time.Location {
	t.Helper()
	l, err := time.LoadLocation("Europe/London")
	Must(t, err)
	return l
}

func CopyFolder(t testing.TB, from, to string) {
	t.Helper()
	Must(t, os.MkdirAll(to, 0o700))
	entries, err := os.ReadDir(from)
	Must(t, err)
	for _, e := range entries {
		if e.Name() != "reserve" {
			CopyFile(t, filepath.Join(from, e.Name()), filepath.Join(to, e.Name()))
		}
	}
}

func CopyFile(t testing.TB, from, to string) {
	t.Helper()
	text, err := os.ReadFile(from)
	Must(t, err)
	Must(t, os.WriteFile(to, text, 0o600))
}

// kept lists the records of the second copy of the revisions.
func Kept(t *testing.T, dir string, plan *plan.Plan) (all []string) {
	t.Helper()
	_, err := journal.Read(filepath.Join(dir, "revisions"), plan.Run, journal.Options{}, func(r journal.Record) error {
		all = append(all, string(r.Payload))
		return nil
	})
	Must(t, err)
	return all
}
