package engine

import (
	"net/http"
)

// settles reports whether an answer accepts or refuses a form for good.
func (a Answer) Settles() bool {
	switch a.Reply {
	case Accepted, Known, RowsRefused, TooLarge:
		return true
	}
	return false
}

// isEarly reports whether the service is processing a request under this reference (425).
func (a Answer) IsEarly() bool { return a.Reply == Unknown && a.Status == http.StatusTooEarly }
