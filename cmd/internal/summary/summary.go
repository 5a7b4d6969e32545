package summary

import (
	"cmp"
	"encoding/hex"
	"fmt"
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

// previous counts the previous run of the series in the folder of the runs, as it was when it was as old as this run is;
// nil: there is none.
func (f *Figures) previous(run Run) (*Figures, error) {
	of := memberOf(run.Dir, run.Plan)
	if of.Series == "" {
		return nil, nil
	}
	var all []runfolder.Member
	plans, _ := filepath.Glob(filepath.Join(filepath.Dir(run.Dir), "*", plan.PlanFile)) // an error is one of the pattern
	for _, file := range plans {
		if p, err := plan.Open(filepath.Dir(file)); err == nil { // else it is damaged, or of a newer version
			all = append(all, memberOf(filepath.Dir(file), p))
			_ = p.Close()
		}
	}
	before := runfolder.PreviousOfSeries(of, all)
	if before == nil {
		return nil, nil
	}
	was, err := countOlder(before.Folder, f.AsOf.Sub(run.Ledger.Facts().LastAnswer))
	if err != nil {
		return nil, fmt.Errorf("the previous run of the series: %w", err)
	}
	was.AsOf = f.AsOf
	return was, nil
}

func memberOf(dir string, p *plan.Plan) runfolder.Member {
	return runfolder.Member{RunID: p.RunID, Folder: dir, Series: runfolder.Heading(dir).Series, Service: p.Service, Began: p.Created}
}

// countOlder counts a run as it was at an age: the time since the latest answer of the service.
func countOlder(dir string, age time.Duration) (*Figures, error) {
	p, err := runfolder.Plan(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = p.Close() }()
	spool, err := cohortspool.Open(filepath.Join(dir, runfolder.SpoolFolder), p)
	if err != nil {
		return nil, err
	}
	defer func() { _ = spool.Close() }()
	folded, err := runfolder.Ledger(dir, p)
	if err != nil {
		return nil, err
	}
	return Count(Run{dir, p, folded, spool}, folded.Facts().LastAnswer.Add(age))
}
