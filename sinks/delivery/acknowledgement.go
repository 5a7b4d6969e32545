package delivery

import (
	"slices"

	"cohort/engine"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/report"
	"cohort/engine/runfolder"
	"cohort/sinks/file"
)

// acknowledged is one acknowledgement and the upload that it is about.
type Acknowledged struct {
	*file.Acknowledgement
	Upload *file.File
	Forms  []plan.AcceptedForm // of the upload, as far as they still count as accepted
}

// contradiction names what is known and cannot be true together with an acknowledgement; empty:
// nothing.
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

// isReported reports whether daily reports have named a message of a refused upload.
func (a *Acknowledged) IsReported(d *Facts, sink engine.Sink) (bool, error) {
	if !a.Refused || len(a.Forms) == 0 {
		return false, nil
	}
	rows := map[int64]bool{}
	for f, err := range d.Facts() {
		if err != nil {
			return false, err
		}
		rows[f.Row] = f.Origin == report.OfDaily
	}
	if len(rows) == 0 {
		return false, nil
	}
	table := NewRowTable(d.Plan.Run, d.Plan.Records)
	renderer := plan.NewRenderer(d.Plan.Run, d.Spool, sink)
	for i := range a.Forms {
		request, err := renderer.Render(&a.Forms[i].Planned, a.Forms[i].ID, &a.Forms[i].Form)
		if err != nil {
			return false, runfolder.Damaged(err)
		}
		for _, message := range request.Messages {
			if row, _ := table.Row(message.String()); rows[row] {
				return true, nil
			}
		}
	}
	return false, nil
}
