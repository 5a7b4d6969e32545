package main

import (
	"fmt"
	"slices"
	"time"

	"cohort/engine/decision"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/sinks/file"
)

// refusedUploads are a run's uploads that the service has refused, for what daily reports may
// say of them.
type refusedUploads struct {
	files    []refusedUpload
	only     map[string]uint32 // the batches' numbers, by the references under which they stand in no other upload
	accepted []plan.AcceptedForm
	written  map[string]string // the file's name, by the references of the batches in it
	taken    map[int]bool      // of files: the reports name messages of them
}

type refusedUpload struct {
	name, reference string
	batches         []uint32
}

// refusedUploads finds them; nil: there are none.
func (s *session) refusedUploads(ledger *ledger.Ledger) (*refusedUploads, error) {
	refused, err := decision.RefusedUploads(ledger)
	if err != nil {
		return nil, damaged(err)
	}
	if len(refused) == 0 {
		return nil, nil
	}
	u := &refusedUploads{only: map[string]uint32{}, written: map[string]string{}, taken: map[int]bool{}}
	batches := map[uint32]bool{}
	for reference, batch := range refused {
		u.only[reference.String()], batches[batch] = batch, true
	}
	manifest, err := file.ReadManifest(s.folder.file(filesFolder))
	if err != nil {
		return nil, refuse("the run's files: %w", err)
	}
	if manifest != nil {
		whole := len(manifest.Files)
		if !manifest.Whole {
			whole = manifest.Earlier
		}
		for _, f := range manifest.Files[:whole] {
			up := refusedUpload{name: f.Name}
			if f.Control != nil {
				up.reference = f.Control.Headers.LocalID
			}
			for _, reference := range f.Batches {
				u.written[reference] = f.Name
				if batch, ok := u.only[reference]; ok {
					up.batches = append(up.batches, batch)
				}
			}
			if len(up.batches) > 0 {
				u.files = append(u.files, up)
			}
		}
	}
	for f, err := range decision.Accepted(ledger) {
		if err != nil {
			return nil, damaged(err)
		}
		if !batches[f.ID.Batch] {
			continue
		}
		u.accepted = append(u.accepted, f)
		if u.written[f.Reference.String()] == "" { // to be sent again, and in no file yet
			u.only[f.Reference.String()] = f.ID.Batch
		}
	}
	return u, nil
}

// note notes where a message stands.
func (u *refusedUploads) note(f *dailyFold, m *sentMessage) {
	if u == nil {
		return
	}
	if f.refused == nil {
		f.refused = make([]uint32, len(f.sent))
	}
	if batch, only := u.only[m.batch]; only {
		f.refused[m.row-1] = batch + 1
	}
}

// see takes a row of a report. The row names its upload, or its message stands in no other.
func (u *refusedUploads) see(f *dailyFold, r *file.DailyRow) {
	row, ours := f.table.row(r.Reference)
	if !ours {
		return
	}
	for i := range u.files {
		if r.Batch != "" && r.Batch == u.files[i].reference ||
			f.refused != nil && f.refused[row-1] > 0 && slices.Contains(u.files[i].batches, f.refused[row-1]-1) {
			u.taken[i] = true
		}
	}
}

// recordTaken records that the service works on uploads that it has refused. What is known
// already is not recorded again.
func (s *session) recordTaken(d *delivery, u *refusedUploads) (err error) {
	if len(u.taken) == 0 {
		return nil
	}
	sink, err := s.uploads()
	if err != nil {
		return err
	}
	log, err := ledger.Open(s.folder.path, d.plan)
	if err != nil {
		return unsound(s.folder.path, err)
	}
	defer func() {
		if e := log.Close(); err == nil && e != nil {
			err = refuse("the progress log cannot be written: %w", e)
		}
	}()
	for i, up := range u.files {
		if !u.taken[i] {
			continue
		}
		now := time.Now()
		detail := fmt.Sprintf("%s, by %s: daily reports name messages of it", up.name, whoAmI())
		if slices.ContainsFunc(up.batches, func(batch uint32) bool { return !log.Ledger.IsUnsure(batch) }) {
			if err := decision.UploadTaken(log, slices.Clone(up.batches), detail, now); err != nil {
				return refuse("it could not be recorded: %w; the same again goes on", err)
			}
		}
		var again []plan.AcceptedForm
		var also []string
		for _, f := range u.accepted {
			switch name := u.written[f.Reference.String()]; {
			case !slices.Contains(up.batches, f.ID.Batch):
			case name != "":
				also = append(also, name)
			case log.Ledger.State(f.ID).Phase == ledger.Accepted:
				again = append(again, f)
			}
		}
		if len(again) > 0 {
			if err := decision.RefuseUpload(log, again, d.spool, sink, ledger.CodeUploadTaken, detail, now); err != nil {
				return refuse("not all of it could be recorded: %w; the same again goes on", err)
			}
		}
		s.log.Error("the service has refused an upload, and daily reports name messages of it: nobody of it is sent to again; ask NHS Notify what became of it", "upload", up.name)
		slices.Sort(also)
		if also = slices.Compact(also); len(also) > 0 {
			s.log.Error("its people stand in another upload too: do not hand that over; when it was, they may get two", "upload", up.name, "also_in", also)
		}
	}
	return nil
}
