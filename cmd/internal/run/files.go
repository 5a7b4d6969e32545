package run

import (
	"context"
	"fmt"

	"cohort/engine"
	"cohort/engine/decision"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
	"cohort/shard"
	"cohort/sinks"
)

// filesStatus is what status tells of a run's files.
type FilesStatus struct {
	Folder   string `json:"folder"`
	Whole    bool   `json:"whole"` // they may be handed over
	Count    int    `json:"count"`
	Messages int    `json:"messages"`
}

// inFiles lists the batches that stand in a run's files or are to, and those that stand in an
// upload that the service has refused.
func InFiles(ledger *ledger.Ledger) (forms []plan.AcceptedForm, refused map[engine.Reference]bool, err error) {
	for f, err := range decision.Accepted(ledger) {
		if err != nil {
			return nil, nil, runfolder.Damaged(err)
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
func NameOfFiles(plan *plan.Plan) string { return plan.Campaign + "-" + plan.Run.Short() }

// join puts the files of a run together of which everything is accepted. A run that
// writes none has nothing to join.
func (s *Runner) join(ctx context.Context, planned *plan.Plan, spool *shard.Spool) error {
	sink, writes := s.Sink.(sinks.Files)
	if !writes {
		return nil
	}
	folded, err := ledger.Read(s.Folder.Path, planned)
	if err != nil {
		return runfolder.Unsound(s.Folder.Path, err)
	}
	if folded.Facts().Superseded != "" {
		return refusal.New("files_of_superseded_run", "run", folded.Facts().Superseded)
	}
	forms, refused, err := InFiles(folded)
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
	m, err := sink.Join(ctx, planned.Run, NameOfFiles(planned), forms, refused, again)
	if mended > 0 {
		s.Log.Warn("parts were missing or changed, and were made again from the sealed plan", "parts", mended)
	}
	if ctx.Err() != nil {
		return refusal.New("stopped_making_files")
	}
	if err != nil {
		return refusal.New("files_not_made", "cause", err)
	}
	fmt.Fprintf(s.Stdout, "files    %s: %d of them, with %d messages, as manifest.json lists them; accepted means that a message stands in one, and handing them over is yours to do\n",
		s.Folder.File(runfolder.FilesFolder), len(m.Files), m.Messages)
	if m.Earlier > 0 {
		fmt.Fprintf(s.Stdout, "         hand over %s and those behind it; the ones before it were there to be handed over already\n", m.Files[m.Earlier].Name)
	}
	return nil
}
