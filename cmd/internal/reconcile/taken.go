package reconcile

import (
	"fmt"
	"slices"
	"time"

	"cohort/cmd/internal/run"
	"cohort/engine/control"
	"cohort/engine/decision"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
	"cohort/sinks/delivery"
	"cohort/sinks/file"
)

// refusedUploads finds the run's uploads that the service refused; nil: there are none.
func refusedUploads(s *run.Runner, ledger *ledger.Ledger) (*delivery.RefusedUploads, error) {
	refused, err := decision.RefusedUploads(ledger)
	if err != nil {
		return nil, runfolder.Damaged(err)
	}
	if len(refused) == 0 {
		return nil, nil
	}
	u := &delivery.RefusedUploads{Only: map[string]uint32{}, Written: map[string]string{}, Taken: map[int]bool{}}
	batches := map[uint32]bool{}
	for reference, batch := range refused {
		u.Only[reference.String()], batches[batch] = batch, true
	}
	manifest, err := file.ReadManifest(s.Folder.File(runfolder.FilesFolder))
	if err != nil {
		return nil, refusal.New("run_files_unreadable", "cause", err)
	}
	if manifest != nil {
		whole := len(manifest.Files)
		if !manifest.Whole {
			whole = manifest.Earlier
		}
		for _, f := range manifest.Files[:whole] {
			up := delivery.RefusedUpload{Name: f.Name}
			if f.Control != nil {
				up.Reference = f.Control.Headers.LocalID
			}
			for _, reference := range f.Batches {
				u.Written[reference] = f.Name
				if batch, ok := u.Only[reference]; ok {
					up.Batches = append(up.Batches, batch)
				}
			}
			if len(up.Batches) > 0 {
				u.Files = append(u.Files, up)
			}
		}
	}
	for f, err := range decision.Accepted(ledger) {
		if err != nil {
			return nil, runfolder.Damaged(err)
		}
		if !batches[f.ID.Batch] {
			continue
		}
		u.Accepted = append(u.Accepted, f)
		if u.Written[f.Reference.String()] == "" { // to be sent again, and in no file yet
			u.Only[f.Reference.String()] = f.ID.Batch
		}
	}
	return u, nil
}

// recordTaken records that the service delivers messages of uploads that it refused. It does not
// record twice what is known already.
func recordTaken(s *run.Runner, d *delivery.Facts, u *delivery.RefusedUploads) error {
	if len(u.Taken) == 0 {
		return nil
	}
	sink, err := uploads(s)
	if err != nil {
		return err
	}
	return runfolder.WithLog(d.Dir, d.Plan, func(log *ledger.Log) error {
		for i, up := range u.Files {
			if !u.Taken[i] {
				continue
			}
			now := time.Now()
			detail := fmt.Sprintf("%s, by %s: daily reports name messages of it", up.Name, control.WhoAmI())
			if slices.ContainsFunc(up.Batches, func(batch uint32) bool { return !log.Ledger.IsUnsure(batch) }) {
				if err := decision.UploadTaken(log, slices.Clone(up.Batches), detail, now); err != nil {
					return refusal.New("not_recorded", "cause", err)
				}
			}
			var again []plan.AcceptedForm
			var also []string
			for _, f := range u.Accepted {
				switch name := u.Written[f.Reference.String()]; {
				case !slices.Contains(up.Batches, f.ID.Batch):
				case name != "":
					also = append(also, name)
				case log.Ledger.State(f.ID).Phase == ledger.Accepted:
					again = append(again, f)
				}
			}
			if len(again) > 0 {
				if err := decision.RefuseUpload(log, again, d.Spool, sink, ledger.CodeUploadTaken, detail, now); err != nil {
					return refusal.New("partly_recorded", "cause", err)
				}
			}
			s.Log.Error("the service has refused an upload, and daily reports name messages of it: nobody of it is sent to again; ask NHS Notify what became of it", "upload", up.Name)
			slices.Sort(also)
			if also = slices.Compact(also); len(also) > 0 {
				s.Log.Error("its people stand in another upload too: do not hand that over; when it was, they may get two", "upload", up.Name, "also_in", also)
			}
		}
		return nil
	})
}
