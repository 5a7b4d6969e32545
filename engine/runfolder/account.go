package runfolder

import (
	"cohort/engine/ledger"
	"cohort/engine/outcome"
	"cohort/engine/plan"
)

func OpenTrail(dir string, plan *plan.Plan) (*outcome.Reader, *ledger.Ledger, error) {
	ledger, err := ledger.Read(dir, plan)
	if err != nil {
		return nil, nil, Unsound(dir, err)
	}
	trail, err := outcome.Open(dir, plan, ledger)
	return trail, ledger, err
}
