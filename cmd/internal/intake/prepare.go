package intake

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"cohort/cmd/internal/earlier"
	"cohort/cmd/internal/terminal"
	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/disk"
	"cohort/engine/dispatch"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
	"cohort/ingest"
	"cohort/ingest/person"
	"cohort/shard"
	"cohort/sinks"
)

// preparation turns a cohort file into a sealed spool and a sealed plan. Killed at any
// moment it leaves no plan, and the next one starts from the beginning.
type Preparation struct {
	Folder     *runfolder.Folder
	Campaign   *campaign.Campaign
	Frozen     []campaign.Setting
	Cohort     plan.Cohort
	Reader     *ingest.Reader
	Screen     *terminal.Screen
	Digest     [32]byte
	Run        engine.RunID
	Service    string
	Fields     []string
	Sink       sinks.Service
	Earlier    *earlier.Runs // nil: there are none
	Overlap    func(context.Context, *shard.Spool) error
	Lists      *Lists
	App        *AppUsers
	Paths      []string // of the cohort, as the call has them
	Rehearsal  bool
	RestOf     string
	SendAgain  string
	BeganAgain bool
	Log        *slog.Logger
}

func (p *Preparation) Prepare(ctx context.Context) error {
	p.Log.Info("reading the cohort file", "bytes", p.Cohort.Bytes)
	manifest, spoolDigest, err := p.spool(ctx)
	if err != nil {
		return p.refused(ctx, err)
	}
	spool, err := shard.Open(p.Folder.File(runfolder.SpoolFolder))
	if err != nil {
		return err
	}
	defer func() { _ = spool.Close() }()
	if err := p.Overlap(ctx, spool); err != nil {
		return p.refused(ctx, err)
	}
	p.Log.Info("planning", "sendable", manifest.Sendable, "invalid", manifest.Invalid, "duplicate", manifest.Duplicate, "suppressed", manifest.Suppressed)
	batches, err := plan.Cut(ctx, p.Run, spool, p.Sink, p.Sink.Limits())
	if err == nil {
		err = writeRejects(p.Folder.File(runfolder.RejectsFile), spool.Rejected(), p.Cohort)
	}
	if err != nil {
		return p.refused(ctx, err)
	}
	header := plan.Header{
		RunID: p.Run.String(), Campaign: p.Campaign.Name, Service: p.Service, Cohort: p.Cohort,
		Created: time.Now().UTC().Truncate(time.Second), Frozen: p.Frozen, Template: templateVersion(p.Campaign), Routes: plannedRoutes(p.Campaign, spool),
		Spool: hex.EncodeToString(spoolDigest[:]), Records: manifest.Records,
		Static: map[string]int64{
			string(person.Invalid): manifest.Invalid, string(person.Duplicate): manifest.Duplicate, string(person.Suppressed): manifest.Suppressed,
		},
		Lists: p.Lists.read, Reach: p.App.read(), RestOf: p.RestOf, SendAgain: p.SendAgain, BeganAgain: p.BeganAgain, NeverAgain: p.Sink.Kind() != engine.Deduplicates,
	}
	if p.Earlier != nil {
		header.Earlier = p.Earlier.Named()
	}
	// Earlier runs are closed for good before the plan that leaves their people out
	// becomes valid, so that there is no moment at which both may send.
	if err := plan.Seal(p.Folder.Path, header, batches, func() error { return p.Earlier.Supersede(p.Run, p.Folder.Path) }); err != nil {
		return p.refused(ctx, err)
	}
	return nil
}

// refused says of an error in the preparation that nothing was sent.
func (p *Preparation) refused(ctx context.Context, err error) error {
	if refusal.Code(err) != "" || errors.As(err, new(*engine.UnfitError)) {
		return err
	}
	if ctx.Err() != nil {
		return &dispatch.Stopped{Code: "signal", Why: "stopped while preparing; nothing was sent"}
	}
	if full(err) {
		return refusal.New("no_room_to_prepare", "cause", err, "folder", p.Folder.Path)
	}
	return refusal.New("preparation_failed", "cause", err)
}

