package campaign

import (
	"os"
	"strings"
)

// credentials begins the path of a file that systemd gives a unit with LoadCredential. The folder may be another one at
// each start.
const credentials = "$CREDENTIALS_DIRECTORY"

// secretFile makes the path of a secret absolute. Without credentials of systemd, a path below them stays as it is.
func (l *loader) secretFile(path string) string {
	name, ok := strings.CutPrefix(path, credentials+"/")
	if !ok {
		return l.absolute(path)
	}
	if folder := os.Getenv(credentials[1:]); folder != "" {
		return folder + "/" + name
	}
	return path
}

// command checks a command and its arguments. A name without a slash is looked up in PATH.
func (l *loader) command(key string, words []string) []string {
	switch {
	case words == nil:
	case len(words) == 0 || words[0] == "":
		l.wrong(key, "must start with a command")
	case strings.Contains(words[0], "/"):
		return append([]string{l.absolute(words[0])}, words[1:]...)
	}
	return words
}

// place is a key that names where a secret is.
type place struct {
	key   string
	given bool
}

// onePlace checks that a section names exactly one place of a secret.
func (l *loader) onePlace(at string, places ...place) {
	var all, given []string
	for _, p := range places {
		all = append(all, p.key)
		if p.given {
			given = append(given, p.key)
		}
	}
	switch {
	case len(given) == 0:
		l.wrong(at, "needs %s", strings.Join(all, " or "))
	case len(given) > 1:
		l.wrong(at+"."+given[1], "and %s name two places of one secret; keep one of them", given[0])
	}
}
