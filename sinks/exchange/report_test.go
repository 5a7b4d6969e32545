package exchange_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"cohort/engine/reach"
	"cohort/ingest/person"
	"cohort/sinks/nhsapp"
	"cohort/sinks/notify"
	"cohort/sinks/sinktest"
)

// askers are both services' reports of app users, each over a wire of its own.
func askers(t *testing.T, status int, headers map[string]string, body string) map[string]reach.Asker {
	address := sinktest.Listen(t, sinktest.Replies(status, headers, body)).URL
	w, v := sinktest.NewWire(t, address, sinktest.Issuer(t).URL), sinktest.NewWire(t, address, sinktest.Issuer(t).URL)
	return map[string]reach.Asker{
		"nhsapp": nhsapp.New(nhsapp.Options{BaseURL: w.BaseURL, Client: w.Client, Tokens: w.Tokens}),
		"notify": notify.New(notify.Options{BaseURL: v.BaseURL, Client: v.Client, Tokens: v.Tokens}),
	}
}

// What each answer means for the report of a practice. 19 rows for two services.
func TestAnswersAboutAppUsers(t *testing.T) {
	const (
		patients = `[{"nhsNumber":"9990548609","notificationsEnabled":true},{"nhsNumber":"9074662803"},{"nhsNumber":"123"}]`
		accounts = `{"data":{"type":"NhsAppAccounts","id":"A81001","attributes":{"accounts":` + patients + `}},"links":{%s"last":"x"}}`
		missing  = `{"issue":[{"code":"not-found"}],"errors":[{"code":"CM_NOT_FOUND"}]}`
	)
	type want struct {
		users string // as printed; "-" for an error
		more  bool
		err   error         // that it is
		later bool          // that the service cannot say it now
		wait  time.Duration // until it is asked again
		all   bool          // whoever asks
		words string        // in the error
	}
	next := map[string]string{"Link": `<https://x/p?page=1>; rel="self", <https://x/p?page=2>; rel="next", <https://x/p?page=3>; rel="last"`}
	last := map[string]string{"Link": `<https://x/p?page=1&rel=next>; rel="self", <https://x/p?page=3>; rel="last"`}
	rows := []struct {
		sentence string
		only     string
		status   int
		headers  map[string]string
		body     string
		want     want
	}{
		{"a page and another", "nhsapp", 200, next, patients, want{users: "[{999 054 8609 true} {907 466 2803 false}]", more: true}},
		{"the last page", "nhsapp", 200, last, patients, want{users: "[{999 054 8609 true} {907 466 2803 false}]"}},
		{"nobody", "nhsapp", 200, nil, `[]`, want{users: "[]"}},
		{"an object", "nhsapp", 200, nil, `{}`, want{words: "no report of app users; check sink.nhsapp.base_url"}},
		{"null", "nhsapp", 200, nil, `null`, want{words: "no report of app users"}},
		{"a page and another", "notify", 200, nil, fmt.Sprintf(accounts, `"next":"x",`), want{users: "[{999 054 8609 true} {907 466 2803 false}]", more: true}},
		{"the last page", "notify", 200, next, fmt.Sprintf(accounts, ""), want{users: "[{999 054 8609 true} {907 466 2803 false}]"}},
		{"a list", "notify", 200, nil, patients, want{words: "no report of app users; check sink.notify.base_url"}},
		{"no accounts", "notify", 200, nil, `{"data":{"attributes":{}}}`, want{words: "no report of app users"}},
		{"HTML", "", 200, nil, "<html>", want{words: "no report of app users"}},
		{"no report", "", 404, nil, missing, want{err: reach.ErrMissing}},
		{"no such address", "", 404, nil, `{"fault":{}}`, want{words: "the service answered 404; check sink."}},
		{"a code that is none", "", 400, nil, `{}`, want{err: reach.ErrRefused}},
		{"a token that was refused", "", 401, nil, `{}`, want{later: true, wait: time.Millisecond}},
		{"no permission", "", 403, nil, `{}`, want{words: "for the report of app users"}},
		{"too many requests", "", 429, map[string]string{"Retry-After": "7"}, `{}`, want{later: true, wait: 7 * time.Second, all: true}},
		{"a gateway", "", 502, nil, `{}`, want{later: true}},
		{"a service that is away", "", 503, nil, `{}`, want{later: true, all: true}},
		{"a redirect", "", 302, nil, ``, want{words: "the service answered 302; check sink."}},
	}
	if len(rows) != 19 {
		t.Errorf("%d rows, not 19", len(rows))
	}
	for _, row := range rows {
		for service, asker := range askers(t, row.status, row.headers, row.body) {
			if row.only != "" && row.only != service {
				continue
			}
			users, more, err := asker.AppUsers(t.Context(), "A81001", 1)
			fail := func() { t.Errorf("%s, %s: %v, %v, %v", service, row.sentence, users, more, err) }
			later := (*reach.LaterError)(nil)
			switch w := row.want; {
			case w.users != "":
				got := []string{}
				for _, u := range users {
					got = append(got, fmt.Sprintf("{%s %v}", spaced(u.Number), u.Notifications))
				}
				if err != nil || more != w.more || fmt.Sprint(got) != w.users {
					fail()
				}
			case w.err != nil:
				if !errors.Is(err, w.err) {
					fail()
				}
			case w.later:
				if !errors.As(err, &later) || later.Wait != w.wait || later.HoldAll != w.all {
					fail()
				}
			default:
				if err == nil || errors.As(err, &later) || !strings.Contains(err.Error(), w.words) {
					fail()
				}
			}
		}
	}
}

