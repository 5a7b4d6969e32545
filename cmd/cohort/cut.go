package main

import (
	"context"
	"errors"
	"fmt"

	"cohort/engine"
	"cohort/ingest"
	"cohort/shard"
)

// cut renders every message and cuts the batches. A message that is too long, or that the
// service would refuse, is named by its file and line.
func cut(ctx context.Context, run engine.RunID, spool *shard.Spool, sink service, cohort engine.Cohort) ([][]engine.PlannedBatch, error) {
	batches, err := engine.Cut(ctx, run, spool, sink, sink.Limits())
	var problem, fix string
	var at int
	var position uint32
	switch long, unfit := (*engine.TooLongError)(nil), (*engine.UnfitError)(nil); {
	case errors.As(err, &long):
		at, position = long.Shard, long.Position
		problem = fmt.Sprintf("the record makes a request of %d bytes and one may have %d", long.Bytes, long.Limit)
		fix = "shorten the record or the personalisation"
	case errors.As(err, &unfit):
		at, position = unfit.Shard, unfit.Position
		problem = fmt.Sprintf("the record makes a message that the service would refuse (%s): %s", unfit.Code, unfit.Reason)
		fix = "mend the record or the text"
	default:
		return batches, err
	}
	r, e := spool.Record(at, position)
	if e != nil {
		return nil, e
	}
	return nil, &ingest.FileError{File: nameOf(cohort, r.File), Line: r.Line, Problem: problem, Fix: fix}
}

// measure renders every message, as a send would. One that is too long is an
// *ingest.FileError.
func (c *check) measure(ctx context.Context, spool *shard.Spool, fields []string, cohort engine.Cohort, digest [32]byte) error {
	sink, err := measuringSink(c.campaign, fields)
	if err != nil {
		return err
	}
	_, err = cut(ctx, engine.NewRunID(c.campaign.Name, digest, c.campaign.ServiceID(false)), spool, sink, cohort)
	return err
}
