package earlier

import (
	"context"
	"iter"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cohort/cmd/internal/cohortspool"
	"cohort/engine/campaign"
	"cohort/engine/ledger"
	"cohort/engine/outcome"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/register"
	"cohort/engine/runfolder"
	"cohort/ingest/person"
	"cohort/shard"
)

// Unsent describes the rest of a run that has begun.
type Unsent struct {
	Folder    string
	Plan      *plan.Plan
	Ledger    *ledger.Ledger
	People    int64
	Consented []string // ids of runs; a person allowed that their people are sent to again
}

// due returns a function that reports whether a record is still to be sent. It is asked in order.
func (u *Unsent) due() (_ func(lane person.Lane, position uint32) (bool, error), done func() error, err error) {
	trail, err := outcome.Open(u.Folder, u.Plan, u.Ledger)
	if err != nil {
		return nil, nil, err
	}
	return func(lane person.Lane, position uint32) (bool, error) {
		told, _, err := trail.At(lane, position)
		return err == nil && told.Fate == person.NotSent && told.Code != ledger.CodeContradicted, err
	}, trail.Close, nil
}

// Compare compares a cohort with the runs of other campaigns. It writes temporary files to dir. Runs of the chain of
// follow-ups that begins with the run chain are not compared.
// The new plan closes the runs in closed and excludes their people. For a run that has begun, only
// rest is compared, and only with runs at work since its plan was made.
func Compare(ctx context.Context, c *campaign.Campaign, chain string, spool *shard.Spool, dir string, closed []plan.EarlierRun, rest *Unsent) (*register.Overlaps, error) {
	r, err := register.Look(c.Registers()...)
	if err != nil {
		return nil, refusal.New("register_unreadable", "cause", err)
	}
	r.Chain = chain
	w, err := campaignWords(c)
	if err != nil {
		return nil, err
	}
	all := &register.Overlaps{
		Campaign: c.Name, Days: c.OverlapDays, Zone: c.Pace.Location, Register: r,
		People: spool.Manifest.Sendable, Since: since(c),
	}
	if rest != nil {
		all.People, all.Since, all.Begun = rest.People, rest.Plan.Created, rest.Folder
	}
	comparison := spool.Compare(dir, w.messages(w.templates, spool.Manifest.Fields))
	others := r.OfOtherCampaigns(c.Name, kindOf(c), all.Since)
	numbers := person.NewSets(Concat(spool.Superseded(), LinksOf(others)))
	for _, entry := range others {
		old := entry.At.Before(all.Since) // only what it has not sent yet counts
		if old && (rest != nil || !runfolder.Exists(entry.Folder)) {
			continue // the first start looked at it, or it is gone and sends nothing
		}
		all.Looked = append(all.Looked, entry.RunID)
		isClosed := slices.ContainsFunc(closed, func(e plan.EarlierRun) bool { return e.RunID == entry.RunID })
		if isClosed || rest != nil && slices.Contains(rest.Consented, entry.RunID) {
			continue
		}
		o, err := compareRun(ctx, comparison, numbers, w, entry, old, rest)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			o.Problem = refusal.OneLine(err.Error())
		}
		if o.Reached > 0 || o.Problem != "" {
			all.Found = append(all.Found, o)
		}
	}
	all.Again = comparison.Again
	return all, nil
}

// AnyOther reports whether Compare may find runs of other campaigns, for a run that has not begun.
func AnyOther(c *campaign.Campaign) bool {
	r, err := register.Look(c.Registers()...)
	return err != nil || len(r.OfOtherCampaigns(c.Name, kindOf(c), since(c))) > 0
}

// kindOf is the kind of a campaign's service.
func kindOf(c *campaign.Campaign) string {
	kind, _, _ := strings.Cut(c.ServiceID(false), " ")
	return kind
}

// since returns the start of the days in which runs of other campaigns count.
func since(c *campaign.Campaign) time.Time { return time.Now().AddDate(0, 0, -c.OverlapDays) }

// LinksOf yields the replaced numbers in the cohorts of those runs that can be read.
func LinksOf(entries []register.Entry) Links {
	var links [][2]person.NHSNumber
	for _, entry := range entries {
		plan, err := plan.Open(entry.Folder)
		if err != nil {
			continue
		}
		if spool, err := cohortspool.Open(filepath.Join(entry.Folder, runfolder.SpoolFolder), plan); err == nil {
			for a, b := range spool.Superseded() {
				links = append(links, [2]person.NHSNumber{a, b})
			}
			_ = spool.Close()
		}
		_ = plan.Close()
	}
	return func(yield func(a, b person.NHSNumber) bool) {
		for _, link := range links {
			if !yield(link[0], link[1]) {
				return
			}
		}
	}
}

func compareRun(ctx context.Context, comparison *shard.Comparison, numbers *person.Sets, w *words, entry register.Entry, old bool, rest *Unsent) (register.Overlap, error) {
	o := register.Overlap{Campaign: entry.Campaign, RunID: entry.RunID, Host: entry.Host, At: entry.At, SameWords: w.share(entry.Templates)}
	run := &Run{Entry: entry}
	defer run.Release()
	if err := run.read(false); err != nil {
		return o, err
	}
	templates := TemplatesOf(run.plan)
	o.SameWords = w.share(templates)
	if rest != nil {
		due, done, err := rest.due()
		if err != nil {
			return o, err
		}
		defer func() { _ = done() }()
		comparison.Due = due
	}
	counted, err := comparison.With(ctx, run.sent(w.messages(templates, run.Spool.Manifest.Fields), numbers, old))
	if live, _, _ := run.ledger.Unsettled(); err == nil {
		o.Reached, o.Same, o.Open = counted.Reached, counted.Same, live > 0 && !run.closed()
	}
	return o, err
}

// sent yields the people that the run has reached or still has to send to, under every number that
// the person has or had. message returns 0 for words that it does not know. An old run, beyond
// overlap_days, yields only people that it still has to send to.
func (r *Run) sent(message func(route uint8, values []string) uint64, numbers *person.Sets, old bool) iter.Seq2[shard.Reached, error] {
	return func(yield func(shard.Reached, error) bool) {
		trail, err := outcome.Open(r.Entry.Folder, r.plan, r.ledger)
		if err != nil {
			yield(shard.Reached{}, err)
			return
		}
		defer func() { _ = trail.Close() }()
		for lane := range person.Lane(r.Spool.Lanes()) {
			for p, err := range r.Spool.Recipients(lane, 0, r.Spool.Positions(lane)) {
				heard := err == nil && r.heard.Of(p.Row) // the service has the message, whatever the account says
				if err == nil && p.Suppressed && !heard {
					continue
				}
				told := &outcome.Message{}
				if err == nil && !p.Suppressed {
					told, _, err = trail.At(lane, p.Position)
				}
				x := shard.Reached{Number: p.Number, Message: message(p.Route, p.Fields)}
				due := told != nil && told.Fate == person.NotSent && x.Message != 0 && !r.closed() && !heard
				switch {
				case err != nil:
					yield(x, err)
					return
				case due, !old && (told.Fate == person.Accepted || told.Fate == person.InDoubt || told.Unsure || heard):
					for _, x.Number = range numbers.Of(p.Number) {
						if !yield(x, nil) {
							return
						}
					}
				}
			}
		}
	}
}

// closed reports whether another run has replaced this one.
func (r *Run) closed() bool {
	return r.ledger.Facts().Superseded != "" || r.Entry.State == register.Superseded
}
