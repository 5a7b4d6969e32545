package callbacks

import (
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// document is JSON that is read member by member. whole becomes false when something in it has no
// place in an event.
type document struct {
	gjson.Result
	whole *bool
}

// parse reads a document. Text that is not JSON becomes a document without members.
func parse(body []byte) document {
	whole := gjson.ValidBytes(body)
	if !whole {
		return document{gjson.Result{}, &whole}
	}
	return document{gjson.ParseBytes(body), &whole}
}

// get returns what is at a path; an empty document if there is nothing.
func (d document) get(path string) document { return document{d.Get(path), d.whole} }

// only names the members that an object may have, with spaces between the names. It includes members that
// nothing reads.
func (d document) only(names string) document {
	known := strings.Fields(names)
	*d.whole = *d.whole && (d.IsObject() || d.Type == gjson.Null)
	d.ForEach(func(name, _ gjson.Result) bool {
		*d.whole = *d.whole && slices.Contains(known, name.Str)
		return *d.whole
	})
	return d
}

// text returns the text at a path, without white space around it; empty if there is none.
func (d document) text(path string) string {
	v := d.Get(path)
	*d.whole = *d.whole && (v.Type == gjson.String || v.Type == gjson.Null)
	if v.Type != gjson.String {
		return ""
	}
	return strings.TrimSpace(v.Str)
}

// word returns a text in small letters.
func (d document) word(path string) string { return strings.ToLower(d.text(path)) }

// time returns the time at a path; zero if there is none.
func (d document) time(path string) time.Time {
	text := d.text(path)
	t, err := time.Parse(time.RFC3339, text)
	*d.whole = *d.whole && (err == nil || text == "")
	return t.UTC()
}
