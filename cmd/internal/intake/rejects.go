package intake

import (
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"strconv"

	"cohort/cmd/internal/output"
	"cohort/engine/outcome"
	"cohort/engine/plan"
	"cohort/engine/runfolder"
	"cohort/ingest"
	"cohort/ingest/person"
	"cohort/shard"
)

// placeOf names a line of a cohort: by its number, and by its file where there are several.
func placeOf(cohort plan.Cohort, file int, line int64) string {
	if len(cohort.Files) == 1 {
		return strconv.FormatInt(line, 10)
	}
	return fmt.Sprintf("%d of %s", line, nameOf(cohort, file))
}

// nameOf is a file of a cohort by its own name; by its path where another has that name too.
func nameOf(cohort plan.Cohort, file int) string {
	path := cohort.Files[file].Path
	name := filepath.Base(path)
	for i, other := range cohort.Files {
		if i != file && filepath.Base(other.Path) == name {
			return path
		}
	}
	return name
}

// keepRejects writes the rejects of a file that is refused for them.
func (p *Preparation) keepRejects() error {
	spool, err := shard.Open(p.Folder.File(runfolder.SpoolFolder))
	if err != nil {
		return err
	}
	defer func() { _ = spool.Close() }()
	return writeRejects(p.Folder.File(runfolder.RejectsFile), spool.Rejected(), p.Cohort)
}

// writeRejects lists the records that will not be sent: where they stand and why,
// nothing about whom.
func writeRejects(path string, rejected iter.Seq2[person.Record, error], cohort plan.Cohort) error {
	return output.WriteTo(path, func(w io.Writer) error {
		out := ingest.NewRejectWriter(w)
		for r, err := range rejected {
			if err == nil {
				err = out.Write(r.Row, filepath.Base(cohort.Files[r.File].Path), r.Line, r.Code, r.Reason)
			}
			if err != nil {
				return err
			}
		}
		return out.Flush()
	})
}

// writeRejectsNow lists again the records of the run in dir that are not sent, with those
// that a suppression list has named since the cohort was planned.
func WriteRejectsNow(dir string, plan *plan.Plan, spool *shard.Spool) error {
	trail, _, err := runfolder.OpenTrail(dir, plan)
	if err != nil {
		return err
	}
	defer func() { _ = trail.Close() }()
	err = writeRejects(filepath.Join(dir, runfolder.RejectsFile), rejectedNow(spool, trail), plan.Cohort)
	if err != nil {
		return fmt.Errorf("rejects: %w", err)
	}
	return nil
}

// rejectedNow yields the invalid, duplicate and suppressed records of a run in the order
// of the cohort.
func rejectedNow(spool *shard.Spool, trail *outcome.Reader) iter.Seq2[person.Record, error] {
	return func(yield func(person.Record, error) bool) {
		for r, err := range spool.Records() {
			if err == nil && r.Fate == "" {
				var o outcome.Message
				if o, err = trail.Outcome(r.Row, r.Lane, r.Position); o.Fate == person.Suppressed {
					r.Fate, r.Code, r.Reason = o.Fate, o.Code, o.Reason
				}
			}
			if (err != nil || r.Fate != "") && !yield(r, err) || err != nil {
				return
			}
		}
	}
}
