package terminal

import (
	"io"
	"os"
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"
	"golang.org/x/term"
)

// canvas is a terminal's other screen, on which frames take each other's place and leave
// nothing to scroll back through. A nil canvas has nothing to leave.
type canvas struct {
	file  *os.File
	shown bool
	last  string
}

// newCanvas is nil where out is no terminal.
func NewCanvas(out io.Writer) *canvas {
	file, ok := out.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return nil
	}
	return &canvas{file: file}
}

// draw shows a text, as much of it as there is room for.
func (c *canvas) Draw(text string) error {
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

// leave goes back to the terminal as it was, with the latest text left on it.
func (c *canvas) Leave() {
	if c == nil || !c.shown {
		return
	}
	_, _ = io.WriteString(c.file, "\x1b[?1049l"+c.last)
}

// dispensable are the beginnings of lines that give way, in this order, where there is no
// room for all. What became of the records and the state go last.
var dispensable = []string{"event ", "again ", "last ", "begun ", "batches ", "folder ", "answers ", "files ", "pace ", "waiting ", "first ", "done ", "window ", "", "paused ", "to go on", "no live", "rate ", "run ", "the fates"}

// Fit leaves of a text what a terminal has room for.
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
