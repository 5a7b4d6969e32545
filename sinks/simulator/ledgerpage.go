package simulator

import (
	"bufio"
	"encoding/json"
	"net/http"
	"time"
)

// serveLedger streams the ledger as JSON lines; with ?twice=1 only what was
// accepted more than once, with ?statuses=1 with what has become of it, and with a time there
// with what will have become of it then.
func (s *Server) serveLedger(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query()
	twice, statuses := query.Get("twice") != "", query.Get("statuses") != ""
	now, err := time.Parse(time.RFC3339, query.Get("statuses"))
	if err != nil {
		now = s.o.Now()
	}
	w.Header().Set("Content-Type", "application/jsonl")
	out := bufio.NewWriterSize(w, 64<<10)
	lines := json.NewEncoder(out)
	lines.SetEscapeHTML(false)
	for a := range s.Ledger() {
		if twice && !a.Twice() {
			continue
		}
		if statuses {
			a.Status, a.FailureReasonCode = s.becomes(&a, now)
		}
		if err := lines.Encode(a); err != nil {
			return // the reader has gone
		}
	}
	_ = out.Flush()
}
