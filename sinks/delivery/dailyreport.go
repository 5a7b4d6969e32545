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

	"cohort/engine/plan"
	"cohort/engine/report"
	"cohort/sinks/file"
)

// factsAtOnce bounds the memory for what daily reports say: after so many messages it is
// saved.
const FactsAtOnce = 200_000

// eachDailyRow reads daily reports in turn.
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

// dailyFold is what daily reports say of a run's messages.
type dailyFold struct {
	table   *rowTable
	refused []uint32 // 1 + the number of the batch, of messages in refused uploads and in no other, by row - 1; nil: there are none
	Sent    []bool   // whether the upload has the message, by row - 1
	Ids     []uint32 // of the service's id, a hash, by row - 1
	Facts   map[int64]report.Fact
	learned time.Time

	Strangers int64              // rows about messages of others
	Taken     int64              // rows about messages that stand in a refused upload alone
	Unsent    int64              // rows about records that stand in no upload of this run
	Twice     map[int64]struct{} // rows of messages with a second id
}

func NewDailyFold(plan *plan.Plan, learned time.Time) *dailyFold {
	return &dailyFold{
		table: NewRowTable(plan.Run, plan.Records), Sent: make([]bool, plan.Records), Ids: make([]uint32, plan.Records),
		Facts: map[int64]report.Fact{}, learned: learned, Twice: map[int64]struct{}{},
	}
}

// add takes a row.
func (f *dailyFold) Add(r *file.DailyRow) {
	row, ours := f.table.Row(r.Reference)
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
		if f.Ids[row-1] != 0 && f.Ids[row-1] != id {
			f.Twice[row] = struct{}{} // what has reached the person is what either has reached
		} else {
			f.Ids[row-1] = id
		}
	}
	fact := dailyFact(row, r)
	fact.Learned = f.learned
	if before, there := f.Facts[row]; there {
		fact = fact.After(before)
	}
	f.Facts[row] = fact
}

// take hands out the facts in the order of their rows, and forgets them.
func (f *dailyFold) Take() iter.Seq2[report.Fact, error] {
	list := slices.Collect(maps.Values(f.Facts))
	clear(f.Facts)
	return InOrder(list)
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
