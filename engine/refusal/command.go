package refusal

import (
	"os"
	"strings"
)

// Command is a command line that goes on, as it may be pasted into a shell: the
// program as it was called, and each word quoted where it must be.
func Command(words ...string) string {
	line := ShellWord(os.Args[0])
	for _, w := range words {
		line += " " + ShellWord(w)
	}
	return line
}

// ShellWord quotes a word for a POSIX shell.
func ShellWord(text string) string {
	plain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("/.-_=:,", r)
	}
	if text != "" && !strings.ContainsFunc(text, func(r rune) bool { return !plain(r) }) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