// full says whether an error is that a disk has no room left.
func full(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

// spool reads the cohort file into the sealed spool.
func (p *Preparation) spool(ctx context.Context) (shard.Manifest, [32]byte, error) {
	fail := func(err error) (shard.Manifest, [32]byte, error) { return shard.Manifest{}, [32]byte{}, err }
	dir := p.Folder.File(runfolder.SpoolFolder)
	// The rejects may be those of another file, which was refused here.
	if err := errors.Join(os.RemoveAll(dir), os.RemoveAll(p.Folder.File(runfolder.RejectsFile))); err != nil {
		return fail(err)
	}
	if err := disk.MakeFolder(dir); err != nil {
		return fail(err)
	}
	shown := p.Screen.Follow("reading the cohort", p.Cohort.Bytes, p.Reader.BytesRead)
	manifest, digest, err := buildSpool(ctx, dir, p.Reader, p.Campaign, p.Fields, p.Cohort, concat(p.Earlier.People(supersededIn(p.Campaign, p.Reader)), p.Lists.people(ctx, nil)), p.Earlier.Replaced())
	shown()
	if err != nil {
		return fail(err)
	}
	if read, err := p.Reader.Digest(ctx); err != nil || read != p.Digest {
		return fail(cmp.Or(err, errors.New("the cohort is not what it was when the run was named after its digest; start again")))
	}
	p.Lists.warnMost(manifest)
	if unasked := p.App.unasked(p.Campaign, p.Paths); unasked != "" && p.Rehearsal {
		p.Log.Warn(unasked)
	} else if unasked != "" {
		return fail(refusal.New("practices_not_asked", "problem", unasked))
	}
	return manifest, digest, p.check(p.Reader.Summary())
}

// check holds what was read against what the campaign allows and expects.
func (p *Preparation) check(s ingest.Summary) error {
	warn(p.Log, p.Campaign, s)
	err := allowed(p.Campaign, s, p.Cohort)
	if err == nil {
		return nil
	}
	if s.Invalid > 0 {
		if e := p.keepRejects(); e != nil {
			return e
		}
		return refusal.New("cohort_refused", "cause", err, "file", p.Folder.File(runfolder.RejectsFile))
	}
	return refusal.New("cohort_not_allowed", "cause", err)
}

// warn says what of a cohort is allowed and may yet be a mistake.
func warn(log *slog.Logger, c *campaign.Campaign, s ingest.Summary) {
	for _, note := range slices.Concat(c.Warnings(), s.Notes) {
		log.Warn(note)
	}
	if s.BlankLines > 0 {
		log.Warn("the cohort file has empty lines, or lines of delimiters alone, which are no records", "lines", s.BlankLines)
	}
	if s.Nearly > 0 {
		log.Warn("records have a value that cohort.withdrawn.values names in other upper and lower case, and are not taken as withdrawn; name the value there as the file has it if they are",
			"column", c.Cohort.Withdrawn.Column, "records", s.Nearly)
	}
	if words := mixture(c, s); words != "" {
		log.Warn(words, "test", s.Test, "others", s.Sendable-s.Test)
	}
}

// mixture says of the NHS numbers that are taken what a person had better know; nothing
// when all are of the range that is meant.
func mixture(c *campaign.Campaign, s ingest.Summary) string {
	others, anyway := s.Sendable-s.Test, c.Cohort.Numbers == campaign.WhateverNumbers
	mixed := s.Test > 0 && others > 0
	switch {
	case anyway && mixed:
		return "the cohort mixes test patients (NHS numbers that start with 9) with others, and cohort.numbers takes both"
	case anyway && c.Profile == campaign.Production && s.Test > 0, anyway && c.Profile == campaign.Test && others > 0:
		return "the cohort's NHS numbers are of the range that profile " + string(c.Profile) + " refuses, and cohort.numbers takes them"
	case mixed:
		return "the cohort mixes test patients (NHS numbers that start with 9) with others; set profile in the campaign file"
	}
	return ""
}

// allowed says whether what was read keeps to the campaign's limits.
func allowed(campaign *campaign.Campaign, s ingest.Summary, cohort plan.Cohort) error {
	c := campaign.Cohort
	if c.Expect.Records > 0 && c.Expect.Records != s.Records {
		return fmt.Errorf("the cohort has %d records and cohort.expect.records is %d; ask the sender for the whole file, or correct the campaign", s.Records, c.Expect.Records)
	}
	if float64(s.Invalid) <= c.MaxInvalid*float64(s.Records) {
		return nil
	}
	var reasons []string
	for _, r := range s.Reasons[:min(3, len(s.Reasons))] {
		reasons = append(reasons, fmt.Sprintf("%s (%d, first on line %s)", r.Words, r.Count, placeOf(cohort, r.Files[0], r.Lines[0])))
	}
	advice := "have the file corrected, or raise max_invalid"
	if s.Reasons[0].Code == person.CodeTestNumber {
		advice = "make sure that this is the right file, and that the campaign has the right profile"
	}
	return fmt.Errorf("%d of %d records are invalid, more than cohort.max_invalid allows (%g %%): %s; %s",
		s.Invalid, s.Records, c.MaxInvalid*100, strings.Join(reasons, "; "), advice)
}

func numberRange(c *campaign.Campaign) ingest.Range {
	switch {
	case c.Cohort.Numbers == campaign.WhateverNumbers:
	case c.Profile == campaign.Test:
		return ingest.TestNumbers
	case c.Profile == campaign.Production:
		return ingest.RealNumbers
	}
	return ingest.AnyNumber
}

// templateVersion names what is rendered: the routing plan, the kind of NHS App message, or
// the columns of letters, and every text that is sent with it. That of a campaign with routes
// is made of theirs.
func templateVersion(c *campaign.Campaign) string {
	h := sha256.New()
	if len(c.Routes) > 0 {
		for i, way := range c.ByRoute() {
			fmt.Fprintf(h, "%q%q", c.Routes[i].Name, earlier.WayVersion(way))
		}
		return hex.EncodeToString(h.Sum(nil)[:6])
	}
	return earlier.WayVersion(c)
}
