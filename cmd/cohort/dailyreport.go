package main

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/report"
	"cohort/ingest/person"
	"cohort/sinks/file"
)

// factsAtOnce bounds the memory for what daily reports say: after so many messages it is
// saved.
const factsAtOnce = 200_000

// dailyReports reads what came back over MESH about a run's upload. The files are read twice:
// nothing is changed before all of them were read to their end.
func (s *session) dailyReports(d *delivery, folded *ledger.Ledger, o *deliveryOptions) error {
	switch {
	case s.campaign.File.Mesh == nil:
		return refusal.New("what became of letters is the print supplier's to say: no report of it is read here")
	case len(o.daily) == 0:
		return refusal.New("NHS Notify says over MESH what became of an upload (workflow NHS_NOTIFY_DAILY_REPORT); name the files that came back: %s", refusal.Command("reconcile", s.folder.path, "--daily-report", "FILE"))
	}
	refused, err := s.refusedUploads(folded)
	if err != nil {
		return err
	}
	rows := 0
	if err := eachDailyRow(o.daily, func(*file.DailyRow) error { rows++; return nil }); err != nil {
		return refusal.New("%w; nothing was changed", err)
	}
	f := newDailyFold(d.plan, time.Now().Truncate(time.Millisecond))
	for m, err := range eachMessage(d.folder.path, d.plan, d.spool) {
		if err != nil {
			return err
		}
		f.sent[m.row-1] = m.fate == person.Accepted
		refused.note(f, &m)
	}
	for known, err := range d.facts() { // the reports of other days
		if err != nil {
			return err
		}
		if known.Origin == report.OfDaily && known.MessageID != "" && known.Row <= d.plan.Records {
			f.ids[known.Row-1] = shortHash(known.MessageID)
		}
	}
	if refused != nil {
		if err := eachDailyRow(o.daily, func(r *file.DailyRow) error { refused.see(f, r); return nil }); err != nil {
			return refusal.New("%w; nothing was changed", err)
		}
		if err := s.recordTaken(d, refused); err != nil {
			return err
		}
		if folded, err = ledger.Read(s.folder.path, d.plan); err != nil {
			return unsound(s.folder.path, err)
		}
	}
	save := func() error {
		_, err := d.add(f.take(), time.Time{})
		return err
	}
	err = eachDailyRow(o.daily, func(r *file.DailyRow) error {
		f.add(r)
		if len(f.facts) < factsAtOnce {
			return nil
		}
		return save()
	})
	if refused := (*refusal.Refused)(nil); err != nil && !errors.As(err, &refused) {
		err = refusal.New("%w", err)
	}
	if err != nil {
		return err
	}
	statuses, err := d.add(f.take(), time.Time{})
	if err != nil {
		return err
	}
	if len(f.twice) > 0 {
		s.log.Error("the service has taken messages twice: was an upload handed over twice?", "messages", len(f.twice))
	}
	if f.unsent > 0 {
		s.log.Error("the reports have rows about records of this run that were never uploaded: find out who has sent to them", "rows", f.unsent)
	}
	s.log.Info("the daily reports were read", "files", len(o.daily), "rows", rows, "of_other_uploads", f.strangers)
	sum := d.summary(folded.Account(), statuses)
	sum.Strangers, sum.Unsent, sum.Twice, sum.Taken = f.strangers, f.unsent, int64(len(f.twice)), f.taken
	if err := s.tell(s.stdout, d, sum, o); err != nil || refused == nil || len(refused.taken) == 0 {
		return err
	}
	return &refusal.Ended{Err: errors.New("NHS Notify has refused an upload and its reports name messages of it: nobody of it is sent to again from this run; a person must ask NHS Notify what became of it"), Code: exitInDoubt, Next: refusal.Command("status", s.folder.path)}
}

// eachDailyRow reads daily reports in turn.
func eachDailyRow(paths []string, each func(*file.DailyRow) error) error {
	for _, path := range paths {
		in, err := os.Open(path)
		if err != nil {
			return fmt.Errorf("the daily report cannot be read: %w", err)
		}
		err = file.ReadDaily(in, each)
		_ = in.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return nil
}

// dailyFold is what daily reports say of a run's messages.
type dailyFold struct {
	table   *rowTable
	refused []uint32 // 1 + the number of the batch, of messages in refused uploads and in no other, by row - 1; nil: there are none
	sent    []bool   // whether the upload has the message, by row - 1
	ids     []uint32 // of the service's id, a hash, by row - 1
	facts   map[int64]report.Fact
	learned time.Time

	strangers int64              // rows about messages of others
	taken     int64              // rows about messages that stand in a refused upload alone
	unsent    int64              // rows about records that stand in no upload of this run
	twice     map[int64]struct{} // rows of messages with a second id
}

func newDailyFold(plan *plan.Plan, learned time.Time) *dailyFold {
	return &dailyFold{
		table: newRowTable(plan.Run, plan.Records), sent: make([]bool, plan.Records), ids: make([]uint32, plan.Records),
		facts: map[int64]report.Fact{}, learned: learned, twice: map[int64]struct{}{},
	}
}

// add takes a row.
func (f *dailyFold) add(r *file.DailyRow) {
	row, ours := f.table.row(r.Reference)
	if !ours {
		f.strangers++
		return
	}
	if f.refused != nil && f.refused[row-1] > 0 {
		f.taken++
		return
	}
	if !f.sent[row-1] {
		f.unsent++
		return
	}
	if r.ID != "" {
		id := shortHash(r.ID)
		if f.ids[row-1] != 0 && f.ids[row-1] != id {
			f.twice[row] = struct{}{} // what has reached the person is what either has reached
		} else {
			f.ids[row-1] = id
		}
	}
	fact := dailyFact(row, r)
	fact.Learned = f.learned
	if before, there := f.facts[row]; there {
		fact = fact.After(before)
	}
	f.facts[row] = fact
}

// take hands out the facts in the order of their rows, and forgets them.
func (f *dailyFold) take() iter.Seq2[report.Fact, error] {
	list := slices.Collect(maps.Values(f.facts))
	clear(f.facts)
	return inOrder(list)
}

// dailyFact is what one row says by itself.
func dailyFact(row int64, r *file.DailyRow) report.Fact {
	f := report.Fact{Row: row, MessageID: strings.Clone(r.ID), Status: report.Open, Origin: report.OfDaily, At: dailyTime(cmp.Or(r.Completed, r.ChannelCompleted))}
	channel, status := strings.Clone(strings.ToLower(r.Channel)), strings.ToLower(r.ChannelStatus)
	if f.Channel = channel; channel != "" && status != "" {
		f.Steps = channel + " " + status
	}
	switch {
	case status == report.Delivered || strings.EqualFold(r.Status, report.Delivered):
		f.Status = report.Delivered
		if status != report.Delivered {
			f.Channel = "" // another one reached the person
		}
		return f
	case strings.EqualFold(r.Status, report.Failed):
		f.Status = report.Failed
	}
	f.Code, f.Reason = r.ReasonCode, r.Reason
	if f.Code == "" && f.Reason == "" {
		f.Code, f.Reason = r.ChannelReasonCode, r.ChannelReason
	}
	f.Code, f.Reason = strings.Clone(plainWords(f.Code)), strings.Clone(plainWords(f.Reason))
	return f
}

// dailyTime reads when something happened; zero when it cannot.
func dailyTime(text string) time.Time {
	for _, layout := range []string{time.DateOnly, time.RFC3339, time.DateTime, "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}
