package run

import (
	"fmt"
	"io"
	"time"

	"cohort/engine/ledger"
)

// printLoss says of a log that took a lost one's place that it did.
func PrintLoss(out io.Writer, l *ledger.Ledger) {
	if l.Facts().Recovered.IsZero() {
		return
	}
	fmt.Fprintf(out, "recovered   at %s in the place of a log that was lost\n", l.Facts().Recovered.UTC().Format(time.DateTime+" MST"))
	if l.Facts().Hold != "" {
		fmt.Fprintf(out, "            what was lost is held in doubt and not replayed: %s\n", HoldWords(l.Facts().Hold))
	}
}

// holdWords says why nothing is replayed.
func HoldWords(hold string) string {
	switch hold {
	case ledger.HoldRevisionsLost:
		return "the second copy of the revisions was lost too, so that people might be sent to in a batch and in the one that replaced it"
	case ledger.HoldForgotten:
		return "the plan is so old that the service may no longer know the references"
	}
	return hold
}
