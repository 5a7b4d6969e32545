package intake

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"

	"cohort/cmd/internal/earlier"
	"cohort/engine/campaign"
	"cohort/engine/disk"
	"cohort/engine/dispatch"
	"cohort/engine/event"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
	"cohort/ingest"
	"cohort/ingest/person"
	"cohort/shard"
)

// Lists are a campaign's suppression lists.
type Lists struct {
	Of   []campaign.List
	read []plan.ListRead // what people has read
	Log  *slog.Logger

	// News yields people of a follow-up who are due no more, as a list does. nil: the run is no follow-up.
	News func(ctx context.Context) iter.Seq2[shard.Exclusion, error]
}

// people yields everybody on the lists, in the campaign's order of lists, and notes in l.read what
// was read. last describes the previous reading; nil: there was none. A list that is missing, empty or much
// shorter than before is refused. people is nil when there are no lists.
func (l *Lists) people(ctx context.Context, last []plan.ListRead) iter.Seq2[shard.Exclusion, error] {
	if len(l.Of) == 0 {
		return nil
	}
	return func(yield func(shard.Exclusion, error) bool) {
		l.read = nil
		for _, list := range l.Of {
			for e, err := range l.one(ctx, list, last) {
				if !yield(e, err) || err != nil {
					return
				}
			}
		}
	}
}

// one yields the people on one list.
func (l *Lists) one(ctx context.Context, list campaign.List, last []plan.ListRead) iter.Seq2[shard.Exclusion, error] {
	return func(yield func(shard.Exclusion, error) bool) {
		err := l.readOne(ctx, list, last, func(x shard.Exclusion) bool { return yield(x, nil) })
		if err != nil && !errors.Is(err, errEnough) {
			yield(shard.Exclusion{}, notApplied(ctx, err))
		}
	}
}

// errEnough ends a reading when the receiver wants no more.
var errEnough = errors.New("enough")

func (l *Lists) readOne(ctx context.Context, list campaign.List, last []plan.ListRead, yield func(shard.Exclusion) bool) error {
	in, err := ingest.OpenList(ctx, list.File, ingestFormat(list.Format))
	if err != nil {
		return err
	}
	tolerated, err := l.tolerated(ctx, list, last)
	if err != nil {
		return err
	}
	var numbers distinct
	for e, err := range in.People(tolerated) {
		if err != nil {
			return err
		}
		numbers.add(e.Number)
		x := shard.Exclusion{Number: e.Number, Reason: list.Reason}
		if l.knows(e.Reason) {
			x.Reason = e.Reason
		}
		if !yield(x) {
			return errEnough
		}
	}
	digest, err := in.Digest()
	if err != nil {
		return err
	}
	n, people := in.Count(), int64(numbers.count())
	if err := l.whole(list, people, n.People, last); err != nil {
		return err
	}
	name := filepath.Base(list.File)
	if n.Unreadable > 0 {
		l.Log.Warn("a suppression list has unreadable rows; they are ignored: the campaign file allows this number, or this run began with them", event.ListRows, "list", name, "rows", n.Unreadable, "first_lines", n.Lines)
	}
	if n.Empty > 0 {
		l.Log.Warn("a suppression list has rows with an empty NHS number; they name nobody", event.ListRows, "list", name, "rows", n.Empty)
	}
	if n.Blank > 0 {
		l.Log.Warn("a suppression list has blank lines; they name nobody", event.ListRows, "list", name, "lines", n.Blank)
	}
	l.read = append(l.read, plan.ListRead{
		File: list.File, Format: list.Format.Words(), Reason: list.Reason, SHA256: fmt.Sprintf("%x", digest),
		People: people, Unreadable: n.Unreadable, Rules: listRules,
	})
	return nil
}

// listRules is the version of the rules for reading numbers. A list read under older rules is read
// again, even if it has not changed: it may name more people now, or have unreadable rows. Since
// version 2 a number in several rows counts once, and control characters and second numbers are
// recognised.
const listRules = 2

// tolerated returns the number of rows of a list that may be unreadable: the number in the campaign
// file, or the number that the run began with. Versions before rules 1 did not count them, so an
// unchanged list of theirs may have any number.
func (l *Lists) tolerated(ctx context.Context, list campaign.List, last []plan.ListRead) (int64, error) {
	rows := list.Unreadable
	for _, before := range last {
		if !l.follows(list, before) {
			continue
		}
		rows = max(rows, before.Unreadable)
		if before.Rules == 0 {
			digest, _, err := ingest.Digest(ctx, list.File)
			if err != nil {
				return 0, err
			}
			if fmt.Sprintf("%x", digest) == before.SHA256 {
				rows = math.MaxInt64
			}
		}
	}
	return rows, nil
}

// mostShrunk is the share of its people that a list may lose between two readings.
const mostShrunk = 0.20

// whole refuses a list that has lost too many people since it was last applied. Older rules counted
// rows.
func (l *Lists) whole(list campaign.List, people, rows int64, last []plan.ListRead) error {
	for _, before := range last {
		people := people
		if before.Rules < 2 {
			people = rows
		}
		if l.follows(list, before) && !list.MayShrink && float64(people) < (1-mostShrunk)*float64(before.People) {
			return fmt.Errorf("%s names %d people and named %d when it was last applied: it may be cut short; bring back the whole list, or set may_shrink: true for it in the campaign file if this is right",
				filepath.Base(list.File), people, before.People)
		}
	}
	return nil
}

