package apim

import "net/http"

// simulatorHeader is on every answer of cohort's simulator, and on no other.
const simulatorHeader = "X-Cohort-Simulator"

// Heard notes who gave an answer, the service or a simulator of it. An error of a server may
// come from a proxy before either, and tells nothing.
func (t *Tokens) Heard(r *http.Response) {
	switch {
	case r.Header.Get(simulatorHeader) != "":
		t.simulated.Store(true)
	case r.StatusCode < http.StatusInternalServerError:
		t.real.Store(true)
	}
}

// Simulator reports whether every answer so far came from a simulator. It is not known
// before the first answer.
func (t *Tokens) Simulator() (is, known bool) {
	real, simulated := t.real.Load(), t.simulated.Load()
	return simulated && !real, simulated || real
}
