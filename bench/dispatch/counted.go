package dispatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

// Counted is what a service has had.
type Counted struct {
	Requests int64 `json:"requests"` // that carried messages
	Messages int64 `json:"messages"`
	Bytes    int64 `json:"bytes"` // of their bodies
}

// Outcome is what came of one cell in one round.
type Outcome struct {
	Result
	Counted
}

// check holds what a sender says against what the service has counted; whole says that
// all there is must have been sent.
func (o Outcome) check(expected int64, whole bool) error {
	switch {
	case o.Sent >= 0 && o.Sent != o.Messages:
		return &Miscount{fmt.Sprintf("it says that it has sent %d messages and the service has counted %d", o.Sent, o.Messages)}
	case o.Messages > expected:
		return &Miscount{fmt.Sprintf("the service has counted %d messages and there are %d to send", o.Messages, expected)}
	case whole && o.Messages != expected:
		return &Miscount{fmt.Sprintf("it has ended and the service has counted %d messages of %d", o.Messages, expected)}
	case o.Messages == 0:
		return &Miscount{"nothing was sent"}
	}
	return nil
}

// Miscount says that a sender has not sent what it should, or says it has.
type Miscount struct{ Wrong string }

func (m *Miscount) Error() string {
	return m.Wrong + ", so that its rate would mean nothing; correct the sender"
}

// ask asks a service what it has counted.
func ask(ctx context.Context, address string, strict bool) (Counted, error) {
	path := countPath
	if strict {
		path = "/_simulator/stats"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return Counted{}, err
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return Counted{}, err
	}
	text, err := io.ReadAll(resp.Body)
	if err = errors.Join(err, resp.Body.Close()); err != nil {
		return Counted{}, err
	}
	if !strict {
		var c Counted
		err := json.Unmarshal(text, &c)
		return c, err
	}
	var stats struct{ BatchesAccepted, MessagesAccepted, PeopleTwice int64 }
	if err := json.Unmarshal(text, &stats); err != nil {
		return Counted{}, err
	}
	if stats.PeopleTwice > 0 {
		return Counted{}, &Miscount{fmt.Sprintf("%d people were sent to twice", stats.PeopleTwice)}
	}
	return Counted{Requests: stats.BatchesAccepted, Messages: stats.MessagesAccepted}, nil
}
