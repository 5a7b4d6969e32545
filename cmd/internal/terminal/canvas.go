package terminal

import (
	"io"
	"os"
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"
	"golang.org/x/term"
)

// Canvas draws frames on a terminal's alternate screen, so that they leave nothing to scroll back
// through. A nil Canvas may be left.
type Canvas struct {
	file  *os.File
	shown bool
	last  string
}

// NewCanvas makes a canvas. It returns nil when out is not a terminal.
func NewCanvas(out io.Writer) *Canvas {
	if !AtTerminal(out) {
		return nil
	}
	return &Canvas{file: out.(*os.File)}
}

// Draw shows as much of a text as there is room for.
func (c *Canvas) Draw(text string) error {
	frame := ""
	if !c.shown {
		frame = "\x1b[?1049h"
	}
	c.shown, c.last = true, text
	if width, height, err := term.GetSize(int(c.file.Fd())); err == nil && width > 0 && height > 0 {
		text = Fit(text, width, height)
	}
	_, err := io.WriteString(c.file, frame+"\x1b[H"+strings.ReplaceAll(text, "\n", "\x1b[K\n")+"\x1b[J")
	return err
}

// Leave returns to the normal screen, and leaves the latest text there.
func (c *Canvas) Leave() {
	if c == nil || !c.shown {
		return
	}
	_, _ = io.WriteString(c.file, "\x1b[?1049l"+c.last)
}

// dispensable has the beginnings of lines that are left out first when there is no room for all, in
// this order. The fates and the state are left out last.
var dispensable = []string{"delivery ", "event ", "again ", "last ", "begun ", "batches ", "folder ", "answers ", "files ", "pace ", "waiting ", "first ", "done ", "window ", "", "paused ", "to go on", "no live", "rate ", "run ", "the fates"}

// Fit shortens a text to the lines and columns of a terminal.
func Fit(text string, width, height int) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for _, beginning := range dispensable {
		for i := 0; i < len(lines) && len(lines) > height; {
			if lines[i] == beginning || beginning != "" && strings.HasPrefix(lines[i], beginning) {
				lines = slices.Delete(lines, i, i+1)
			} else {
				i++
			}
		}
	}
	lines = lines[:min(len(lines), height)]
	for i, line := range lines {
		lines[i] = runewidth.Truncate(line, width, "…")
	}
	return strings.Join(lines, "\n")
}
