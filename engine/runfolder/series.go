package runfolder

import (
	"os"
	"path/filepath"
	"time"

	"cohort/engine/campaign"
)

// Heading returns what people know the run in a folder by, as of its latest start. What cannot be read is empty.
func Heading(dir string) campaign.Heading {
	text, _ := os.ReadFile(filepath.Join(dir, campaignFile))
	return campaign.HeadingOf(text)
}

// Member is a run as others of its series see it.
type Member struct {
	RunID, Folder string
	Series        string // empty: none
	Service       string // only runs on one service are compared
	Began         time.Time
}

// PreviousOfSeries returns the run of all that is in the same series on the same service, and began last before a run.
// It returns nil if there is none.
func PreviousOfSeries(of Member, all []Member) (previous *Member) {
	for i := range all {
		m := &all[i]
		if of.Series == "" || m.Series != of.Series || m.Service != of.Service || m.RunID == of.RunID || !m.Began.Before(of.Began) {
			continue
		}
		if previous == nil || m.Began.After(previous.Began) {
			previous = m
		}
	}
	return previous
}
