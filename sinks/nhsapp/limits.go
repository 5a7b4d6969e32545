package nhsapp

import (
	"slices"
	"strings"
	"unicode/utf16"

	"cohort/engine"
	"cohort/ingest/person"
)

// The service's limits, in characters as Characters counts them.
const (
	MostContent    = 5000 // of an in-app message
	MostDisplay    = 200  // of a push notification
	MostReference  = 1000 // of the address that a push notification opens
	MostIdentifier = 128
)

// Asks implements engine.Examiner with the limits of an in-app message. A push notification is the
// same for everybody, and is checked with the campaign.
func (s *Sink) Asks() []person.Limit { return s.asks }

func asksOf(routes []Route) (asks []person.Limit) {
	for i, r := range routes {
		for _, ask := range r.asks() {
			if len(routes) > 1 {
				ask.Route = i + 1
			}
			asks = append(asks, ask)
		}
	}
	return asks
}

// asks returns the limits of the route's messages.
func (r Route) asks() (asks []person.Limit) {
	if r.Push != nil {
		return nil
	}
	literal := r.Content.Literal()
	ask := func(code, words string, least int, keeps func(text string) bool) {
		asks = append(asks, person.Limit{Code: code, Words: words, Least: least, Keeps: func(fields []string) bool { return check(r.Content, fields, keeps) }})
	}
	if strings.TrimSpace(literal) == "" {
		ask(person.CodeEmptyMessage, "the message's text is empty", 0, func(text string) bool { return strings.TrimSpace(text) != "" })
	}
	// A character has at least one byte.
	ask(person.CodeLongMessage, "the message's text is longer than 5,000 characters", r.Content.LeastAbove(MostContent), func(text string) bool { return Characters(text) <= MostContent })
	ask(person.CodeMarkup, "the message's text has a < and a > after it, which the service takes for HTML", 0, func(text string) bool { return !HasMarkup(text) })
	if markup := &asks[len(asks)-1]; !opens(literal) { // then few records have a <
		renders := markup.Keeps
		markup.Keeps = func(fields []string) bool { return !slices.ContainsFunc(fields, opens) || renders(fields) }
	}
	asks = append(asks, person.Limit{Code: person.CodeMarkup, Words: markdownWords, Keeps: valuesAreText(r.Content)})
	return asks
}

// opens reports whether a text holds the beginning of markup.
func opens(text string) bool { return strings.IndexByte(text, '<') >= 0 }

// check renders a text and applies keeps to it.
func check(content engine.Template, fields []string, keeps func(text string) bool) bool {
	var room [2 << 10]byte
	return keeps(string(content.AppendText(room[:0], fields)))
}

// Characters counts a text in UTF-16 units. The contract does not define its characters, and no
// other count is higher. Entities such as &amp; count as they are written.
func Characters(text string) (n int) {
	for _, r := range text {
		n += max(1, utf16.RuneLen(r))
	}
	return n
}

// HasMarkup reports whether a text matches <(.|\n)*?>, which the service refuses.
func HasMarkup(text string) bool {
	open := strings.IndexByte(text, '<')
	return open >= 0 && strings.IndexByte(text[open:], '>') > 0
}
