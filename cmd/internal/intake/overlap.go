package intake

import (
	"context"

	"cohort/cmd/internal/earlier"
	"cohort/engine"
	"cohort/shard"
)

// compare adds to what a check found how many of the people other campaigns have reached. A
// run that was begun goes on, whatever is found.
func (c *Check) compare(ctx context.Context, found *Findings, spool *shard.Spool, dir string, digest [32]byte) error {
	all, err := earlier.Compare(ctx, c.Campaign, spool, dir, nil, nil)
	if err != nil {
		return err
	}
	if len(all.Found) > 0 {
		found.Overlap = all
	}
	_, begun := all.Register.Run(engine.NewRunID(c.Campaign.Name, digest, c.Campaign.ServiceID(false)).String())
	if err := all.Refusal(); err != nil && found.WouldSend && !begun {
		found.WouldSend, found.Why = false, err.Error()
	}
	return nil
}
