package intake

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"cohort/engine/plan"
	"cohort/engine/register"
	"cohort/ingest"
	"cohort/ingest/person"
	"cohort/shard"
)

// Findings are the results of a check. They are also what check --json prints.
type Findings struct {
	Format    foundFormat        `json:"format"`
	Records   int64              `json:"records"`
	Fates     map[string]int64   `json:"fates"`
	Reasons   []foundReason      `json:"reasons"`
	Shards    foundShards        `json:"shards"`
	Reach     *reached           `json:"reach,omitempty"`
	Pace      string             `json:"pace"` // the rate, what decides it, the first and the last request
	WouldSend bool               `json:"would_send"`
	Why       string             `json:"why"`
	Seconds   float64            `json:"seconds"`
	Peak      int64              `json:"peak_memory_bytes"`
	Routes    []foundRoute       `json:"routes,omitempty"` // of a campaign that has any
	Lists     []plan.ListRead    `json:"lists,omitempty"`
	Overlap   *register.Overlaps `json:"overlap,omitempty"`

	cohort   plan.Cohort
	reasons  []ingest.Reason
	samples  []string
	extracts []int64 // the number of each file's extract; 0: its format has none
}

type foundFormat struct {
	Type      string            `json:"type"`
	Encoding  string            `json:"encoding"`
	Delimiter string            `json:"delimiter"`
	Header    bool              `json:"header"`
	Files     []plan.CohortFile `json:"files"`
}

type foundReason struct {
	Code       string  `json:"code"`
	Count      int64   `json:"count"`
	FirstLines []int64 `json:"first_lines"`
}

type foundShards struct {
	Count int   `json:"count"`
	Min   int64 `json:"min"`
	Max   int64 `json:"max"`
}

// findingsOf describes a cohort that was read.
func findingsOf(r *Reading, spool *shard.Spool) (*Findings, error) {
	m, summary, files := spool.Manifest, r.Reader.Summary(), r.Reader.Files()
	others, err := leftOut(spool)
	if err != nil {
		return nil, err
	}
	f := &Findings{Records: m.Records, Reasons: []foundReason{}, Lists: r.Lists.read, Routes: foundRoutes(r.Campaign, spool), cohort: r.Cohort}
	f.Fates = map[string]int64{
		"sendable": m.Sendable, string(person.Invalid): m.Invalid, string(person.Duplicate): m.Duplicate, string(person.Suppressed): m.Suppressed,
	}
	first := files[0].Format
	f.Format = foundFormat{Type: first.Type, Encoding: first.Encoding, Delimiter: first.Delimiter, Header: first.Header == nil || *first.Header}
	f.Format.Files = r.Cohort.Files
	for _, file := range files {
		f.extracts = append(f.extracts, file.Sequence)
	}
	f.reasons = slices.Concat(summary.Reasons, others)
	for i, reason := range f.reasons { // programs get the reasons of one code together
		if !slices.ContainsFunc(f.reasons[:i], func(r ingest.Reason) bool { return r.Code == reason.Code }) {
			f.Reasons = append(f.Reasons, together(f.reasons, reason.Code))
		}
	}
	slices.SortStableFunc(f.Reasons, func(a, b foundReason) int { return cmp.Compare(b.Count, a.Count) })
	f.Shards = foundShards{Count: len(m.Shards), Min: m.Shards[0].Rows, Max: m.Shards[0].Rows}
	for _, s := range m.Shards {
		f.Shards.Min, f.Shards.Max = min(f.Shards.Min, s.Rows), max(f.Shards.Max, s.Rows)
	}
	if r.Campaign.Reach != nil {
		if f.Reach, err = reachedOf(spool, r, f.reasons); err != nil {
			return nil, err
		}
	}
	f.samples, err = samples(spool, r.Campaign, r.Fields)
	return f, err
}

