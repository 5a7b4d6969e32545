package main

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cohort/engine/campaign"
	"cohort/engine/plan"
	"cohort/engine/reach"
	"cohort/ingest/person"
	"cohort/shard"
)

// usersFile is the reports of app users that a run is prepared with: it is there only until
// the plan is sealed.
const usersFile = "reach.users"

// appUsers knows who of a cohort has the NHS App, once it has reports. Nil knows nobody.
type appUsers struct{ reports *reach.Fixed }

// of is the value of the column campaign.AppColumn.
func (a *appUsers) of(practice []byte, n person.NHSNumber) string {
	if a == nil || a.reports == nil {
		return string(reach.Unknown)
	}
	return string(a.reports.Of(practice, n))
}

func (a *appUsers) close() {
	if a.reports != nil {
		_ = a.reports.Close()
	}
}

// today is the reports that the campaign's service has given today. Those of earlier days
// are personal data that nobody needs any more, and are taken away.
func today(c *campaign.Campaign, log *slog.Logger) *reach.Day {
	day := reach.Open(filepath.Join(c.Register, "reach"), c.ServiceID(false), time.Now())
	if err := day.Sweep(); err != nil {
		log.Warn("reports of app users of an earlier day, which are personal data, cannot be removed", "problem", err.Error())
	}
	return day
}

// fixReports fixes who has the NHS App before the run is prepared, so that a preparation
// that was killed and is made again tells the same of everybody.
func (s *session) fixReports() (err error) {
	if s.campaign.Reach == nil {
		return nil
	}
	path := s.folder.file(usersFile)
	if was, err := readCall(s.folder.path); err == nil && was.Reach != "" {
		if x, err := reach.OpenFixed(path); err == nil && x.Digest == was.Reach {
			s.log.Info("who has the NHS App is known from the preparation that was stopped", "as_of", x.Day)
			s.use(x)
			return nil
		}
	}
	day := today(s.campaign, s.log)
	_, err = day.Fix(path)
	if errors.Is(err, reach.ErrNone) && s.call.Simulate {
		s.log.Warn("who has the NHS App was not fetched today; in this rehearsal nobody knows it of anybody", "fetch_it_with", reachCommand(s.campaign, s.call.Cohort))
		return nil
	}
	if errors.Is(err, reach.ErrNone) {
		return refuse("%s", unfetched(day, s.campaign, s.call.Cohort))
	}
	if err != nil {
		return refuse("who has the NHS App cannot be fixed for this run: %w", err)
	}
	x, err := reach.OpenFixed(path)
	if err != nil {
		return refuse("%w", err)
	}
	s.use(x)
	return nil
}

func (s *session) use(x *reach.Fixed) {
	s.in.app.reports, s.call.Reach = x, x.Digest
	s.close = append(s.close, s.in.app.close)
}

// fixReports fixes for one check what is known today, in the folder in which it works.
func (c *check) fixReports(dir string, app *appUsers) error {
	if c.day == nil {
		c.day = today(c.campaign, c.screen.log)
	}
	path := filepath.Join(dir, usersFile)
	_, err := c.day.Fix(path)
	if errors.Is(err, reach.ErrNone) {
		return nil
	}
	if err == nil {
		app.reports, err = reach.OpenFixed(path)
	}
	if err != nil {
		return refuse("what was fetched of who has the NHS App cannot be used: %w", err)
	}
	return nil
}

// reachCommand is the command that fetches who has the app.
func reachCommand(c *campaign.Campaign, paths []string) string {
	return command(append([]string{"reach", "-c", c.Path}, paths...)...)
}

// unfetched says that nothing was fetched today, and what to do.
func unfetched(day *reach.Day, c *campaign.Campaign, paths []string) string {
	return fmt.Sprintf("the campaign has reach, and who has the NHS App was not fetched today (%s, UTC): %s", day.Date(), reachCommand(c, paths))
}

// unasked says of practices that the service was not asked about what to do; empty when it
// was asked about all.
func (a *appUsers) unasked(c *campaign.Campaign, paths []string) string {
	if a == nil || a.reports == nil {
		return ""
	}
	codes := a.reports.Unasked()
	if len(codes) == 0 {
		return ""
	}
	return fmt.Sprintf("the service was not asked about %s of the cohort (such as %s): %s", counted(len(codes), "practice", "practices"), codes[0], reachCommand(c, paths))
}

func counted(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// read is what the plan keeps of the reports; nil when there were none.
func (a *appUsers) read() *plan.ReachRead {
	if a == nil || a.reports == nil {
		return nil
	}
	practices := a.reports.Practices()
	return &plan.ReachRead{Day: a.reports.Day, SHA256: a.reports.Digest, Reported: practices[reach.Reported], Missing: practices[reach.Missing], Refused: practices[reach.Refused]}
}

// reached is how much of a cohort the NHS App can reach: of the people to send to.
type reached struct {
	*plan.ReachRead
	People        int64 `json:"people"`
	Notifications int64 `json:"notifications"`
	Yes           int64 `json:"yes"`
	No            int64 `json:"no"`
	Unknown       int64 `json:"unknown"`
	NoRoute       int64 `json:"no_route,omitempty"` // records that no route takes, who are none of these
}

// reachedOf counts the answers that a spool has.
func reachedOf(spool *shard.Spool, fields []string, app *appUsers) (*reached, error) {
	r := &reached{ReachRead: app.read()}
	column := slices.Index(fields, campaign.AppColumn)
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

func (r *reached) print(w io.Writer) {
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

// percent is a share in whole percents, of which only all is 100 and only none is 0.
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
