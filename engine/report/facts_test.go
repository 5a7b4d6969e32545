package report_test

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"cohort/engine/delivery"
	"cohort/engine/report"
	"cohort/ingest/person"
)

// reportRow is a row of the report, as far as facts change it.
type reportRow struct {
	Row                int64      `parquet:"row"`
	Line               int64      `parquet:"line"`
	NHSNumber          *string    `parquet:"nhs_number,optional"`
	Outcome            string     `parquet:"outcome"`
	ReasonCode         *string    `parquet:"reason_code,optional"`
	Shard              *int32     `parquet:"shard,optional"`
	FileReference      *string    `parquet:"file_message_reference,optional"`
	MessageReference   *string    `parquet:"message_reference,optional"`
	MessageID          *string    `parquet:"message_id,optional"`
	Attempts           int32      `parquet:"attempts"`
	AcceptedAt         *time.Time `parquet:"accepted_at,optional,timestamp(millisecond)"`
	DeliveryStatus     *string    `parquet:"delivery_status,optional"`
	DeliveredChannel   *string    `parquet:"delivered_channel,optional"`
	DeliveredAt        *time.Time `parquet:"delivered_at,optional,timestamp(millisecond)"`
	ReadAt             *time.Time `parquet:"read_at,optional,timestamp(millisecond)"`
	FailureCode        *string    `parquet:"failure_code,optional"`
	FailureReason      *string    `parquet:"failure_reason,optional"`
	LastEventAt        *time.Time `parquet:"last_event_at,optional,timestamp(millisecond)"`
	RoutingPlanVersion *string    `parquet:"routing_plan_version,optional"`
}

type channelRow struct {
	Row              int64      `parquet:"row"`
	MessageReference string     `parquet:"message_reference"`
	Channel          *string    `parquet:"channel,optional"`
	CascadeType      *string    `parquet:"cascade_type,optional"`
	CascadeOrder     *int32     `parquet:"cascade_order,optional"`
	ChannelStatus    *string    `parquet:"channel_status,optional"`
	SupplierStatus   *string    `parquet:"supplier_status,optional"`
	FailureCode      *string    `parquet:"failure_code,optional"`
	FailureReason    *string    `parquet:"failure_reason,optional"`
	HappenedAt       *time.Time `parquet:"happened_at,optional,timestamp(millisecond)"`
	Source           *string    `parquet:"source,optional"`
}

// orNull is nil for the zero value, as null is.
func orNull[T comparable](v T) *T {
	if v == *new(T) {
		return nil
	}
	return &v
}

func timeOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	t = t.UTC()
	return &t
}

// event draws an event. Few values, so that events of a message meet each other.
func event(r *rand.Rand) delivery.Event {
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	e := delivery.Event{
		Source: delivery.Source(pick("callback", "callback", "status", "receipt", "daily report")), Kind: delivery.OfMessage,
		Status: pick("sending", "delivered", "failed", "read", "new"), Code: pick("", "MFR_PDSV_0112", "CFR_9"), Reason: pick("", "gone away", "call 07700 900123"),
		MessageID: pick("", "an-id"), RoutingVersion: pick("", "v1", "v2"), At: time.UnixMilli(1_795_000_000_000 + r.Int64N(1e6)),
	}
	if r.IntN(10) == 0 {
		e.At = time.Time{}
	}
	if r.IntN(2) == 0 {
		e.Kind, e.Channel, e.Supplier = delivery.OfChannel, pick("nhsapp", "sms"), pick("", "delivered", "read")
		e.Cascade, e.Order = pick("", "primary", "secondary"), r.IntN(3)
	}
	return e
}