// follows reports whether a list is a newer state of an earlier one: the same file, or one with the
// same reason when the earlier file is no longer in the campaign.
func (l *Lists) follows(list campaign.List, before plan.ListRead) bool {
	if list.File == before.File {
		return true
	}
	gone := !slices.ContainsFunc(l.Of, func(now campaign.List) bool { return now.File == before.File })
	return gone && list.Reason == before.Reason
}

// reasonCodes are the codes that a row of a list may give as its reason (contract: NHS numbers,
// cohort files and send rules, section 4; and codes of screening programmes). Other text may be
// personal data, so the list's own reason replaces it.
var reasonCodes = []string{
	"deceased", "deceased_formal", "deceased_informal", "sensitive", "invalid", "exit_code", "superseded", "opted_out",
	"ineligible", "already_vaccinated", "already_attended", "attended", "ceased", "moved_away",
}

// knows reports whether a row's reason is a code: a known one, or one that the campaign gives to a
// list.
func (l *Lists) knows(reason string) bool {
	return slices.Contains(reasonCodes, reason) || reason != "" && slices.ContainsFunc(l.Of, func(list campaign.List) bool { return list.Reason == reason })
}

// notApplied turns an error in a list into a refusal.
func notApplied(ctx context.Context, err error) error {
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, fs.ErrNotExist):
		return refusal.New("list_missing", "cause", err)
	}
	return refusal.New("list_unusable", "cause", err)
}

// warnMost warns that the lists exclude most of a cohort. The cohort may have been named as a list
// by mistake, and suppression cannot be taken back within a run.
func (l *Lists) warnMost(m shard.Manifest) {
	if people := m.Sendable + m.Suppressed; len(l.Of) > 0 && m.Suppressed > people/2 {
		l.Log.Warn("the suppression lists leave out most of the cohort; make sure that they are the right ones before anything is sent: suppression is never taken back within a run", event.MostSuppressed, "suppressed", m.Suppressed, "of", people)
	}
}

// unchanged reports whether the lists have the same bytes as the last ones applied.
func (l *Lists) unchanged(ctx context.Context, last []plan.ListRead) (bool, error) {
	if len(l.Of) != len(last) {
		return false, nil
	}
	for i, list := range l.Of {
		if list.File != last[i].File || list.Reason != last[i].Reason || list.Format.Words() != last[i].Format || last[i].Rules != listRules {
			return false, nil
		}
		digest, _, err := ingest.Digest(ctx, list.File)
		if err != nil {
			return false, notApplied(ctx, err)
		}
		if fmt.Sprintf("%x", digest) != last[i].SHA256 {
			return false, nil
		}
	}
	return true, nil
}

// Listing matches the present lists with the cohort. folder is the run's. Its people can be ranged
// over once.
func (l *Lists) Listing(ctx context.Context, folder string, spool *shard.Spool, last []plan.ListRead) (dispatch.Listing, error) {
	same, err := l.unchanged(ctx, last)
	if err != nil || same && l.News == nil {
		return dispatch.Listing{Read: last}, err
	}
	l.Log.Info("reading the suppression lists", event.ReadingLists, "lists", len(l.Of))
	dir := filepath.Join(folder, runfolder.ListsFolder)
	if err := errors.Join(os.RemoveAll(dir), disk.MakeFolder(dir)); err != nil {
		return dispatch.Listing{}, refusal.New("no_room_for_lists", "cause", err)
	}
	people := l.people(ctx, last)
	if l.News != nil {
		people = earlier.Concat(people, l.News(ctx))
	}
	match, err := spool.Match(ctx, dir, people)
	if err != nil {
		_ = os.RemoveAll(dir)
		return dispatch.Listing{}, err
	}
	return dispatch.Listing{Read: l.read, People: func(yield func(plan.Listed, error) bool) {
		defer func() {
			match.Close()
			_ = os.RemoveAll(dir)
		}()
		for p, err := range match.Listed(ctx) {
			if !yield(plan.Listed{Lane: p.Lane, Position: p.Position, Code: p.Reason}, err) {
				return
			}
		}
	}}, nil
}

// ForRun returns the function that reads the lists for a run. first is its first result: the
// lists were read before the run, so that a wrong list refuses the start.
func (l *Lists) ForRun(folder string, spool *shard.Spool, first dispatch.Listing) dispatch.Lists {
	fresh := true
	return func(ctx context.Context, last []plan.ListRead) (dispatch.Listing, error) {
		if fresh {
			fresh = false
			return first, nil
		}
		return l.Listing(ctx, folder, spool, last)
	}
}

// distinct counts different NHS numbers. It takes four to eight bytes for each.
type distinct struct {
	heads []uint32 // the first nine digits of each number; the tenth is a check digit
}

func (d *distinct) add(n person.NHSNumber) {
	if len(d.heads) == cap(d.heads) {
		d.heads = slices.Grow(d.heads[:d.count()], max(1024, len(d.heads)))
	}
	d.heads = append(d.heads, uint32(n.Uint64()/10))
}

// count returns the number of different numbers.
func (d *distinct) count() int {
	slices.Sort(d.heads)
	d.heads = slices.Compact(d.heads)
	return len(d.heads)
}
