package pace

import (
	"time"
)

// PaceLever is a rate that a person has asked for in place of the campaign's. The zero
// value is none: the campaign's holds again.
//
// With FinishBy, PerSecond is what it takes to be done by then from where the run was when
// it was asked for (Ledger.Repace). It stays that: what is lost later is not made up.
type Override struct {
	PerSecond float64   `json:"per_second,omitempty"` // messages a second
	FinishBy  time.Time `json:"finish_by,omitzero"`   // what is left is spread until then
}
