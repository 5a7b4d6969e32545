// Package enginetest has what tests of several rooms share: cohorts in memory, plans, and checks.
package enginetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/journal"
	"cohort/engine/plan"
	"cohort/ingest/person"

	"pgregory.net/rapid"
)

func Must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestNumber returns the i-th valid NHS number of the 999 range.
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

// People is a cohort in memory, as an engine.Source. Row i is in shard i modulo the number of shards. Duplicates keep
// their position and are not yielded.
type People struct {
	ByLane  [][]person.Recipient // by lane
	ways    []plan.Route         // none: the cohort has no routes
	Dropped map[int64]bool       // rows that are duplicates
	FailAt  int64                // the row at which reading fails; never when 0
	Static  map[string]int64
	Rows    int64
}

// ErrUnreadable is the error of reading the row FailAt.
var ErrUnreadable = errors.New("the spool cannot be read")

// NewPeople makes a cohort of n sendable records. The role of a row is person.Duplicate, person.Suppressed or nothing.
func NewPeople(n, shards int, role func(row int64) person.Fate) *People {
	p := &People{ByLane: make([][]person.Recipient, shards), Dropped: map[int64]bool{}, Static: map[string]int64{}, Rows: int64(n)}
	for i := range n {
		row, shard := int64(i+1), i%shards
		r := person.Recipient{
			Row: row, Number: TestNumber(i), Position: uint32(len(p.ByLane[shard])),
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
		p.ByLane[shard] = append(p.ByLane[shard], r)
	}
	return p
}

// NewRouted is NewPeople with routes. Row i of a shard has route i modulo the number of routes. With one route the
// campaign has none.
func NewRouted(n, shards, routes int, role func(row int64) person.Fate) *People {
	p := NewPeople(n, shards, role)
	if routes < 2 {
		return p
	}
	for route := range routes {
		p.ways = append(p.ways, plan.Route{Name: fmt.Sprint("way", route), Template: fmt.Sprint("t", route), Static: map[string]int64{}})
	}
	lanes := make([][]person.Recipient, shards*routes)
	for shard, all := range p.ByLane {
		for _, r := range all {
			r.Route = uint8((r.Row - 1) / int64(shards) % int64(routes))
			lane := person.LaneOf(shard, routes, r.Route)
			lanes[lane] = append(lanes[lane], r)
			switch {
			case p.Dropped[r.Row]:
				p.ways[r.Route].Static[string(person.Duplicate)]++
			case r.Suppressed:
				p.ways[r.Route].Static[string(person.Suppressed)]++
			}
		}
	}
	p.ByLane = lanes
	return p
}

func (p *People) Routes() int { return max(1, len(p.ways)) }

func (p *People) Lanes() int { return len(p.ByLane) }

func (p *People) Positions(lane person.Lane) (n uint32) {
	first := int(lane) / p.Routes() * p.Routes()
	for _, lane := range p.ByLane[first : first+p.Routes()] {
		if len(lane) > 0 {
			n = max(n, lane[len(lane)-1].Position+1)
		}
	}
	return n
}

func (p *People) Recipients(lane person.Lane, from, to uint32) iter.Seq2[person.Recipient, error] {
	return func(yield func(person.Recipient, error) bool) {
		for _, r := range p.ByLane[lane] {
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

// ToSend lists the rows that are to be sent to.
func (p *People) ToSend() (rows []int64) {
	for _, shard := range p.ByLane {
		for _, r := range shard {
			if !r.Suppressed && !p.Dropped[r.Row] {
				rows = append(rows, r.Row)
			}
		}
	}
	return rows
}

// PlainBody encodes requests as plain JSON. A route other than the first is in the request.
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

// ReadPlainBody returns the references of a body: the batch's, and the messages' in its order.
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

// Encoding is a Sink that only encodes.
type Encoding struct{ PlainBody }

func (Encoding) Kind() engine.Kind                                   { return engine.Deduplicates }
func (Encoding) Send(context.Context, *engine.Request) engine.Answer { panic("nothing is sent here") }

// TestRun is the run of all plans of this package.
var TestRun = engine.NewRunID("a-campaign", [32]byte{1}, "notify simulator")

// SealPlan seals a plan of people in dir and opens it.
func SealPlan(t testing.TB, dir string, p *People, limits engine.Limits) *plan.Plan {
	t.Helper()
	seal(t, dir, p, limits, TestHeader(p))
	return OpenPlan(t, dir)
}

func seal(t testing.TB, dir string, p *People, limits engine.Limits, header plan.Header) {
	t.Helper()
	batches, err := plan.Cut(t.Context(), TestRun.References(), p, Encoding{}, limits, "")
	Must(t, err)
	Must(t, plan.Seal(dir, header, batches, nil))
}

// TestHeader returns the header of a plan of people.
func TestHeader(p *People) plan.Header {
	return plan.Header{
		RunID: TestRun.String(), Campaign: "a-campaign", Service: "notify simulator", Records: p.Rows, Static: p.Static,
		Cohort: plan.Cohort{SHA256: "01", Files: []plan.CohortFile{{Path: "/somewhere/cohort.csv", SHA256: "01"}}}, Template: "t1",
		Frozen: []campaign.Setting{{Key: "campaign", Value: "a-campaign"}}, Routes: p.ways,
	}
}

// OpenPlan opens the plan in dir for the length of the test.
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

// CopyFolder copies the files of a folder, without a journal's reserve.
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

// Kept lists the records of the second copy of the revisions.
func Kept(t *testing.T, dir string, plan *plan.Plan) (all []string) {
	t.Helper()
	_, err := journal.Read(filepath.Join(dir, "revisions"), plan.Run, journal.Options{}, func(r journal.Record) error {
		all = append(all, string(r.Payload))
		return nil
	})
	Must(t, err)
	return all
}

// Listed yields those of some rows that were to be sent to, with a reason code for each.
func (p *People) Listed(rows map[int64]string) iter.Seq2[plan.Listed, error] {
	return func(yield func(plan.Listed, error) bool) {
		for shard := range p.ByLane {
			for _, r := range p.ByLane[shard] {
				code, named := rows[r.Row]
				listed := plan.Listed{Lane: person.Lane(shard), Position: r.Position, Code: code}
				if named && !r.Suppressed && !p.Dropped[r.Row] && !yield(listed, nil) {
					return
				}
			}
		}
	}
}

// Cut cuts people into batches and returns them by lane.
func Cut(ctx context.Context, source engine.Source, sink engine.Sink, limits engine.Limits) ([][]plan.Batch, error) {
	batches, err := plan.Cut(ctx, TestRun.References(), source, sink, limits, "")
	if err != nil {
		return nil, err
	}
	lanes := make([][]plan.Batch, len(batches.LaneStarts))
	for b, err := range batches.Each() {
		if err != nil {
			return nil, err
		}
		lanes[b.Lane] = append(lanes[b.Lane], b)
	}
	return lanes, batches.Close()
}

// SealForgetful seals a plan of single messages to a service that does not deduplicate.
func SealForgetful(t testing.TB, dir string, p *People) {
	t.Helper()
	header := TestHeader(p)
	header.NeverAgain = true
	seal(t, dir, p, engine.Limits{Messages: 1, Bytes: 1 << 20}, header)
}

// DrawPeople draws a cohort with names of many lengths.
func DrawPeople(t *rapid.T) *People {
	role := rapid.SampledFrom([]person.Fate{"", "", "", person.Duplicate, person.Suppressed})
	n, shards := rapid.IntRange(0, 60).Draw(t, "people"), rapid.IntRange(1, 4).Draw(t, "shards")
	routes := rapid.SampledFrom([]int{1, 1, 2, 3}).Draw(t, "routes")
	p := NewRouted(n, shards, routes, func(int64) person.Fate { return role.Draw(t, "role") })
	for _, shard := range p.ByLane {
		for i := range shard {
			shard[i].Fields[0] = strings.Repeat("n", rapid.IntRange(0, 300).Draw(t, "length"))
		}
	}
	return p
}

// CheckError fails the test unless an error contains some words; without words, unless it is nil.
func CheckError(t testing.TB, sentence string, err error, words string) {
	t.Helper()
	switch {
	case words == "" && err != nil:
		t.Errorf("%s: %v", sentence, err)
	case words != "" && (err == nil || !strings.Contains(err.Error(), words)):
		t.Errorf("%s: the error is %v and should say %q", sentence, err, words)
	}
}
