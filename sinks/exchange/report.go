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

// Report is the report of a practice's app users, which a service gives page by page.
type Report struct {
	Carrier  http.RoundTripper // signs in
	Timeout  time.Duration     // of one request
	Key      string            // of the campaign file, where the service's address stands
	Team     string            // whom to ask for the report
	NoReport string            // what a 404 holds that speaks of a report and not of the address
	Hopeless func() bool       // whether every access token is refused
}

// mostPage is how large a page may be, in bytes.
const mostPage = 64 << 20

// Page asks for the page at an address, once. Errors are reach's.
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
	body, err := io.ReadAll(io.LimitReader(resp.Body, mostPage+1))
	if resp.StatusCode == http.StatusOK {
		switch {
		case err != nil:
			return nil, nil, r.unanswered(ctx, err)
		case len(body) > mostPage:
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
		return nil, nil, fmt.Errorf("the service refuses every access token (401); ask %s whether this application may read the report of app users, and check that %s and token_url belong together", r.Team, r.Key)
	case code == http.StatusUnauthorized: // once more, with a fresh token
		later.Wait = time.Millisecond
		return nil, nil, later
	case code == http.StatusForbidden:
		return nil, nil, fmt.Errorf("%w; ask %s for the report of app users", status, r.Team)
	case code == http.StatusTooManyRequests, code == http.StatusServiceUnavailable:
		later.HoldAll = true
		return nil, nil, later
	case code >= 500, code == http.StatusRequestTimeout:
		return nil, nil, later
	}
	return nil, nil, fmt.Errorf("%w; check %s", status, r.Key)
}

// NoPage is the error of an answer that is no page of a report.
func (r Report) NoPage() error {
	return fmt.Errorf("the service's answer is no report of app users; check %s", r.Key)
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

// AppUser is somebody in a report, as both services write it.
type AppUser struct {
	NHSNumber            string `json:"nhsNumber"`
	NotificationsEnabled bool   `json:"notificationsEnabled"`
}

// Users are those of a page whose NHS numbers are some: nobody of a cohort has another.
func Users(page []AppUser) []reach.User {
	users := make([]reach.User, 0, len(page))
	for _, u := range page {
		if n, err := person.ParseNHSNumber(u.NHSNumber); err == nil {
			users = append(users, reach.User{Number: n, Notifications: u.NotificationsEnabled})
		}
	}
	return users
}
