package apim_test

import (
	"net/http"
	"testing"

	"cohort/sinks/apim"
	"cohort/sinks/simulator"
)

// A run sends to a simulator when the token endpoint and the service both say so, until one
// answer does not.
func TestASimulatorNamesItself(t *testing.T) {
	service := strict(t, simulator.Options{})
	web := client(t, "")
	tokens := apim.NewTokens(apim.Options{TokenURL: service.URL + "/oauth2/token", Credentials: credentials(t), Client: web})
	says := func(wantIs, wantKnown bool) {
		t.Helper()
		if is, known := tokens.Simulator(); is != wantIs || known != wantKnown {
			t.Errorf("a simulator: %v, known: %v", is, known)
		}
	}
	says(false, false)
	token(t, tokens)
	says(true, true)
	via := &apim.Transport{Tokens: tokens, Base: web.Transport}
	status(t, via, service.URL)
	says(true, true)
	tokens.Heard(502, http.Header{}) // a proxy's
	says(true, true)

	real := newEndpoint(t)
	status(t, via, real.URL)
	says(false, true)
	status(t, via, service.URL)
	says(false, true)

	tokens = real.tokens(t, nil)
	token(t, tokens)
	says(false, true)
	tokens.Heard(404, http.Header{"X-Cohort-Simulator": {"devel"}})
	says(false, true)
}
