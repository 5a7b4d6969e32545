package ingest_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v15/arrow/array"

	"cohort/fixtures"
	"cohort/ingest"
	"cohort/ingest/person"
)

func TestSeveralFilesAreOneCohort(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"2.csv": "name;nhs_number\nBob;" + b + "\n\nX;1\n", "1.csv": "nhs_number,name\n" + a + ",Ann\n", ".hidden": "?",
		"3.parquet": parqueted(table(true)), "4.csv.gz": gzipped("nhs_number,name\n" + c + ",Cy\n"),
	} {
		must(0, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	last := save(t, "0.csv", "nhs_number,name\n2,Di\n")
	r, err := ingest.Open(t.Context(), []string{dir, last}, ingest.Options{Fields: []string{"name"}, BatchRows: 2})
	if err != nil {
		t.Fatal(err)
	}
	before := must(r.Digest(t.Context()))
	got, err := told(r)
	want := []string{
		"0:2 " + a + "|Ann", "1:2 " + b + "|Bob", "1:4 bad_number 1",
		"2:1 " + a + "|Siân", "2:2 0101010109|Siân", "2:3 bad_number 0000000001", "2:4 bad_number ", "2:5 " + b + "|",
		"3:2 " + c + "|Cy", "4:2 bad_number 2",
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got  %q, %v\nwant %q", got, err, want)
	}
	all := sha256.New()
	var records []int64
	for _, f := range r.Files() {
		sum := sha256.Sum256(must(os.ReadFile(f.Path)))
		all.Write(sum[:])
		records = append(records, f.Records)
	}
	if after := must(r.Digest(t.Context())); before != after || !bytes.Equal(after[:], all.Sum(nil)) {
		t.Error("the digest is not that of the files' digests")
	}
	s := r.Summary()
	if !slices.Equal(records, []int64{1, 2, 5, 1, 1}) || s.Records != 10 || s.BlankLines != 1 || s.Bytes != r.BytesRead() {
		t.Errorf("%v, %+v", records, s)
	}
	if reason := s.Reasons[0]; reason.Count != 2 || !slices.Equal(reason.Files, []int{1, 4}) || !slices.Equal(reason.Lines, []int64{4, 2}) {
		t.Errorf("%+v", reason)
	}
}

func TestPathsThatMakeNoCohort(t *testing.T) {
	good := save(t, "c.csv", "nhs_number\n"+a+"\n")
	nested := t.TempDir()
	must(0, os.Mkdir(filepath.Join(nested, "x"), 0o700))
	other := save(t, "d.csv", "number\n"+a+"\n")
	for sentence, test := range map[string]struct {
		paths []string
		want  string
	}{
		"none":                    {nil, "a cohort of 0 files"},
		"one that is not there":   {[]string{good + "x"}, "no such file"},
		"the same one twice":      {[]string{good, good}, "the file is named twice; name it once"},
		"an empty folder":         {[]string{t.TempDir()}, "the folder holds no files"},
		"a folder in a folder":    {[]string{nested}, "x: this is a folder inside a folder"},
		"one without the columns": {[]string{good, other}, `d.csv:1: there is no column "nhs_number"`},
	} {
		if _, err := ingest.Open(t.Context(), test.paths, ingest.Options{}); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", sentence, err)
		}
	}
}

