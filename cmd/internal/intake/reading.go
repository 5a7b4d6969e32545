// Package intake reads a cohort: for check, plan, dry run and send.
package intake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"cohort/cmd/internal/earlier"
	"cohort/cmd/internal/terminal"
	"cohort/engine/campaign"
	"cohort/engine/event"
	"cohort/engine/plan"
	"cohort/engine/reach"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
	"cohort/ingest"
	"cohort/ingest/person"
	"cohort/shard"
)

// Reading reads a cohort into a spool. Check, plan, dry run and send all use it, in this order:
//
//	TakeStdin? ─▶ FixReach? ─▶ Open ─▶ Identify? ─▶ Spool
type Reading struct {
	Campaign *campaign.Campaign
	Screen   *terminal.Screen
	Given    []string      // the paths as the command was given them
	Paths    []string      // the files to read
	Stdin    bool          // Paths is a copy of standard input
	App      AppUsers      // who has the NHS App
	Earlier  *earlier.Runs // people to exclude; may be nil
	Lists    *Lists        // suppression lists to apply
	Name     string        // of standard input, in errors, rejects and the report
	Links    earlier.Links // replaced numbers that the cohort does not have, ascending; may be nil

	Copy    *Stdin         // what TakeStdin made; else nil
	Reader  *ingest.Reader // from Open on
	Fields  []string       // of the messages, from Open on
	Cohort  plan.Cohort    // from Identify or Spool on
	Digest  [32]byte       // of the cohort, likewise
	LastDay string         // a column to carry, too, for the last day of a follow-up; empty: none
	carry   []string       // columns that follow-ups need, from Open on
}

// NewReading returns a reading of the files that a command was given.
func NewReading(c *campaign.Campaign, screen *terminal.Screen, given []string) *Reading {
	return &Reading{Campaign: c, Screen: screen, Given: given, Paths: given, Name: runfolder.StdinName, Lists: &Lists{Of: c.Suppress, Log: screen.Log}}
}

// TakeStdin copies standard input to a file in dir, to read the cohort from there. verb is the
// command, for examples in errors.
func (r *Reading) TakeStdin(ctx context.Context, dir string, in io.Reader, verb string) (err error) {
	if r.Copy, err = newStdin(dir); err != nil {
		return refusal.New("stdin_not_saved", "cause", err)
	}
	r.Paths, r.Stdin = []string{r.Copy.Path}, true
	shown := r.Screen.Follow("taking standard input", 0, r.Copy.Read.Load)
	defer shown()
	return r.Copy.Take(ctx, in, verb)
}

// FixReach saves at path who has the NHS App today, for the cohort to be read with. The error
// wraps reach.ErrNone if nothing was fetched today.
func (r *Reading) FixReach(day *reach.Day, path string) error {
	_, err := day.Fix(path)
	if err == nil {
		r.App.Reports, err = reach.OpenFixed(path)
	}
	return err
}

// Identify reads the cohort once, and computes its digest.
func (r *Reading) Identify(ctx context.Context) error {
	if r.Copy != nil {
		r.identified(r.Copy.Digest())
		return nil
	}
	shown := r.Screen.Follow("taking the cohort's digest", terminal.BytesOf(r.Reader), r.Reader.BytesDigested)
	digest, err := r.Reader.Digest(ctx)
	shown()
	if err != nil {
		return refusal.New("cohort_unreadable", "cause", err)
	}
	r.identified(digest)
	return nil
}

func (r *Reading) identified(digest [32]byte) {
	r.Digest, r.Cohort = digest, plan.Cohort{SHA256: fmt.Sprintf("%x", digest)}
	for _, f := range r.Reader.Files() {
		file := plan.CohortFile{Path: f.Path, SHA256: fmt.Sprintf("%x", f.SHA256), Bytes: f.Bytes}
		if r.Stdin {
			file.Path, file.SHA256 = r.Name, r.Cohort.SHA256
		}
		r.Cohort.Bytes += f.Bytes
		r.Cohort.Files = append(r.Cohort.Files, file)
	}
}

