package rehearsal

import (
	"bufio"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"cohort/cmd/internal/commandline"
	"cohort/cmd/internal/output"
	"cohort/engine/refusal"
	"cohort/fixtures"
)

// Generate makes the command "generate".
func Generate() *cobra.Command {
	var (
		cohort fixtures.Cohort
		out    string
		force  bool
	)
	c := &cobra.Command{
		Use:   "generate -n N",
		Short: "Make a synthetic cohort file",
		Long: `Generate writes a cohort of people who do not exist. Their NHS numbers begin with 999, which was
never issued; beyond 900,000 people they begin with 9. All have valid check digits. The same
flags give the same file.`,
		Example: `  cohort generate -n 100000 --bad 0.01 -o cohort.csv`,
		Args:    commandline.Arguments(cobra.NoArgs),
		RunE: func(c *cobra.Command, _ []string) error {
			if cohort.People <= 0 {
				return refusal.New("records_not_given")
			}
			if cohort.Bad < 0 || cohort.Bad > 1 {
				return refusal.New("bad_share_wrong")
			}
			if err := output.Claim(out, force || out == "" || out == "-", "", ""); err != nil {
				return err
			}
			var truth fixtures.Truth
			write := func(w io.Writer) (err error) {
				buffered := bufio.NewWriterSize(w, 1<<18)
				if truth, err = cohort.WriteCSV(buffered); err != nil {
					return err
				}
				return buffered.Flush()
			}
			var err error
			if out == "" || out == "-" {
				err = write(os.Stdout)
			} else {
				err = output.WriteTo(out, write)
			}
			if err != nil {
				return refusal.New("cohort_unwritable", "cause", err)
			}
			fmt.Fprintf(c.ErrOrStderr(), "%d records: %d sendable, %d invalid, %d duplicate\n", truth.Records, truth.Sendable, truth.Invalid, truth.Duplicates)
			return nil
		},
	}
	f := c.Flags()
	f.IntVarP(&cohort.People, "records", "n", 0, "how many records")
	f.Float64Var(&cohort.Bad, "bad", 0, "the `share` of records that are bad in one way or another, 0 to 1")
	f.Uint64Var(&cohort.Seed, "seed", 1, "another seed, another cohort")
	f.BoolVar(&force, "force", false, output.ForceHelp)
	f.StringVarP(&out, "output", "o", "", "the `file` to write (default: standard output)")
	return c
}
