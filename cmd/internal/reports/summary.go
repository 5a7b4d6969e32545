package reports

import (
	"cmp"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cohort/cmd/internal/cohortspool"
	"cohort/cmd/internal/output"
	"cohort/cmd/internal/summary"
	"cohort/engine/build"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/report"
	"cohort/engine/runfolder"
	"cohort/ingest/person"
)

// WriteSummary writes the summary of this moment to path, as a whole.
func (r *Report) WriteSummary(path string) error {
	h, heading := &r.Plan.Header, runfolder.Heading(r.Dir)
	p := &summary.Page{
		Figures: &report.Figures{}, Title: cmp.Or(heading.Title, h.Campaign), Campaign: h.Campaign, RunID: h.RunID, Service: h.Service,
		CohortDigest: h.Cohort.SHA256, Plan: hex.EncodeToString(r.Plan.Digest[:]), Version: build.Version(), Purpose: heading.Purpose, AsOf: r.AsOf.UTC(),
		FollowUp: h.FollowUp.String(),
	}
	if call, err := runfolder.ReadCall(r.Dir); err == nil { // else times are UTC, as the page says
		if c, _, _, err := runfolder.ReadCampaign(r.Dir, call); err == nil {
			p.AsOf = r.AsOf.In(c.Pace.Location)
		}
	}
	if err := r.Write(report.Sum(p.Figures, time.Time{})); err != nil {
		return err
	}
	var err error
	if p.Previous, err = r.previous(); err != nil {
		p.NotCompared = refusal.OneLine(err.Error())
	}
	return output.WriteTo(path, func(w io.Writer) error { return summary.Render(w, p) })
}

// previous counts the run of the series on the same service that was planned last before this one and has sent
// something, as it was when it was as old as this run is: by the latest answer of the service. It looks in the folder of
// the runs; nil: there is none.
func (r *Report) previous() (*report.Figures, error) {
	series, folders := runfolder.Heading(r.Dir).Series, map[string]string{}
	runs, _ := runfolder.In(filepath.Dir(r.Dir)) // one that cannot be listed has none
	var all []*plan.Header
	for _, dir := range runs {
		if series == "" || runfolder.Heading(dir).Series != series {
			continue
		}
		p, err := plan.Open(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it has sent nothing
		} else if err != nil {
			return nil, notCompared(dir, err)
		}
		_ = p.Close()
		if p.Service == r.Plan.Service && before(&p.Header, &r.Plan.Header) < 0 && !r.corrects(&p.Header) {
			all, folders[p.RunID] = append(all, &p.Header), dir
		}
	}
	slices.SortFunc(all, before)
	for _, h := range slices.Backward(all) {
		f, err := r.countAsOld(folders[h.RunID])
		if err != nil {
			return nil, notCompared(folders[h.RunID], err)
		} else if f != nil {
			return f, nil
		}
	}
	return nil, nil
}

// before orders runs by the second of their plans; two of the same second have an order, too.
func before(a, b *plan.Header) int {
	return cmp.Or(a.Created.Compare(b.Created), strings.Compare(a.RunID, b.RunID))
}

// corrects reports whether this run sends to people of another one, or to the rest of them. Then it is not the one before.
func (r *Report) corrects(h *plan.Header) bool {
	named := func(campaign string) bool { return strings.TrimSpace(campaign) == h.Campaign }
	return h.Root() == r.Plan.Root() || slices.ContainsFunc(strings.Split(r.Plan.RestOf, ","), named)
}

func notCompared(dir string, err error) error {
	return refusal.New("previous_unreadable", "run", filepath.Base(dir), "cause", err)
}

// countAsOld counts the run in dir; nil: it has sent nothing, or another run has taken its place.
func (r *Report) countAsOld(dir string) (*report.Figures, error) {
	p, err := runfolder.Plan(dir)
	if err != nil {
		return nil, err
	}
	defer func() { _ = p.Close() }()
	folded, err := runfolder.Ledger(dir, p)
	if err != nil {
		return nil, err
	}
	facts := folded.Facts()
	if facts.Superseded != "" || !facts.Closed && folded.Account().Fates[person.Accepted] == 0 {
		return nil, nil
	}
	spool, err := cohortspool.Open(filepath.Join(dir, runfolder.SpoolFolder), p)
	if err != nil {
		return nil, err
	}
	defer func() { _ = spool.Close() }()
	f, age := &report.Figures{}, r.AsOf.Sub(r.Ledger.Facts().LastAnswer)
	of := &Report{Dir: dir, Plan: p, Ledger: folded, Spool: spool, AsOf: r.AsOf, Log: r.Log}
	return f, of.Write(report.Sum(f, facts.LastAnswer.Add(age)))
}
