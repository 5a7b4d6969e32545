package delivery

import (
	"slices"

	"cohort/engine"
	"cohort/engine/facts"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/report"
	"cohort/engine/runfolder"
	"cohort/sinks/file"
)

// Acknowledged is an acknowledgement and its upload.
type Acknowledged struct {
	*file.Acknowledgement
	Upload *file.File
	Forms  []plan.AcceptedForm // of the upload, as far as they still count as accepted
}

// Contradiction names what is known already and contradicts the acknowledgement; empty: nothing.
func (a *Acknowledged) Contradiction(ledger *ledger.Ledger, others []Acknowledged) string {
	for _, other := range others {
		if other.Reference == a.Reference && other.Refused != a.Refused {
			return "another acknowledgement"
		}
	}
	switch {
	case a.Refused && slices.Contains(ledger.Facts().Confirmed, a.Reference):
		return "the confirmation that was recorded"
	case !a.Refused && len(a.Forms) == 0:
		return "the refusal that was recorded"
	}
	return ""
}

// IsReported reports whether daily reports name a message of a refused upload.
func (a *Acknowledged) IsReported(d *Facts, sink engine.Sink) (bool, error) {
	if !a.Refused || len(a.Forms) == 0 {
		return false, nil
	}
	reported := map[int64]bool{}
	for f, err := range d.All() {
		if err != nil {
			return false, err
		}
		reported[f.Row] = f.Origin == report.OfDaily
	}
	if len(reported) == 0 {
		return false, nil
	}
	rows := facts.NewRows(d.Plan.References, d.Plan.Records)
	renderer := plan.NewRenderer(d.Plan.References, d.Spool, sink)
	for i := range a.Forms {
		request, err := renderer.Render(&a.Forms[i].Planned, a.Forms[i].ID, &a.Forms[i].Form)
		if err != nil {
			return false, runfolder.Damaged(err)
		}
		for _, message := range request.Messages {
			if row, _ := rows.Of(message.String()); reported[row] {
				return true, nil
			}
		}
	}
	return false, nil
}

// RefusedUploads are the uploads of a run that the service refused. Daily reports that name
// messages of them contradict that.
type RefusedUploads struct {
	Files    []RefusedUpload
	Only     map[string]uint32 // numbers of batches that are in no other upload, by reference
	Accepted []plan.AcceptedForm
	Written  map[string]string // the name of the file, by the reference of a batch in it
	Taken    map[int]bool      // by index in Files: the reports name messages of the upload
}

// RefusedUpload is one of them.
type RefusedUpload struct {
	Name, Reference string
	Batches         []uint32
}

// Mark marks a message that is in refused uploads only. A nil u marks nothing.
func (u *RefusedUploads) Mark(f *DailyReports, m *Message) {
	if u == nil {
		return
	}
	if f.refused == nil {
		f.refused = make([]uint32, len(f.Sent))
	}
	if batch, only := u.Only[m.batch]; only {
		f.refused[m.Row-1] = batch + 1
	}
}

// See takes a row of a report. The upload was taken after all when the row names it, or names a
// message that is in no other upload.
func (u *RefusedUploads) See(f *DailyReports, r *file.DailyRow) {
	row, ours := f.rows.Of(r.Reference)
	if !ours {
		return
	}
	for i := range u.Files {
		if r.Batch != "" && r.Batch == u.Files[i].Reference ||
			f.refused != nil && f.refused[row-1] > 0 && slices.Contains(u.Files[i].Batches, f.refused[row-1]-1) {
			u.Taken[i] = true
		}
	}
}
