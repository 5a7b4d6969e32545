package delivery

import (
	"cmp"
	"fmt"
	"iter"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"cohort/engine/facts"
	"cohort/engine/plan"
	"cohort/engine/report"
	"cohort/sinks/file"
)

// FactsAtOnce bounds the memory for the facts of daily reports: so many are saved at once.
const FactsAtOnce = 200_000

// EachDailyRow reads daily reports one after another.
func EachDailyRow(paths []string, each func(*file.DailyRow) error) error {
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

// DailyReports collects what daily reports say of a run's messages. Slices are indexed by row - 1.
type DailyReports struct {
	rows    *facts.Rows
	refused []uint32 // of a message that is in refused uploads only: the number of its batch + 1; may be nil
	Sent    []bool   // the message is in an upload
	IDs     []uint32 // hashes of the service's ids
	Facts   map[int64]report.Fact
	learned time.Time

	Strangers int64              // rows about messages of others
	Taken     int64              // rows about messages that are in refused uploads only
	Unsent    int64              // rows about records that are in no upload of this run
	Twice     map[int64]struct{} // rows of messages with a second id
}

// NewDailyReports makes an empty collection. learned is the time of its facts.
func NewDailyReports(plan *plan.Plan, learned time.Time) *DailyReports {
	return &DailyReports{
		rows: facts.NewRows(plan.References, plan.Records), Sent: make([]bool, plan.Records), IDs: make([]uint32, plan.Records),
		Facts: map[int64]report.Fact{}, learned: learned, Twice: map[int64]struct{}{},
	}
}

// Add takes a row of a report.
func (f *DailyReports) Add(r *file.DailyRow) {
	row, ours := f.rows.Of(r.Reference)
	if !ours {
		f.Strangers++
		return
	}
	if f.refused != nil && f.refused[row-1] > 0 {
		f.Taken++
		return
	}
	if !f.Sent[row-1] {
		f.Unsent++
		return
	}
	if r.ID != "" {
		id := ShortHash(r.ID)
		if f.IDs[row-1] != 0 && f.IDs[row-1] != id {
			f.Twice[row] = struct{}{} // the person got what either message delivered
		} else {
			f.IDs[row-1] = id
		}
	}
	fact := dailyFact(row, r)
	fact.Learned = f.learned
	if before, there := f.Facts[row]; there {
		fact = fact.After(before)
	}
	f.Facts[row] = fact
}

// Take yields the facts in the order of their rows, and forgets them.
func (f *DailyReports) Take() iter.Seq2[report.Fact, error] {
	list := slices.Collect(maps.Values(f.Facts))
	clear(f.Facts)
	return InOrder(list)
}

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
			f.Channel = "" // another channel reached the person
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

// dailyTime reads a time; zero: it cannot be read.
func dailyTime(text string) time.Time {
	for _, layout := range []string{time.DateOnly, time.RFC3339, time.DateTime, "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, text); err == nil {
			return t.UTC()
		}
	}
	return time.Time{}
}
