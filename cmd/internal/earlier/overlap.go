package earlier

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
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

// overlaps are what a cohort has in common with the runs of other campaigns.
type Overlaps struct {
	campaign *campaign.Campaign
	Register *register.Register // as it was read
	Looked   []string           // ids of the runs that were looked at
	Since    time.Time          // they were at work since then
	Begun    string             // the folder of the run that is compared, if it has begun
	Found    []register.Overlap
	Again    int64 // people who get the same words and values from any of these runs
	People   int64 // of the cohort, to send to
}

// unsent is what a run that has begun still has to send.
type Unsent struct {
	Folder    string
	Plan      *plan.Plan
	Ledger    *ledger.Ledger
	People    int64
	Consented []string // ids of runs whose people a person has had sent to again
}

// due says of each record, in order, whether it is still to be sent.
func (u *Unsent) due() (_ func(lane int, position uint32) (bool, error), done func() error, err error) {
	trail, err := outcome.Open(u.Folder, u.Plan, u.Ledger)
	if err != nil {
		return nil, nil, err
	}
	return func(lane int, position uint32) (bool, error) {
		told, _, err := trail.At(lane, position)
		return err == nil && told.Fate == person.NotSent, err
	}, trail.Close, nil
}

// compare holds the runs of other campaigns against a cohort, with temporary files in dir.
// closed are runs that will be closed, and whose people are left out already. Of a run that has
// begun only the rest is compared, with the runs that were at work since its plan was made.
func Compare(ctx context.Context, c *campaign.Campaign, spool *shard.Spool, dir string, closed []plan.EarlierRun, rest *Unsent) (*Overlaps, error) {
	r, err := register.Look(c.Registers()...)
	if err != nil {
		return nil, refusal.New("register_unreadable", "cause", err)
	}
	w, err := campaignWords(c)
	if err != nil {
		return nil, err
	}
	all := &Overlaps{campaign: c, Register: r, People: spool.Manifest.Sendable, Since: time.Now().AddDate(0, 0, -c.OverlapDays)}
	if rest != nil {
		all.People, all.Since, all.Begun = rest.People, rest.Plan.Created, rest.Folder
	}
	comparison := spool.Compare(dir, w.messages(w.templates, spool.Manifest.Fields))
	kind, _, _ := strings.Cut(c.ServiceID(false), " ")
	others := r.OfOtherCampaigns(c.Name, kind, all.Since)
	numbers := numbersOf(others, spool)
	for _, entry := range others {
		old := entry.At.Before(all.Since)                            // what it has sent is another send, and what it has not yet is not
		if old && (rest != nil || !runfolder.Exists(entry.Folder)) { // the first start has looked at it, or it is gone and sends nothing
			continue
		}
		all.Looked = append(all.Looked, entry.RunID)
		if slices.ContainsFunc(closed, func(e plan.EarlierRun) bool { return e.RunID == entry.RunID }) {
			continue
		}
		if rest != nil && slices.Contains(rest.Consented, entry.RunID) {
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

// numbersOf are the numbers that belong to one person, as a cohort and all of these runs say
// together. What is wrong with a run is said when it is compared.
func numbersOf(entries []register.Entry, cohort *shard.Spool) *person.Sets {
	said := LinksOf(entries)
	return person.NewSets(func(yield func(a, b person.NHSNumber) bool) {
		for _, links := range []iter.Seq2[person.NHSNumber, person.NHSNumber]{cohort.Superseded(), said} {
			for a, b := range links {
				if !yield(a, b) {
					return
				}
			}
		}
	})
}

// linksOf yields every pair of numbers that belong to one person, as runs that can be read say.
func LinksOf(entries []register.Entry) iter.Seq2[person.NHSNumber, person.NHSNumber] {
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

func compareRun(ctx context.Context, comparison *shard.Comparison, numbers *person.Sets, w *Words, entry register.Entry, old bool, rest *Unsent) (register.Overlap, error) {
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

// sent yields the people that the run has reached, and those that it still has to send to, as far
// as message knows their words. An old run, beyond overlap_days, yields only the latter. Each
// person comes under every number that the person has or had.
func (r *Run) sent(message func(route uint8, values []string) uint64, numbers *person.Sets, old bool) iter.Seq2[shard.Reached, error] {
	return func(yield func(shard.Reached, error) bool) {
		trail, err := outcome.Open(r.Entry.Folder, r.plan, r.ledger)
		if err != nil {
			yield(shard.Reached{}, err)
			return
		}
		defer func() { _ = trail.Close() }()
		for lane := range r.Spool.Shards() {
			for p, err := range r.Spool.Recipients(lane, 0, r.Spool.Positions(lane)) {
				if err == nil && p.Suppressed {
					continue
				}
				told := &outcome.Message{}
				if err == nil {
					told, _, err = trail.At(lane, p.Position)
				}
				x := shard.Reached{Number: p.Number, Message: message(p.Route, p.Fields)}
				due := told != nil && told.Fate == person.NotSent && x.Message != 0 && !r.closed()
				switch {
				case err != nil:
					yield(x, err)
					return
				case due, !old && (told.Fate == person.Accepted || told.Fate == person.InDoubt || told.Unsure):
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

// closed reports whether another run has taken the run's place.
func (r *Run) closed() bool {
	return r.ledger.Superseded != "" || r.Entry.State == register.Superseded
}

// refusal refuses a send that would repeat what other runs have sent; nil: it may go on.
func (o *Overlaps) Refusal() error {
	var runs, unread, campaigns []string
	for _, run := range register.Repeated(o.Found, o.Again, o.People) {
		if run.Problem != "" {
			unread = append(unread, o.Words(run))
			continue
		}
		runs, campaigns = append(runs, o.Words(run)), append(campaigns, run.Campaign)
	}
	slices.Sort(campaigns)
	campaigns = slices.Compact(campaigns)
	switch {
	case len(runs) > 0 && o.Begun != "":
		return refusal.New("same_words_rest", "again", refusal.Thousands(o.Again), "people", refusal.Thousands(o.People), "runs", strings.Join(append(runs, unread...), "; "), "send", refusal.Command("send"), "campaigns", strings.Join(append([]string{o.campaign.Name}, campaigns...), ","), "command", refusal.Command("resume", o.Begun, "--send-again"))
	case len(unread) > 0 && o.Begun != "":
		return refusal.New("same_words_rest_unknown", "runs", strings.Join(unread, "; "), "resume", refusal.Command("resume"), "command", refusal.Command("resume", o.Begun, "--send-again"))
	case len(runs) > 0:
		return refusal.New("same_words", "again", refusal.Thousands(o.Again), "people", refusal.Thousands(o.People), "days", o.campaign.OverlapDays, "runs", strings.Join(append(runs, unread...), "; "), "campaigns", strings.Join(campaigns, ","))
	case len(unread) > 0:
		return refusal.New("same_words_unknown", "runs", strings.Join(unread, "; "), "resume", refusal.Command("resume"))
	}
	return nil
}

// words says what a run has in common with the cohort.
func (o *Overlaps) Words(run register.Overlap) string {
	head := fmt.Sprintf("run %.8s of campaign %s, %s", run.RunID, run.Campaign, run.At.In(o.campaign.Pace.Location).Format("2 January 2006"))
	others := "other words"
	if run.SameWords {
		others = "the same words with other values"
	}
	switch {
	case run.Problem != "" && run.SameWords:
		return head + ", begun on " + run.Host + ", has the same words and cannot be compared: " + run.Problem
	case run.Problem != "":
		return head + ", begun on " + run.Host + ", cannot be compared: " + run.Problem
	}
	if run.Open {
		head += ", is not finished and"
	}
	sent := map[bool]string{false: ", sent ", true: " sends "}[run.Open]
	switch same, unlike := refusal.Thousands(run.Same), refusal.Thousands(run.Reached-run.Same); {
	case run.Same == 0:
		return head + sent + unlike + " of these people " + others
	case run.Same == run.Reached:
		return head + sent + same + " of these people the same words with the same values"
	default:
		return head + sent + same + " of these people the same words with the same values, and " + unlike + " " + others
	}
}

// print prints what is found. Of a nil *overlaps that is nothing.
func (o *Overlaps) Print(w io.Writer) {
	if o != nil {
		for _, run := range o.Found {
			fmt.Fprintf(w, "overlap   %s\n", o.Words(run))
		}
	}
}

// MarshalJSON lists what is found.
func (o *Overlaps) MarshalJSON() ([]byte, error) { return json.Marshal(o.Found) }
