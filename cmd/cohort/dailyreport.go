package main

import (
	"cohort/engine"
)

// dailyReports reads what came back over MESH.
func (s *session) dailyReports(d *delivery, ledger *engine.Ledger, o *deliveryOptions) error {
	return refuse("not yet")
}
