package terminal

import (
	"os"
	"slices"

	"golang.org/x/term"
)

// atTerminal reports whether one of the streams is a terminal.
func AtTerminal(streams ...any) bool {
	return slices.ContainsFunc(streams, func(s any) bool {
		f, ok := s.(*os.File)
		return ok && term.IsTerminal(int(f.Fd()))
	})
}