func spaced(n person.NHSNumber) string {
	digits := string(n.AppendDigits(nil))
	return digits[:3] + " " + digits[3:6] + " " + digits[6:]
}

// What is asked, and that a service which cannot be reached is asked again.
func TestHowAppUsersAreAskedFor(t *testing.T) {
	asked := make(chan string, 2)
	w := sinktest.NewWire(t, sinktest.Listen(t, func(w http.ResponseWriter, r *http.Request) {
		asked <- r.Method + " " + r.URL.String()
		sinktest.Replies(404, nil, `"not-found" "CM_NOT_FOUND"`)(w, r)
	}).URL, sinktest.Issuer(t).URL)
	_, _, _ = nhsapp.New(nhsapp.Options{BaseURL: w.BaseURL, Client: w.Client, Tokens: w.Tokens}).AppUsers(t.Context(), "A81001", 2)
	_, _, _ = notify.New(notify.Options{BaseURL: w.BaseURL, Client: w.Client, Tokens: w.Tokens}).AppUsers(t.Context(), "A81001", 3)
	if got := <-asked; got != "GET /communication/report/patients?ods-organisation-code=A81001&page=2" {
		t.Error(got)
	}
	if got := <-asked; got != "GET /channels/nhsapp/accounts?ods-organisation-code=A81001&page=3" {
		t.Error(got)
	}
	w = sinktest.NewWire(t, sinktest.ClosedPort(t), sinktest.Issuer(t).URL)
	_, _, err := nhsapp.New(nhsapp.Options{BaseURL: w.BaseURL, Client: w.Client, Tokens: w.Tokens}).AppUsers(t.Context(), "A81001", 1)
	if later := (*reach.LaterError)(nil); !errors.As(err, &later) {
		t.Errorf("a closed port: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err = nhsapp.New(nhsapp.Options{BaseURL: w.BaseURL, Client: w.Client, Tokens: w.Tokens}).AppUsers(ctx, "A81001", 1); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
}

// A token may be stale. Two fresh ones that are refused mean that the application has no right.
func TestTokensThatAreRefusedForAppUsers(t *testing.T) {
	for service, asker := range askers(t, 401, nil, `{}`) {
		_, _, first := asker.AppUsers(t.Context(), "A81001", 1)
		_, _, second := asker.AppUsers(t.Context(), "A81001", 1)
		later := (*reach.LaterError)(nil)
		if !errors.As(first, &later) || errors.As(second, &later) || !strings.Contains(second.Error(), "refuses every access token (401)") {
			t.Errorf("%s: %v, %v", service, first, second)
		}
	}
}
