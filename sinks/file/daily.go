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

// DailyRow is a row of NHS Notify's daily report, or of its report at the end of a batch. The
// report is a CSV file over MESH, under the workflow NHS_NOTIFY_DAILY_REPORT or
// NHS_NOTIFY_BATCH_REPORT. Each channel in which a message ended that day has a row. So has each
// message that failed before it had a channel. Rows come in any order, in any number of files,
// and some more than once. Columns that a report lacks are empty.
type DailyRow struct {
	Line          int
	Reference     string // of the upload's row
	ID            string // the service's
	Batch         string // mex-localid of the upload
	Status        string // of the message
	Reason        string // why it failed, in the service's words
	Channel       string
	ChannelStatus string
	ChannelReason string
	Completed     string // time, as the service writes it

	ReasonCode, ChannelReasonCode, ChannelCompleted string // not in older reports
}

// dailyColumns are the columns that are read. Each has had several names; the first one in the
// report counts, in any case.
var dailyColumns = []struct {
	of    func(*DailyRow) *string
	names []string
}{
	{func(r *DailyRow) *string { return &r.Reference }, []string{"requestitemrefid", "messagereference"}},
	{func(r *DailyRow) *string { return &r.ID }, []string{"requestitemid", "messageid"}},
	{func(r *DailyRow) *string { return &r.Batch }, []string{"requestrefid", "messagebatchreference"}},
	{func(r *DailyRow) *string { return &r.Status }, []string{"requestitemstatus", "messagestatus"}},
	{func(r *DailyRow) *string { return &r.Reason }, []string{"requestitemfailedreason"}},
	{func(r *DailyRow) *string { return &r.Channel }, []string{"communicationtype", "channel"}},
	{func(r *DailyRow) *string { return &r.ChannelStatus }, []string{"requestitemplanstatus", "channelstatus"}},
	{func(r *DailyRow) *string { return &r.ChannelReason }, []string{"requestitemplanfailedreason"}},
	{func(r *DailyRow) *string { return &r.ReasonCode }, []string{"requestitemfailedreasoncode"}},
	{func(r *DailyRow) *string { return &r.ChannelReasonCode }, []string{"requestitemplanfailedreasoncode"}},
	{func(r *DailyRow) *string { return &r.Completed }, []string{"requestitemcompletedtime", "completeddate"}},
	{func(r *DailyRow) *string { return &r.ChannelCompleted }, []string{"requestitemplancompletedtime"}},
}

// ReadDaily calls each with every row of a daily report. The texts of a row are valid until
// each returns. An error of ReadDaily's own names the line, and no value.
func ReadDaily(r io.Reader, each func(*DailyRow) error) error {
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
	for i, name := range header {
		header[i] = strings.ToLower(strings.TrimSpace(name))
	}
	at := make([]int, len(dailyColumns))
	for i, c := range dailyColumns {
		at[i] = -1
		for _, name := range c.names {
			if at[i] < 0 {
				at[i] = slices.Index(header, name)
			}
		}
	}
	switch {
	case at[0] < 0:
		return errors.New("the daily report has no column requestItemRefId, which names the message of a row; check that this file is the daily report")
	case at[3] < 0 && at[6] < 0:
		return errors.New("the daily report has no column requestItemStatus or requestItemPlanStatus; check that this file is the daily report")
	}
	for {
		record, err := lines.Read()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return unreadable(err)
		}
		var row DailyRow
		for i, c := range dailyColumns {
			if at[i] >= 0 {
				*c.of(&row) = strings.TrimSpace(record[at[i]])
			}
		}
		if row.Line, _ = lines.FieldPos(at[0]); row.Reference == "" {
			return fmt.Errorf("the daily report's line %d has no requestItemRefId", row.Line)
		}
		if err := each(&row); err != nil {
			return err
		}
	}
}

// unreadable is an error of the CSV reader, without the text that the reader may quote.
func unreadable(err error) error {
	if e := (*csv.ParseError)(nil); errors.As(err, &e) {
		return fmt.Errorf("the daily report's line %d cannot be read: %w", e.Line, e.Err)
	}
	return fmt.Errorf("the daily report cannot be read: %w", err)
}
