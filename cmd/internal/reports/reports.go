// Package reports writes the files that say what became of the records of a run.
package reports

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cohort/cmd/internal/memory"

	"cohort/cmd/internal/output"
	"cohort/engine/build"
	"cohort/engine/event"
	"cohort/engine/facts"
	"cohort/engine/ledger"
	"cohort/engine/outcome"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/report"
	"cohort/engine/runfolder"
	"cohort/ingest/person"
	"cohort/shard"
)

// Compare returns an error unless the file at path has a digest.
func Compare(path, digest string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	hash := sha256.New()
	if _, err = io.Copy(hash, f); err == nil && hex.EncodeToString(hash.Sum(nil)) != digest {
		err = fmt.Errorf("%s is not the file that the run wrote at its end", path)
	}
	return err
}

// Report is a run as its reports see it.
type Report struct {
	Dir    string // the run's folder
	Plan   *plan.Plan
	Ledger *ledger.Ledger // nil: Write reads the log
	Spool  *shard.Spool
	AsOf   time.Time     // zero: without what the service said of the messages
	Only   []person.Fate // empty: all records
	Log    *slog.Logger
}

// Write reads the run's records once, and writes the outputs.
func (r *Report) Write(outputs ...report.Output) (err error) {
	memory.Limit()
	if r.Ledger == nil {
		if r.Ledger, err = runfolder.Ledger(r.Dir, r.Plan); err != nil {
			return err
		}
	}
	outcomes, err := outcome.Open(r.Dir, r.Plan, r.Ledger)
	if err != nil {
		return err
	}
	defer func() { _ = outcomes.Close() }()
	records, err := r.Spool.Ranges()
	if err != nil {
		return err
	}
	defer func() { _ = records.Close() }()
	account := r.Ledger.Account()
	in := report.Input{
		Plan: r.Plan, Account: account, Events: r.Ledger.Facts().Events, Trail: outcomes, Records: records, Version: build.Version(),
		Complete: account.Fates[person.NotSent] == 0 && account.Fates[person.InDoubt] == 0, AsOf: r.AsOf, Only: r.Only,
		Superseded: r.Ledger.Facts().Superseded,
	}
	if !r.AsOf.IsZero() && facts.Any(r.Dir) {
		known := facts.Of(r.Dir, r.Plan).Partial()
		states, err := known.States(r.Dir)
		if err != nil {
			return err
		}
		defer func() { _ = states.Close() }()
		if in.Unread = known.Unread(); in.Unread != nil {
			r.Log.Error("ALARM: the report lacks callbacks that cannot be read; see \"The inbox is damaged\" in docs/callbacks.md", event.CallbacksUnreadable, "cause", in.Unread)
		}
		in.States = states.All()
		if in.Receipts, err = known.Receipts(); err != nil {
			return err
		}
	}
	return report.Write(in, outputs...)
}

// Count counts the run's records by a kept column.
func (r *Report) Count(groups *report.Groups) error {
	kept := r.Spool.Manifest.Keep
	switch {
	case len(kept) == 0:
		return refusal.New("no_column_kept", "folder", r.Dir)
	case !slices.Contains(kept, groups.Column):
		return refusal.New("column_not_kept", "column", groups.Column, "kept", strings.Join(kept, ", "))
	}
	err := r.Write(report.By(groups))
	if errors.Is(err, report.ErrManyGroups) {
		return refusal.New("too_many_groups", "column", groups.Column, "most", report.MostGroups)
	}
	return err
}

// unread is how long a message in the NHS App may stay unread, unless a person says otherwise.
const unread = 24 * time.Hour

// Unreached returns the rule that says whom the run has not reached at this moment.
func (r *Report) Unreached() *report.Unreached {
	return &report.Unreached{App: strings.HasPrefix(r.Plan.Service, "nhsapp "), Unread: unread, Now: r.AsOf}
}

// WriteAll writes the report of this moment, the channel attempts and the people not reached into the run's folder, and
// returns the files. It counts the people not reached. It leaves the report of a finished run alone, also if the run ends
// meanwhile.
func (r *Report) WriteAll(counts *report.UnreachedCounts) (paths []string, err error) {
	own := r.file(runfolder.ReportFile)
	paths = []string{r.file(runfolder.LaterReportFile), r.file(runfolder.ChannelsFile), r.file(runfolder.UnreachedFile)}
	err = output.WriteTo(paths[0], func(later io.Writer) error {
		return output.WriteTo(paths[1], func(channels io.Writer) error {
			return output.WriteTo(paths[2], func(list io.Writer) error {
				return r.Write(report.Parquet(later), report.Channels(channels), r.Unreached().CSV(list, counts))
			})
		})
	})
	if err != nil || r.Ledger.Facts().Closed {
		return paths, err
	}
	now, err := runfolder.Ledger(r.Dir, r.Plan)
	if err == nil && !now.Facts().Closed {
		err = os.Rename(paths[0], own)
		paths[0] = own
	}
	return paths, err
}

func (r *Report) file(name string) string { return filepath.Join(r.Dir, name) }
