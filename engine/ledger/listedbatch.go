package ledger

import (
	"cohort/engine/plan"
	"cohort/engine/record"
)

// listedBatch is whom the lists name of one batch. The last of a reading says instead
// what was read, or why that cannot be said.
type ListedBatch struct {
	Planned plan.Batch
	People  []record.RefusedRow // ascending positions
	Last    bool
	Read    []plan.ListRead
	Err     error
}
