package refusal

import (
	"os"
	"regexp"
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

var plainWord = regexp.MustCompile(`^[a-zA-Z0-9/._=:,-]+$`)

// ShellWord quotes a word for a POSIX shell.
func ShellWord(text string) string {
	if plainWord.MatchString(text) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
