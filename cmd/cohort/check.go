package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/ingest"
	"cohort/ingest/person"
	"cohort/shard"
	"cohort/sinks/notify"
)

func checkCommand() *cobra.Command {
	var (
		c            check
		campaignPath string
		asJSON       bool
	)
	command := &cobra.Command{
		Use:   "check -c campaign.yaml COHORT...",
		Short: "Read a cohort as a send would, and send nothing",
		Long: `Check reads everything and says what a send would make of it. It needs no keys and no
network. It keeps the records in a temporary folder (TMPDIR) while it works, and removes
it. COHORT can be - for standard input, of which a copy is kept there too.

Exit codes: 0 a send would go ahead; 2 it would be refused.
`,
		Args: arguments(cobra.MinimumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error {
			if campaignPath == "" {
				return refuse("which campaign? name its file: cohort check -c campaign.yaml %s", shellWord(args[0]))
			}
			var err error
			if c.campaign, err = campaign.Load(campaignPath); err != nil {
				return refuse("%w", err)
			}
			if c.paths, err = cohortPaths(args); err != nil {
				return err
			}
			c.started, c.stdin, c.screen = time.Now(), cmd.InOrStdin(), newScreen(cmd.ErrOrStderr())
			found, err := c.run(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				out := json.NewEncoder(cmd.OutOrStdout())
				out.SetIndent("", "  ")
				err = out.Encode(found)
			} else {
				found.print(cmd.OutOrStdout())
			}
			if err == nil && !found.WouldSend {
				err = refuse("a send would be refused: %s", found.Why)
			}
			return err
		},
	}
	f := command.Flags()
	f.StringVarP(&campaignPath, "campaign", "c", "", "the campaign `file`")
	f.BoolVar(&asJSON, "json", false, "for programs")
	f.BoolVar(&c.strict, "strict", false, "any invalid record is a refusal")
	f.StringVar(&c.rejects, "rejects", "", "write the records that would not be sent to this `file`: row, file, line, code, reason")
	return command
}

// check is one reading of a cohort that sends nothing.
type check struct {
	campaign *campaign.Campaign
	paths    []string
	strict   bool
	rejects  string
	started  time.Time
	stdin    io.Reader
	screen   *screen
}

// findings is what a check found; with --json it is what is printed.
type findings struct {
	Format    foundFormat      `json:"format"`
	Records   int64            `json:"records"`
	Fates     map[string]int64 `json:"fates"`
	Reasons   []foundReason    `json:"reasons"`
	Shards    foundShards      `json:"shards"`
	WouldSend bool             `json:"would_send"`
	Why       string           `json:"why"`
	Seconds   float64          `json:"seconds"`
	Peak      int64            `json:"peak_memory_bytes"`

	reasons  []ingest.Reason
	samples  []string
	extracts []int64 // the extract's number of each file, 0 where a format has none
	lists    []engine.ListRead
}

type foundFormat struct {
	Type      string      `json:"type"`
	Encoding  string      `json:"encoding"`
	Delimiter string      `json:"delimiter"`
	Header    bool        `json:"header"`
	Files     []foundFile `json:"files"`
}

type foundFile struct {
	Path   string `json:"path"`
	SHA256 string `json:"sha256"`
	Bytes  int64  `json:"bytes"`
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

func (c *check) run(ctx context.Context) (*findings, error) {
	found, err := c.find(ctx)
	if ctx.Err() != nil {
		return nil, &engine.Stopped{Why: "stopped while checking; nothing was sent"}
	}
	return found, err
}

func (c *check) find(ctx context.Context) (*findings, error) {
	dir, err := os.MkdirTemp("", "cohort-check-")
	if err != nil {
		return nil, refuse("there is no room to work in: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	in := input{paths: c.paths}
	if fromStdin(c.paths) {
		if in, err = c.receive(ctx, dir); err != nil {
			return nil, err
		}
	}
	reader, err := openCohort(ctx, c.campaign, in)
	if err != nil {
		return nil, err
	}
	fields, err := fieldsOf(c.campaign)
	if err != nil {
		return nil, err
	}
	size := bytesOf(reader)
	suppress := &lists{of: c.campaign.Suppress, log: c.screen.log}
	shown := c.screen.follow("reading the cohort", size, reader.BytesRead)
	manifest, _, err := buildSpool(ctx, dir, reader, c.campaign, fields, engine.Cohort{Bytes: size}, suppress.people(ctx, nil))
	shown()
	if refused := (*refusal)(nil); errors.As(err, &refused) {
		return nil, err
	}
	if err != nil {
		return nil, refuse("the cohort cannot be read: %w", err)
	}
	digest, err := reader.Digest(ctx)
	if err != nil {
		return nil, refuse("the cohort cannot be read: %w", err)
	}
	spool, err := shard.Open(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = spool.Close() }()
	cohort := cohortOf(reader, digest, in)
	if c.rejects != "" {
		if err := writeRejects(c.rejects, spool, cohort); err != nil {
			return nil, refuse("the rejects cannot be written: %w", err)
		}
	}
	warn(c.screen.log, c.campaign, reader.Summary())
	found := &findings{Records: manifest.Records, reasons: reader.Summary().Reasons, lists: suppress.read}
	found.describe(reader.Files(), cohort, manifest)
	found.WouldSend, found.Why = c.verdict(reader.Summary(), cohort)
	if found.samples, err = samples(spool, c.campaign, fields); err != nil {
		return nil, err
	}
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) == nil {
		found.Peak = usage.Maxrss << 10
	}
	found.Seconds = time.Since(c.started).Seconds()
	return found, nil
}

// receive copies standard input into the folder of the check.
func (c *check) receive(ctx context.Context, dir string) (input, error) {
	p, err := newPiped(dir)
	if err != nil {
		return input{}, refuse("standard input cannot be kept: %w", err)
	}
	shown := c.screen.follow("taking standard input", 0, p.read.Load)
	defer shown()
	if err := p.take(ctx, c.stdin, "check"); err != nil {
		p.drop()
		return input{}, err
	}
	return input{[]string{p.path}, true}, nil
}

// verdict says whether a send would go ahead.
func (c *check) verdict(s ingest.Summary, cohort engine.Cohort) (bool, string) {
	err := allowed(c.campaign, s)
	if want := c.campaign.Cohort.Expect.SHA256; err == nil && want != "" && want != cohort.SHA256 {
		err = errors.New("the cohort is not the one that cohort.expect.sha256 names")
	}
	if err == nil && c.strict && s.Invalid > 0 {
		err = fmt.Errorf("%d records are invalid, and --strict allows none", s.Invalid)
	}
	if err != nil {
		return false, oneLine(err.Error())
	}
	return true, "every record is accounted for and the file keeps to the campaign's limits"
}

func (f *findings) describe(files []ingest.FileInfo, cohort engine.Cohort, m shard.Manifest) {
	first := files[0].Format
	f.Format = foundFormat{Type: first.Type, Encoding: first.Encoding, Delimiter: first.Delimiter, Header: first.Header == nil || *first.Header}
	for i, file := range cohort.Files {
		f.Format.Files = append(f.Format.Files, foundFile(file))
		f.extracts = append(f.extracts, files[i].Sequence)
	}
	f.Fates = map[string]int64{
		"sendable": m.Sendable, string(person.Invalid): m.Invalid, string(person.Duplicate): m.Duplicate, string(person.Suppressed): m.Suppressed,
	}
	f.Reasons = []foundReason{}
	for _, code := range codesOf(f.reasons) { // the reasons of one code together, as programs know them
		f.Reasons = append(f.Reasons, together(f.reasons, code))
	}
	slices.SortStableFunc(f.Reasons, func(a, b foundReason) int { return cmp.Compare(b.Count, a.Count) })
	f.Shards = foundShards{Count: len(m.Shards), Min: m.Shards[0].Rows, Max: m.Shards[0].Rows}
	for _, s := range m.Shards {
		f.Shards.Min, f.Shards.Max = min(f.Shards.Min, s.Rows), max(f.Shards.Max, s.Rows)
	}
}

// samples renders the first three messages, every letter and digit of theirs masked.
func samples(spool *shard.Spool, c *campaign.Campaign, fields []string) ([]string, error) {
	compiled, err := notify.CompileFields(c, fields)
	if err != nil {
		return nil, refuse("%w", err)
	}
	var out []string
	for i := range spool.Shards() {
		for p, err := range spool.Recipients(i, 0, spool.Positions(i)) {
			if err != nil {
				return nil, err
			}
			if p.Suppressed {
				continue
			}
			for f := range p.Fields {
				p.Fields[f] = mask(p.Fields[f])
			}
			var parts []string
			for _, field := range compiled {
				parts = append(parts, field.Name+": "+string(field.Text.AppendJSON(nil, p.Fields)))
			}
			if out = append(out, strings.Join(parts, ", ")); len(out) == 3 {
				return out, nil
			}
		}
	}
	return out, nil
}

func mask(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.IsDigit(r):
			return '0'
		case unicode.IsUpper(r):
			return 'X'
		case unicode.IsLetter(r):
			return 'x'
		}
		return r
	}, text)
}

