package summary

import (
	"cmp"
	"encoding/hex"
	"io"
	"time"

	"cohort/cmd/internal/output"
	"cohort/engine/build"
	"cohort/engine/campaign"
	"cohort/engine/runfolder"
)

// Write counts a run and writes its summary to path, as a whole.
func Write(path string, run Run) error {
	f, err := Count(run, time.Time{})
	if err != nil {
		return err
	}
	f.describe(run)
	return output.WriteTo(path, func(w io.Writer) error { return Render(w, f) })
}

// describe says which run the figures are of. A campaign file that is gone or wrong costs the title and the zone only.
func (f *Figures) describe(run Run) {
	h, zone := &run.Plan.Header, time.UTC
	f.Campaign, f.RunID, f.Service, f.Cohort, f.Version = h.Campaign, h.RunID, h.Service, h.Cohort.SHA256, build.Version()
	f.Plan = hex.EncodeToString(run.Plan.Digest[:])
	if c := campaignOf(run.Dir); c != nil {
		zone, f.Files = c.Pace.Location, c.File != nil
	}
	f.Title = cmp.Or(f.Title, f.Campaign)
	f.AsOf = time.Now().In(zone)
}

func campaignOf(dir string) *campaign.Campaign {
	call, err := runfolder.ReadCall(dir)
	if err != nil {
		return nil
	}
	c, _, _, _ := runfolder.ReadCampaign(dir, call)
	return c
}
