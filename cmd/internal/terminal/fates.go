package terminal

import (
	"fmt"
	"io"

	"cohort/engine/ledger"
	"cohort/ingest/person"
)

// PrintFates prints how many records have each fate, and whether they add up. Records that were
// not sent are "to go" while a process is at work.
func PrintFates(w io.Writer, indent string, a ledger.Account, atWork bool) {
	sum := int64(0)
	for _, fate := range person.Fates {
		name := string(fate)
		if fate == person.NotSent {
			name = map[bool]string{false: "not sent", true: "to go"}[atWork]
		}
		fmt.Fprintf(w, "%s  %-12s %10d\n", indent, name, a.Fates[fate])
		sum += a.Fates[fate]
	}
	if sum == a.Records {
		fmt.Fprintf(w, "%sthe fates add up to %d: every record is accounted for\n", indent, sum)
	} else {
		fmt.Fprintf(w, "%sTHE FATES ADD UP TO %d AND NOT TO %d: this is a defect, send nothing more\n", indent, sum, a.Records)
	}
}
