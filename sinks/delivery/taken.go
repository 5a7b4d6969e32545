package delivery

import (
	"slices"

	"cohort/engine/plan"
	"cohort/sinks/file"
)

// refusedUploads are a run's uploads that the service has refused, for what daily reports may
// say of them.
type RefusedUploads struct {
	Files    []RefusedUpload
	Only     map[string]uint32 // the batches' numbers, by the references under which they stand in no other upload
	Accepted []plan.AcceptedForm
	Written  map[string]string // the file's name, by the references of the batches in it
	Taken    map[int]bool      // of files: the reports name messages of them
}

type RefusedUpload struct {
	Name, Reference string
	Batches         []uint32
}

// note notes where a message stands.
func (u *RefusedUploads) Note(f *dailyFold, m *Message) {
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

// see takes a row of a report. The row names its upload, or its message stands in no other.
func (u *RefusedUploads) See(f *dailyFold, r *file.DailyRow) {
	row, ours := f.table.Row(r.Reference)
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