// Spool reads the cohort into a spool in dir, and logs what a person should know about it. The
// cohort must not have changed since Identify.
func (r *Reading) Spool(ctx context.Context, dir string, use shard.Use) (*shard.Spool, error) {
	shown := r.Screen.Follow("reading the cohort", terminal.BytesOf(r.Reader), r.Reader.BytesRead)
	spool, err := r.build(ctx, dir, use)
	shown()
	if err != nil {
		return nil, err
	}
	digest, err := r.Reader.Digest(ctx)
	if err == nil && r.Cohort.SHA256 != "" && digest != r.Digest {
		err = errors.New("the cohort changed after the run was named after its digest; start again")
	}
	if err != nil {
		_ = spool.Close()
		return nil, err
	}
	if r.Cohort.SHA256 == "" {
		r.identified(digest)
	}
	warn(r.Screen.Log, r.Campaign, r.Reader.Summary())
	r.Lists.warnMost(spool.Manifest)
	return spool, nil
}

func (r *Reading) build(ctx context.Context, dir string, use shard.Use) (*shard.Spool, error) {
	superseded := r.Links
	if r.Campaign.Cohort.Superseded != "" {
		superseded = r.Reader.Superseded()
	}
	return shard.Build(ctx, dir, r.Reader.Records(), shard.Options{
		Shards:     shard.CountRouted(terminal.BytesOf(r.Reader), len(r.Campaign.Routes)),
		Routes:     len(r.Campaign.Routes),
		Fields:     r.Fields,
		Keep:       r.Campaign.KeepColumns,
		Carry:      r.carry,
		Use:        use,
		Enough:     r.Reader.OmitFields,
		Duplicates: map[string]shard.Rule{"first": shard.First, "last": shard.Last, "latest": shard.Latest}[r.Campaign.Cohort.Duplicates.Rule],
		Superseded: superseded,
		Replaced:   r.Earlier.Replaced(),
		Exclude:    earlier.Concat(r.Earlier.People(superseded), r.Lists.people(ctx, nil)),
	})
}

// full reports whether an error means that a disk has no room left.
func full(err error) bool { return errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT) }

// warn logs what is allowed in a cohort but may be a mistake.
func warn(log *slog.Logger, c *campaign.Campaign, s ingest.Summary) {
	for _, note := range slices.Concat(c.Warnings(), s.Notes) {
		log.Warn(note, event.CohortNote)
	}
	if s.BlankLines > 0 {
		log.Warn("the cohort file has empty lines, or lines of delimiters alone, which are no records", event.CohortNote, "lines", s.BlankLines)
	}
	if s.Nearly > 0 {
		log.Warn("records have a value that cohort.withdrawn.values names in other upper and lower case, and are not taken as withdrawn; name the value there as the file has it if they are", event.CohortNote,
			"column", c.Cohort.Withdrawn.Column, "records", s.Nearly)
	}
	if words := mixture(c, s); words != "" {
		log.Warn(words, event.CohortNote, "test", s.Test, "others", s.Sendable-s.Test)
	}
}

// mixture returns a warning about the ranges of the NHS numbers; empty if all are of the range
// that the profile expects.
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

// allowed compares the cohort with the campaign's limits.
func (r *Reading) allowed() error {
	c, s := r.Campaign.Cohort, r.Reader.Summary()
	if c.Expect.Records > 0 && c.Expect.Records != s.Records {
		return fmt.Errorf("the cohort has %d records and cohort.expect.records is %d; ask the sender for the whole file, or correct the campaign", s.Records, c.Expect.Records)
	}
	if float64(s.Invalid) <= c.MaxInvalid*float64(s.Records) {
		return nil
	}
	var reasons []string
	for _, reason := range s.Reasons[:min(3, len(s.Reasons))] {
		reasons = append(reasons, fmt.Sprintf("%s (%d, first on line %s)", reason.Words, reason.Count, placeOf(r.Cohort, reason.Files[0], reason.Lines[0])))
	}
	advice := "have the file corrected, or raise max_invalid"
	if s.Reasons[0].Code == person.CodeTestNumber {
		advice = "make sure that this is the right file, and that the campaign has the right profile"
	}
	return fmt.Errorf("%d of %d records are invalid, more than cohort.max_invalid allows (%g %%): %s; %s",
		s.Invalid, s.Records, c.MaxInvalid*100, strings.Join(reasons, "; "), advice)
}

// CohortPaths makes the paths of a cohort absolute. The word for standard input stays "-".
func CohortPaths(args []string) ([]string, error) {
	if slices.Contains(args, runfolder.StdinWord) {
		if len(args) > 1 {
			return nil, refusal.New("stdin_not_alone")
		}
		return args, nil
	}
	paths := make([]string, len(args))
	for i, arg := range args {
		var err error
		if paths[i], err = runfolder.Absolute(arg); err != nil {
			return nil, err
		}
	}
	return paths, nil
}
