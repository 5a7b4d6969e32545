package main

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// unnamed lets the simulator at $SIM answer at $REAL, and at localhost:$PORT, as the service
// itself would: without its name.
func unnamed(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) > 0 {
		ts.Fatalf("usage: unnamed")
	}
	to := &url.URL{Scheme: "http", Host: ts.Getenv("SIM")}
	server := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Host = r.In.Host // the audience of assertions
		},
		ModifyResponse: func(r *http.Response) error {
			r.Header.Del("X-Cohort-Simulator")
			return nil
		},
	})
	ts.Defer(server.Close)
	address := strings.TrimPrefix(server.URL, "http://")
	ts.Setenv("REAL", address)
	ts.Setenv("PORT", address[strings.LastIndex(address, ":")+1:])
}
