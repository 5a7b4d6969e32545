package reconcile

import (
	"context"
	"fmt"
	"slices"
	"time"

	"cohort/cmd/internal/intake"
	"cohort/cmd/internal/run"
	"cohort/engine"
	"cohort/engine/control"
	"cohort/engine/decision"
	"cohort/engine/event"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/register"
	"cohort/engine/runfolder"
	"cohort/sinks"
	"cohort/sinks/delivery"
	"cohort/sinks/file"
)

const askFirst = "was it handed over twice? Ask NHS Notify what became of it; nothing was changed"

// acknowledgements records NHS Notify's acknowledgements of a run's uploads. It reads and judges
// all files before it changes anything.
func acknowledgements(s *run.Runner, ctx context.Context, d *delivery.Run, folded *ledger.Ledger, paths []string) error {
	if s.Campaign.File == nil || s.Campaign.File.Mesh == nil {
		return refusal.New("no_uploads_to_acknowledge")
	}
	sink, err := uploads(s)
	if err != nil {
		return err
	}
	forms, refused, err := run.InFiles(folded)
	if err != nil {
		return err
	}
	manifest, err := sink.Written(d.Plan.References, run.NameOfFiles(d.Plan), forms, refused)
	if err != nil {
		return refusal.New("run_files_unfinished", "cause", err, "command", refusal.Command("resume", s.Folder.Path))
	}
	var all []delivery.Acknowledged
	for _, path := range paths {
		a, err := file.ReadAcknowledgement(path)
		if err != nil {
			return refusal.New("acknowledgement_unreadable", "cause", err)
		}
		said := delivery.Acknowledged{Acknowledgement: a, Upload: manifest.Upload(a.Reference)}
		if said.Upload == nil {
			return refusal.New("acknowledgement_not_ours", "file", path)
		}
		for _, f := range forms {
			if slices.Contains(said.Upload.Batches, f.Reference.String()) {
				said.Forms = append(said.Forms, f)
			}
		}
		if why := said.Contradiction(folded, all); why != "" {
			return refusal.New("acknowledgement_contradicts", "file", path, "earlier", why, "upload", said.Upload.Name, "advice", askFirst)
		}
		if !slices.ContainsFunc(all, func(other delivery.Acknowledged) bool { return other.Reference == said.Reference }) {
			all = append(all, said)
		}
	}
	for _, said := range all {
		if known, err := said.IsReported(d, sink); err != nil {
			return err
		} else if known {
			return refusal.New("refused_upload_reported", "upload", said.Upload.Name, "advice", askFirst)
		}
	}
	if err := recordAcknowledged(s, d, sink, folded, all); err != nil {
		return err
	}
	if folded, err = ledger.Read(s.Folder.Path, d.Plan); err != nil {
		return runfolder.Unsound(s.Folder.Path, err)
	}
	return settledBy(s, ctx, d.Plan, d.Spool, folded)
}

// uploads is the sink that wrote the run's files.
func uploads(s *run.Runner) (sinks.Files, error) {
	sink, err := Measuring(s)
	if err != nil {
		return sinks.Files{}, err
	}
	return sink.(sinks.Files).In(s.Folder.File(runfolder.FilesFolder)), nil
}

// Measuring is a sink that renders the messages of a planned run. It cannot send.
func Measuring(s *run.Runner) (sinks.Service, error) {
	if err := intake.BroughtPersonalisation(s.Campaign, s.Folder); err != nil {
		return nil, err
	}
	fields, err := sinks.FieldsOf(s.Campaign)
	if err != nil {
		return nil, err
	}
	return sinks.Measuring(s.Campaign, fields)
}

// recordAcknowledged writes acknowledgements to the progress log. It does not write twice what is
// there already.
func recordAcknowledged(s *run.Runner, d *delivery.Run, sink engine.Sink, folded *ledger.Ledger, all []delivery.Acknowledged) error {
	return runfolder.WithLog(d.Dir, d.Plan, func(log *ledger.Log) error {
		changed := false
		for _, a := range all {
			now := time.Now()
			detail := fmt.Sprintf("%s, by %s: acknowledgement with SHA-256 %s", a.Upload.Name, control.WhoAmI(), a.SHA256)
			switch {
			case a.Refused && len(a.Forms) > 0:
				if err := decision.RefuseUpload(log, a.Forms, d.Spool, sink, a.Code, detail, now); err != nil {
					return refusal.New("partly_recorded", "cause", err)
				}
				changed = true
				s.Log.Error("the service has refused an upload: its messages are refused; correct the cause, and then: "+
					refusal.Command("decide", s.Folder.Path, "refused", "again", "--reason", "…"), event.UploadRefused,
					"upload", a.Upload.Name, "messages", a.Upload.Messages, "code", a.Code)
			case a.Refused:
				s.Log.Info("known already: the service has refused the upload", event.UploadRefused, "upload", a.Upload.Name)
			case !slices.Contains(log.Ledger.Facts().Confirmed, a.Reference):
				if err := decision.ConfirmUpload(log, a.Reference, detail, now); err != nil {
					return refusal.New("not_recorded", "cause", err)
				}
				s.Log.Info("the service has confirmed an upload", event.UploadConfirmed, "upload", a.Upload.Name, "messages", a.Upload.Messages)
			default:
				s.Log.Info("known already: the service has confirmed the upload", event.UploadConfirmed, "upload", a.Upload.Name)
			}
		}
		if account := log.Ledger.Account(); changed && folded.Facts().Closed && account.Check() == nil {
			if err := log.Finish(time.Now(), account); err != nil {
				return refusal.New("finish_unrecorded", "cause", err)
			}
		}
		TellRegister(s, d.Plan, log.Ledger)
		return nil
	})
}

// TellRegister tells the register how far a run has come.
func TellRegister(s *run.Runner, plan *plan.Plan, ledger *ledger.Ledger) {
	facts := ledger.Facts()
	_, err := register.ReachedAll(s.Campaign.Registers(), plan.RunID, facts.Attempts, uint64(facts.Revisions))
	if err != nil {
		s.Log.Warn("the register could not be told how far the run has come", event.RegisterNotTold, "problem", err.Error())
	}
}

// refusedUploads finds the run's uploads that the service refused; nil: there are none.
func refusedUploads(s *run.Runner, ledger *ledger.Ledger) (*delivery.RefusedUploads, error) {
	refused, err := decision.RefusedUploads(ledger)
	if err != nil {
		return nil, runfolder.Damaged(err)
	}
	if len(refused) == 0 {
		return nil, nil
	}
	u := &delivery.RefusedUploads{Only: map[string]uint32{}, Written: map[string]string{}, Taken: map[int]bool{}, Rows: map[int64]uint32{}}
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
func recordTaken(s *run.Runner, d *delivery.Run, u *delivery.RefusedUploads) error {
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
			s.Log.Error("the service has refused an upload, and daily reports name messages of it: nobody of it is sent to again; ask NHS Notify what became of it", event.UploadRefused, "upload", up.Name)
			slices.Sort(also)
			if also = slices.Compact(also); len(also) > 0 {
				s.Log.Error("its people stand in another upload too: do not hand that over; when it was, they may get two", event.UploadRefused, "upload", up.Name, "also_in", also)
			}
		}
		return nil
	})
}
