package intake

import (
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"cohort/cmd/internal/earlier"
	"cohort/cmd/internal/terminal"
	"cohort/engine/campaign"
	"cohort/ingest/person"
	"cohort/shard"
)

// history is a campaign that sends to several files in turn. The files hold a few people, and
// merge their numbers at random.
type history struct {
	t       *rapid.T
	numbers []string
	said    [][2]string // pairs of numbers that the files so far merge
	reached []string    // by the runs so far
	left    int         // out of the latest run
	merged  int         // records left out because the file has the newer number
	earlier earlier.Runs
}

// kin lists all numbers of a person, by what the files so far say: the slow way.
func (h *history) kin(number string) []string {
	all := []string{number}
	for grown := true; grown; {
		grown = false
		for _, pair := range h.said {
			for i := range pair {
				if slices.Contains(all, pair[i]) && !slices.Contains(all, pair[1-i]) {
					all, grown = append(all, pair[1-i]), true
				}
			}
		}
	}
	return all
}

// file draws a cohort file. Some have no column for replaced numbers.
func (h *history) file() (text string, column bool) {
	column = rapid.Bool().Draw(h.t, "column")
	var b strings.Builder
	fmt.Fprint(&b, "nhs_number,replaced_by\n")
	for range rapid.IntRange(1, 6).Draw(h.t, "rows") {
		number, by := rapid.SampledFrom(h.numbers).Draw(h.t, "number"), rapid.SampledFrom(append([]string{"", ""}, h.numbers...)).Draw(h.t, "by")
		if column && by != "" {
			h.said = append(h.said, [2]string{number, by})
		}
		fmt.Fprintf(&b, "%s,%s\n", number, by)
	}
	return b.String(), column
}

// oncePerPerson drops records that only the earlier files connect to one person. It keeps a record
// with a current number, or else the one with the least number.
func (h *history) oncePerPerson(rows []person.Record, earlier [][2]string) {
	before := &history{said: earlier}
	old := func(number string) bool {
		return slices.ContainsFunc(earlier, func(pair [2]string) bool { return pair[0] == number && pair[1] != number })
	}
	for _, x := range rows {
		givesWay := slices.ContainsFunc(rows, func(y person.Record) bool {
			return y.Fate != person.Invalid && y.Number != x.Number && slices.Contains(before.kin(x.Number), y.Number) &&
				old(x.Number) && (!old(y.Number) || y.Number < x.Number)
		})
		switch {
		case x.Fate == "" && givesWay:
			h.t.Fatalf("row %d is sent to, and so is another row of the person; said: %v", x.Row, earlier)
		case x.Code == person.CodeReplaced && !givesWay:
			h.t.Fatalf("row %d is left out as replaced, and no other row has the person; said: %v", x.Row, earlier)
		case x.Code == person.CodeReplaced:
			h.merged++
		}
	}
}

// run prepares the next file as --new-cohort does, and sends to some of the people.
func (h *history) run(dir string) {
	said := slices.Clone(h.said)
	text, column := h.file()
	path, spoolDir := filepath.Join(dir, "cohort.csv"), filepath.Join(dir, "spool")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
	if err := os.Mkdir(spoolDir, 0o700); err != nil {
		h.t.Fatal(err)
	}
	c := &campaign.Campaign{Cohort: campaign.Cohort{Duplicates: campaign.Duplicates{Rule: "first"}}, Notify: campaign.Notify{Batch: campaign.Batch{MaxMessages: 10, MaxBytes: 10_000}}}
	if column {
		c.Cohort.Superseded = "replaced_by"
	}
	ctx := h.t.Context()
	r := NewReading(c, terminal.NewScreen(io.Discard, nil), []string{path})
	r.Earlier = &h.earlier
	if err := r.Open(ctx); err != nil {
		h.t.Fatal(err)
	}
	spool, err := r.Spool(ctx, spoolDir, shard.ToSend)
	if err != nil {
		h.t.Fatal(err)
	}
	before := slices.Clone(h.reached)
	made := &earlier.Run{Spool: spool}
	h.left = int(spool.Manifest.Suppressed)
	var people []shard.Exclusion
	var rows []person.Record
	for r, err := range spool.Records() {
		if err != nil {
			h.t.Fatal(err)
		}
		reachedBefore := slices.ContainsFunc(h.kin(r.Number), func(n string) bool { return slices.Contains(before, n) })
		number, _ := person.ParseNHSNumber(r.Number)
		rows = append(rows, r)
		switch {
		case r.Code == person.CodeReplaced:
		case r.Fate == "" && reachedBefore:
			h.t.Fatalf("row %d of %q is sent to twice; reached before: %v, said: %v", r.Row, text, before, h.said)
		case r.Fate == person.Suppressed && !reachedBefore:
			h.t.Fatalf("row %d of %q is left out, and nobody has reached the person; reached: %v, said: %v", r.Row, text, before, h.said)
		case r.Fate == person.Suppressed:
			people = append(people, shard.Exclusion{Number: number, Reason: r.Code})
		case r.Fate == "" && rapid.Bool().Draw(h.t, "accepted"):
			h.reached = append(h.reached, r.Number)
			people = append(people, shard.Exclusion{Number: number, Reason: person.CodeAlreadySent})
		}
	}
	h.oncePerPerson(rows, said)
	made.People = func() iter.Seq2[shard.Exclusion, error] {
		return func(yield func(shard.Exclusion, error) bool) {
			for _, x := range people {
				if !yield(x, nil) {
					return
				}
			}
		}
	}
	h.earlier.Runs = append(h.earlier.Runs, made)
}

// No two runs reach a person under any number, whichever file merges the numbers. Nobody else is
// left out.
func TestNobodyIsReachedTwiceUnderAnotherNumber(t *testing.T) {
	dir := t.TempDir()
	n, reached, left, merged := 0, 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		h := &history{t: t, numbers: numbers(6)}
		defer func() {
			for _, r := range h.earlier.Runs {
				_ = r.Spool.Close()
			}
		}()
		for range rapid.IntRange(2, 6).Draw(t, "runs") {
			n++
			folder := filepath.Join(dir, fmt.Sprint(n))
			if err := os.Mkdir(folder, 0o700); err != nil {
				t.Fatal(err)
			}
			h.run(folder)
			_ = os.RemoveAll(folder) // the spool is open
			left += h.left
		}
		reached, merged = reached+len(h.reached), merged+h.merged
	})
	if reached < n/4 || left < n/4 || merged < n/100 {
		t.Errorf("%d runs reached %d people and left out %d, %d of them as replaced: they show nothing", n, reached, left, merged)
	}
}