func (f *findings) print(w io.Writer) {
	header := "with a header line"
	if !f.Format.Header {
		header = "columns by position"
	}
	fmt.Fprintf(w, "format    %s, %s, %s", f.Format.Type, f.Format.Encoding, header)
	if f.Format.Delimiter != "" {
		fmt.Fprintf(w, ", delimiter %q", f.Format.Delimiter)
	}
	fmt.Fprintln(w)
	for i, file := range f.Format.Files {
		fmt.Fprintf(w, "file      %s, %d bytes, SHA-256 %s", filepath.Base(file.Path), file.Bytes, file.SHA256)
		if f.extracts[i] > 0 {
			fmt.Fprintf(w, ", extract %d", f.extracts[i])
		}
		fmt.Fprintln(w)
	}
	for _, list := range f.lists {
		fmt.Fprintf(w, "list      %s, %d people, %s\n", filepath.Base(list.File), list.People, list.Reason)
	}
	fmt.Fprintf(w, "records   %d\n", f.Records)
	for _, fate := range []string{"sendable", string(person.Invalid), string(person.Duplicate), string(person.Suppressed)} {
		fmt.Fprintf(w, "  %-12s %10d\n", fate, f.Fates[fate])
	}
	for _, r := range f.reasons {
		fmt.Fprintf(w, "  %d %s: %s; first on lines %s\n", r.Count, r.Code, r.Words, strings.Trim(fmt.Sprint(r.Lines), "[]"))
	}
	fmt.Fprintf(w, "shards    %d, the smallest of %d records, the largest of %d\n", f.Shards.Count, f.Shards.Min, f.Shards.Max)
	for _, s := range f.samples {
		fmt.Fprintf(w, "sample    %s\n", s)
	}
	fmt.Fprintf(w, "took      %.1f s, at most %d MiB\n", f.Seconds, f.Peak>>20)
	if f.WouldSend {
		fmt.Fprintln(w, "a send would go ahead")
	}
}

// codesOf lists the codes of reasons, each once.
func codesOf(reasons []ingest.Reason) (codes []string) {
	for _, r := range reasons {
		if !slices.Contains(codes, r.Code) {
			codes = append(codes, r.Code)
		}
	}
	return codes
}

// together adds up the reasons of one code. Its first lines are the first of all of them,
// in the order of the files.
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
