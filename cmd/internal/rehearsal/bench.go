package rehearsal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"cohort/cmd/internal/commandline"
	"cohort/cmd/internal/intake"
	"cohort/cmd/internal/output"
	"cohort/cmd/internal/status"
	"cohort/engine/dispatch"
	"cohort/engine/refusal"
	"cohort/fixtures"
	"cohort/ingest/person"
)

// The national cohort and the length of its window, which the self-test compares with.
const (
	nationalMessages = 3_400_000
	nationalHours    = 16
)

// Bench makes the command "bench". root makes the command line that it runs commands of.
func Bench(root func() *cobra.Command) *cobra.Command {
	var records int
	var parent string
	c := &cobra.Command{
		Use:   "bench",
		Short: "Test this machine: how many messages an hour can it send?",
		Long: `Bench makes a synthetic cohort, checks it, sends it to a simulator in this process, and
measures how long a synced write takes. It says how many messages an hour this machine
could send, and whether 3,400,000 fit into 16 hours. Nothing is sent to anybody. Every
file is made in a new folder inside --dir, which is removed at the end.

Exit codes: 0 they fit; 10 they do not fit, or the test cannot be made; 3 stopped.`,
		Example: `  cohort bench
  cohort bench --dir /var/lib/cohort -n 1000000`,
		Args: commandline.Arguments(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if records < 100 || records > 10_000_000 {
				return refusal.New("bench_records_wrong")
			}
			err := selfTest(c.Context(), root, c.OutOrStdout(), parent, records)
			if c.Context().Err() != nil {
				return &dispatch.Stopped{Code: "signal", Why: "stopped while measuring; nothing was sent"}
			}
			return err
		},
	}
	c.Flags().IntVarP(&records, "records", "n", 100_000, "how many records; a tenth of them for one message a request")
	c.Flags().StringVar(&parent, "dir", ".", "the `folder` to test in; choose one on the disk that will hold the runs")
	return c
}

// selfTest makes a folder in parent, measures in it, prints what it found, and removes it.
func selfTest(ctx context.Context, root func() *cobra.Command, out io.Writer, parent string, records int) (err error) {
	folder, err := os.MkdirTemp(parent, "cohort-bench-")
	if err != nil {
		return refusal.New("bench_folder_unmakeable", "cause", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	if folder, err = filepath.Abs(folder); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d cores; runs are kept in %s\n", runtime.GOMAXPROCS(0), filepath.Dir(folder))
	median, slowest, err := syncTimes(filepath.Join(folder, "synced"))
	if err != nil {
		return refusal.New("disk_not_tested", "cause", err)
	}
	ms := func(d time.Duration) float64 { return d.Seconds() * 1000 }
	fmt.Fprintf(out, "  a synced write   %.1f ms; the slowest of %d took %.1f ms\n", ms(median), syncedWrites, ms(slowest))
	batched, err := sendOnce(ctx, root, filepath.Join(folder, "batched"), records, 1000)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "  reading          %.2f million records a second; %d take %.0f s\n",
		batched.read/1e6, nationalMessages, nationalMessages/batched.read)
	fmt.Fprintf(out, "  1000 a request   %.1f million messages an hour\n", batched.perHour/1e6)
	single, err := sendOnce(ctx, root, filepath.Join(folder, "single"), records/10, 1)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "  one a request    %.1f million messages an hour\n", single.perHour/1e6)
	const needed = float64(nationalMessages) / nationalHours
	slower := min(batched.perHour, single.perHour)
	fmt.Fprintf(out, `
The simulator took its share of this machine. The network and the limits of the service are
not in these figures. %d messages in %d hours need %.0f an hour. The slower way sends
%.1f times that.
`, nationalMessages, nationalHours, needed, slower/needed)
	if slower < needed {
		return refusal.New("machine_too_slow", "messages", nationalMessages, "hours", nationalHours)
	}
	_, err = fmt.Fprintln(out, "They fit.")
	return err
}

// testSend holds the rates of one send of the self-test.
type testSend struct {
	read    float64 // records a second, of cohort check
	perHour float64 // messages, from the cohort file to the report
}

// sendOnce checks a new cohort and sends it to a simulator, in a new folder. Each folder has its
// own register, because the second send to the same people would be refused.
func sendOnce(ctx context.Context, root func() *cobra.Command, folder string, records, batch int) (s testSend, err error) {
	at := func(name string) string { return filepath.Join(folder, name) }
	file, campaign, aRun := at("cohort.csv"), at("campaign.yaml"), at("run")
	if err = os.Mkdir(folder, 0o700); err == nil {
		err = os.WriteFile(campaign, fmt.Appendf(nil, testCampaign, batch), 0o600)
	}
	if err == nil {
		err = output.WriteTo(file, func(w io.Writer) error {
			_, err := fixtures.Cohort{People: records, Bad: 0.01, Seed: 1}.WriteCSV(w)
			return err
		})
	}
	if err != nil {
		return s, refusal.New("bench_cohort_unmakeable", "cause", err)
	}
	var found intake.Findings
	if err := callHere(ctx, root(), &found, "check", "-c", campaign, file, "--json"); err != nil {
		return s, err
	}
	s.read = float64(found.Records) / found.Seconds
	start := time.Now()
	if err := callHere(ctx, root(), nil, "send", "-c", campaign, file, "--simulate", "--run", aRun); err != nil {
		return s, err
	}
	hours := time.Since(start).Hours()
	var ended status.Status
	if err := callHere(ctx, root(), &ended, "status", aRun, "--json"); err != nil {
		return s, err
	}
	s.perHour = float64(ended.Fates[person.Accepted]) / hours
	return s, nil
}

// testCampaign names a service that is never called: a send with --simulate has its own.
const testCampaign = `campaign: bench
cohort: {required: [appointment_date]}
personalisation:
  patient_first_name: "((given_name))"
  appointment: "((appointment_date)) at ((appointment_time)), ((clinic_name))"
pace: {per_second: 0}
sink:
  notify:
    base_url: http://127.0.0.1:1/comms
    token_url: http://127.0.0.1:1/oauth2/token
    api_key_file: none
    key_id: bench-1
    private_key_file: none
    routing_plan_id: b838b13c-f98c-4def-93f0-515d4e4f4ee1
    batch: {max_messages: %d}
`

// callHere runs a command of cohort in this process and decodes the JSON that it prints into
// result, unless that is nil.
func callHere(ctx context.Context, root *cobra.Command, result any, args ...string) error {
	var out strings.Builder
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(io.Discard)
	err := root.ExecuteContext(ctx)
	if err == nil && result != nil {
		err = json.Unmarshal([]byte(out.String()), result)
	}
	return err
}

const syncedWrites = 200

// syncTimes appends to a new file and syncs it, again and again.
func syncTimes(path string) (median, slowest time.Duration, err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	times := make([]time.Duration, syncedWrites)
	for i := range times {
		start := time.Now()
		if _, err = f.Write(make([]byte, 64)); err == nil {
			err = f.Sync()
		}
		if err != nil {
			return 0, 0, err
		}
		times[i] = time.Since(start)
	}
	slices.Sort(times)
	return times[syncedWrites/2], times[syncedWrites-1], nil
}
