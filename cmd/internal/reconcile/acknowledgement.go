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
	"cohort/engine/ledger"
	"cohort/engine/refusal"
	"cohort/engine/register"
	"cohort/engine/runfolder"
	"cohort/sinks"
	"cohort/sinks/delivery"
	"cohort/sinks/file"
)

const askFirst = "was it handed over twice? Ask NHS Notify what became of it; nothing was changed"

// acknowledgements records what NHS Notify says of a run's uploads. All files are read and
// judged before anything is changed.
func acknowledgements(s *run.Runner, ctx context.Context, d *delivery.Facts, folded *ledger.Ledger, paths []string) error {
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
	manifest, err := sink.Written(d.Plan.Run, run.NameOfFiles(d.Plan), forms, refused)
	if err != nil {
		return refusal.New("run_files_unfinished", "cause", err, "command", refusal.Command("resume", s.Folder.Path))
	}
	var all []delivery.Acknowledged
	for _, path := range paths {
		a, err := file.ReadAcknowledgement(path)
		if err != nil {
			return refusal.New("acknowledgement_unreadable", "cause", err)
		}
		said := delivery.Acknowledged{Acknowledgement: a, Upload: manifest.Upload(a.Reference), Forms: nil}
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

// uploads is what the run's files were written by.
func uploads(s *run.Runner) (sinks.Files, error) {
	if err := intake.BroughtPersonalisation(s.Campaign, s.Folder); err != nil {
		return sinks.Files{}, err
	}
	fields, err := sinks.FieldsOf(s.Campaign)
	if err != nil {
		return sinks.Files{}, err
	}
	sink, err := sinks.NewFiles(s.Campaign, fields)
	if err != nil {
		return sinks.Files{}, err
	}
	return sink.In(s.Folder.File(runfolder.FilesFolder)), nil
}

// recordAcknowledged writes what the acknowledgements say to the progress log. What is there
// already is not written again.
func recordAcknowledged(s *run.Runner, d *delivery.Facts, sink engine.Sink, folded *ledger.Ledger, all []delivery.Acknowledged) (err error) {
	log, err := ledger.Open(s.Folder.Path, d.Plan)
	if err != nil {
		return runfolder.Unsound(s.Folder.Path, err)
	}
	defer func() {
		if e := log.Close(); err == nil && e != nil {
			err = refusal.New("log_unwritable", "cause", e)
		}
	}()
	changed := false
	for _, a := range all {
		now := time.Now()
		decision := fmt.Sprintf("%s, by %s: acknowledgement with SHA-256 %s", a.Upload.Name, control.WhoAmI(), a.SHA256)
		switch {
		case a.Refused && len(a.Forms) > 0:
			if err := log.RefuseUpload(a.Forms, d.Spool, sink, a.Code, decision, now); err != nil {
				return refusal.New("partly_recorded", "cause", err)
			}
			changed = true
			s.Log.Error("the service has refused an upload: its messages are refused; mend what it was refused for, and then: "+
				refusal.Command("decide", s.Folder.Path, "refused", "again", "--reason", "…"),
				"upload", a.Upload.Name, "messages", a.Upload.Messages, "code", a.Code)
		case a.Refused:
			s.Log.Info("known already: the service has refused the upload", "upload", a.Upload.Name)
		case !slices.Contains(log.Ledger.Confirmed, a.Reference):
			if err := log.ConfirmUpload(a.Reference, decision, now); err != nil {
				return refusal.New("not_recorded", "cause", err)
			}
			s.Log.Info("the service has confirmed an upload", "upload", a.Upload.Name, "messages", a.Upload.Messages)
		default:
			s.Log.Info("known already: the service has confirmed the upload", "upload", a.Upload.Name)
		}
	}
	if account := log.Ledger.Account(); changed && folded.Closed && account.Check() == nil {
		if err := log.Finish(time.Now(), account); err != nil {
			return refusal.New("finish_unrecorded", "cause", err)
		}
	}
	if _, err := register.ReachedAll(s.Campaign.Registers(), d.Plan.RunID, log.Ledger.Attempts, uint64(log.Ledger.Revisions)); err != nil {
		s.Log.Warn("the register could not be told how far the run has come", "problem", err.Error())
	}
	return nil
}