// What a report says of random events is what a plain fold says, on both sides of each row group, and nothing else of
// the report changes.
func TestAReportSaysWhatAFoldSays(t *testing.T) {
	c := accepted(t, cohortOf(40_000))
	r := rand.New(rand.NewPCG(1, 2))
	sorter, err := delivery.NewSorter(t.TempDir(), 40_000)
	must(t, err)
	defer func() { _ = sorter.Close() }()
	folds := map[int64]*delivery.Fold{}
	add := func(row int64) {
		e := event(r)
		must(t, sorter.Add(row, &e))
		if folds[row] == nil {
			folds[row] = new(delivery.Fold)
		}
		folds[row].Add(&e)
	}
	for _, row := range []int64{1, 2, 16383, 16384, 16385, 32767, 32768, 32769, 39999, 40000} {
		add(row)
	}
	for range 30_000 {
		add(1 + r.Int64N(40_000))
	}
	without, with := t.TempDir(), t.TempDir()
	write := func(dir string, in report.Input) {
		file := func(name string) io.Writer {
			f, err := os.Create(filepath.Join(dir, name))
			must(t, err)
			t.Cleanup(func() { _ = f.Close() })
			return f
		}
		must(t, report.Write(in, report.Parquet(file("report.parquet")), report.Channels(file("channels.parquet")), report.CSV(file("report.csv"))))
	}
	write(without, c.input(t))
	in := c.input(t)
	in.States, in.AsOf = sorter.All(), time.Now()
	write(with, in)

	before, err := parquet.ReadFile[reportRow](filepath.Join(without, "report.parquet"))
	must(t, err)
	after, err := parquet.ReadFile[reportRow](filepath.Join(with, "report.parquet"))
	must(t, err)
	var channels []channelRow
	for i, row := range before {
		if row.DeliveryStatus != nil || row.LastEventAt != nil || row.RoutingPlanVersion != nil {
			t.Fatalf("nothing is known of row %d, and it has %+v", row.Row, row)
		}
		if fold := folds[row.Row]; fold != nil {
			s := fold.State()
			if row.MessageID == nil {
				row.MessageID = orNull(s.MessageID)
			}
			row.DeliveryStatus, row.DeliveredChannel, row.DeliveredAt = orNull(s.Status), orNull(s.DeliveredChannel), timeOrNull(s.DeliveredAt)
			row.ReadAt, row.FailureCode, row.FailureReason = timeOrNull(s.ReadAt), orNull(s.Code), orNull(delivery.WordsFor(s.Code, s.Reason))
			row.LastEventAt, row.RoutingPlanVersion = timeOrNull(s.LastEventAt), orNull(s.RoutingVersion)
			for _, a := range s.Attempts {
				channels = append(channels, channelRow{
					row.Row, run.References().Message(row.Row).String(), orNull(a.Channel), orNull(a.Cascade), orNull(int32(a.Order)), orNull(a.Status),
					orNull(a.Supplier), orNull(a.Code), orNull(delivery.WordsFor(a.Code, a.Reason)), timeOrNull(a.At), orNull(string(a.Source)),
				})
			}
		}
		if !reflect.DeepEqual(after[i], row) {
			t.Fatalf("row %d:\n%s, want\n%s", row.Row, show(after[i]), show(row))
		}
	}
	got, err := parquet.ReadFile[channelRow](filepath.Join(with, "channels.parquet"))
	must(t, err)
	for i := range channels {
		if i >= len(got) || !reflect.DeepEqual(got[i], channels[i]) {
			t.Fatalf("channel attempt %d of %d: got %d of them", i, len(channels), len(got))
		}
	}
	if len(got) != len(channels) || len(channels) == 0 {
		t.Errorf("%d channel attempts, want %d", len(got), len(channels))
	}
	none, err := parquet.ReadFile[channelRow](filepath.Join(without, "channels.parquet"))
	if err != nil || len(none) != 0 {
		t.Errorf("nothing is known, and there are %d channel attempts, %v", len(none), err)
	}
	checkText(t, filepath.Join(with, "report.csv"), after)
}

func show(row reportRow) string {
	var text strings.Builder
	v := reflect.ValueOf(row)
	for i := range v.NumField() {
		fmt.Fprintf(&text, "%s=%v ", v.Type().Field(i).Name, reflect.Indirect(v.Field(i)))
	}
	return text.String()
}

// checkText compares a report as CSV with the rows of the same report.
func checkText(t *testing.T, path string, rows []reportRow) {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	if lines := bytes.Count(text, []byte("\r\n")); lines != len(rows)+1 {
		t.Errorf("%d lines end as in RFC 4180, of %d", lines, len(rows)+1)
	}
	lines, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	must(t, err)
	value := func(i int, name string) string { return lines[i+1][slices.Index(lines[0], name)] }
	for i, row := range rows {
		v := reflect.ValueOf(row)
		for j := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(j).Tag.Get("parquet"), ",")
			want := ""
			switch field := v.Field(j); {
			case field.Kind() != reflect.Pointer:
				want = fmt.Sprint(field)
			case field.IsNil():
			case field.Type() == reflect.TypeFor[*time.Time]():
				want = field.Interface().(*time.Time).UTC().Format("2006-01-02T15:04:05.000Z")
			default:
				want = fmt.Sprint(field.Elem())
			}
			if got := value(i, name); got != want {
				t.Fatalf("row %d: %s is %q, want %q", row.Row, name, got, want)
			}
		}
	}
}

// A report of some fates has all of their rows, whole and in order, and no other.
func TestAReportOfSomeFates(t *testing.T) {
	c := accepted(t, cohortOf(50_000)) // some row groups have nobody who is accepted
	path := filepath.Join(t.TempDir(), "report.parquet")
	read := func(only ...person.Fate) []reportRow {
		in := c.input(t)
		in.States, in.Only = triedStates(50_000), only
		must(t, writeFile(path, in))
		rows, err := parquet.ReadFile[reportRow](path)
		must(t, err)
		return rows
	}
	all := read()
	for _, only := range [][]person.Fate{{person.Accepted}, {person.Invalid, person.Duplicate}, {person.InDoubt}} {
		want := slices.DeleteFunc(slices.Clone(all), func(r reportRow) bool { return !slices.Contains(only, person.Fate(r.Outcome)) })
		if got := read(only...); !reflect.DeepEqual(got, want) && len(got)+len(want) > 0 {
			t.Errorf("%s: %d rows, want %d", only, len(got), len(want))
		}
	}
}

