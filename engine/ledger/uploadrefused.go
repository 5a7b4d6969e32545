package ledger

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"cohort/engine"
	"cohort/engine/plan"
	"cohort/engine/record"
)

// CodeUploadRefused begins the reason code of messages whose file the service has refused. The
// messages were accepted here, since they stand in the file. A revision with such a code and
// without parts refuses a form that was accepted.
const CodeUploadRefused = "upload_refused_"

func IsUploadRefused(code string) bool { return strings.HasPrefix(code, CodeUploadRefused) }

// RefuseUpload records, durably, that the service has refused a file with these forms, which
// count as accepted: all of their messages are refused with code. decision names the person and
// the acknowledgement. When it ends half way, some of the forms stay accepted, and the same again goes
// on with them.
func (p *Log) RefuseUpload(forms []AcceptedForm, source engine.Source, sink engine.Sink,
	code, decision string, at time.Time) error {
	bd, scratch := plan.Builder{Run: p.Ledger.Plan.Run, Source: source, Sink: sink}, plan.Body{}
	if err := p.Control(at, record.ControlUpload, decision); err != nil {
		return err
	}
	for i := range forms {
		f := &forms[i]
		if err := bd.Rebuild(&scratch, &f.Planned, f.ID, &f.Form); err != nil {
			return err
		}
		r := &record.Revision{Form: f.ID, N: p.Ledger.State(f.ID).Attempts, At: at, Code: code, Number: p.Ledger.last[f.ID.Batch] + 1, Sure: true}
		for _, position := range scratch.Positions {
			r.Refused = append(r.Refused, record.RefusedRow{Position: position, Code: code})
		}
		if err := p.RevisedByList(r); err != nil {
			return err
		}
	}
	return p.SettleRevisions()
}

// ConfirmUpload records, durably, that the service has confirmed a file by its reference.
func (p *Log) ConfirmUpload(reference, decision string, at time.Time) error {
	return p.Control(at, record.ControlConfirmed, reference+" "+decision)
}

// codeTaken is of messages that were to be sent again and are not, since the service has
// refused their file and worked on it all the same.
const codeTaken = CodeUploadRefused + "and_taken"

// UploadTaken records, durably, that the service works on a file that it has refused, with
// messages of these batches. From then on none of the batches' refused messages is sent again,
// and those that were to be are refused again, unless they stand in another file already.
func (p *Log) UploadTaken(batches []uint32, decision string, at time.Time) error {
	slices.Sort(batches)
	batches = slices.Compact(batches)
	var text strings.Builder
	for i := 0; i < len(batches); {
		n := 1
		for i+n < len(batches) && batches[i+n] == batches[i]+uint32(n) {
			n++
		}
		if i > 0 {
			text.WriteByte(',')
		}
		fmt.Fprint(&text, batches[i])
		if n > 1 {
			fmt.Fprintf(&text, "-%d", batches[i+n-1])
		}
		i += n
	}
	return p.Control(at, record.ControlTaken, text.String()+" "+decision)
}

// taken folds a record of UploadTaken.
func (l *Ledger) taken(batches string) error {
	for part := range strings.SplitSeq(batches, ",") {
		first, last, more := strings.Cut(part, "-")
		if !more {
			last = first
		}
		from, err := strconv.ParseUint(first, 10, 32)
		to, e := strconv.ParseUint(last, 10, 32)
		if err != nil || e != nil || to < from || to >= uint64(len(l.base)) {
			return fmt.Errorf("%w: an upload was taken with batches that there are not", ErrIllegal)
		}
		for batch := from; batch <= to; batch++ {
			l.Unsure[uint32(batch)] = true
		}
	}
	retried := l.intern(CodeRetried)
	for id, n := range l.newer {
		if !l.Unsure[id.Batch] || !n.state.isClean() || n.state.Attempts > 0 || n.state.Reason != retried {
			continue
		}
		n.state.Phase, n.state.Reason = Replaced, l.intern(codeTaken)
		var rows []record.RefusedRow
		for position := n.From; position < n.To; position++ {
			if _, dropped := slices.BinarySearch(n.Dropped, position); !dropped {
				rows = append(rows, record.RefusedRow{Position: position, Code: codeTaken})
			}
		}
		l.refused[id.Batch] = inOrder(slices.Clone(l.refused[id.Batch]), rows)
		delete(l.due, id)
	}
	return nil
}

// IsUnsure reports whether no refused message of a batch is sent again, since it may have been
// taken.
func (l *Ledger) IsUnsure(batch uint32) bool { return l.Unsure[batch] }

// RefusedUploads are the forms that stand in files which the service has refused, with the
// numbers of their batches.
func (l *Ledger) RefusedUploads() (map[engine.Reference]uint32, error) {
	refused := map[engine.Reference]uint32{}
	note := func(id plan.FormID, s *State) error {
		if s.Phase != Replaced || !IsUploadRefused(l.Reason(*s)) {
			return nil
		}
		planned, err := l.Plan.Batch(id.Batch)
		refused[l.Plan.Run.BatchReference(planned.Shard, planned.Ordinal, id.Revision, id.Part)] = id.Batch
		return err
	}
	for i := range l.base {
		if err := note(plan.FormID{Batch: uint32(i)}, &l.base[i]); err != nil {
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
