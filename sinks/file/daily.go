package file

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Daily is what NHS Notify's daily reports say of the messages of uploads: a CSV file that
// comes back over MESH under the workflow NHS_NOTIFY_DAILY_REPORT, a row for each channel
// on which a message came to an end that day, and one for a message that failed before it
// had any. Rows may come in any order, in any number of files, and more than once.
//
// Columns are found by their names, whatever their case, since they have changed over
// time: requestItemRefId is the reference of the upload's row, requestItemId the message's
// id, requestRefId what the control file had as mex-localid.
type Daily struct {
	Messages map[string]*DailyMessage // by message reference
	Rows     int

	kept map[string][]string // the few values that many messages share: a set of each
}

// DailyMessage is what the reports say of one message.
type DailyMessage struct {
	IDs       []string // the service's; more than one: it was taken more than once
	Batches   []string // mex-localid of the files that it came in
	Delivered []string // channels by which it reached somebody
	Failed    []string // channels by which it did not
	Status    DailyStatus
	Reason    string // the service's words for the failure; empty: none
}

// DailyStatus is how a message stands by the reports.
type DailyStatus string

// The states. A message whose channel has failed may have another that has not come to
// its end.
const (
	DailyOpen      DailyStatus = "open"      // no channel has reached anybody yet, and some may
	DailyDelivered DailyStatus = "delivered" // a channel did
	DailyFailed    DailyStatus = "failed"    // the service has given up
)

// The columns that are read, each under the names that it has had.
var dailyColumns = []struct {
	of    func(*dailyRow) *string
	names []string
}{
	{func(r *dailyRow) *string { return &r.reference }, []string{"requestitemrefid", "messagereference"}},
	{func(r *dailyRow) *string { return &r.id }, []string{"requestitemid", "messageid"}},
	{func(r *dailyRow) *string { return &r.batch }, []string{"requestrefid", "messagebatchreference"}},
	{func(r *dailyRow) *string { return &r.status }, []string{"requestitemstatus", "messagestatus"}},
	{func(r *dailyRow) *string { return &r.reason }, []string{"requestitemfailedreason"}},
	{func(r *dailyRow) *string { return &r.channel }, []string{"communicationtype", "channel"}},
	{func(r *dailyRow) *string { return &r.channelStatus }, []string{"requestitemplanstatus", "channelstatus"}},
	{func(r *dailyRow) *string { return &r.channelReason }, []string{"requestitemplanfailedreason"}},
}

type dailyRow struct {
	reference, id, batch, status, reason, channel, channelStatus, channelReason string
}

// Add reads one report. An error names the line and no value of it; what was read before
// it is kept, so that a caller who goes on nevertheless must say so.
func (d *Daily) Add(r io.Reader) error {
	in := bufio.NewReader(r)
	if mark, _ := in.Peek(3); bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		_, _ = in.Discard(3)
	}
	lines := csv.NewReader(in)
	lines.ReuseRecord = true
	header, err := lines.Read()
	if err == io.EOF {
		return errors.New("the daily report is empty; a day without messages has at least a header line")
	}
	if err != nil {
		return unreadable(err)
	}
	at := make([]int, len(dailyColumns))
	for i, c := range dailyColumns {
		at[i] = slices.IndexFunc(header, func(name string) bool { return slices.Contains(c.names, strings.ToLower(strings.TrimSpace(name))) })
	}
	switch {
	case at[0] < 0:
		return errors.New("the daily report has no column requestItemRefId, so that nobody can say which message a row is about")
	case at[3] < 0 && at[6] < 0:
		return errors.New("the daily report has neither a column requestItemStatus nor requestItemPlanStatus, so that it says nothing of its messages")
	}
	for {
		record, err := lines.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return unreadable(err)
		}
		var row dailyRow
		for i, c := range dailyColumns {
			if at[i] >= 0 {
				*c.of(&row) = strings.TrimSpace(record[at[i]])
			}
		}
		if row.reference == "" {
			line, _ := lines.FieldPos(at[0])
			return fmt.Errorf("the daily report's line %d has no requestItemRefId", line)
		}
		d.add(&row)
	}
}

// unreadable is an error of the CSV reader without the text that it may quote.
func unreadable(err error) error {
	if e := (*csv.ParseError)(nil); errors.As(err, &e) {
		return fmt.Errorf("the daily report's line %d cannot be read: %w", e.Line, e.Err)
	}
	return fmt.Errorf("the daily report cannot be read: %w", err)
}

// add folds one row in, and copies what it keeps. It comes out the same in whatever order rows are added.
func (d *Daily) add(row *dailyRow) {
	d.Rows++
	if d.Messages == nil {
		d.Messages, d.kept = map[string]*DailyMessage{}, map[string][]string{}
	}
	m := d.Messages[row.reference]
	if m == nil {
		m = &DailyMessage{Status: DailyOpen}
		d.Messages[strings.Clone(row.reference)] = m
	}
	if !slices.Contains(m.IDs, row.id) {
		m.IDs = with(m.IDs, strings.Clone(row.id))
	}
	m.Batches = d.with(m.Batches, row.batch)
	channel := strings.ToLower(row.channel)
	switch {
	case strings.EqualFold(row.channelStatus, "delivered"):
		m.Delivered = d.with(m.Delivered, channel)
		m.Status = DailyDelivered
	case strings.EqualFold(row.channelStatus, "failed"):
		m.Failed = d.with(m.Failed, channel)
		d.because(m, row.channelReason)
	}
	switch {
	case strings.EqualFold(row.status, "delivered"):
		m.Status = DailyDelivered
	case strings.EqualFold(row.status, "failed"):
		if m.Status == DailyOpen {
			m.Status = DailyFailed
		}
		d.because(m, row.reason)
	}
}

// because keeps one of several reasons, whichever comes first by its spelling.
func (d *Daily) because(m *DailyMessage, reason string) {
	if reason != "" && (m.Reason == "" || reason < m.Reason) {
		m.Reason = d.share(reason)[0]
	}
}

// share is a set of one value, which nobody changes: many messages have the same.
func (d *Daily) share(value string) []string {
	set := d.kept[value]
	if set == nil {
		value = strings.Clone(value)
		set = []string{value}
		d.kept[value] = set
	}
	return set
}

// with is the function of that name, for values that many messages share.
func (d *Daily) with(set []string, value string) []string {
	switch {
	case value == "" || slices.Contains(set, value):
		return set
	case len(set) == 0:
		return d.share(value)
	}
	return with(slices.Clone(set), d.share(value)[0])
}

// with adds a value to a set, which stays sorted.
func with(set []string, value string) []string {
	i, there := slices.BinarySearch(set, value)
	if value == "" || there {
		return set
	}
	return slices.Insert(set, i, value)
}
