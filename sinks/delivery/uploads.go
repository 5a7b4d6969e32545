package delivery

import (
	"slices"

	"cohort/engine"
	"cohort/engine/delivery"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/refusal"
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
func (a *Acknowledged) IsReported(r *Run, sink engine.Sink) (bool, error) {
	if !a.Refused || len(a.Forms) == 0 {
		return false, nil
	}
	rows := map[int64]bool{}
	renderer := plan.NewRenderer(r.Plan.References, r.Spool, sink)
	for i := range a.Forms {
		request, err := renderer.Render(&a.Forms[i].Planned, a.Forms[i].ID, &a.Forms[i].Form)
		if err != nil {
			return false, runfolder.Damaged(err)
		}
		for _, message := range request.Messages {
			row, _ := r.Facts.Row(message.String())
			rows[row] = true
		}
	}
	reported := false
	err := r.Facts.Each(func(row int64, e *delivery.Event) error {
		reported = reported || e.Source == delivery.DailyReport && rows[row]
		return nil
	})
	if err != nil {
		return false, refusal.New("delivery_unreadable", "cause", err)
	}
	return reported, nil
}

// RefusedUploads are the uploads of a run that the service refused. Daily reports that name
// messages of them contradict that.
type RefusedUploads struct {
	Files    []RefusedUpload
	Only     map[string]uint32 // numbers of batches that are in no other upload, by reference
	Accepted []plan.AcceptedForm
	Written  map[string]string // the name of the file, by the reference of a batch in it
	Taken    map[int]bool      // by index in Files: the reports name messages of the upload
	Rows     map[int64]uint32  // rows of messages that are in refused uploads only; number of the batch
}

// RefusedUpload is one of them.
type RefusedUpload struct {
	Name, Reference string
	Batches         []uint32
}

// Mark notes the message if it is in refused uploads only.
func (u *RefusedUploads) Mark(m *Message) {
	if batch, only := u.Only[m.batch]; only {
		u.Rows[m.Row] = batch
	}
}

// See takes a row of a report about the message in a row of the cohort file. The upload was taken after
// all when the report's row names it, or names a message that is in no other upload.
func (u *RefusedUploads) See(row int64, r *file.DailyRow) {
	batch, only := u.Rows[row]
	for i := range u.Files {
		if r.Batch != "" && r.Batch == u.Files[i].Reference || only && slices.Contains(u.Files[i].Batches, batch) {
			u.Taken[i] = true
		}
	}
}