func TestAFileThatChangesIsRefused(t *testing.T) {
	for _, name := range []string{"plain", "parquet"} {
		text := "nhs_number\n" + a + "\n"
		if name == "parquet" {
			text = parqueted(table(true))
		}
		path := save(t, "c", text)
		r := must(ingest.Open(t.Context(), []string{path}, ingest.Options{}))
		must(r.Digest(t.Context()))
		if name == "plain" {
			text = strings.Replace(text, a, b, 1)
		} else {
			text = parqueted(table(false))
		}
		must(0, os.WriteFile(path, []byte(text), 0o600))
		if _, err := told(r); err == nil || !strings.Contains(err.Error(), "the file changed while it was read") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOpenHearsItsContext(t *testing.T) {
	why := errors.New("asked to stop")
	var text bytes.Buffer
	must(fixtures.Cohort{People: 30_000}.WriteCSV(&text))
	for _, pack := range []func(string) string{strings.Clone, gzipped, func(s string) string { return zipped("c", s) }} {
		path := save(t, "c", pack(text.String()))
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		r := must(ingest.Open(ctx, []string{path}, ingest.Options{}))
		batches := 0
		for _, err := range r.Records() {
			if err != nil {
				if !errors.Is(err, why) {
					t.Errorf("got %v", err)
				}
				break
			}
			batches++
			cancel(why)
		}
		if batches != 1 {
			t.Errorf("%d batches", batches)
		}
		if _, err := ingest.Open(ctx, []string{path}, ingest.Options{}); !errors.Is(err, why) {
			t.Errorf("got %v", err)
		}
	}
}

func TestNothingOutlivesTheLoop(t *testing.T) {
	var text bytes.Buffer
	must(fixtures.Cohort{People: 30_000}.WriteCSV(&text))
	paths := []string{
		save(t, "1", text.String()), save(t, "2", gzipped(text.String())), save(t, "3", zstded(text.String())),
		save(t, "4", zipped("c", text.String())), save(t, "5", parqueted(table(true))), save(t, "6", arrowed(table(true), true)),
	}
	before := runtime.NumGoroutine()
	for stop := range paths {
		r := must(ingest.Open(t.Context(), paths, ingest.Options{}))
		if n := goroutines(before); n > before {
			t.Fatalf("%d goroutines between Open and Records, %d before", n, before)
		}
		for batch, err := range r.Records() {
			must(0, err)
			if batch.Column(person.ColumnFile).(*array.Uint16).Value(int(batch.NumRows())-1) == uint16(stop) {
				break
			}
		}
		if n := goroutines(before); n > before {
			t.Fatalf("%d goroutines after leaving file %d, %d before", n, stop, before)
		}
	}
}

// goroutines counts them when there are no more than before, or for two seconds have been:
// one that has said that it is done may take a moment to be gone.
func goroutines(before int) (n int) {
	for wait := time.Millisecond; ; wait *= 2 {
		if n = runtime.NumGoroutine(); n <= before || wait > time.Second {
			return n
		}
		time.Sleep(wait)
	}
}

func TestMeshFilesOfferTheirFields(t *testing.T) {
	one := save(t, "1", "messageReference,nhsNumber,personalisation_name,personalisation_day\nr,"+a+",x,y\n")
	two := save(t, "2", "personalisation_day,messageReference,nhsNumber,personalisation_name\ny,r,"+b+",x\n")
	odd := save(t, "3", "messageReference,nhsNumber\nr,"+c+"\n")
	plain := save(t, "4", "nhs_number\n"+c+"\n")
	r := must(ingest.Open(t.Context(), []string{one, two}, ingest.Options{}))
	fields, all, err := r.Mesh()
	if err != nil || !all || !slices.Equal(fields, []string{"name", "day"}) {
		t.Errorf("%v, %v, %v", fields, all, err)
	}
	r = must(ingest.Open(t.Context(), []string{one, two}, ingest.Options{Fields: fields}))
	if got, err := told(r); err != nil || !slices.Equal(got, []string{"0:2 " + a + "|x|y ref r", "1:2 " + b + "|x|y ref r"}) {
		t.Errorf("%q, %v", got, err)
	}
	if _, mesh, err := must(ingest.Open(t.Context(), []string{plain}, ingest.Options{})).Mesh(); mesh || err != nil {
		t.Errorf("%v, %v", mesh, err)
	}
	for _, mixed := range [][]string{{one, plain}, {plain, one}} {
		_, _, err := must(ingest.Open(t.Context(), mixed, ingest.Options{})).Mesh()
		if err == nil || !strings.Contains(err.Error(), "4: this is not an NHS Notify upload file, but 1 is one") {
			t.Errorf("%v", err)
		}
	}
	if _, _, err := must(ingest.Open(t.Context(), []string{one, odd}, ingest.Options{})).Mesh(); err == nil || !strings.Contains(err.Error(), "the personalisation columns are not those of") {
		t.Errorf("%v", err)
	}
}

func TestTheSummarySaysWhichKeyToSet(t *testing.T) {
	r := must(ingest.NewReader(strings.NewReader("nhs_number\n\xff\n"), "c", ingest.Options{}))
	must(told(r))
	if words := r.Summary().Reasons[0].Words; !strings.Contains(words, "cohort.format.encoding: windows-1252") {
		t.Error(words)
	}
}

func TestNBSSShowsItsSequence(t *testing.T) {
	path := save(t, "c.dat", nbss("1", "B,"+a+",F,20250102,x")+nbssEnd)
	if got := must(ingest.Open(t.Context(), []string{path}, ingest.Options{})).Files()[0].Sequence; got != 42 {
		t.Errorf("got %d", got)
	}
}

// A file may be called otherwise than it is, and its digest can be watched.
func TestNamesAndTheDigestsProgress(t *testing.T) {
	path := save(t, "kept-17", "nhs_number,name\n"+a+",Ann\n"+b+",\"Bo\n")
	o := ingest.Options{Names: map[string]string{path: "standard input", "elsewhere": "x"}}
	r := must(ingest.Open(t.Context(), []string{path}, o))
	if n := r.BytesDigested(); n != 0 {
		t.Errorf("%d bytes are digested before anybody has asked", n)
	}
	must(r.Digest(t.Context()))
	if n := r.BytesDigested(); n != r.Files()[0].Bytes || r.BytesRead() != 0 {
		t.Errorf("%d bytes are digested and %d read", n, r.BytesRead())
	}
	if _, err := told(r); err == nil || !strings.HasPrefix(err.Error(), "standard input:3: ") {
		t.Errorf("the error is %v", err)
	}
	if _, err := ingest.Open(t.Context(), []string{save(t, "kept-18", "name\n")}, o); err == nil || !strings.HasPrefix(err.Error(), "kept-18:1: ") {
		t.Errorf("a file without a name of its own: %v", err)
	}
}
