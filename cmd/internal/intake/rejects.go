package intake

import (
	"fmt"
	"io"
	"iter"
	"path/filepath"
	"strconv"

	"cohort/cmd/internal/output"
	"cohort/engine/ledger"
	"cohort/engine/outcome"
	"cohort/engine/plan"
	"cohort/engine/runfolder"
	"cohort/ingest"
	"cohort/ingest/person"
	"cohort/shard"
)

// placeOf names a line of a cohort; with its file if the cohort has several.
func placeOf(cohort plan.Cohort, file int, line int64) string {
	if len(cohort.Files) == 1 {
		return strconv.FormatInt(line, 10)
	}
	return fmt.Sprintf("%d of %s", line, nameOf(cohort, file))
}

// nameOf returns the base name of a file; its path if another file has the same base name.
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

// writeRejects writes a CSV of the records that will not be sent: their lines and the reasons, but
// no personal data.
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

// WriteRejectsNow writes the rejects of a run again, with people that suppression lists named since
// the cohort was planned.
func WriteRejectsNow(dir string, plan *plan.Plan, folded *ledger.Ledger, spool *shard.Spool) error {
	reader, err := outcome.Open(dir, plan, folded)
	if err != nil {
		return err
	}
	defer func() { _ = reader.Close() }()
	err = writeRejects(filepath.Join(dir, runfolder.RejectsFile), rejectedNow(spool, reader), plan.Cohort)
	if err != nil {
		return fmt.Errorf("rejects: %w", err)
	}
	return nil
}

// rejectedNow yields the invalid, duplicate and suppressed records of a run, in cohort order.
func rejectedNow(spool *shard.Spool, reader *outcome.Reader) iter.Seq2[person.Record, error] {
	return func(yield func(person.Record, error) bool) {
		for r, err := range spool.Records() {
			if err == nil && r.Fate == "" {
				var o outcome.Message
				if o, err = reader.Outcome(r.Row, r.Lane, r.Position); o.Fate == person.Suppressed {
					r.Fate, r.Code, r.Reason = o.Fate, o.Code, o.Reason
				}
			}
			if (err != nil || r.Fate != "") && !yield(r, err) || err != nil {
				return
			}
		}
	}
}
