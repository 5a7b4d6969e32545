package person_test

import (
	"strings"
	"testing"
	"unicode"

	"pgregory.net/rapid"

	"cohort/ingest/person"
)

func TestHasControl(t *testing.T) {
	for sentence, test := range map[string]struct {
		text string
		want bool
	}{
		"nothing":                     {"", false},
		"a name":                      {"Siân O'Brien-Smith", false},
		"a tab":                       {"a\tb", false},
		"two lines":                   {"1 High St\r\nLeeds", false},
		"another script":              {"אברהם محمد 李", false},
		"the marks of another script": {"a\u200eb\u200f\u200d", false},
		"an escape":                   {"Ann\x1b[31m", true},
		"a bell at the end":           {"a long enough name\a", true},
		"a vertical tab":              {"a\vb", true},
		"a delete":                    {"twelve chars\x7f", true},
		"a C1 control":                {"O\u0092Brien", true},
		"a next line":                 {"a\u0085b", true},
		"a line separator":            {"a\u2028b", true},
		"a paragraph separator":       {"a\u2029b", true},
		"an override":                 {"a\u202eb", true},
		"an isolate":                  {"\u2067a", true},
		"a hyphen beside them":        {"a\u2027b\u202fc\u2065d\u206a", false},
	} {
		if got := person.HasControl(test.text); got != test.want || person.HasControl([]byte(test.text)) != test.want {
			t.Errorf("%s: %v", sentence, got)
		}
	}
}

// Eight bytes at once find what one rune after another finds, wherever it stands.
func TestHasControlIsTheRuleWrittenPlainly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOfN(rapid.RuneFrom([]rune("ab é~\x7f\x80\x9f\u2027\u2028\u202e\u202f\u2066\u206a\x1f \t\r\n"), unicode.Latin), 0, 40, -1).Draw(t, "text")
		want := strings.ContainsFunc(text, func(r rune) bool {
			return unicode.Is(unicode.Cc, r) && !strings.ContainsRune("\t\r\n", r) || strings.ContainsRune("\u2028\u2029\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069", r)
		})
		if got := person.HasControl(text); got != want {
			t.Errorf("%q: %v", text, got)
		}
	})
}
