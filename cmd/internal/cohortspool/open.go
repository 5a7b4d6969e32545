package cohortspool

import (
	"fmt"

	"cohort/engine/plan"
	"cohort/engine/runfolder"
	"cohort/shard"
)

// Open opens the spool that a plan was made from.
func Open(path string, plan *plan.Plan) (*shard.Spool, error) { return open(shard.Open, path, plan) }

// OpenPart is Open for a reader of few records.
func OpenPart(path string, plan *plan.Plan) (*shard.Spool, error) {
	return open(shard.OpenPart, path, plan)
}

func open(how func(string) (*shard.Spool, error), path string, plan *plan.Plan) (*shard.Spool, error) {
	spool, err := how(path)
	if err != nil {
		return nil, runfolder.Damaged(err)
	}
	if fmt.Sprintf("%x", spool.Digest) != plan.Spool {
		_ = spool.Close()
		return nil, runfolder.Damaged(fmt.Errorf("%s is not the spool that the plan was made from", path))
	}
	return spool, nil
}
