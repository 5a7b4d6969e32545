package intake

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cohort/cmd/internal/earlier"
	"cohort/cmd/internal/terminal"
	"cohort/engine"
	"cohort/engine/campaign"
	"cohort/engine/plan"
	"cohort/engine/refusal"
	"cohort/engine/runfolder"
	"cohort/fixtures"
	"cohort/ingest"
	"cohort/shard"
	"cohort/sinks"
)

// A spool that is not read as it was written gets no plan.
func TestASpoolThatChangesBeforeItsPlanIsRefused(t *testing.T) {
	for _, file := range []string{"", "shard-000.arrow", "verdicts.arrow"} {
		dir := t.TempDir()
		out := must(os.Create(filepath.Join(dir, "cohort.csv")))
		must(fixtures.Cohort{People: 50, Seed: 3}.WriteCSV(out))
		must(0, out.Close())
		must(0, os.WriteFile(filepath.Join(dir, "campaign.yaml"), []byte(`campaign: a-campaign
personalisation: {first: "((given_name))"}
sink: {notify: {base_url: "http://127.0.0.1:1/comms", token_url: "http://127.0.0.1:1/oauth2/token", `+
			`api_key_file: k, key_id: k, private_key_file: k, routing_plan_id: b838b13c-f98c-4def-93f0-515d4e4f4ee1}}
`), 0o600))
		c := must(LoadCampaign(filepath.Join(dir, "campaign.yaml")))
		r := NewReading(c, terminal.NewScreen(io.Discard, nil), []string{out.Name()})
		must(0, r.Open(t.Context()))
		defer r.App.Close()
		r.Earlier = must(earlier.Hold(nil, false))
		folder := must(runfolder.Hold(filepath.Join(dir, "run"), "send", false, slog.New(slog.DiscardHandler)))
		p := &Preparation{
			Reading: r, Folder: folder, References: engine.RunID{1}.References(), Sink: must(sinks.Measuring(c, r.Fields)),
			Header: plan.Header{Service: "notify"},
			Compare: func(context.Context, *shard.Spool) error {
				if file == "" {
					return nil
				}
				path := folder.File(filepath.Join(runfolder.SpoolFolder, file))
				bytes := must(os.ReadFile(path))
				bytes[len(bytes)/2] ^= 1
				return os.WriteFile(path, bytes, 0o600)
			},
		}
		err := p.Prepare(t.Context())
		_, planned := os.Stat(folder.File(plan.PlanFile))
		if file == "" {
			if err != nil || planned != nil {
				t.Fatal(err, planned)
			}
			must(0, p.Spool.Close())
		} else if refusal.Code(err) != "preparation_failed" || !strings.Contains(err.Error(), file) || !errors.Is(planned, fs.ErrNotExist) {
			t.Errorf("%s: %v, %v", file, err, planned)
		}
	}
}

func TestMixtureOfNumberRanges(t *testing.T) {
	for _, test := range []struct {
		sentence string
		profile  campaign.Profile
		numbers  campaign.Numbers
		test     int64
		others   int64
		says     string
		reads    ingest.Range
	}{
		{"no profile and one range", campaign.AnyNumber, "", 5, 0, "", ingest.AnyNumber},
		{"no profile and both", campaign.AnyNumber, "", 5, 1, "set profile", ingest.AnyNumber},
		{"a profile keeps to its range", campaign.Test, "", 5, 0, "", ingest.TestNumbers},
		{"the other too", campaign.Production, "", 0, 5, "", ingest.RealNumbers},
		{"the override, not needed", campaign.Production, "any", 0, 5, "", ingest.AnyNumber},
		{"the override, and test patients in production", campaign.Production, "any", 5, 0, "profile production refuses", ingest.AnyNumber},
		{"the override, and people in a test", campaign.Test, "any", 0, 5, "profile test refuses", ingest.AnyNumber},
		{"the override, and both", campaign.Test, "any", 5, 5, "cohort.numbers takes both", ingest.AnyNumber},
		{"the override of nothing, and both", campaign.AnyNumber, "any", 5, 5, "cohort.numbers takes both", ingest.AnyNumber},
		{"an empty cohort", campaign.Test, "any", 0, 0, "", ingest.AnyNumber},
	} {
		c := &campaign.Campaign{Profile: test.profile, Cohort: campaign.Cohort{Numbers: test.numbers}}
		got := mixture(c, ingest.Summary{Sendable: test.test + test.others, Test: test.test})
		if (got == "") != (test.says == "") || !strings.Contains(got, test.says) {
			t.Errorf("%s: %q", test.sentence, got)
		}
		if got := numberRange(c); got != test.reads {
			t.Errorf("%s: the range is %v", test.sentence, got)
		}
	}
}
