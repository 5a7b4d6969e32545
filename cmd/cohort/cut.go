package main

import (
	"context"
	"errors"
	"fmt"

	"cohort/engine"
	"cohort/ingest"
	"cohort/shard"
	"cohort/sinks/notify"
)

// cut renders every message and cuts the batches. A message that is too long is named by
// its file and line.
func cut(ctx context.Context, run engine.RunID, spool *shard.Spool, sink *notify.Sink, cohort engine.Cohort) ([][]engine.PlannedBatch, error) {
	batches, err := engine.Cut(ctx, run, spool, sink, sink.Limits())
	long := (*engine.TooLongError)(nil)
	if !errors.As(err, &long) {
		return batches, err
	}
	r, e := spool.Record(long.Shard, long.Position)
	if e != nil {
		return nil, e
	}
	return nil, &ingest.FileError{
		File: nameOf(cohort, r.File), Line: r.Line,
		Problem: fmt.Sprintf("the record makes a request of %d bytes and one may have %d", long.Bytes, long.Limit),
		Fix:     "shorten the record or the personalisation",
	}
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
