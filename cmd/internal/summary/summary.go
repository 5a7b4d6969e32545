package summary

import (
	"cmp"
	"encoding/hex"
	"io"
	"path/filepath"
	"strings"
	"time"

	"cohort/cmd/internal/cohortspool"
	"cohort/cmd/internal/output"
	"cohort/engine/build"
	"cohort/engine/plan"
	"cohort/engine/runfolder"
)

// Write counts a run and writes its summary to path, as a whole.
func Write(path string, run Run) error {
	f, err := Count(run, time.Time{})
	if err != nil {
		return err
	}
	f.describe(run)
	if f.Previous, err = f.previous(run); err != nil {
		return err
	}
	return output.WriteTo(path, func(w io.Writer) error { return Render(w, f) })
}

// describe says which run the figures are of.
func (f *Figures) describe(run Run) {
	h := &run.Plan.Header
	f.Campaign, f.RunID, f.Service, f.Cohort, f.Version = h.Campaign, h.RunID, h.Service, h.Cohort.SHA256, build.Version()
	f.Files, f.Plan, f.AsOf = strings.HasPrefix(h.Service, "file "), hex.EncodeToString(run.Plan.Digest[:]), time.Now().UTC()
	if call, err := runfolder.ReadCall(run.Dir); err == nil { // else times are UTC, as the page says
		if c, _, _, err := runfolder.ReadCampaign(run.Dir, call); err == nil {
			f.AsOf = f.AsOf.In(c.Pace.Location)
		}
	}
	heading := runfolder.Heading(run.Dir)
	f.Title = cmp.Or(heading.Title, f.Campaign)
	for _, fact := range [...]Fact{{"Purpose", heading.Purpose.Text}, {"Owner", heading.Purpose.Owner}, {"Legal basis", heading.Purpose.Basis}} {
		if fact.Text != "" {
			f.Purpose = append(f.Purpose, fact)
		}
	}
}

// previous counts the run of the series that was planned last before this one, in the same folder and with the same
// service. It counts it as it was when it was as old as this run is; nil: there is none.
func (f *Figures) previous(run Run) (*Figures, error) {
	series := runfolder.Heading(run.Dir).Series
	if series == "" {
		return nil, nil
	}
	var last *plan.Plan
	var dir string
	defer func() {
		if last != nil {
			_ = last.Close()
		}
	}()
	plans, _ := filepath.Glob(filepath.Join(filepath.Dir(run.Dir), "*", plan.PlanFile)) // an error is one of the pattern
	for _, file := range plans {
		p, err := plan.Open(filepath.Dir(file))
		if err != nil {
			continue // of another version, or damaged
		}
		if before := p.Created.Before(run.Plan.Created) && p.Service == run.Plan.Service && p.RunID != run.Plan.RunID; before &&
			runfolder.Heading(filepath.Dir(file)).Series == series && (last == nil || last.Created.Before(p.Created)) {
			p, last, dir = last, p, filepath.Dir(file)
		}
		if p != nil {
			_ = p.Close()
		}
	}
	if last == nil {
		return nil, nil
	}
	spool, err := cohortspool.Open(filepath.Join(dir, runfolder.SpoolFolder), last)
	if err != nil {
		return nil, err
	}
	defer func() { _ = spool.Close() }()
	folded, err := runfolder.Ledger(dir, last)
	if err != nil {
		return nil, err
	}
	age := f.AsOf.Sub(run.Ledger.Facts().LastAnswer)
	was, err := Count(Run{dir, last, folded, spool}, folded.Facts().LastAnswer.Add(age))
	if err == nil {
		was.AsOf = f.AsOf
	}
	return was, err
}
