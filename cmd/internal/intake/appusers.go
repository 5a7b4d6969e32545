package intake

import (
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cohort/engine/campaign"
	"cohort/engine/event"
	"cohort/engine/plan"
	"cohort/engine/reach"
	"cohort/engine/refusal"
	"cohort/ingest"
	"cohort/ingest/person"
	"cohort/shard"
)

// AppUsers knows who has the NHS App. Without reports everybody is unknown.
type AppUsers struct{ Reports *reach.Fixed }

// of returns the value of the column campaign.AppColumn for a person.
func (a *AppUsers) of(practice []byte, n person.NHSNumber) string {
	if a.Reports == nil {
		return string(reach.Unknown)
	}
	return string(a.Reports.Of(practice, n))
}

// Close closes the reports.
func (a *AppUsers) Close() {
	if a.Reports != nil {
		_ = a.Reports.Close()
	}
}

// Today opens today's reports of the campaign's service. It removes those of earlier days, because
// they are personal data.
func Today(c *campaign.Campaign, log *slog.Logger) *reach.Day {
	day := reach.Open(filepath.Join(c.Register, "reach"), c.ServiceID(false), time.Now())
	if err := day.Sweep(); err != nil {
		log.Warn("reports of app users of an earlier day, which are personal data, cannot be removed", event.LeftBehind, "problem", err.Error())
	}
	return day
}

// ReachCommand is the command that fetches who has the app.
func ReachCommand(c *campaign.Campaign, paths []string) string {
	return refusal.Command(append([]string{"reach", "-c", c.Path}, paths...)...)
}

// Unfetched says that nothing was fetched today, and what to do.
func Unfetched(day *reach.Day, c *campaign.Campaign, paths []string) string {
	return fmt.Sprintf("the campaign has reach, and who has the NHS App was not fetched today (%s, UTC): %s", day.Date(), ReachCommand(c, paths))
}

// unasked says that the service was not asked about some practices; empty if it was, or without
// reports.
func (r *Reading) unasked() string {
	if r.App.Reports == nil {
		return ""
	}
	codes := r.App.Reports.Unasked()
	if len(codes) == 0 {
		return ""
	}
	return fmt.Sprintf("the service was not asked about %s of the cohort (such as %s): %s", counted(len(codes), "practice", "practices"), codes[0], ReachCommand(r.Campaign, r.Given))
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// read describes the reports for the plan; nil without reports.
func (a *AppUsers) read() *plan.ReachRead {
	if a.Reports == nil {
		return nil
	}
	practices := a.Reports.Practices()
	return &plan.ReachRead{Day: a.Reports.Day, SHA256: a.Reports.Digest, Reported: practices[reach.Reported], Missing: practices[reach.Missing], Refused: practices[reach.Refused]}
}

// reached counts the people to send to by what is known about their NHS App.
type reached struct {
	*plan.ReachRead
	People        int64 `json:"people"`
	Notifications int64 `json:"notifications"`
	Yes           int64 `json:"yes"`
	No            int64 `json:"no"`
	Unknown       int64 `json:"unknown"`
	NoRoute       int64 `json:"no_route,omitempty"` // records that no route takes; not counted above
}

// reachedOf counts the people of a spool. reasons are those of its records that are not sent.
func reachedOf(spool *shard.Spool, from *Reading, reasons []ingest.Reason) (*reached, error) {
	r := &reached{ReachRead: from.App.read()}
	for _, reason := range reasons {
		if reason.Code == person.CodeNoRoute {
			r.NoRoute += reason.Count
		}
	}
	column := slices.Index(from.Fields, campaign.AppColumn)
	for i := range person.Lane(spool.Lanes()) {
		for p, err := range spool.Recipients(i, 0, spool.Positions(i)) {
			if err != nil {
				return nil, err
			}
			if p.Suppressed {
				continue
			}
			r.People++
			switch reach.Answer(p.Fields[column]) {
			case reach.Notifications:
				r.Notifications++
			case reach.Yes:
				r.Yes++
			case reach.No:
				r.No++
			default:
				r.Unknown++
			}
		}
	}
	return r, nil
}

// Print prints the counts in one line.
func (r *reached) Print(w io.Writer) {
	if r.ReachRead == nil {
		fmt.Fprintln(w, "reach     not known: who has the NHS App was not fetched today")
		return
	}
	whom := "this cohort"
	if r.NoRoute > 0 {
		whom = fmt.Sprintf("the %d people that a route takes", r.People)
	}
	said := []string{fmt.Sprintf("%s of %s can be reached by the app, %s with notifications on", percent(r.Notifications+r.Yes, r.People), whom, percent(r.Notifications, r.People))}
	if r.NoRoute > 0 {
		said = append(said, counted(int(r.NoRoute), "record that no route takes is", "records that no route takes are")+" left out of this")
	}
	if r.Unknown > 0 {
		said = append(said, "of "+percent(r.Unknown, r.People)+" it is not known")
	}
	if r.Missing > 0 {
		said = append(said, counted(r.Missing, "practice has", "practices have")+" no report")
	}
	if r.Refused > 0 {
		said = append(said, "the service knows no practice under "+counted(r.Refused, "code", "codes"))
	}
	fmt.Fprintf(w, "reach     %s (as of %s)\n", strings.Join(said, "; "), r.Day)
}

// percent is a share in whole percents. Only all is 100 %, and only none is 0 %.
func percent(n, of int64) string {
	switch share := (200*n + of) / max(1, 2*of); {
	case n == 0 || of == 0:
		return "0 %"
	case n == of:
		return "100 %"
	case share == 0:
		return "less than 1 %"
	case share == 100:
		return "more than 99 %"
	default:
		return fmt.Sprintf("%d %%", share)
	}
}
