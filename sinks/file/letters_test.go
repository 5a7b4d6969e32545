package file

import (
	"encoding/csv"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cohort/engine"
)

// letters is a layout with every kind of column.
func letters(t *testing.T, f Format) *Letters {
	l := &Letters{Format: f}
	for _, c := range [][2]string{{"message_reference", ""}, {"nhs_number", ""}, {"line, 1", "((a))"}, {"both", "((b)) of ((a))"}, {"fixed", "Dear \"you\""}} {
		column, err := NewColumn(c[0], c[1], []string{"a", "b"})
		must(t, err)
		l.Columns = append(l.Columns, column)
	}
	return l
}

// Both formats say the same of every letter, and what the cohort said.
func TestLettersHoldTheChosenColumns(t *testing.T) {
	p := awkward()
	for _, format := range []Format{CSV, JSONL} {
		folder := t.TempDir()
		s := New(Options{Folder: folder, Layout: letters(t, format), Limits: Limits{Messages: 1_000_000, Bytes: 1 << 30}})
		forms, bodies := batches(t, s, p, 50)
		n := &night{sink: s, forms: forms, bodies: bodies}
		m, err := s.Join(t.Context(), testRun.References(), "letters", forms, nil, n.again)
		must(t, err)
		if len(m.Files) != 1 || m.Files[0].Name != "letters-001."+string(format) || m.Files[0].Control != nil || m.Files[0].Messages != len(p) {
			t.Fatalf("%+v", m)
		}
		text, err := os.ReadFile(filepath.Join(folder, m.Files[0].Name))
		must(t, err)
		rows := readLetters(t, format, string(text))
		for i, row := range rows {
			a, b := p[i][0], p[i][1]
			both := b + " of " + a
			if format == CSV { // whose readers take CR LF in a value for LF
				a, both = strings.ReplaceAll(a, "\r\n", "\n"), strings.ReplaceAll(both, "\r\n", "\n")
			}
			want := []string{testRun.References().Message(int64(i + 1)).String(), string(testNumber(i).AppendDigits(nil)), a, both, `Dear "you"`}
			if !slices.Equal(row, want) {
				t.Errorf("%s, letter %d: %q, want %q", format, i, row, want)
			}
		}
		if len(rows) != len(p) {
			t.Errorf("%s: %d letters of %d", format, len(rows), len(p))
		}
	}
}

func readLetters(t *testing.T, format Format, text string) (rows [][]string) {
	names := []string{"message_reference", "nhs_number", "line, 1", "both", "fixed"}
	if format == CSV {
		all, err := csv.NewReader(strings.NewReader(text)).ReadAll()
		must(t, err)
		if !slices.Equal(all[0], names) {
			t.Errorf("the header is %q", all[0])
		}
		return all[1:]
	}
	for line := range strings.Lines(text) {
		var object map[string]string
		must(t, json.Unmarshal([]byte(line), &object))
		var row []string
		for _, name := range names {
			row = append(row, object[name])
		}
		rows = append(rows, row)
		if len(object) != len(names) {
			t.Errorf("a letter has %d values", len(object))
		}
	}
	return rows
}

func TestAColumnMissingFromTheCohort(t *testing.T) {
	if _, err := NewColumn("town", "((town))", []string{"a"}); err == nil || !strings.Contains(err.Error(), `"town"`) {
		t.Errorf("%v", err)
	}
	if !IsOwnColumn("nhs_number") || IsOwnColumn("town") {
		t.Error("whose columns are whose")
	}
	var _ engine.Sink = New(Options{Layout: letters(t, CSV)})
}
