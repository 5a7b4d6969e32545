package run

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
	"time"

	"cohort/cmd/internal/cohortspool"
	"cohort/cmd/internal/output"
	"cohort/cmd/internal/summary"
	"cohort/engine/build"
	"cohort/engine/plan"
	"cohort/engine/report"
	"cohort/engine/runfolder"
)

// WriteSummary writes the summary of this moment to path, as a whole.
func (r *Report) WriteSummary(path string) error {
	h, heading := &r.Plan.Header, runfolder.Heading(r.Dir)
	p := &summary.Page{
		Figures: &report.Figures{}, Title: cmp.Or(heading.Title, h.Campaign), Campaign: h.Campaign, RunID: h.RunID, Service: h.Service,
		CohortDigest: h.Cohort.SHA256, Plan: hex.EncodeToString(r.Plan.Digest[:]), Version: build.Version(), Purpose: heading.Purpose, AsOf: r.AsOf.UTC(),
	}
	if call, err := runfolder.ReadCall(r.Dir); err == nil { // else times are UTC, as the page says
		if c, _, _, err := runfolder.ReadCampaign(r.Dir, call); err == nil {
			p.AsOf = r.AsOf.In(c.Pace.Location)
		}
	}
	err := r.Write(report.Sum(p.Figures, time.Time{}))
	if err == nil {
		p.Previous, err = r.previous()
	}
	if err != nil {
		return err
	}
	return output.WriteTo(path, func(w io.Writer) error { return summary.Render(w, p) })
}

// previous counts the run of the series on the same service that was planned last before this one, as it was when it was
// as old as this run is: by the latest answer of the service. It looks in the folder of the runs; nil: there is none.
func (r *Report) previous() (*report.Figures, error) {
	series, last, found := runfolder.Heading(r.Dir).Series, time.Time{}, ""
	runs, _ := runfolder.In(filepath.Dir(r.Dir)) // one that cannot be listed has none
	for _, dir := range runs {
		if series == "" || runfolder.Heading(dir).Series != series {
			continue
		}
		p, err := plan.Open(dir)
		if err != nil {
			continue // it is damaged, or of a newer version
		}
		if p.Service == r.Plan.Service && p.Created.Before(r.Plan.Created) && p.Created.After(last) {
			last, found = p.Created, dir
		}
		_ = p.Close()
	}
	if found == "" {
		return nil, nil
	}
	f, err := r.countAsOld(found)
	if err != nil {
		err = fmt.Errorf("the previous run of the series, %s: %w", found, err)
	}
	return f, err
}

func (r *Report) countAsOld(dir string) (*report.Figures, error) {
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
	f, age := &report.Figures{}, r.AsOf.Sub(r.Ledger.Facts().LastAnswer)
	of := &Report{Dir: dir, Plan: p, Ledger: folded, Spool: spool, AsOf: r.AsOf, Log: r.Log}
	return f, of.Write(report.Sum(f, folded.Facts().LastAnswer.Add(age)))
}
