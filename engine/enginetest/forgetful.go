package enginetest

import (
	"testing"

	"cohort/engine"
	"cohort/engine/plan"
)

// sealForgetful seals a plan of single messages to a service that takes whatever it is sent.
func SealForgetful(t testing.TB, dir string, p *People) {
	t.Helper()
	batches, err := plan.Cut(t.Context(), TestRun, p, Encoding{}, engine.Limits{Messages: 1, Bytes: 1 << 20})
	Must(t, err)
	header := TestHeader(p)
	header.NeverAgain = true
	Must(t, plan.Seal(dir, header, batches, nil))
}
