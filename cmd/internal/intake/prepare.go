package intake

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"cohort/cmd/internal/earlier"
	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/disk"
	"cohort/engine/dispatch"
	"cohort/engine/event"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
	"cohort/ingest/person"
	"cohort/shard"
	"cohort/sinks"
)

// Preparation turns a cohort into a sealed spool and a sealed plan. If it is killed it leaves no
// plan, and the next one starts from the beginning.
type Preparation struct {
	Reading    *Reading
	Folder     *runfolder.Folder
	References engine.References
	Header     plan.Header // what the call says; the rest is filled in
	Sink       sinks.Service
	Rehearsal  bool
	Compare    func(context.Context, *shard.Spool) error // with runs of other campaigns

	Spool *shard.Spool // what Prepare made, to be closed by the caller; nil after an error
}

// Prepare makes the spool and the plan. The error is a *dispatch.Stopped if ctx ended.
func (p *Preparation) Prepare(ctx context.Context) error {
	err := p.prepare(ctx)
	switch {
	case err == nil, refusal.Code(err) != "", errors.As(err, new(*engine.UnfitError)):
		return err
	case ctx.Err() != nil:
		return &dispatch.Stopped{Code: "signal", Why: "stopped while preparing; nothing was sent"}
	case full(err):
		return refusal.New("no_room_to_prepare", "cause", err, "folder", p.Folder.Path)
	}
	return refusal.New("preparation_failed", "cause", err)
}

func (p *Preparation) prepare(ctx context.Context) error {
	r, log := p.Reading, p.Reading.Screen.Log
	log.Info("reading the cohort file", event.ReadingCohort, "bytes", r.Cohort.Bytes)
	dir, rejects := p.Folder.File(runfolder.SpoolFolder), p.Folder.File(runfolder.RejectsFile)
	// The rejects may be those of another file, which was refused here.
	if err := errors.Join(os.RemoveAll(dir), os.RemoveAll(rejects), disk.MakeFolder(dir)); err != nil {
		return err
	}
	spool, err := r.Spool(ctx, dir, shard.ToSend)
	if err != nil {
		return err
	}
	defer func() {
		if p.Spool == nil {
			_ = spool.Close()
		}
	}()
	if unasked := r.unasked(); unasked != "" && p.Rehearsal {
		log.Warn(unasked, event.CohortNote)
	} else if unasked != "" {
		return refusal.New("practices_not_asked", "problem", unasked)
	}
	if why := r.allowed(); why != nil && r.Reader.Summary().Invalid == 0 {
		return refusal.New("cohort_not_allowed", "cause", why)
	} else if why != nil {
		if err := writeRejects(rejects, spool.Rejected(), r.Cohort); err != nil {
			return err
		}
		return refusal.New("cohort_refused", "cause", why, "file", rejects)
	}
	if err := p.Compare(ctx, spool); err != nil {
		return err
	}
	m := spool.Manifest
	log.Info("planning", event.Planning, "sendable", m.Sendable, "invalid", m.Invalid, "duplicate", m.Duplicate, "suppressed", m.Suppressed)
	var beside errgroup.Group
	beside.Go(func() error { return writeRejects(rejects, spool.Rejected(), r.Cohort) })
	// The plan takes its digests from what is read here, so it must be what was written.
	beside.Go(func() error { return m.Verify(dir) })
	batches, err := plan.Cut(ctx, p.References, spool, p.Sink, p.Sink.Limits(), p.Folder.Path)
	unwritten := beside.Wait()
	if err != nil {
		return err
	}
	defer func() { _ = batches.Close() }()
	if unwritten != nil {
		return unwritten
	}
	// Earlier runs are closed for good before the plan that excludes their people becomes valid.
	// So at no moment may both send.
	err = plan.Seal(p.Folder.Path, p.header(spool), batches, func() error { return r.Earlier.Supersede(p.References.Run, p.Folder.Path) })
	if err == nil {
		p.Spool = spool
	}
	return err
}

// header completes the plan's header.
func (p *Preparation) header(spool *shard.Spool) plan.Header {
	h, r, m := p.Header, p.Reading, spool.Manifest
	h.RunID, h.Campaign, h.Cohort, h.Created = p.References.Run.String(), r.Campaign.Name, r.Cohort, time.Now().UTC().Truncate(time.Second)
	h.Template, h.Routes = templateVersion(r.Campaign), plannedRoutes(r.Campaign, spool)
	h.Spool, h.Records = hex.EncodeToString(spool.Digest[:]), m.Records
	h.Static = map[string]int64{string(person.Invalid): m.Invalid, string(person.Duplicate): m.Duplicate, string(person.Suppressed): m.Suppressed}
	h.Lists, h.Reach, h.Earlier = r.Lists.read, r.App.read(), r.Earlier.Named()
	h.NeverAgain = p.Sink.Kind() != engine.Deduplicates
	return h
}

// templateVersion is the fingerprint of the words of a campaign: that of its only route, or one of
// all routes together.
func templateVersion(c *campaign.Campaign) string {
	if len(c.Routes) == 0 {
		return earlier.WayVersion(c)
	}
	h := sha256.New()
	for i, way := range c.ByRoute() {
		fmt.Fprintf(h, "%q%q", c.Routes[i].Name, earlier.WayVersion(way))
	}
	return hex.EncodeToString(h.Sum(nil)[:6])
}
