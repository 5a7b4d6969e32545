package cohortspool

import (
	"fmt"

	"cohort/engine/plan"
	"cohort/engine/runfolder"
	"cohort/shard"
)

// Open opens the spool that a plan was made from.
func Open(path string, plan *plan.Plan) (*shard.Spool, error) {
	spool, err := shard.Open(path)
	if err != nil {
		return nil, runfolder.Damaged(err)
	}
	if fmt.Sprintf("%x", spool.Digest) != plan.Spool {
		_ = spool.Close()
		return nil, runfolder.Damaged(fmt.Errorf("%s is not the spool that the plan was made from", path))
	}
	return spool, nil
}
