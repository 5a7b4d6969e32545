package file

import (
	"encoding/xml"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/array"

	"cohort/ingest"
	"cohort/ingest/person"
)

// awkward are values that a reader could misread.
func awkward() people {
	p := people{
		{"plain", "O'Neil"}, {"", ""}, {" ahead", "behind "}, {"a,b", `say "hello"`}, {`"`, `""`}, {"two\r\nlines", "\n"}, {"\r", "\t"},
		{"=1+1", "'quoted'"}, {"Zoë", "Łódź 😀"}, {"\u00a0", "\ufeffx"}, {`"a","b"`, ","}, {"x\"", "\"x"}, {"a|b;c\td", "-"},
	}
	rng := rand.New(rand.NewPCG(7, 7))
	letters := []string{"a", "B", ",", `"`, "\n", "\r", " ", "é", ";", "|", "\t", "0"}
	for range 400 {
		var row []string
		for range 2 {
			var b strings.Builder
			for range rng.IntN(7) {
				b.WriteString(letters[rng.IntN(len(letters))])
			}
			row = append(row, b.String())
		}
		p = append(p, row)
	}
	return p
}

// An upload is read back by ingest as it was written: numbers, references and texts. A CR
// LF within a value is read as LF, as encoding/csv has it too.
func TestAnUploadIsReadBackUnchanged(t *testing.T) {
	p := awkward()
	folder := t.TempDir()
	layout := &Mesh{RoutingPlanID: "plan", Fields: fields(t, "((a))", "Dear ((b)), \"yes\"")}
	layout.Fields[1].Name = `odd, "name"`
	s := New(Options{Folder: folder, Layout: layout, Limits: Limits{Messages: 100, Bytes: MostMeshBytes}})
	forms, bodies := batches(t, s, p, 30)
	n := &night{sink: s, forms: forms, bodies: bodies}
	m, err := s.Join(t.Context(), testRun.References(), "a", forms, nil, n.again)
	must(t, err)
	var paths []string
	for _, f := range m.Files {
		paths = append(paths, filepath.Join(folder, f.Name))
	}
	r, err := ingest.Open(t.Context(), paths, ingest.Options{})
	must(t, err)
	named, mesh, err := r.Mesh()
	if err != nil || !mesh || len(named) != 2 || named[0] != "p" || named[1] != `odd, "name"` {
		t.Fatalf("its fields are %q, %v, %v", named, mesh, err)
	}
	r, err = ingest.Open(t.Context(), paths, ingest.Options{Fields: named})
	must(t, err)
	row := 0
	for batch, err := range r.Records() {
		must(t, err)
		text := func(column, i int) string { return batch.Column(column).(*array.String).Value(i) }
		for i := range int(batch.NumRows()) {
			number := batch.Column(person.ColumnNumber).(*array.Uint64)
			if !number.IsValid(i) {
				t.Fatalf("row %d is invalid: %s", row, text(person.ColumnReason, i))
			}
			if number.Value(i) != testNumber(row).Uint64() || text(person.ColumnReference, i) != testRun.References().Message(int64(row+1)).String() {
				t.Errorf("row %d is another person's", row)
			}
			wantA, wantB := strings.ReplaceAll(p[row][0], lineEnd, "\n"), strings.ReplaceAll("Dear "+p[row][1]+", \"yes\"", lineEnd, "\n")
			if a, b := text(person.FirstField, i), text(person.FirstField+1, i); a != wantA || b != wantB {
				t.Errorf("row %d: %q became %q, and %q %q", row, p[row][0], a, p[row][1], b)
			}
			row++
		}
	}
	if row != len(p) {
		t.Errorf("%d of %d rows came back", row, len(p))
	}
}

func TestTheControlFileFollowsMESH(t *testing.T) {
	n, folder := evening(t)
	n.sink.o.Layout = &Mesh{RoutingPlanID: "a<b&c", From: "X26OT001", To: "X26HC002", Fields: fields(t, "((a))")}
	m, err := n.join(t, nil)
	must(t, err)
	text, err := os.ReadFile(filepath.Join(folder, m.Files[0].Control.Name))
	must(t, err)
	var got struct {
		XMLName                                                     xml.Name `xml:"DTSControl"`
		MessageType, WorkflowId, Subject, LocalId, To_DTS, From_DTS string
	}
	must(t, xml.Unmarshal(text, &got))
	if got.MessageType != "Data" || got.WorkflowId != "NHS_NOTIFY_SEND_REQUEST" || got.Subject != "a<b&c" || got.To_DTS != "X26HC002" || got.From_DTS != "X26OT001" ||
		got.LocalId != testRun.References().File(1).String() {
		t.Errorf("%+v", got)
	}
	if h := m.Files[0].Control.Headers; h.LocalID != got.LocalId || h.Subject != got.Subject || h.Workflow != got.WorkflowId {
		t.Errorf("the manifest says something else: %+v", h)
	}
}

func TestQuotes(t *testing.T) {
	for value, want := range map[string]string{
		"": "", "plain": "plain", "a b": "a b", " a": `" a"`, "a ": `"a "`, "\t": "\"\t\"", "a,b": `"a,b"`, `"`: `""""`, `a"b"`: `"a""b"""`, "a\nb": "\"a\nb\"", "é": "é",
	} {
		if got := string(quoted([]byte("x,"+value), 2)); got != "x,"+want {
			t.Errorf("%q becomes %s", value, got)
		}
	}
}

// A rebuilt batch has the same bytes for every caller, with anything before it in the buffer.
func TestRowsAreTheSameForEveryCaller(t *testing.T) {
	p := awkward()
	for _, layout := range []Layout{&Mesh{Fields: fields(t, "((a))", "((b)), ((a))")}, letters(t, CSV), letters(t, JSONL)} {
		s := New(Options{Layout: layout, Limits: Limits{Messages: 1000, Bytes: 1 << 30}})
		_, want := batches(t, s, p, 40)
		var all sync.WaitGroup
		for range 4 {
			all.Go(func() {
				_, got := batches(t, s, p, 40)
				if !reflect.DeepEqual(got, want) {
					t.Error("the same people are other bytes")
				}
			})
		}
		all.Wait()
		for r := range p.Recipients(0, 0, uint32(len(p))) {
			m := testRun.References().Message(r.Row)
			alone := s.AppendMessage(nil, m, &r)
			if got := s.AppendMessage([]byte("\"before\","), m, &r); string(got) != "\"before\","+string(alone) {
				t.Fatalf("what stands before a row changes it: %q", got)
			}
		}
	}
}
