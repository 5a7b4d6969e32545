package delivery

import (
	"cmp"
	"fmt"
	"os"
	"strings"
	"time"

	"cohort/engine/delivery"
	"cohort/sinks/file"
)

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

// DailyEvents returns the events in a row of a daily report: what it says of the message, and of one
// channel if it names one.
func DailyEvents(r *file.DailyRow, received time.Time) []delivery.Event {
	message := delivery.Event{
		Source: delivery.DailyReport, Kind: delivery.OfMessage, Reference: r.Reference, MessageID: r.ID,
		Status: delivery.Open, Code: delivery.PlainWords(r.ReasonCode), Reason: delivery.PlainWords(r.Reason),
		At: dailyTime(cmp.Or(r.Completed, r.ChannelCompleted)), Received: received,
	}
	channel := message
	channel.Kind, channel.Channel = delivery.OfChannel, strings.ToLower(r.Channel)
	channel.Status = strings.ToLower(r.ChannelStatus)
	channel.Code, channel.Reason = delivery.PlainWords(r.ChannelReasonCode), delivery.PlainWords(r.ChannelReason)
	channel.At = dailyTime(cmp.Or(r.ChannelCompleted, r.Completed))
	switch {
	case channel.Status == delivery.Delivered || strings.EqualFold(r.Status, delivery.Delivered):
		message.Status = delivery.Delivered
	case strings.EqualFold(r.Status, delivery.Failed):
		message.Status = delivery.Failed
	}
	if channel.Channel == "" || channel.Status == "" {
		return []delivery.Event{message}
	}
	return []delivery.Event{message, channel}
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
