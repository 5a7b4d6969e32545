package exchange

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/google/uuid"

	"cohort/engine/reach"
	"cohort/ingest/person"
	"cohort/sinks/apim"
)

// Report reads a report of a service, page by page, such as the one of a practice's app users.
type Report struct {
	Carrier  http.RoundTripper // signs in
	Timeout  time.Duration     // of one request
	Key      string            // the key of the service's address in the campaign file
	Team     string            // gives access to the report
	Of       string            // what it tells
	NoReport string            // in a 404: the report is missing, and the address is right
	Hopeless func() bool       // every access token is refused
}

// maxPage limits a page, in bytes.
const maxPage = 64 << 20

// Page asks for the page at an address, once. Its errors are those of package reach.
func (r Report) Page(ctx context.Context, address string) (http.Header, []byte, error) {
	asking, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(asking, http.MethodGet, address, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("%s cannot be used: %w", r.Key, err)
	}
	req.Header.Set("X-Correlation-Id", uuid.NewString())
	resp, err := r.Carrier.RoundTrip(req)
	if err != nil {
		return nil, nil, r.unanswered(ctx, err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxPage+1))
	if resp.StatusCode == http.StatusOK {
		switch {
		case err != nil:
			return nil, nil, r.unanswered(ctx, err)
		case len(body) > maxPage:
			return nil, nil, r.NoPage()
		}
		return resp.Header, body, nil
	}
	status := fmt.Errorf("the service answered %d", resp.StatusCode)
	later := &reach.LaterError{Err: status, Wait: RetryAfter(resp.Header, time.Now())}
	switch code := resp.StatusCode; {
	case code == http.StatusNotFound && bytes.Contains(body, []byte(r.NoReport)):
		return nil, nil, reach.ErrMissing
	case code == http.StatusNotFound:
		return nil, nil, fmt.Errorf("%w; check %s", status, r.Key)
	case code == http.StatusBadRequest:
		return nil, nil, reach.ErrRefused
	case code == http.StatusUnauthorized && r.Hopeless():
		return nil, nil, fmt.Errorf("the service refuses every access token (401); ask %s whether this application may read the report of %s, and check that %s and token_url belong together", r.Team, r.Of, r.Key)
	case code == http.StatusUnauthorized: // again, with a new token
		later.Wait = time.Millisecond
		return nil, nil, later
	case code == http.StatusForbidden:
		return nil, nil, fmt.Errorf("%w; ask %s for the report of %s", status, r.Team, r.Of)
	case code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable:
		later.HoldAll = true
		return nil, nil, later
	case code >= 500, code == http.StatusRequestTimeout:
		return nil, nil, later
	}
	return nil, nil, fmt.Errorf("%w; check %s", status, r.Key)
}

// NoPage is the error for an answer that is not a page of a report.
func (r Report) NoPage() error {
	return fmt.Errorf("the service's answer is no report of %s; check %s", r.Of, r.Key)
}

func (r Report) unanswered(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if t := (*apim.TokenError)(nil); errors.As(err, &t) && t.Permanent() {
		return err
	}
	return &reach.LaterError{Err: err}
}

// AppUser is a person in a report, as both services write it.
type AppUser struct {
	NHSNumber            string `json:"nhsNumber"`
	NotificationsEnabled bool   `json:"notificationsEnabled"`
}

// Users keeps the people of a page with a valid NHS number. A cohort has no others.
func Users(page []AppUser) []reach.User {
	users := make([]reach.User, 0, len(page))
	for _, u := range page {
		if n, err := person.ParseNHSNumber(u.NHSNumber); err == nil {
			users = append(users, reach.User{Number: n, Notifications: u.NotificationsEnabled})
		}
	}
	return users
}
