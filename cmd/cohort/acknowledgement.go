package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"cohort/engine"
	"cohort/engine/decision"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/register"
	"cohort/engine/report"
	"cohort/sinks/file"
)

const askFirst = "was it handed over twice? Ask NHS Notify what became of it; nothing was changed"

// acknowledged is one acknowledgement and the upload that it is about.
type acknowledged struct {
	*file.Acknowledgement
	upload *file.File
	forms  []plan.AcceptedForm // of the upload, as far as they still count as accepted
}

// acknowledgements records what NHS Notify says of a run's uploads. All files are read and
// judged before anything is changed.
func (s *session) acknowledgements(ctx context.Context, d *delivery, folded *ledger.Ledger, paths []string) error {
	if s.campaign.File == nil || s.campaign.File.Mesh == nil {
		return refuse("acknowledgements are about uploads over MESH (sink.file.mesh), and this run has none")
	}
	sink, err := s.uploads()
	if err != nil {
		return err
	}
	forms, refused, err := inFiles(folded)
	if err != nil {
		return err
	}
	manifest, err := sink.Written(d.plan.Run, nameOfFiles(d.plan), forms, refused)
	if err != nil {
		return refuse("the run's files: %w; finish the run first: %s", err, command("resume", s.folder.path))
	}
	var all []acknowledged
	for _, path := range paths {
		a, err := file.ReadAcknowledgement(path)
		if err != nil {
			return refuse("the acknowledgement cannot be read: %w; nothing was changed", err)
		}
		said := acknowledged{a, manifest.Upload(a.Reference), nil}
		if said.upload == nil {
			return refuse("%s is about no upload of this run: none has its mex-localid as its own; nothing was changed", path)
		}
		for _, f := range forms {
			if slices.Contains(said.upload.Batches, f.Reference.String()) {
				said.forms = append(said.forms, f)
			}
		}
		if why := said.contradiction(folded, all); why != "" {
			return refuse("%s contradicts %s about %s: %s", path, why, said.upload.Name, askFirst)
		}
		if !slices.ContainsFunc(all, func(other acknowledged) bool { return other.Reference == said.Reference }) {
			all = append(all, said)
		}
	}
	for _, said := range all {
		if known, err := said.isReported(d, sink); err != nil {
			return err
		} else if known {
			return refuse("%s is refused, and daily reports have named messages in it: %s", said.upload.Name, askFirst)
		}
	}
	if err := s.recordAcknowledged(d, sink, folded, all); err != nil {
		return err
	}
	if folded, err = ledger.Read(s.folder.path, d.plan); err != nil {
		return unsound(s.folder.path, err)
	}
	return s.settledBy(ctx, d.plan, d.spool, folded)
}

// uploads is what the run's files were written by.
func (s *session) uploads() (files, error) {
	if err := broughtPersonalisation(s.campaign, s.folder); err != nil {
		return files{}, err
	}
	fields, err := fieldsOf(s.campaign)
	if err != nil {
		return files{}, err
	}
	sink, err := newFiles(s.campaign, fields)
	if err != nil {
		return files{}, err
	}
	return sink.in(s.folder.file(filesFolder)), nil
}

// contradiction names what is known and cannot be true together with an acknowledgement; empty:
// nothing.
func (a *acknowledged) contradiction(ledger *ledger.Ledger, others []acknowledged) string {
	for _, other := range others {
		if other.Reference == a.Reference && other.Refused != a.Refused {
			return "another acknowledgement"
		}
	}
	switch {
	case a.Refused && slices.Contains(ledger.Facts().Confirmed, a.Reference):
		return "the confirmation that was recorded"
	case !a.Refused && len(a.forms) == 0:
		return "the refusal that was recorded"
	}
	return ""
}

// isReported reports whether daily reports have named a message of a refused upload.
func (a *acknowledged) isReported(d *delivery, sink engine.Sink) (bool, error) {
	if !a.Refused || len(a.forms) == 0 {
		return false, nil
	}
	rows := map[int64]bool{}
	for f, err := range d.facts() {
		if err != nil {
			return false, err
		}
		rows[f.Row] = f.Origin == report.OfDaily
	}
	if len(rows) == 0 {
		return false, nil
	}
	table := newRowTable(d.plan.Run, d.plan.Records)
	renderer := plan.NewRenderer(d.plan.Run, d.spool, sink)
	for i := range a.forms {
		request, err := renderer.Render(&a.forms[i].Planned, a.forms[i].ID, &a.forms[i].Form)
		if err != nil {
			return false, damaged(err)
		}
		for _, message := range request.Messages {
			if row, _ := table.row(message.String()); rows[row] {
				return true, nil
			}
		}
	}
	return false, nil
}

// recordAcknowledged writes what the acknowledgements say to the progress log. What is there
// already is not written again.
func (s *session) recordAcknowledged(d *delivery, sink engine.Sink, folded *ledger.Ledger, all []acknowledged) (err error) {
	log, err := ledger.Open(s.folder.path, d.plan)
	if err != nil {
		return unsound(s.folder.path, err)
	}
	defer func() {
		if e := log.Close(); err == nil && e != nil {
			err = refuse("the progress log cannot be written: %w", e)
		}
	}()
	changed := false
	for _, a := range all {
		now := time.Now()
		detail := fmt.Sprintf("%s, by %s: acknowledgement with SHA-256 %s", a.upload.Name, whoAmI(), a.SHA256)
		switch {
		case a.Refused && len(a.forms) > 0:
			if err := decision.RefuseUpload(log, a.forms, d.spool, sink, a.Code, detail, now); err != nil {
				return refuse("not all of it could be recorded: %w; the same again goes on", err)
			}
			changed = true
			s.log.Error("the service has refused an upload: its messages are refused; mend what it was refused for, and then: "+
				command("retry", s.folder.path, "--refused", "--reason", "…"),
				"upload", a.upload.Name, "messages", a.upload.Messages, "code", a.Code)
		case a.Refused:
			s.log.Info("known already: the service has refused the upload", "upload", a.upload.Name)
		case !slices.Contains(log.Ledger.Facts().Confirmed, a.Reference):
			if err := decision.ConfirmUpload(log, a.Reference, detail, now); err != nil {
				return refuse("it could not be recorded: %w; the same again goes on", err)
			}
			s.log.Info("the service has confirmed an upload", "upload", a.upload.Name, "messages", a.upload.Messages)
		default:
			s.log.Info("known already: the service has confirmed the upload", "upload", a.upload.Name)
		}
	}
	if account := log.Ledger.Account(); changed && folded.Facts().Closed && account.Check() == nil {
		if err := log.Finish(time.Now(), account); err != nil {
			return refuse("%w", err)
		}
	}
	if _, err := register.ReachedAll(s.campaign.Registers(), d.plan.RunID, log.Ledger.Facts().Attempts, uint64(log.Ledger.Facts().Revisions)); err != nil {
		s.log.Warn("the register could not be told how far the run has come", "problem", err.Error())
	}
	return nil
}
