package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"cohort/engine"
	"cohort/engine/lock"
	"cohort/engine/register"
	"cohort/shard"
)

func retryCommand() *cobra.Command {
	var (
		refused bool
		codes   []string
		reason  string
	)
	c := &cobra.Command{
		Use:   "retry DIR --refused --reason WHY [--code CODE...]",
		Short: "Have the refused messages of a run sent again, when their cause is mended",
		Long: `Retry makes new batches of the messages that the service has refused, under references of
their own, and notes in the run's log who has decided so and why. It sends nothing: resume
does. Nobody who was accepted, or may have been, is in them. What was sent is what was
planned: a mistake in the cohort's own data is mended by a corrected file and --new-cohort.

Exit codes: 0 they will be sent again; 2 they will not, and why.
`,
		Args: arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if !refused {
				return refuse("which messages? give --refused: those that the service has refused")
			}
			if reason == "" {
				return refuse("give --reason: what was wrong, and that it is mended")
			}
			dir, err := absolute(args[0])
			if err != nil {
				return err
			}
			n, err := retry(dir, codes, reason)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "%d refused messages will be sent again; go on with: %s\n", n, command("resume", dir))
			return nil
		},
	}
	c.Flags().BoolVar(&refused, "refused", false, "the messages that the service has refused")
	c.Flags().StringSliceVar(&codes, "code", nil, "only those with this reason `code` in the report")
	c.Flags().StringVar(&reason, "reason", "", "what was wrong, and that it is mended")
	return c
}

func retry(dir string, codes []string, reason string) (messages int, err error) {
	call, err := readCall(dir)
	if err != nil {
		return 0, err
	}
	held, err := lock.Acquire(filepath.Join(dir, lockFile))
	if busy := (*lock.HeldError)(nil); errors.As(err, &busy) {
		return 0, refuse("the run is at work: %w; stop it first: %s", busy, command("stop", dir))
	}
	if err != nil {
		return 0, refuse("the run's folder cannot be locked: %w", err)
	}
	defer func() { _ = held.Release() }()
	plan, err := planned(dir)
	if err != nil {
		return 0, err
	}
	defer func() { _ = plan.Close() }()
	spool, err := openSpool(filepath.Join(dir, spoolFolder), plan)
	if err != nil {
		return 0, err
	}
	defer func() { _ = spool.Close() }()
	campaign, _, _, err := readCampaign(dir, call)
	if err != nil {
		return 0, err
	}
	if len(campaign.Personalisation) == 0 { // then it is the cohort's own, which the spool knows
		manifest, _, err := shard.ReadManifest(filepath.Join(dir, spoolFolder))
		if err != nil {
			return 0, damaged(err)
		}
		ownPersonalisation(campaign, manifest.Fields)
	}
	fields, err := fieldsOf(campaign)
	if err != nil {
		return 0, err
	}
	sink, _, err := openSink(campaign, fields)
	if err != nil {
		return 0, err
	}
	r, err := register.Open(campaign.Register)
	if err != nil {
		return 0, refuse("%w", err)
	}
	defer func() { _ = r.Close() }()
	log, err := engine.OpenProgressLog(dir, plan)
	if err != nil {
		return 0, damaged(err)
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	if log.Superseded != "" {
		return 0, refuse("run %s has taken this run's place: nothing more is sent from here", log.Superseded)
	}
	entry, known := r.Run(plan.RunID)
	if known { // the run has something to do again: it is no longer finished
		entry.State = register.Begun
		if err := r.Record(entry); err != nil {
			return 0, refuse("%w", err)
		}
	}
	now := time.Now()
	if messages, err = engine.Retry(log, plan, spool, sink, codes, now); err != nil {
		return messages, refuse("the messages cannot be prepared: %w", err)
	}
	if messages == 0 {
		return 0, refuse("no message of the run was refused%s", map[bool]string{true: " with such a code"}[len(codes) > 0])
	}
	return messages, log.Retried(now, messages, whoAmI(), reason)
}
