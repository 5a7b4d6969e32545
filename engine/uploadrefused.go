package engine

import (
	"fmt"
	"strings"
	"time"
)

// CodeUploadRefused begins the reason code of messages whose file the service has refused. The
// messages were accepted here, since they stand in the file. A revision with such a code and
// without parts refuses a form that was accepted.
const CodeUploadRefused = "upload_refused_"

func isUploadRefused(code string) bool { return strings.HasPrefix(code, CodeUploadRefused) }

// RefuseUpload records, durably, that the service has refused a file with these forms, which
// count as accepted: all of their messages are refused with code. decision names the person and
// the acknowledgement. When it ends half way, some of the forms stay accepted, and the same again goes
// on with them.
func (p *ProgressLog) RefuseUpload(forms []AcceptedForm, source Source, sink Sink,
	code, decision string, at time.Time) error {
	bd, scratch := builder{run: p.plan.Run, source: source, sink: sink}, body{}
	if err := p.Control(at, controlUpload, decision); err != nil {
		return err
	}
	for i := range forms {
		f := &forms[i]
		if err := bd.rebuild(&scratch, &f.Planned, f.ID, &f.Form); err != nil {
			return err
		}
		r := &revision{Form: f.ID, N: p.State(f.ID).Attempts, At: at, Code: code, Number: p.last[f.ID.Batch] + 1, Sure: true}
		for _, position := range scratch.positions {
			r.Refused = append(r.Refused, RefusedRow{Position: position, Code: code})
		}
		if err := p.revisedByList(r); err != nil {
			return err
		}
	}
	return p.settleRevisions()
}

// ConfirmUpload records, durably, that the service has confirmed a file by its reference.
func (p *ProgressLog) ConfirmUpload(reference, decision string, at time.Time) error {
	return p.Control(at, controlConfirmed, reference+" "+decision)
}

// RefusedUploads are the forms that stand in files which the service has refused.
func (l *Ledger) RefusedUploads() (map[Reference]bool, error) {
	refused := map[Reference]bool{}
	note := func(id FormID, s *State) error {
		if s.Phase != Replaced || !isUploadRefused(l.Reason(*s)) {
			return nil
		}
		planned, err := l.plan.Batch(id.Batch)
		refused[l.plan.Run.BatchReference(planned.Shard, planned.Ordinal, id.Revision, id.Part)] = true
		return err
	}
	for i := range l.base {
		if err := note(FormID{Batch: uint32(i)}, &l.base[i]); err != nil {
			return nil, fmt.Errorf("batch %d: %w", i, err)
		}
	}
	for id, n := range l.newer {
		if err := note(id, &n.state); err != nil {
			return nil, fmt.Errorf("batch %d: %w", id.Batch, err)
		}
	}
	return refused, nil
}
