package apim

import "net/http"

// simulatorHeader is in every answer of cohort's simulator, and in no other.
const simulatorHeader = "X-Cohort-Simulator"

// Heard notes whether an answer came from the service or from a simulator. A 5xx may come from
// a gateway before either, so it tells nothing.
func (t *Tokens) Heard(status int, h Header) {
	switch {
	case h.Get(simulatorHeader) != "":
		t.simulated.Store(true)
	case status < http.StatusInternalServerError:
		t.real.Store(true)
	}
}

// Simulator reports whether every answer so far came from a simulator. Before the first answer
// that is not known.
func (t *Tokens) Simulator() (is, known bool) {
	real, simulated := t.real.Load(), t.simulated.Load()
	return simulated && !real, simulated || real
}
