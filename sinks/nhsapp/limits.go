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

// Asks implements engine.Examiner: what an in-app message may be. A push notification is
// the same for everybody, and was measured with the campaign.
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

// asks is what is asked of a record whose message goes by the route.
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
	// A character is a byte or more.
	ask(person.CodeLongMessage, "the message's text is longer than 5,000 characters", r.Content.LeastAbove(MostContent), func(text string) bool { return Characters(text) <= MostContent })
	ask(person.CodeMarkup, "the message's text has a < and somewhere behind it a >, which the service takes for HTML", 0, func(text string) bool { return !HasMarkup(text) })
	if markup := &asks[len(asks)-1]; !opens(literal) { // then it is in few records
		renders := markup.Keeps
		markup.Keeps = func(fields []string) bool { return !slices.ContainsFunc(fields, opens) || renders(fields) }
	}
	asks = append(asks, person.Limit{Code: person.CodeMarkup, Words: markdownWords, Keeps: valuesAreText(r.Content)})
	return asks
}

// opens reports whether there is something in a text with which markup could begin.
func opens(text string) bool { return strings.IndexByte(text, '<') >= 0 }

// check renders a text and looks at it.
func check(content engine.Template, fields []string, keeps func(text string) bool) bool {
	scratch := texts.Get().(*[]byte)
	defer texts.Put(scratch)
	*scratch = content.AppendText((*scratch)[:0], fields)
	return keeps(string(*scratch))
}

// Characters counts a text as the service may: in UTF-16 units, which are never fewer than
// its Unicode characters. The contract does not say what it counts. Entities such as &amp;
// count as they are written.
func Characters(text string) (n int) {
	for _, r := range text {
		n += max(1, utf16.RuneLen(r))
	}
	return n
}

// HasMarkup reports whether a text matches <(.|\n)*?>, of which the service takes none.
func HasMarkup(text string) bool {
	open := strings.IndexByte(text, '<')
	return open >= 0 && strings.IndexByte(text[open:], '>') > 0
}
