package campaign

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// FollowUp is a rule for a later message to people whom a run of this campaign has sent to.
type FollowUp struct {
	Name     string
	After    time.Duration // since the service accepted the message
	Unless   []string      // news of the message that makes the later one needless: UnlessRead, UnlessDelivered
	Known    float64       // the share of accepted messages, 0 to 1, that need any news before anybody is due
	NotAfter string        // a column with a date; nobody is sent to after it; empty: none
	By       string        // absolute path of the campaign file of the later message
}

// News of a message that makes a later one needless.
const (
	UnlessRead      = "read"
	UnlessDelivered = "delivered"
)

const defaultKnown = 0.5

type followUpSection struct {
	Name     string   `yaml:"name"`
	After    *string  `yaml:"after"`
	Unless   []string `yaml:"unless"`
	Known    *string  `yaml:"known"`
	NotAfter string   `yaml:"not_after"`
	By       string   `yaml:"by"`
}

func (l *loader) followUps(c *Campaign, rules []followUpSection) {
	for i, s := range rules {
		key := fmt.Sprintf("followup[%d]", i)
		for _, name := range []string{".name", ".by", ".unless"} { // a missing key has the line of the section
			l.lines[key+name] = cmp.Or(l.lines[key+name], l.lines["followup"])
		}
		f := FollowUp{Name: s.Name, Unless: s.Unless, Known: defaultKnown, NotAfter: s.NotAfter, By: l.absolute(s.By)}
		l.duration(key+".after", &f.After, s.After, 0)
		if s.Known != nil {
			f.Known = l.percent(key+".known", *s.Known)
		}
		switch {
		case !nameForm.MatchString(s.Name):
			l.wrong(key+".name", "must be a name of a-z, 0-9 and hyphens, such as sms; it is %.70q", s.Name)
		case slices.ContainsFunc(c.FollowUps, func(other FollowUp) bool { return other.Name == s.Name }):
			l.wrong(key+".name", "is named twice: %s", s.Name)
		case s.By == "":
			l.wrong(key+".by", "is missing; name the campaign file of the later message, such as sms.yaml")
		case f.By == c.Path:
			l.wrong(key+".by", "names this campaign file itself; name the one of the later message")
		}
		for _, news := range s.Unless {
			if news != UnlessRead && news != UnlessDelivered {
				l.wrong(key+".unless", "may list read and delivered, not %q", news)
			}
		}
		if len(s.Unless) == 0 && l.has(key+".known") {
			l.wrong(key+".known", "has no meaning without unless: no news is waited for")
		}
		c.FollowUps = append(c.FollowUps, f)
	}
}

// words describes a rule in one line. Different rules have different words.
func (f *FollowUp) words(dir string) string {
	by, err := filepath.Rel(dir, f.By)
	if err != nil {
		by = f.By
	}
	known := strconv.FormatFloat(f.Known*100, 'g', -1, 64) + "%"
	return fmt.Sprintf("after %s, unless %s, known %s, not_after %s, by %s",
		f.After, strings.Join(f.Unless, " or "), known, plainly(f.NotAfter), strconv.Quote(by))
}
