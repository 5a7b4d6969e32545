package report_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	"github.com/apache/arrow/go/v15/arrow/memory"
	"github.com/apache/arrow/go/v15/parquet/file"
	"github.com/apache/arrow/go/v15/parquet/pqarrow"

	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/disk"
	"cohort/engine/dispatch"
	"cohort/engine/ledger"
	"cohort/engine/outcome"
	"cohort/engine/plan"
	"cohort/engine/report"
	"cohort/ingest/person"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

const (
	rows   = 210_000 // several row groups
	shards = 3

	// Of the rows between these all are invalid, so that of one row group whole columns are
	// null; and there alone the file has message references of its own.
	barren, fertile = 120_000, 200_000
)

var run = engine.NewRunID("a-campaign", [32]byte{7}, "notify simulator")

// cohort is a file of records of every kind; position of each in its shard by row.
type cohort struct {
	records []person.Record
	shards  [shards][]person.Recipient
	static  map[string]int64
}

func newCohort() *cohort { return cohortOf(rows) }

func cohortOf(n int64) *cohort {
	c := &cohort{static: map[string]int64{}}
	for row := int64(1); row <= n; row++ {
		r := person.Record{Row: row, Line: row + 1, Number: fmt.Sprintf("999%07d", row), Shard: int(row % shards)}
		switch {
		case row%11 == 0 || row > barren && row < fertile:
			r.Fate, r.Code, r.Reason, r.Shard = person.Invalid, person.CodeBadNumber, "the check digit is wrong", -1
			if row%2 == 0 {
				r.Number = "" // nothing was there
			}
		case row%13 == 0:
			r.Fate, r.Code, r.Reason = person.Duplicate, person.CodeDuplicate, "an earlier record is for the same person"
		case row%17 == 0:
			r.Fate, r.Code = person.Suppressed, person.CodeAlreadySent
		}
		if row > barren && row < fertile && row%3 > 0 {
			r.Reference = fmt.Sprintf("reference %d", row%1000)
		}
		if r.Fate != "" {
			c.static[string(r.Fate)]++
		}
		if r.Shard >= 0 {
			r.Position = uint32(len(c.shards[r.Shard]))
			c.shards[r.Shard] = append(c.shards[r.Shard], person.Recipient{
				Row: row, Position: r.Position, Suppressed: r.Fate != "", // which leaves duplicates out as well
			})
		}
		c.records = append(c.records, r)
	}
	return c
}

