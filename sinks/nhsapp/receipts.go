package nhsapp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/tidwall/gjson"

	"cohort/engine/pace"
	"cohort/engine/reach"
	"cohort/sinks/exchange"
)

// Receipt is one event in the life of an accepted message.
type Receipt struct {
	RequestID string    // our reference of the message; empty: it had none
	MessageID string    // the communication's id
	Code      string    // Delivered, Rejected, Notified, Read and others
	Reason    string    // of a rejection, in the service's words, which may name a person
	At        time.Time // zero: the receipt does not tell
}

const (
	mostPages = 1_000_000
	mostTries = 8 // of one page
)

// Receipts calls each with every receipt of a day in UTC, in no order and some more than once.
// It counts unreadable receipts. A day may have none. When the service cannot answer for now,
// Receipts asks again, a few times.
func (s *Sink) Receipts(ctx context.Context, day time.Time, each func(Receipt)) (unread int, err error) {
	for page := 1; page <= mostPages; page++ {
		body, err := s.reportPage(ctx, day.UTC().Format(time.DateOnly), page)
		if errors.Is(err, errNoReport) && page == 1 {
			return unread, nil
		}
		if err != nil {
			return unread, fmt.Errorf("the receipts of %s, page %d, cannot be read: %w", day.UTC().Format(time.DateOnly), page, err)
		}
		more, missed, err := readPage(body, each)
		if unread += missed; err != nil {
			return unread, fmt.Errorf("the receipts of %s, page %d: %w", day.UTC().Format(time.DateOnly), page, err)
		}
		if !more {
			return unread, nil
		}
	}
	return unread, fmt.Errorf("the report of receipts has more than %d pages; check sink.nhsapp.base_url", mostPages)
}

// Allowed asks for today's receipts, to make sure that the service takes the token and lets the
// application read them. Only a send can tell whether the application may send: every other
// question would reach a person.
func (s *Sink) Allowed(ctx context.Context) error {
	_, err := s.reportPage(ctx, time.Now().UTC().Format(time.DateOnly), 1)
	if errors.Is(err, errNoReport) {
		return nil
	}
	return err
}

var (
	errNoReport = errors.New("there is no such report")
	errNoBundle = errors.New("the service's answer is not a report of receipts; check sink.nhsapp.base_url")
)

func (s *Sink) report(of string) exchange.Report {
	return exchange.Report{Carrier: s.signed, Timeout: s.o.Timeout, Key: "sink.nhsapp.base_url", Team: "the NHS App team", Of: of, NoReport: `"not-found"`, Hopeless: s.o.Tokens.Hopeless}
}

// reportPage asks for one page, and again while the service cannot answer for now.
func (s *Sink) reportPage(ctx context.Context, day string, page int) ([]byte, error) {
	var last error
	for try := range mostTries {
		_, body, err := s.report("receipts").Page(ctx, s.o.BaseURL+"/communication/report/receipts/FHIR/R4/Task?day="+day+"&page="+strconv.Itoa(page))
		later := (*reach.LaterError)(nil)
		switch {
		case errors.Is(err, reach.ErrMissing):
			return nil, errNoReport
		case errors.Is(err, reach.ErrRefused):
			return nil, errors.New("the service answered 400")
		case !errors.As(err, &later):
			return body, err
		}
		last = err
		timer := time.NewTimer(max(later.Wait, pace.Backoff(try, 0.5)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		}
	}
	return nil, last
}

// readPage reads the receipts of a page, and reports whether another page follows. A receipt
// that does not have the contract's form is counted as unread, and hides no other.
func readPage(body []byte, each func(Receipt)) (more bool, unread int, err error) {
	bundle := gjson.ParseBytes(body)
	links, entries := bundle.Get("link"), bundle.Get("entry")
	if !json.Valid(body) || bundle.Get("resourceType").Str != "Bundle" || !isList(links) || !isList(entries) {
		return false, 0, errNoBundle
	}
	for _, e := range entries.Array() {
		task := e.Get("resource")
		if !task.IsObject() {
			unread++
			continue
		}
		if task.Get("resourceType").Str != "Task" {
			continue // such as an outcome of the search itself
		}
		reason := task.Get("statusReason")
		if reason.IsObject() {
			reason = reason.Get("text")
		}
		r := Receipt{Code: exchange.Plain(task.Get("code.coding.0.code").Str), Reason: reason.Str}
		r.At, _ = time.Parse(time.RFC3339, task.Get("lastModified").Str)
		if ids := task.Get("identifier"); ids.IsArray() {
			for _, id := range ids.Array() {
				switch value := id.Get("value").Str; id.Get("system").Str {
				case requestSystem:
					r.RequestID = value
				case communicationSystem, insecureSystem:
					r.MessageID, _ = communicationID(value)
				}
			}
		}
		if r.MessageID != "" {
			each(r)
		} else {
			unread++
		}
	}
	for _, l := range links.Array() {
		more = more || l.Get("relation").Str == "next"
	}
	return more, unread, nil
}

// isList reports whether a member is a list, absent or null.
func isList(v gjson.Result) bool { return v.IsArray() || v.Type == gjson.Null }