// Print prints the findings for a person.
func (f *Findings) Print(w io.Writer) {
	fmt.Fprintf(w, "format    %s", f.Format.Type)
	if f.Format.Encoding != "" { // it is text
		header := "with a header line"
		if !f.Format.Header {
			header = "columns by position"
		}
		fmt.Fprintf(w, ", %s, %s, delimiter %q", f.Format.Encoding, header, f.Format.Delimiter)
	}
	fmt.Fprintln(w)
	for i, file := range f.Format.Files {
		fmt.Fprintf(w, "file      %s, %d bytes, SHA-256 %s", filepath.Base(file.Path), file.Bytes, file.SHA256)
		if f.extracts[i] > 0 {
			fmt.Fprintf(w, ", extract %d", f.extracts[i])
		}
		fmt.Fprintln(w)
	}
	for _, list := range f.Lists {
		fmt.Fprintf(w, "list      %s, %d people, %s, %d unreadable rows\n", filepath.Base(list.File), list.People, list.Reason, list.Unreadable)
	}
	fmt.Fprintf(w, "records   %d\n", f.Records)
	for _, fate := range []string{"sendable", string(person.Invalid), string(person.Duplicate), string(person.Suppressed)} {
		fmt.Fprintf(w, "  %-12s %10d\n", fate, f.Fates[fate])
	}
	for _, r := range f.reasons {
		fmt.Fprintf(w, "  %d %s: %s; first on lines %s\n", r.Count, r.Code, r.Words, f.places(r))
	}
	for _, r := range f.Routes {
		fmt.Fprintf(w, "route     %-12s %10d sendable, %d duplicate, %d suppressed\n", r.Name, r.Sendable, r.Duplicate, r.Suppressed)
	}
	fmt.Fprintf(w, "shards    %d, the smallest of %d records, the largest of %d\n", f.Shards.Count, f.Shards.Min, f.Shards.Max)
	if f.Reach != nil {
		f.Reach.Print(w)
	}
	if f.Pace != "" {
		fmt.Fprintf(w, "pace      if it began now: %s\n", f.Pace)
	}
	f.Overlap.Print(w)
	for _, s := range f.samples {
		fmt.Fprintf(w, "sample    %s\n", s)
	}
	fmt.Fprintf(w, "took      %.1f s, at most %d MiB\n", f.Seconds, f.Peak>>20)
	if f.WouldSend {
		fmt.Fprintln(w, "a send would go ahead")
	}
}

// places lists the first lines of a reason.
func (f *Findings) places(r ingest.Reason) string {
	var all []string
	for i, line := range r.Lines {
		all = append(all, placeOf(f.cohort, r.Files[i], line))
	}
	if len(f.cohort.Files) == 1 {
		return strings.Join(all, " ")
	}
	return strings.Join(all, ", ")
}

// together adds up the reasons with one code. It lists their first five lines, in file order.
func together(reasons []ingest.Reason, code string) foundReason {
	type place struct {
		file int
		line int64
	}
	all := foundReason{Code: code}
	var places []place
	for _, r := range reasons {
		if r.Code != code {
			continue
		}
		all.Count += r.Count
		for i, line := range r.Lines {
			places = append(places, place{r.Files[i], line})
		}
	}
	slices.SortFunc(places, func(a, b place) int { return cmp.Or(cmp.Compare(a.file, b.file), cmp.Compare(a.line, b.line)) })
	for _, p := range places[:min(5, len(places))] {
		all.FirstLines = append(all.FirstLines, p.line)
	}
	return all
}

// leftOut counts the reasons of duplicate and suppressed records.
func leftOut(spool *shard.Spool) ([]ingest.Reason, error) {
	var all []ingest.Reason
	counts, missing := spool.Codes(), int64(0) // lines to find
	for _, n := range counts {
		missing += min(n, 5)
	}
	for r, err := range spool.Rejected() {
		if err != nil {
			return nil, err
		}
		if missing == 0 {
			break
		}
		if r.Fate == person.Invalid {
			continue
		}
		i := slices.IndexFunc(all, func(known ingest.Reason) bool { return known.Code == r.Code })
		if i < 0 {
			i = len(all)
			all = append(all, ingest.Reason{Code: r.Code, Words: r.Reason, Count: counts[r.Code]})
		}
		if len(all[i].Lines) < 5 {
			all[i].Lines, all[i].Files = append(all[i].Lines, r.Line), append(all[i].Files, r.File)
			missing--
		}
	}
	slices.SortStableFunc(all, func(a, b ingest.Reason) int { return cmp.Compare(b.Count, a.Count) })
	return all, nil
}

// peakMemory returns the peak resident memory of this process in bytes (VmHWM); 0 if unknown.
// ru_maxrss would include the process that started this one.
func peakMemory() int64 {
	text, _ := os.ReadFile("/proc/self/status")
	_, rest, _ := bytes.Cut(text, []byte("VmHWM:"))
	kib, _, _ := bytes.Cut(bytes.TrimSpace(rest), []byte(" "))
	n, _ := strconv.ParseInt(string(kib), 10, 64)
	return n << 10
}
