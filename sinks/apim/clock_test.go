package apim_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"cohort/sinks/apim"
)

func TestWhatADateTellsOfTheClock(t *testing.T) {
	noon := time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)
	for _, row := range []struct {
		sentence        string
		date            string
		asked, answered time.Duration // after noon here
		says            string        // "": nothing
		refused         bool
		remark          bool
	}{
		{"the middle of the second that the date names", "Mon, 02 Mar 2026 12:00:00 GMT", 500 * time.Millisecond, 500 * time.Millisecond, "it agrees with the service's, give or take 0.5 s", false, false},
		{"the last moment at which the clocks may agree", "Mon, 02 Mar 2026 12:00:00 GMT", time.Second, time.Second, "it agrees with the service's, give or take 0.5 s", false, false},
		{"a slow answer tells less", "Mon, 02 Mar 2026 12:00:00 GMT", 0, 4 * time.Second, "it agrees with the service's, give or take 2.5 s", false, false},
		{"a little ahead", "Mon, 02 Mar 2026 12:00:00 GMT", 3 * time.Second, 3 * time.Second, "it is 2.5 s ahead of the service's, give or take 0.5 s", false, false},
		{"a minute ahead, as far as anybody can tell", "Mon, 02 Mar 2026 12:00:00 GMT", 61 * time.Second, 61 * time.Second, "it is 60 s ahead of the service's, give or take 0.5 s", false, true},
		{"certainly more than a minute ahead", "Mon, 02 Mar 2026 12:00:00 GMT", 62 * time.Second, 62 * time.Second, "it is 62 s ahead of the service's, give or take 0.5 s", true, true},
		{"200 s behind, which is taken", "Mon, 02 Mar 2026 12:03:20 GMT", 500 * time.Millisecond, 500 * time.Millisecond, "it is 200 s behind the service's, give or take 0.5 s", false, true},
		{"ten minutes behind", "Mon, 02 Mar 2026 12:10:00 GMT", 0, time.Second, "it is 600 s behind the service's, give or take 1 s", true, true},
		{"there is no date", "", 0, 0, "", false, false},
		{"the date is none", "noonish", 0, 0, "", false, false},
	} {
		t.Run(row.sentence, func(t *testing.T) {
			c := apim.ReadClock(http.Header{"Date": {row.date}}, noon.Add(row.asked), noon.Add(row.answered))
			if (c == nil) != (row.says == "") {
				t.Fatalf("%v", c)
			}
			if c != nil && (c.String() != row.says || c.Refused() != row.refused || (c.Remark() != "") != row.remark) {
				t.Errorf("%s, refused %v, %q", c, c.Refused(), c.Remark())
			}
		})
	}
}

// An endpoint that refuses an assertion for the clock tells the difference by its Date. A
// clock that differs too much is named, whatever the description says.
func TestARefusalForTheClockTellsTheDifference(t *testing.T) {
	for description, want := range map[string]string{
		"Invalid 'exp' claim in client_assertion JWT - JWT has expired":               "set this machine's clock: it is 300 s behind the service's, give or take 0.5 s",
		"Invalid 'exp' claim in client_assertion JWT - more than 5 minutes in future": "set this machine's clock: it is 300 s behind the service's, give or take 0.5 s",
		"Invalid 'kid' header in client_assertion JWT - no matching public key":       "correct key_id",
		"Non-unique 'jti' claim in client_assertion JWT":                              "may send requests twice",
		"Missing or invalid 'aud' claim in client_assertion JWT":                      "letter for letter",
		"Invalid 'iss'/'sub' claims in client_assertion JWT":                          "check that the API key is the one of this environment",
		"Invalid exp claim in JWT - more than 5 minutes in future":                    "set this machine's clock: it is 300 s behind",
		"something that nobody has heard of":                                          "set this machine's clock: it is 300 s behind",
		"":                                                                            "set this machine's clock: it is 300 s behind",
	} {
		const measured = "set this machine's clock: it is 300 s behind the service's, give or take 0.5 s"

		c := newClock()
		e := newEndpoint(t)
		e.says(func(_ int, w http.ResponseWriter, _ *http.Request) bool {
			// The service's clock is five minutes ahead, and half a second into its second.
			w.Header().Set("Date", c.Now().Add(5*time.Minute).Truncate(time.Second).Format(http.TimeFormat))
			w.WriteHeader(400)
			_, _ = w.Write([]byte(`{"error":"invalid_request","error_description":"` + description + `"}`))
			return true
		})
		c.pass(500*time.Millisecond + 1)
		_, err := e.tokens(t, c).Token(t.Context())
		refused, ok := errors.AsType[*apim.TokenError](err)
		if !ok || !refused.Permanent() || !strings.Contains(refused.Fix, want) || strings.Count(refused.Fix, measured) != 1 || refused.Clock == nil || refused.Clock.Ahead != -300*time.Second {
			t.Errorf("%s: %v", description, err)
		}
	}
}
