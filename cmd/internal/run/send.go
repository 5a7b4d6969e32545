package run

import (
	"github.com/spf13/cobra"

	"cohort/cmd/internal/terminal"
)

// open connects a session to the command's streams.
func (s *Runner) Open(c *cobra.Command) {
	s.stdin, s.Stdout, s.stderr = c.InOrStdin(), c.OutOrStdout(), c.ErrOrStderr()
	s.screen, s.attended = terminal.NewScreen(s.stderr), terminal.AtTerminal(s.stdin, s.Stdout, s.stderr)
	s.Log = s.screen.Log
	terminal.OutliveReaders()
}
