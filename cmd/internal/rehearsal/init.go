// Package rehearsal has the commands that try cohort without a real service and without real people.
package rehearsal

import (
	"bytes"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"cohort/cmd/internal/commandline"
	"cohort/engine/campaign"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
	"cohort/fixtures"
)

//go:embed init.yaml
var campaignText string

// Init makes the command "init".
func Init() *cobra.Command {
	profile := string(campaign.Test)
	c := &cobra.Command{
		Use:   "init DIR",
		Short: "Make a folder with a campaign file, a sample cohort and a place for secrets",
		Long: `Init writes three things, ready for a rehearsal with --simulate:

  campaign.yaml   a campaign to edit, with a comment for every common key
  cohort.csv      100 people who do not exist
  secrets/        an empty folder for the keys, closed to other users

It overwrites nothing, and says the next two commands.

Exit codes: 0 made; 10 refused, because one of them is there already or the folder cannot be written.`,
		Example: `  cohort init invitation
  cohort init invitation --profile production`,
		Args: commandline.Arguments(cobra.ExactArgs(1)),
		RunE: func(c *cobra.Command, args []string) error {
			if profile != string(campaign.Test) && profile != string(campaign.Production) {
				return refusal.New("no_such_profile", "profile", profile)
			}
			if err := writeSample(args[0], campaign.Profile(profile)); err != nil {
				return err
			}
			file, cohort := filepath.Join(args[0], "campaign.yaml"), filepath.Join(args[0], "cohort.csv")
			fmt.Fprintf(c.OutOrStdout(), "made %s, %s and %s\nnext:\n  %s\n  %s\n", file, cohort, filepath.Join(args[0], "secrets"),
				refusal.Command("check", "-c", file, cohort), refusal.Command("send", "-c", file, cohort, "--simulate"))
			return nil
		},
	}
	c.Flags().StringVar(&profile, "profile", profile, "test or production: which NHS numbers and which service")
	return c
}

// writeSample makes the campaign file, the cohort and the folder for secrets in dir.
func writeSample(dir string, profile campaign.Profile) error {
	for _, name := range []string{"campaign.yaml", "cohort.csv", "secrets"} {
		if path := filepath.Join(dir, name); runfolder.Exists(path) {
			return refusal.New("sample_exists", "file", path)
		}
	}
	var cohort bytes.Buffer
	people := fixtures.Cohort{People: 100, Seed: 1}
	_, err := people.WriteCSV(&cohort)
	if err == nil {
		err = os.MkdirAll(filepath.Join(dir, "secrets"), 0o700)
	}
	if err == nil {
		err = writeNew(filepath.Join(dir, "cohort.csv"), cohort.Bytes())
	}
	if err == nil {
		err = writeNew(filepath.Join(dir, "campaign.yaml"), []byte(sampleCampaign(dir, profile)))
	}
	if err != nil {
		return refusal.New("sample_unwritable", "cause", err)
	}
	return nil
}

// sampleCampaign is a campaign file that is valid as it is, named after its folder.
func sampleCampaign(dir string, profile campaign.Profile) string {
	base, key, numbers := "https://int.api.service.nhs.uk", "int-1", ""
	if profile == campaign.Production {
		base, key = "https://api.service.nhs.uk", "prod-1"
		numbers = "  numbers: any                          # lets the sample through; remove this line before a real send\n"
	}
	name := "invitation"
	if full, err := filepath.Abs(dir); err == nil {
		name = strings.Trim(regexp.MustCompile(`[^a-z0-9]+`).ReplaceAllString(strings.ToLower(filepath.Base(full)), "-"), "-")
	}
	if name == "" || len(name) > 64 {
		name = "invitation"
	}
	return strings.NewReplacer("$CAMPAIGN", name, "$PROFILE", string(profile), "$NUMBERS", numbers, "$BASE", base, "$KEY", key).Replace(campaignText)
}

// writeNew writes a file that is not there yet, closed to other users.
func writeNew(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	if e := f.Close(); err == nil {
		err = e
	}
	return err
}
