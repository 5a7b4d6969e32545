package main

import (
	"context"
	"fmt"
	"path/filepath"

	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/decision"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/shard"
	"cohort/sinks/file"
)

// filesFolder is where, in a run's folder, the files of a campaign lie that writes some.
const filesFolder = "files"

// files is the service of a campaign that writes files.
type files struct{ *file.Sink }

// Check makes sure that the files can be written.
func (f files) Check(ctx context.Context) error {
	if err := f.Sink.Check(ctx); err != nil {
		return refuse("the files cannot be written: %w", err)
	}
	return nil
}

// in is the same service with a place to write to.
func (f files) in(folder string) files { return files{f.Sink.In(folder)} }

// newFiles makes the service of a campaign that writes files. It can write none yet.
func newFiles(c *campaign.Campaign, fields []string) (files, error) {
	o := file.Options{Limits: file.Limits{Messages: c.File.MaxMessages, Bytes: c.File.MaxBytes}}
	var err error
	if c.File.Letters != nil {
		o.Layout, err = lettersOf(c, fields)
	} else {
		o.Layout, err = uploadOf(c, fields)
	}
	if err != nil {
		return files{}, err
	}
	f := files{file.New(o)}
	if f.Limits().Bytes < 1 {
		return files{}, refuse("%w", &campaign.FileError{File: c.Path, Problem: "max_bytes under sink.file has no room for more than the header line; raise it"})
	}
	return f, nil
}

func uploadOf(c *campaign.Campaign, fields []string) (file.Layout, error) {
	m := &file.Mesh{RoutingPlanID: c.File.Mesh.RoutingPlanID, From: c.File.Mesh.From, To: c.File.Mesh.To}
	for _, t := range c.Wording() {
		compiled, err := engine.CompileTemplate(t.Text, fields)
		if err != nil {
			return nil, refuse("%w", c.Mistake(t.Key, "cannot be used: "+err.Error()))
		}
		m.Fields = append(m.Fields, file.Field{Name: t.Name, Text: compiled})
	}
	return m, nil
}

func lettersOf(c *campaign.Campaign, fields []string) (file.Layout, error) {
	l := &file.Letters{Format: file.Format(c.File.Letters.Format)}
	texts := c.Wording()
	for _, name := range c.File.Letters.Columns {
		text := ""
		if !file.IsOwnColumn(name) {
			text, texts = texts[0].Text, texts[1:]
		}
		column, err := file.NewColumn(name, text, fields)
		if err != nil {
			return nil, refuse("%w", c.Mistake("sink.file.letters.columns", "cannot be used: "+err.Error()))
		}
		l.Columns = append(l.Columns, column)
	}
	return l, nil
}

// joined refuses while an earlier run that will be closed has people in its parts and in no
// file: closed, it would never put them into one, and the new run leaves them out.
func (e *earlierRuns) joined() error {
	if e == nil || e.everybody {
		return nil
	}
	for _, r := range e.runs {
		if !campaign.WritesFiles(r.plan.Service) {
			continue
		}
		m, err := file.ReadManifest(filepath.Join(r.entry.Folder, filesFolder))
		if err != nil {
			return refuse("the files of run %.8s cannot be read: %w", r.entry.RunID, err)
		}
		n := 0
		for f, err := range decision.Accepted(r.ledger) {
			if err != nil {
				return damaged(err)
			}
			if m == nil || !m.Whole || !m.Holds(f.Reference) {
				n += int(f.Messages)
			}
		}
		if n > 0 && r.ledger.Facts().Superseded == "" {
			return refuse("%d messages of run %.8s stand in no file yet, and would stand in none if this run took its place: finish it first, which sends nobody anything: %s",
				n, r.entry.RunID, command("resume", r.entry.Folder))
		}
	}
	return nil
}

// filesStatus is what status tells of a run's files.
type filesStatus struct {
	Folder   string `json:"folder"`
	Whole    bool   `json:"whole"` // they may be handed over
	Count    int    `json:"count"`
	Messages int    `json:"messages"`
}

// look adds what there is of files, where the plan's service is one. A run is not finished
// before they are whole.
func (s *status) look(plan *plan.Plan) error {
	if !campaign.WritesFiles(plan.Service) {
		return nil
	}
	s.Files = &filesStatus{Folder: filepath.Join(s.Folder, filesFolder)}
	m, err := file.ReadManifest(s.Files.Folder)
	switch {
	case err != nil:
		return refuse("%w", err)
	case m != nil && m.Whole:
		s.Files.Whole, s.Files.Count, s.Files.Messages = true, len(m.Files), m.Messages
	case s.State == "finished":
		s.State = "stopped"
	}
	return nil
}

// inFiles lists the batches that stand in a run's files or are to, and those that stand in an
// upload that the service has refused.
func inFiles(ledger *ledger.Ledger) (forms []plan.AcceptedForm, refused map[engine.Reference]bool, err error) {
	for f, err := range decision.Accepted(ledger) {
		if err != nil {
			return nil, nil, damaged(err)
		}
		forms = append(forms, f)
	}
	uploads, err := decision.RefusedUploads(ledger)
	refused = map[engine.Reference]bool{}
	for reference := range uploads {
		refused[reference] = true
	}
	return forms, refused, err
}

// nameOfFiles is what the names of a run's files begin with.
func nameOfFiles(plan *plan.Plan) string { return plan.Campaign + "-" + plan.Run.Short() }

// join puts the files of a run together of which everything is accepted. A run that
// writes none has nothing to join.
func (s *session) join(ctx context.Context, planned *plan.Plan, spool *shard.Spool) error {
	sink, writes := s.sink.(files)
	if !writes {
		return nil
	}
	folded, err := ledger.Read(s.folder.path, planned)
	if err != nil {
		return unsound(s.folder.path, err)
	}
	if folded.Facts().Superseded != "" {
		return fmt.Errorf("run %s has taken this run's place: its files are not put together any more", folded.Facts().Superseded)
	}
	forms, refused, err := inFiles(folded)
	if err != nil {
		return err
	}
	r := plan.NewRenderer(planned.Run, spool, sink)
	mended := 0
	again := func(f *plan.AcceptedForm) ([]byte, error) {
		mended++
		request, err := r.Render(&f.Planned, f.ID, &f.Form)
		if err != nil {
			return nil, err
		}
		return request.Body, nil
	}
	m, err := sink.Join(ctx, planned.Run, nameOfFiles(planned), forms, refused, again)
	if mended > 0 {
		s.log.Warn("parts were missing or changed, and were made again from the sealed plan", "parts", mended)
	}
	if ctx.Err() != nil {
		return fmt.Errorf("stopped while the files were put together; everything is recorded")
	}
	if err != nil {
		return fmt.Errorf("everything is recorded, but the files cannot be put together: %w", err)
	}
	fmt.Fprintf(s.stdout, "files    %s: %d of them, with %d messages, as manifest.json lists them; accepted means that a message stands in one, and handing them over is yours to do\n",
		s.folder.file(filesFolder), len(m.Files), m.Messages)
	if m.Earlier > 0 {
		fmt.Fprintf(s.stdout, "         hand over %s and those behind it; the ones before it were there to be handed over already\n", m.Files[m.Earlier].Name)
	}
	return nil
}