// States in a wrong order would go to wrong people.
func TestStatesInAWrongOrderAreRefused(t *testing.T) {
	c := accepted(t, cohortOf(1000))
	for _, order := range [][]int64{{5, 4}, {5, 5}, {0}, {1001}} {
		in := c.input(t)
		in.States = func(yield func(delivery.Sorted, error) bool) {
			for _, row := range order {
				if !yield(delivery.Sorted{Row: row}, nil) {
					return
				}
			}
		}
		if err := report.Write(in, report.Parquet(io.Discard)); err == nil {
			t.Errorf("states of rows %d are taken", order)
		}
	}
}

// peak notes the most memory in use while something is written to it.
type peak struct{ bytes, writes uint64 }

func (p *peak) Write(b []byte) (int, error) {
	if p.writes++; p.writes%24 == 0 { // about once in a row group
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		p.bytes = max(p.bytes, m.HeapAlloc)
	}
	return len(b), nil
}

// A report takes no more memory for four times the records, and for four times the facts.
func TestMemoryIsFlat(t *testing.T) {
	used := func(n int64) uint64 {
		c := accepted(t, cohortOf(n))
		in := c.input(t)
		in.States = triedStates(n)
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		var p peak
		must(t, report.Write(in, report.Parquet(&p), report.Channels(io.Discard), (&report.Unreached{}).CSV(io.Discard, nil)))
		return p.bytes - min(m.HeapAlloc, p.bytes)
	}
	small, large := used(150_000), used(600_000)
	t.Logf("150,000 records: %d bytes; 600,000: %d", small, large)
	if small == 0 || large > small+small/4+2<<20 {
		t.Errorf("four times the records take %d bytes instead of %d", large, small)
	}
}

// The list names each person who was not reached once, in order, with the rule's answer.
func TestTheListOfThoseNotReached(t *testing.T) {
	c := accepted(t, cohortOf(20_000))
	for _, onlyYes := range []bool{false, true} {
		in := c.input(t)
		in.States = func(yield func(delivery.Sorted, error) bool) {
			for row := int64(10); row <= 20_000; row += 10 {
				s := delivery.State{Status: "delivered", Delivered: true, Source: delivery.Callback, Events: 1}
				if row%20 == 0 {
					s = delivery.State{Status: "failed", Source: delivery.Callback, Code: "MFR_SUPE_0007", Events: 1}
				}
				if !yield(delivery.Sorted{Row: row, State: s}, nil) {
					return
				}
			}
		}
		var out bytes.Buffer
		var counts report.UnreachedCounts
		now := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
		must(t, report.Write(in, (&report.Unreached{Now: now, OnlyYes: onlyYes}).CSV(&out, &counts)))
		if header, _, _ := strings.Cut(out.String(), "\n"); header != report.UnreachedHeader {
			t.Errorf("header %s", header)
		}
		lines, err := csv.NewReader(&out).ReadAll()
		must(t, err)
		lines = lines[1:]
		yes, no := map[string]int64{}, map[string]int64{}
		for _, r := range c.cohort.records {
			code, may := r.Code, "no"
			switch fate := r.Fate; {
			case fate == "" && r.Row%20 != 0:
				continue
			case fate == "":
				r.Fate, code, may = person.Accepted, "MFR_SUPE_0007", "yes"
			case r.Row%10 == 0:
				code, may = "contradicted", "no"
			}
			if may == "yes" {
				yes[code]++
			} else if no[code]++; onlyYes {
				continue
			}
			reference := ""
			if r.Fate == person.Accepted {
				reference = run.References().Message(r.Row).String()
			}
			got := lines[0]
			want := []string{strconv.FormatInt(r.Row, 10), "cohort.csv", strconv.FormatInt(r.Line, 10), string(r.Fate), code, got[5], reference, may, "2026-11-22T09:00:00Z"}
			if !slices.Equal(got, want) || got[5] == "" && code != person.CodeAlreadySent {
				t.Fatalf("%q, want %q", got, want)
			}
			lines = lines[1:]
		}
		if len(lines) > 0 || !reflect.DeepEqual(counts, report.UnreachedCounts{Yes: yes, No: no}) || yes["MFR_SUPE_0007"] == 0 || no["contradicted"] == 0 {
			t.Errorf("%d lines too many; %+v, want %v and %v", len(lines), counts, yes, no)
		}
		again := c.input(t)
		in.Records, in.Trail, in.Superseded = again.Records, again.Trail, "a1b2c3d4 in /runs/another"
		must(t, report.Write(in, (&report.Unreached{Now: now, OnlyYes: onlyYes}).CSV(&out, &counts)))
		if len(counts.Yes) > 0 || strings.Contains(out.String(), ",run a1b2c3d4 took this run's place: look at its list,") == onlyYes {
			t.Errorf("another run took its place: %+v", counts)
		}
	}
}
