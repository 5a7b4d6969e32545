package main

import (
	"context"
	"os"
	"strings"
	"sync/atomic"
)

// command is a command line that goes on, as it may be pasted into a shell: the
// program as it was called, and each word quoted where it must be.
func command(words ...string) string {
	line := shellWord(os.Args[0])
	for _, w := range words {
		line += " " + shellWord(w)
	}
	return line
}

// shellWord quotes a word for a POSIX shell.
func shellWord(text string) string {
	plain := func(r rune) bool {
		return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("/.-_=:,", r)
	}
	if text != "" && !strings.ContainsFunc(text, func(r rune) bool { return !plain(r) }) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

// parting is what a person is told who leaves at once: the command that goes on.
type parting struct{ line atomic.Pointer[string] }

type partingKey struct{}

// partWith sets the parting words of the process that ctx belongs to.
func partWith(ctx context.Context, line string) {
	if p, ok := ctx.Value(partingKey{}).(*parting); ok {
		p.line.Store(&line)
	}
}
