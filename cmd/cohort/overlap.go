package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/disk"
	"cohort/engine/ledger"
	"cohort/engine/outcome"
	"cohort/engine/plan"
	"cohort/engine/register"
	"cohort/ingest/person"
	"cohort/shard"
)

// overlaps are what a cohort has in common with the runs of other campaigns.
type overlaps struct {
	campaign *campaign.Campaign
	register *register.Register // as it was read
	looked   []string           // ids of the runs that were looked at
	since    time.Time          // they were at work since then
	begun    string             // the folder of the run that is compared, if it has begun
	found    []register.Overlap
	again    int64 // people who get the same words and values from any of these runs
	people   int64 // of the cohort, to send to
}

// unsent is what a run that has begun still has to send.
type unsent struct {
	folder    string
	plan      *plan.Plan
	ledger    *ledger.Ledger
	people    int64
	consented []string // ids of runs whose people a person has had sent to again
}

// due says of each record, in order, whether it is still to be sent.
func (u *unsent) due() (_ func(lane person.Lane, position uint32) (bool, error), done func() error, err error) {
	trail, err := outcome.Open(u.folder, u.plan, u.ledger)
	if err != nil {
		return nil, nil, err
	}
	return func(lane person.Lane, position uint32) (bool, error) {
		told, _, err := trail.At(lane, position)
		return err == nil && told.Fate == person.NotSent, err
	}, trail.Close, nil
}

// compare holds the runs of other campaigns against a cohort, with temporary files in dir.
// closed are runs that will be closed, and whose people are left out already. Of a run that has
// begun only the rest is compared, with the runs that were at work since its plan was made.
func compare(ctx context.Context, c *campaign.Campaign, spool *shard.Spool, dir string, closed []plan.EarlierRun, rest *unsent) (*overlaps, error) {
	r, err := register.Look(c.Registers()...)
	if err != nil {
		return nil, refuse("%w", err)
	}
	w, err := campaignWords(c)
	if err != nil {
		return nil, err
	}
	all := &overlaps{campaign: c, register: r, people: spool.Manifest.Sendable, since: time.Now().AddDate(0, 0, -c.OverlapDays)}
	if rest != nil {
		all.people, all.since, all.begun = rest.people, rest.plan.Created, rest.folder
	}
	comparison := spool.Compare(dir, w.messages(w.templates, spool.Manifest.Fields))
	kind, _, _ := strings.Cut(c.ServiceID(false), " ")
	others := r.OfOtherCampaigns(c.Name, kind, all.since)
	numbers := numbersOf(others, spool)
	for _, entry := range others {
		old := entry.At.Before(all.since)                  // what it has sent is another send, and what it has not yet is not
		if old && (rest != nil || !exists(entry.Folder)) { // the first start has looked at it, or it is gone and sends nothing
			continue
		}
		all.looked = append(all.looked, entry.RunID)
		if slices.ContainsFunc(closed, func(e plan.EarlierRun) bool { return e.RunID == entry.RunID }) {
			continue
		}
		if rest != nil && slices.Contains(rest.consented, entry.RunID) {
			continue
		}
		o, err := compareRun(ctx, comparison, numbers, w, entry, old, rest)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			o.Problem = oneLine(err.Error())
		}
		if o.Reached > 0 || o.Problem != "" {
			all.found = append(all.found, o)
		}
	}
	all.again = comparison.Again
	return all, nil
}

