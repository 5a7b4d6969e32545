package progress

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"cohort/bench"
	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/dispatch"
	"cohort/engine/ledger"
	"cohort/engine/plan"
	"cohort/ingest/person"
)

// Pair is one whole send with the log as it is and one without its fsync, one right after
// the other.
type Pair struct {
	With    bench.Usage `json:"with_fsync"`
	Without bench.Usage `json:"without_fsync"`
}

// fewestPairs are sent however long they take.
const fewestPairs = 3

// sendPairs sends a cohort again and again, in batches of so many messages, over HTTP to
// a server that only reads and answers, or to a sink that does not even read. Half of the
// pairs begin with the log as it is and half without its fsync.
func sendPairs(group int, overHTTP bool) work {
	return func(ctx context.Context, t Task) (r Result, err error) {
		sink, err := newSink(t.Folder, group, overHTTP)
		if err != nil {
			return r, err
		}
		defer sink.close()
		s := sender{folder: t.Folder, sink: sink, source: source{messages: t.Messages}, accepted: t.Messages}
		if err := s.plan(ctx, group); err != nil {
			return r, err
		}
		if _, _, err := s.send(ctx, true); err != nil { // connections, memory, page cache
			return r, err
		}
		for end := time.Now().Add(5 * t.Span); len(r.Pairs) < fewestPairs || time.Now().Before(end); {
			var usage [2]bench.Usage
			for i := range usage {
				forgetful := (i+len(r.Pairs))%2 == 1
				u, syncs, err := s.send(ctx, forgetful)
				if err == nil && forgetful != (syncs == 0) {
					err = fmt.Errorf("a send with forgetful=%v made its log durable %d times; correct the filesystem that counts", forgetful, syncs)
				}
				if err != nil {
					return r, err
				}
				usage[map[bool]int{false: 0, true: 1}[forgetful]] = u
				if !forgetful {
					r.Syncs = syncs
				}
			}
			r.Pairs = append(r.Pairs, Pair{usage[0], usage[1]})
		}
		r.Messages, r.Found = t.Messages, s.accepted
		return r, nil
	}
}

// sender sends the same plan again and again.
type sender struct {
	folder string
	sink   sink
	source source

	accepted int64 // messages that the worst of all sends got accepted
}

// plan cuts the batches and seals them.
func (s *sender) plan(ctx context.Context, group int) error {
	batches, err := plan.Cut(ctx, runID, s.source, s.sink, engine.Limits{Messages: group, Bytes: 5_000_000})
	if err != nil {
		return err
	}
	return plan.Seal(s.folder, plan.Header{
		RunID: runID.String(), Campaign: "bench", Service: "bench", Records: s.source.messages,
		Frozen: []campaign.Setting{{Key: "campaign", Value: "bench"}},
	}, batches, nil)
}

// send sends everybody once, from the start's record to the end of the log, and says how
// often the log was made durable.
func (s *sender) send(ctx context.Context, forgetful bool) (u bench.Usage, syncs int64, err error) {
	folder, err := os.MkdirTemp(s.folder, "run-")
	if err != nil {
		return u, 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	plan, err := plan.Open(s.folder)
	if err != nil {
		return u, 0, err
	}
	defer func() { _ = plan.Close() }()
	on := newDisk(forgetful)
	log, err := ledger.OpenOn(on, folder, plan)
	if err != nil {
		return u, 0, err
	}
	before := on.syncs.Load()
	var summary dispatch.Summary
	u, err = bench.Measure(func() (err error) {
		summary, err = dispatch.Run(ctx, dispatch.Job{
			Plan: plan, Log: log, Source: s.source, Sink: s.sink, Start: ledger.Start{At: time.Now(), Version: "bench"},
			Pace: campaign.Pace{Location: time.UTC},
		})
		return errors.Join(err, log.Close())
	})
	s.accepted = min(s.accepted, summary.Account.Fates[person.Accepted])
	return u, on.syncs.Load() - before, err
}

// secretsIn are the files of a campaign's secrets in a folder.
func secretsIn(folder string) (apiKey, privateKey string) {
	return filepath.Join(folder, "api-key"), filepath.Join(folder, "key.pem")
}
