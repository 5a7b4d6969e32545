package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

var serviceCases = []fieldCase{
	{
		name: "17 the clock of the campaign's service is wrong", args: "check -c 17-skew.yaml 17-cohort.csv --json",
		fates: map[string]int{"sendable": 6}, then: anotherTime,
	},
}

// anotherTime sends to a service with a clock that is a quarter of an hour off. The error names the
// clock, whatever the token endpoint says.
func anotherTime(t *testing.T, w *world, _ exited) {
	for _, test := range []struct {
		by      time.Duration // that the service is ahead
		problem string
		says    string
	}{
		{-15 * time.Minute, "Invalid exp claim in JWT - more than 5 minutes in future", `set this machine's clock: it is (899|900|901) s ahead of the service's`},
		{15 * time.Minute, "JWT has expired", `set this machine's clock: it is (899|900|901) s behind the service's`},
		{-15 * time.Minute, "no", `set this machine's clock: it is (899|900|901) s ahead`},
		{-15 * time.Minute, "Invalid 'kid' header in client_assertion JWT - no matching public key", `correct key_id; also set this machine's clock: it is (899|900|901) s ahead`},
		{0, "no", `check token_url.*\[service_not_ready\]`},
	} {
		service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", time.Now().Add(test.by).UTC().Format(http.TimeFormat))
			if strings.Contains(r.URL.Path, "token") {
				w.WriteHeader(400)
				_, _ = fmt.Fprintf(w, `{"error":"invalid_request","error_description":%q}`, test.problem)
			}
		}))
		campaign, err := os.ReadFile(w.path("17-skew.yaml"))
		if err != nil {
			t.Fatal(err)
		}
		w.write("here.yaml", strings.ReplaceAll(string(campaign), "http://127.0.0.1:9107", service.URL))
		o := w.run("send", "-c", "here.yaml", "17-cohort.csv")
		service.Close()
		if !o.refused("service_not_ready") || !regexp.MustCompile(test.says).MatchString(o.stderr) {
			t.Errorf("%s: exit %d\n%s", test.problem, o.code, o.stderr)
		}
	}
}
