package nhsapp

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"cohort/engine"
	"cohort/ingest/person"
)

const inWords, atLine, inText, inAddress, boldName, behindLink = "Dear ((v)), come to ((w)).", "Dear you,\n((v)) is ((w))", "[See ((v))](https://nhs.uk/x)", "[Book](https://nhs.uk/((v)))", "**((v))** and ((w))", "[x]((v)) ((w))"

// The place of a value decides which values are valid.
func TestValuesAreText(t *testing.T) {
	for _, test := range []struct {
		content, v, w string
		legal         bool
	}{
		{inWords, "Ann", "St. John's", true},
		{inWords, "O'Brien-Smith", "5*Star * Unit_A_B", true},
		{inWords, "Unit__A__B", "Ward **", true},
		{inWords, "1. Floor", "# 4", true},
		{inWords, "Ann (Nan) [sic]", "Room [2] (North)", true},
		{inWords, "- x", "+44 7700 900000", true},
		{inWords, "A&E; Smith & Jones", "O&#39;Brien", true},
		{inWords, "*Ann*", "_Ann_", true},
		{inWords, "https://www.nhs.uk/x", "a@example.org", true},
		{inWords, "1 High St\nLeeds\r\nLS1 4AP", "a < b", true},
		{inWords, "C:\\temp", "`x` ~y~ | z | > q", true},
		{inWords, "[Ann](https://evil.example)", "x", false},
		{inWords, "![Ann](https://evil.example)", "x", false},
		{inWords, "[Ann", "](https://evil.example)", false},
		{inWords, "&#91;Ann&#93;(https://evil.example)", "x", false},
		{inWords, "&lt;https://evil.example&gt;", "x", false},
		{inWords, "**Ann**", "x", false},
		{inWords, "__Ann__", "x", false},
		{inWords, "**Ann", "x**", false},
		{inWords, "Ann\n# Call us", "x", false},
		{inWords, "Ann\n* one\n* two", "x", false},
		{inWords, "Ann\r1. one", "x", false},
		{inWords, "Ann\n---\nBob", "x", false},
		{inWords, "Ann\n[x]: https://evil.example", "x", false},
		{inWords, "Room [2]\n(North)", "9:30 [note], x", true},
		{inWords, "x\n\n> [r]: http://evil.example\n\n[r]", "x", false},
		{inWords, "x\n\n[a\nb]: http://evil.example\n\nsee [a b]", "x", false},
		{inWords, "x\n\n[a\\]b]: http://evil.example\n\n[a\\]b]", "x", false},
		{inWords, "x\n\n> [a\n> b]&colon; http://evil.example", "x", false},
		{inWords, "[x] [nhs]", "x", false},
		{inWords, "Ann\n> # H", "x", false},
		{inWords, "Ann\n>>- H", "x", false},
		{inWords, "Ann\n> H", "x", true},
		{"((v))", "x\n\n[a\nb]: http://evil.example\n\nsee [a b]", "", false},
		{"[a\nb]((v))", ": http://evil.example", "", false},
		{"((v)) - come", ">", "", false},
		{"> ((v))", "# H", "", false},
		{"> # ((v))", "St. John's", "", true},
		{atLine, "> # H", "x", false},
		{atLine, "> 5", "x", true},
		{atLine, "1. Floor", "x", false},
		{atLine, "12) Floor", "x", false},
		{atLine, "# 4", "x", false},
		{atLine, "  - x", "x", false},
		{atLine, "* Unit", "x", false},
		{atLine, "&#35; 4", "x", false},
		{atLine, "#4", "1. Floor", true},
		{atLine, "1.5 miles", "-5", true},
		{atLine, "2026-12-01", "x", true},
		{atLine, "-5 C", "+44 7700", true},
		{"Floor:\n((v))", "-", "", false},
		{"Floor:\n((v))", "===", "", false},
		{"Floor:\n((v))", "", "", true},
		{"- ((v))", "# 4", "", false},
		{"- ((v))", "x", "", true},
		{"1. ((v))\n2. ((w))", "x", "y", true},
		{"((v)). item", "3", "", true},
		{"((v)) - come", "Ann\n", "", false},
		{"## ((v))", "# 4", "", true},
		{inText, "St. John's (North)", "", true},
		{inText, "x](https://evil.example)[", "", false},
		{inText, "Room [2]", "", false},
		{inText, `Ann\`, "", false},
		{inAddress, "a?b=c&d=e", "", true},
		{inAddress, "a b", "", false},
		{inAddress, "x)[y](https://evil.example", "", false},
		{"[Book](https://nhs.uk \"for ((v))\")", "Ann O'Brien", "", true},
		{"[Book](https://nhs.uk \"for ((v))\")", `"Ann"`, "", false},
		{"((v))[Book](https://nhs.uk)", "Hello", "", true},
		{"((v))[Book](https://nhs.uk)", "Hello!", "", false},
		{behindLink, "(https://evil.example)", "", false},
		{behindLink, "Leeds (North)", "x", true},
		{boldName, "Ann", "**", true},
		{boldName, "Ann*", "x", false},
		{boldName, "a** b **c", "x", false},
	} {
		fields := []string{"v", "w"}
		content, err := engine.CompileTemplate(test.content, fields)
		if err != nil {
			t.Fatal(err)
		}
		for _, limit := range (Route{Content: content}).asks() {
			if limit.Code != person.CodeMarkup || strings.Contains(limit.Words, "HTML") {
				continue
			}
			if legal := limit.Keeps([]string{test.v, test.w}); legal != test.legal {
				t.Errorf("%q with %q and %q: legal is %v", test.content, test.v, test.w, legal)
			}
		}
	}
}

// A value passes without its message only when it would pass with it. The text of the message itself
// never makes a record invalid.
func TestMarkdownIsFoundEverywhere(t *testing.T) {
	piece := rapid.SampledFrom([]string{"[", "]", "(", ")", "](", "*", "**", "_", "__", "# ", "- ", "1", ". ", "\n", "\\", "!", "&#91;", "<a:b>", "=", "a", " ", "é", "+ ", ":", ">"})
	text := rapid.Custom(func(t *rapid.T) string {
		return strings.ReplaceAll(strings.Join(rapid.SliceOfN(piece, 0, 6).Draw(t, "pieces"), ""), "((", "( ")
	})
	rapid.Check(t, func(t *rapid.T) {
		content, err := engine.CompileTemplate(text.Draw(t, "a")+" ((v)) "+text.Draw(t, "b")+"((w))"+text.Draw(t, "c"), []string{"v", "w"})
		if err != nil {
			t.Skip()
		}
		keeps := valuesAreText(content)
		fields := []string{text.Draw(t, "v"), text.Draw(t, "w")}
		if keeps(fields) && marked(content.AppendTraced(nil, nil, fields)) {
			t.Errorf("%q in %q passes without a look", fields, content.Literal())
		}
		if !keeps([]string{"Ann", "Leeds"}) {
			t.Errorf("the message's own Markdown is held against a record: %q", content.Literal())
		}
	})
}
