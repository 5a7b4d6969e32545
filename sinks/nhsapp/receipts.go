package nhsapp

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/google/uuid"

	"cohort/engine/pace"
	"cohort/sinks/apim"
	"cohort/sinks/exchange"
)

// Receipt is one event in the life of a message that the service took.
type Receipt struct {
	RequestID string    // the reference that the message was sent under; empty: it had none
	MessageID string    // the communication's id
	Code      string    // Delivered, Rejected, Notified, Read and others; new ones may come
	Reason    string    // of a rejection, in the service's words; nobody knows whom they name
	At        time.Time // when it happened; zero: the receipt does not say it
}

const (
	mostPage  = 64 << 20 // bytes of one page of the report
	mostPages = 1_000_000
	mostTries = 8 // of one page
)

// Receipts calls each with every receipt of a day, in UTC, in no order and some more than
// once, and counts those that cannot be read. A day without any is none. What the service
// cannot answer for now is asked for again, a few times.
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
	return unread, errors.New("the report of receipts has no end")
}

// Allowed makes sure that the service takes the token and lets the application read its
// receipts, by asking for today's. Whether it may send as well only a send can tell: there
// is nothing else that could be asked and would not reach somebody.
func (s *Sink) Allowed(ctx context.Context) error {
	_, err := s.reportPage(ctx, time.Now().UTC().Format(time.DateOnly), 1)
	if errors.Is(err, errNoReport) {
		return nil
	}
	return err
}

var (
	errNoReport = errors.New("there is no such report")
	errNoBundle = errors.New("the service's answer is no report of receipts; check sink.nhsapp.base_url")
)

// reportPage asks for one page until there is an answer that means something.
func (s *Sink) reportPage(ctx context.Context, day string, page int) ([]byte, error) {
	var last error
	for try := range mostTries {
		body, wait, err := s.askOnce(ctx, day, page)
		if err == nil || wait < 0 {
			return body, err
		}
		last = err
		timer := time.NewTimer(max(wait, pace.Backoff(try, 0.5)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		}
	}
	return nil, last
}

// askOnce asks for one page. After an error it says how long to wait before it is asked for
// again; less than 0: not at all.
func (s *Sink) askOnce(ctx context.Context, day string, page int) (body []byte, wait time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.o.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.o.BaseURL+"/communication/report/receipts/FHIR/R4/Task?day="+day+"&page="+strconv.Itoa(page), nil)
	if err != nil {
		return nil, -1, fmt.Errorf("sink.nhsapp.base_url cannot be used: %w", err)
	}
	req.Header.Set("X-Correlation-Id", uuid.NewString())
	resp, err := s.signed.RoundTrip(req)
	if t := (*apim.TokenError)(nil); errors.As(err, &t) && t.Permanent() {
		return nil, -1, err
	}
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err = io.ReadAll(io.LimitReader(resp.Body, mostPage+1))
	status := fmt.Errorf("the service answered %d", resp.StatusCode)
	switch resp.StatusCode {
	case http.StatusOK:
		if err == nil && len(body) > mostPage {
			err = errNoBundle
		}
		return body, 0, err
	case http.StatusNotFound:
		if err == nil && bytes.Contains(body, []byte(`"not-found"`)) {
			return nil, -1, errNoReport
		}
		return nil, -1, fmt.Errorf("%w; check sink.nhsapp.base_url", status)
	case http.StatusUnauthorized, http.StatusTooManyRequests:
		return nil, exchange.RetryAfter(resp.Header, time.Now()), status
	case http.StatusForbidden:
		return nil, -1, fmt.Errorf("%w; ask the NHS App team for the report of receipts", status)
	}
	if resp.StatusCode >= 500 || resp.StatusCode == http.StatusRequestTimeout {
		return nil, exchange.RetryAfter(resp.Header, time.Now()), status
	}
	return nil, -1, status
}

// receipt is a receipt as the service writes it.
type receipt struct {
	Identifier   []identifier `json:"identifier"`
	StatusReason reason       `json:"statusReason"`
	LastModified moment       `json:"lastModified"`
	Code         code         `json:"code"`
}

// readPage reads a page's receipts, and says whether there is another page. One that is of
// another form than the contract's is counted as unread, and hides no other.
func readPage(body []byte, each func(Receipt)) (more bool, unread int, err error) {
	var bundle struct {
		ResourceType string `json:"resourceType"`
		Link         []struct {
			Relation string `json:"relation"`
		} `json:"link"`
		Entry []struct {
			Resource json.RawMessage `json:"resource"`
		} `json:"entry"`
	}
	if json.Unmarshal(body, &bundle) != nil || bundle.ResourceType != "Bundle" {
		return false, 0, errNoBundle
	}
	for _, e := range bundle.Entry {
		var kind struct {
			ResourceType string `json:"resourceType"`
		}
		var task receipt
		switch {
		case json.Unmarshal(e.Resource, &kind) == nil && kind.ResourceType != "Task":
			continue // such as a word about the search itself
		case json.Unmarshal(e.Resource, &task) != nil:
			unread++
			continue
		}
		r := Receipt{Code: exchange.Plain(string(task.Code)), Reason: string(task.StatusReason), At: task.LastModified.Time}
		for _, i := range task.Identifier {
			switch i.System {
			case requestSystem:
				r.RequestID = i.Value
			case communicationSystem, insecureSystem:
				r.MessageID, _ = communicationID(i.Value)
			}
		}
		if r.MessageID != "" {
			each(r)
		} else {
			unread++
		}
	}
	for _, l := range bundle.Link {
		more = more || l.Relation == "next"
	}
	return more, unread, nil
}

// reason is a text, which stands by itself or in an object, as the service's schemas and
// examples have it. What is neither is none.
type reason string

// UnmarshalJSON takes anything.
func (r *reason) UnmarshalJSON(text []byte) error {
	var words string
	if json.Unmarshal(text, &words) != nil {
		var object struct {
			Text string `json:"text"`
		}
		_ = json.Unmarshal(text, &object)
		words = object.Text
	}
	*r = reason(words)
	return nil
}

// code is the first code of a concept. What is none is empty, and the receipt still names its
// message.
type code string

// UnmarshalJSON takes anything.
func (c *code) UnmarshalJSON(text []byte) error {
	var concept struct {
		Coding []struct {
			Code string `json:"code"`
		} `json:"coding"`
	}
	if json.Unmarshal(text, &concept) == nil && len(concept.Coding) > 0 {
		*c = code(concept.Coding[0].Code)
	}
	return nil
}

// moment is a time that is nought where it cannot be read.
type moment struct{ time.Time }

// UnmarshalJSON takes anything.
func (m *moment) UnmarshalJSON(text []byte) error {
	var s string
	if json.Unmarshal(text, &s) == nil {
		m.Time, _ = time.Parse(time.RFC3339, s)
	}
	return nil
}
