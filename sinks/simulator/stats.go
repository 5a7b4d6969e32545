package simulator

import (
	"cohort/sinks/simulator/gateway"
	"cohort/sinks/simulator/ledger"
)

// Stats are the counters of a Server since its start.
type Stats struct {
	gateway.Traffic
	ledger.Totals
	Faults map[string]int `json:"faults"` // by name; poisoned_recipients counts rows
}

func (s *Server) Stats() Stats {
	return Stats{s.gateway.Traffic(), s.ledger.Totals(), s.gateway.Dice.Struck()}
}
