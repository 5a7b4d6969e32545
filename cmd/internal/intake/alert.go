package intake

import (
	"fmt"
	"os/exec"

	"cohort/engine/campaign"
	"cohort/engine/refusal"
)

// canAlert refuses a campaign whose on_halt command is not on this machine.
func CanAlert(c *campaign.Campaign) error {
	if len(c.OnHalt) == 0 {
		return nil
	}
	if _, err := exec.LookPath(c.OnHalt[0]); err != nil {
		return refusal.New("on_halt_not_runnable", "cause", c.Mistake("on_halt", fmt.Sprintf("names a program that cannot be run: %v; name one that is there, or take on_halt out", err)))
	}
	return nil
}