func (c *cohort) Lanes() int                         { return shards }
func (c *cohort) Positions(shard person.Lane) uint32 { return uint32(len(c.shards[shard])) }
func (c *cohort) Recipients(shard person.Lane, from, to uint32) iter.Seq2[person.Recipient, error] {
	return func(yield func(person.Recipient, error) bool) {
		for _, r := range c.shards[shard][from:to] {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// source hands out the records of a cohort, the last shard first.
type source struct {
	records []person.Record
	given   int
}

// verdicts are those of the records of newCohort.
var verdicts = []person.Verdict{{}, {Fate: person.Duplicate, Code: person.CodeDuplicate, Reason: "an earlier record is for the same person"}, {Fate: person.Suppressed, Code: person.CodeAlreadySent}}

func (*source) Verdicts() []person.Verdict { return verdicts }

func (s *source) Below(end int64, valid func(*person.Stretch) error, invalid func(*person.Record) error) error {
	var parts [shards]person.Stretch
	for ; s.given < len(s.records) && s.records[s.given].Row < end; s.given++ {
		r := s.records[s.given]
		if r.Fate == person.Invalid {
			if err := invalid(&r); err != nil {
				return err
			}
			continue
		}
		p := &parts[r.Shard]
		if p.Rows == nil {
			p.Shard, p.Position = r.Shard, r.Position
		}
		number, err := strconv.ParseUint(r.Number, 10, 64)
		if err != nil {
			return err
		}
		p.Rows, p.Lines, p.Files, p.Numbers = append(p.Rows, r.Row), append(p.Lines, r.Line), append(p.Files, uint16(r.File)), append(p.Numbers, number)
		p.Verdicts = append(p.Verdicts, uint8(slices.IndexFunc(verdicts, func(v person.Verdict) bool { return v.Fate == r.Fate })))
	}
	for _, p := range slices.Backward(parts[:]) {
		if len(p.Rows) == 0 {
			continue
		}
		if err := valid(&p); err != nil {
			return err
		}
	}
	return nil
}

// known is the service's record of one message.
type known struct {
	attempts int
	batch    string
	fate     person.Fate
	id       string
}

// service answers the n-th request by a fixed pattern, so that every fate comes about.
type service struct {
	mu       sync.Mutex
	n        int
	pattern  map[engine.Reference]int
	messages map[string]*known
}

func (*service) Kind() engine.Kind { return engine.Deduplicates }
func (*service) AppendHead(dst []byte, r engine.Reference, _ uint8) []byte {
	return append(append(dst, r[:]...), '[')
}
func (*service) AppendMessage(dst []byte, r engine.Reference, _ *person.Recipient) []byte {
	return append(dst, r[:]...)
}
func (*service) AppendTail(dst []byte) []byte { return append(dst, ']') }

func (s *service) Send(_ context.Context, r *engine.Request) engine.Answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	pattern, again := s.pattern[r.Reference]
	if !again {
		pattern = s.n
		s.pattern[r.Reference] = s.n
		s.n++
	}
	for _, m := range r.Messages {
		k := s.messages[m.String()]
		if k == nil {
			k = &known{}
			s.messages[m.String()] = k
		}
		k.attempts++
		k.batch = r.Reference.String()
	}
	each := func(fate person.Fate, ids bool) (all []string) {
		for _, m := range r.Messages {
			k := s.messages[m.String()]
			if k.fate, k.id = fate, ""; ids {
				k.id = "id-" + m.String()
				all = append(all, k.id)
			}
		}
		return all
	}
	switch {
	case s.n > 480:
		each(person.NotSent, false)
		return engine.Answer{Reply: engine.Refused, Status: 403, Code: "FORBIDDEN", Halt: "enough"}
	case pattern%8 == 3 && again:
		each(person.Accepted, false)
		return engine.Answer{Reply: engine.Known, Status: 422, Code: "DUPLICATE"}
	case pattern%8 == 3:
		each(person.InDoubt, false)
		return engine.Answer{Reply: engine.Unknown, Code: "timeout", RetryAfter: time.Second}
	case pattern%8 == 5:
		each(person.InDoubt, false)
		return engine.Answer{Reply: engine.Unknown, Status: 503, Code: "UNAVAILABLE", RetryAfter: time.Hour}
	case pattern%8 == 6:
		last := len(r.Messages) - 1
		s.messages[r.Messages[10].String()].fate = person.Refused
		s.messages[r.Messages[last].String()].fate = person.Refused
		return engine.Answer{Reply: engine.RowsRefused, Status: 400, Code: "INVALID", Rows: []engine.RowError{
			{Index: last, Code: "TOO_LONG", Reason: "a field is too long"}, {Index: 10, Code: "TOO_LONG", Reason: "a field is too long"},
		}}
	}
	return engine.Answer{Reply: engine.Accepted, Status: 201, IDs: each(person.Accepted, true)}
}

// send plans the cohort in dir, sends until the service halts it, and returns what a
// report is made of.
func send(t *testing.T, dir string, c *cohort, s *service) report.Input {
	ctx := t.Context()
	batches, err := plan.Cut(ctx, run.References(), c, s, engine.Limits{Messages: 220, Bytes: 1 << 20}, "")
	must(t, err)
	must(t, plan.Seal(dir, plan.Header{
		RunID: run.String(), Campaign: "a-campaign", Service: "notify simulator", Records: rows, Static: c.static,
		Cohort: plan.Cohort{SHA256: "c0ffee", Files: []plan.CohortFile{{Path: "/somewhere/cohort.csv", SHA256: "c0ffee"}}}, Template: "t1",
	}, batches, nil))
	plan, err := plan.Open(dir)
	must(t, err)
	t.Cleanup(func() { _ = plan.Close() })
	log, err := ledger.Open(dir, plan)
	must(t, err)
	summary, err := dispatch.Run(ctx, dispatch.Job{Plan: plan, Log: log, Source: c, Sink: s, Pace: campaign.Pace{Location: time.UTC}, Ceiling: 1})
	if err == nil || !strings.Contains(err.Error(), "enough") {
		t.Fatal(err)
	}
	must(t, log.Close())
	return input(t, dir, plan, c, summary.Account)
}

func input(t testing.TB, dir string, plan *plan.Plan, c *cohort, account ledger.Account) report.Input {
	ledger, err := ledger.Read(dir, plan)
	must(t, err)
	trail, err := outcome.Open(dir, plan, ledger)
	must(t, err)
	t.Cleanup(func() { _ = trail.Close() })
	return report.Input{Plan: plan, Account: account, Trail: trail, Records: &source{records: c.records}, Version: "v1", Complete: false}
}

func writeFile(path string, in report.Input) error {
	return disk.WriteFile(path, func(w io.Writer) error { return report.Write(in, report.Parquet(w)) })
}

func TestTheReport(t *testing.T) {
	c := newCohort()
	s := &service{pattern: map[engine.Reference]int{}, messages: map[string]*known{}}
	dir := t.TempDir()
	path := filepath.Join(dir, "report.parquet")
	var in report.Input
	synctest.Test(t, func(t *testing.T) {
		in = send(t, dir, c, s)
		must(t, writeFile(path, in))

		// An account that says otherwise is a defect, and what stood there still stands.
		before, err := os.ReadFile(path)
		must(t, err)
		wrong := input(t, dir, in.Plan, c, in.Account)
		wrong.Account.Fates = map[person.Fate]int64{}
		for fate, n := range in.Account.Fates {
			wrong.Account.Fates[fate] = n
		}
		wrong.Account.Fates[person.Accepted]--
		wrong.Account.Fates[person.NotSent]++
		if err := writeFile(path, wrong); err == nil || !strings.Contains(err.Error(), "defect") {
			t.Errorf("an account that does not match: %v", err)
		}
		after, err := os.ReadFile(path)
		must(t, err)
		if string(after) != string(before) {
			t.Error("a report that was not written has changed the one that was")
		}
	})
	entries, err := os.ReadDir(dir)
	must(t, err)
	for _, e := range entries {
		if strings.HasSuffix(e.Name(), ".tmp") {
			t.Errorf("%s was left behind", e.Name())
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	for _, fate := range person.Fates {
		if in.Account.Fates[fate] == 0 {
			t.Errorf("the cohort of this test has nobody who is %s", fate)
		}
	}
	readBack(t, path, func(table arrow.Table, metadata map[string]string) {
		checkMetadata(t, metadata, in.Account)
		checkRows(t, table, c, s)
	})
}

// What a source gives is held against what there must be: a record that is missing, that is
// there twice, or that nobody knows of would else be a row too few, or a wrong one.
func TestASourceThatIsNotWholeIsRefused(t *testing.T) {
	c := newCohort()
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		in := send(t, dir, c, &service{pattern: map[engine.Reference]int{}, messages: map[string]*known{}})
		for _, row := range []struct {
			sentence string
			records  []person.Record
			want     string
		}{
			{"the last record is missing", c.records[:rows-1], "missing"},
			{"an invalid record is missing", slices.Concat(c.records[:10], c.records[11:]), "missing"},
			{"an invalid record is there twice", slices.Concat(c.records[:11], c.records[10:11], c.records[12:]), "there twice"},
			{"there is one more than the plan knows", slices.Concat(c.records, []person.Record{{Row: rows + 1, Fate: person.Invalid, Shard: -1}}), "more records"},
			{"a record is of a file that the plan does not know", append(slices.Clone(c.records[:rows-1]), person.Record{Row: rows, File: 1, Fate: person.Invalid, Shard: -1}), "plan knows 1 files"},
		} {
			again := input(t, dir, in.Plan, c, in.Account)
			again.Records = &source{records: row.records}
			if err := report.Write(again, report.Parquet(io.Discard)); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("%s: %v", row.sentence, err)
			}
		}
		again := input(t, dir, in.Plan, c, in.Account)
		if err := report.Write(again, report.Parquet(full{})); !errors.Is(err, errFull) {
			t.Errorf("a full disk: %v", err)
		}
	})
}

var errFull = errors.New("no room")

// full is a disk without room.
type full struct{}

func (full) Write([]byte) (int, error) { return 0, errFull }

// readBack reads a Parquet file with another library than the one that wrote it.
func readBack(t *testing.T, path string, look func(arrow.Table, map[string]string)) {
	t.Helper()
	pf, err := file.OpenParquetFile(path, false)
	must(t, err)
	defer func() { _ = pf.Close() }()
	metadata := map[string]string{}
	for _, kv := range pf.MetaData().KeyValueMetadata() {
		metadata[kv.Key] = kv.GetValue()
	}
	if pf.NumRowGroups() < 3 {
		t.Errorf("%d row groups", pf.NumRowGroups())
	}
	reader, err := pqarrow.NewFileReader(pf, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
	must(t, err)
	table, err := reader.ReadTable(context.Background())
	must(t, err)
	defer table.Release()
	look(table, metadata)
}

func checkMetadata(t *testing.T, got map[string]string, account ledger.Account) {
	t.Helper()
	want := map[string]string{
		"campaign": "a-campaign", "run_id": run.String(), "cohort_sha256": "c0ffee", "service": "notify simulator",
		"records": fmt.Sprint(rows), "version": "v1", "complete": "false",
	}
	for _, fate := range person.Fates {
		want[string(fate)] = fmt.Sprint(account.Fates[fate])
	}
	for key, value := range want {
		if got[key] != value {
			t.Errorf("metadata %s is %q, want %q", key, got[key], value)
		}
	}
}

// column reads every value of a column as text, "" for null, and counts the nulls.
func column(t *testing.T, table arrow.Table, name string) (values []string, nulls int) {
	t.Helper()
	indices := table.Schema().FieldIndices(name)
	if len(indices) != 1 {
		t.Fatalf("there are %d columns %s", len(indices), name)
	}
	for _, chunk := range table.Column(indices[0]).Data().Chunks() {
		nulls += chunk.NullN()
		for i := range chunk.Len() {
			switch a := chunk.(type) {
			case *array.String:
				if !a.IsNull(i) && a.Value(i) == "" {
					t.Fatalf("column %s holds an empty text", name)
				}
			case *array.Timestamp:
				if zone := a.DataType().(*arrow.TimestampType).TimeZone; zone != "UTC" {
					t.Fatalf("column %s is in time zone %q", name, zone)
				}
			}
			if chunk.IsNull(i) {
				values = append(values, "")
			} else {
				values = append(values, strings.Clone(chunk.ValueStr(i)))
			}
		}
	}
	return values, nulls
}

func checkRows(t *testing.T, table arrow.Table, c *cohort, s *service) {
	t.Helper()
	names := []string{
		"row", "file", "line", "nhs_number", "outcome", "reason_code", "reason", "shard", "batch_reference", "message_reference", "message_id",
		"file_message_reference", "attempts", "first_attempt_at", "accepted_at", "template_version",
		"delivery_status", "delivered_channel", "delivered_at", "read_at", "failure_code", "failure_reason", "last_event_at", "routing_plan_version",
	}
	if table.NumRows() != rows || int(table.NumCols()) != len(names) {
		t.Fatalf("%d rows and %d columns", table.NumRows(), table.NumCols())
	}
	got, nulls, want := map[string][]string{}, map[string]int{}, map[string]int{}
	for i, name := range names {
		if found := table.Schema().Field(i).Name; found != name {
			t.Errorf("column %d is %s, want %s", i, found, name)
		}
		got[name], nulls[name] = column(t, table, name)
	}
	for i, r := range c.records {
		expect := expected(r, s)
		for _, name := range names {
			value := got[name][i]
			if expect[name] == "" {
				want[name]++
			}
			if known := expect[name] == "known"; known && value == "" || !known && value != expect[name] {
				t.Fatalf("row %d (%s): %s is %q, want %q", r.Row, expect["outcome"], name, value, expect[name])
			}
		}
	}
	for _, name := range names {
		if nulls[name] != want[name] {
			t.Errorf("column %s has %d nulls, want %d", name, nulls[name], want[name])
		}
	}
	for _, name := range []string{"nhs_number", "reason_code", "reason", "shard", "batch_reference", "message_reference", "message_id", "file_message_reference", "first_attempt_at", "accepted_at", "template_version"} {
		if nulls[name] == 0 || nulls[name] == rows {
			t.Errorf("column %s has %d nulls: this test shows nothing of it", name, nulls[name])
		}
	}
}

// expected is the row of one record, by what the service knows; "known" stands for a
// value that the service does not.
func expected(r person.Record, s *service) map[string]string {
	e := map[string]string{
		"row": fmt.Sprint(r.Row), "file": "cohort.csv", "line": fmt.Sprint(r.Line), "nhs_number": r.Number, "outcome": string(r.Fate),
		"reason_code": r.Code, "reason": r.Reason, "attempts": "0", "file_message_reference": r.Reference,
	}
	if r.Shard >= 0 {
		e["shard"] = fmt.Sprint(r.Shard)
	}
	if r.Fate != "" {
		return e
	}
	e["outcome"], e["message_reference"], e["template_version"] = string(person.NotSent), run.References().Message(r.Row).String(), "t1"
	k := s.messages[e["message_reference"]]
	if k == nil {
		return e
	}
	e["outcome"], e["attempts"], e["batch_reference"], e["message_id"] = string(k.fate), fmt.Sprint(k.attempts), k.batch, k.id
	e["first_attempt_at"], e["reason_code"], e["reason"] = "known", "known", "known"
	if k.id != "" {
		e["accepted_at"], e["reason_code"], e["reason"] = "known", "", ""
	}
	if k.fate == person.Refused {
		e["reason_code"], e["reason"] = "TOO_LONG", "a field is too long"
	}
	return e
}
