package intake

import (
	"errors"
	"fmt"
	"os/exec"

	"cohort/engine/campaign"
	"cohort/engine/refusal"
)

// CanAlert refuses a campaign whose on_halt command is not on this machine.
func CanAlert(c *campaign.Campaign) error {
	if len(c.OnHalt) == 0 {
		return nil
	}
	_, err := exec.LookPath(c.OnHalt[0])
	if err == nil {
		return nil
	}
	for inner := err; inner != nil; inner = errors.Unwrap(inner) { // the innermost does not repeat the name
		err = inner
	}
	return refusal.New("on_halt_not_runnable", "cause", c.Mistake("on_halt", fmt.Sprintf("names %s, which cannot be run: %v; name a program that is there, or remove on_halt", c.OnHalt[0], err)))
}