// numbersOf are the numbers that belong to one person, as a cohort and all of these runs say
// together. What is wrong with a run is said when it is compared.
func numbersOf(entries []register.Entry, cohort *shard.Spool) *person.Sets {
	said := linksOf(entries)
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
func linksOf(entries []register.Entry) iter.Seq2[person.NHSNumber, person.NHSNumber] {
	var links [][2]person.NHSNumber
	for _, entry := range entries {
		plan, err := plan.Open(entry.Folder)
		if err != nil {
			continue
		}
		if spool, err := openSpool(filepath.Join(entry.Folder, spoolFolder), plan); err == nil {
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

// linksOfOthers are those of the runs of other campaigns that a cohort is compared with.
func (s *session) linksOfOthers() (iter.Seq2[person.NHSNumber, person.NHSNumber], error) {
	r, err := register.Look(s.campaign.Registers()...)
	if err != nil {
		return nil, refuse("%w", err)
	}
	kind, _, _ := strings.Cut(s.campaign.ServiceID(false), " ")
	return linksOf(r.OfOtherCampaigns(s.campaign.Name, kind, time.Now().AddDate(0, 0, -s.campaign.OverlapDays))), nil
}

func compareRun(ctx context.Context, comparison *shard.Comparison, numbers *person.Sets, w *words, entry register.Entry, old bool, rest *unsent) (register.Overlap, error) {
	o := register.Overlap{Campaign: entry.Campaign, RunID: entry.RunID, Host: entry.Host, At: entry.At, SameWords: w.share(entry.Templates)}
	run := &earlierRun{entry: entry}
	defer run.release()
	if err := run.read(); err != nil {
		return o, err
	}
	templates := templatesOf(run.plan)
	o.SameWords = w.share(templates)
	if rest != nil {
		due, done, err := rest.due()
		if err != nil {
			return o, err
		}
		defer func() { _ = done() }()
		comparison.Due = due
	}
	counted, err := comparison.With(ctx, run.sent(w.messages(templates, run.spool.Manifest.Fields), numbers, old))
	if live, _, _ := run.ledger.Unsettled(); err == nil {
		o.Reached, o.Same, o.Open = counted.Reached, counted.Same, live > 0 && !run.closed()
	}
	return o, err
}

// sent yields the people that the run has reached, and those that it still has to send to, as far
// as message knows their words. An old run, beyond overlap_days, yields only the latter. Each
// person comes under every number that the person has or had.
func (r *earlierRun) sent(message func(route uint8, values []string) uint64, numbers *person.Sets, old bool) iter.Seq2[shard.Reached, error] {
	return func(yield func(shard.Reached, error) bool) {
		trail, err := outcome.Open(r.entry.Folder, r.plan, r.ledger)
		if err != nil {
			yield(shard.Reached{}, err)
			return
		}
		defer func() { _ = trail.Close() }()
		for lane := range person.Lane(r.spool.Lanes()) {
			for p, err := range r.spool.Recipients(lane, 0, r.spool.Positions(lane)) {
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
func (r *earlierRun) closed() bool {
	return r.ledger.Facts().Superseded != "" || r.entry.State == register.Superseded
}

// refusal refuses a send that would repeat what other runs have sent; nil: it may go on.
func (o *overlaps) refusal() error {
	var runs, unread, campaigns []string
	for _, run := range register.Repeated(o.found, o.again, o.people) {
		if run.Problem != "" {
			unread = append(unread, o.words(run))
			continue
		}
		runs, campaigns = append(runs, o.words(run)), append(campaigns, run.Campaign)
	}
	slices.Sort(campaigns)
	campaigns = slices.Compact(campaigns)
	switch {
	case len(runs) > 0 && o.begun != "":
		return refuse("%s of the %s people to whom this run still has to send would get the same words with the same values twice: %s; "+
			"to send only to the people whom none of these runs has reached, and to close them: %s under a new campaign name with --rest-of %s; to send to all that are left: %s and a reason",
			thousands(o.again), thousands(o.people), strings.Join(append(runs, unread...), "; "), command("send"), strings.Join(append([]string{o.campaign.Name}, campaigns...), ","), command("resume", o.begun, "--send-again"))
	case len(unread) > 0 && o.begun != "":
		return refuse("nobody can say how many of the people to whom this run still has to send had the same words with the same values: %s; "+
			"if its folder was moved: %s <where it is now>; if it is lost, bring it back from a copy, or send to its people again: %s and a reason",
			strings.Join(unread, "; "), command("resume"), command("resume", o.begun, "--send-again"))
	case len(runs) > 0:
		return refuse("%s of the %s people of this cohort would get the same words with the same values twice within %d days (overlap_days): %s; "+
			"to send only to the people not reached there, and to close those runs: --rest-of %s; to send to all of them: --send-again and a reason",
			thousands(o.again), thousands(o.people), o.campaign.OverlapDays, strings.Join(append(runs, unread...), "; "), strings.Join(campaigns, ","))
	case len(unread) > 0:
		return refuse("nobody can say how many people of this cohort had the same words with the same values before: %s; "+
			"if its folder was moved: %s <where it is now>; if it is lost, bring it back from a copy, or send to its people again: --send-again and a reason",
			strings.Join(unread, "; "), command("resume"))
	}
	return nil
}

// words says what a run has in common with the cohort.
func (o *overlaps) words(run register.Overlap) string {
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
	switch same, unlike := thousands(run.Same), thousands(run.Reached-run.Same); {
	case run.Same == 0:
		return head + sent + unlike + " of these people " + others
	case run.Same == run.Reached:
		return head + sent + same + " of these people the same words with the same values"
	default:
		return head + sent + same + " of these people the same words with the same values, and " + unlike + " " + others
	}
}

// print prints what is found. Of a nil *overlaps that is nothing.
func (o *overlaps) print(w io.Writer) {
	if o != nil {
		for _, run := range o.found {
			fmt.Fprintf(w, "overlap   %s\n", o.words(run))
		}
	}
}

// MarshalJSON lists what is found.
func (o *overlaps) MarshalJSON() ([]byte, error) { return json.Marshal(o.found) }

// compare adds to what a check found how many of the people other campaigns have reached. A
// run that was begun goes on, whatever is found.
func (c *check) compare(ctx context.Context, found *findings, spool *shard.Spool, dir string, digest [32]byte) error {
	all, err := compare(ctx, c.campaign, spool, dir, nil, nil)
	if err != nil {
		return err
	}
	if len(all.found) > 0 {
		found.Overlap = all
	}
	_, begun := all.register.Run(engine.NewRunID(c.campaign.Name, digest, c.campaign.ServiceID(false)).String())
	if err := all.refusal(); err != nil && found.WouldSend && !begun {
		found.WouldSend, found.Why = false, err.Error()
	}
	return nil
}

// overlap looks what other campaigns have sent to the people of a cohort, and refuses a send
// that would repeat it.
func (s *session) overlap(ctx context.Context, spool *shard.Spool, closed []plan.EarlierRun, sendAgain bool, rest *unsent) (err error) {
	dir := s.folder.file(listsFolder)
	if err := errors.Join(os.RemoveAll(dir), disk.MakeFolder(dir)); err != nil {
		return refuse("there is no room to compare the cohort with earlier runs: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if s.compared, err = compare(ctx, s.campaign, spool, dir, closed, rest); err != nil {
		return err
	}
	if _, begun := s.compared.register.Run(s.id.String()); begun {
		s.compared.begun = s.folder.path
	}
	for _, run := range s.compared.found {
		s.log.Info(s.compared.words(run))
	}
	err = s.compared.refusal()
	switch {
	case err == nil:
	case sendAgain:
		for _, run := range register.Repeated(s.compared.found, s.compared.again, s.compared.people) {
			s.call.Consented, s.consented = append(s.call.Consented, run.RunID), true
		}
		s.log.Warn("people get the same words with the same values again, as --send-again says", "people", s.compared.again)
	case s.rehearses(ctx):
		s.log.Warn("a real send would be refused: " + err.Error())
	default:
		return err
	}
	return nil
}

// thousands writes a number with commas.
func thousands(n int64) string {
	text := strconv.FormatInt(n, 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}
