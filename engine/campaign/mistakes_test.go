package campaign

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Mistakes that people make, and the sentence that each of them reads.
func TestEachMistakeHasAPlainSentence(t *testing.T) {
	const yamlFile = `; a campaign file is YAML, made of lines such as "campaign: my-campaign"`
	for _, test := range []struct{ text, says string }{
		// the file is something else
		{"", "the campaign file is empty"},
		{"nhs_number,given_name\n9990000018,Ann\n", "1: this looks like a CSV file, perhaps the cohort" + yamlFile},
		{"{\"nhs_number\": \"9990000018\"}\n{\"nhs_number\": \"9990000026\"}\n", "1: this is JSON, and not a campaign" + yamlFile},
		{"[]", "1: this is JSON, and not a campaign" + yamlFile},
		{"<html><head>\n<title>a: b</title>\n", "1: this is an HTML or XML page" + yamlFile},
		{"\xff\xfec\x00a\x00", "1: this file is in UTF-16: save it as UTF-8" + yamlFile},
		{"PAR1\x00\x15", "1: this is not a text file" + yamlFile},
		{"campaign = a\nprofile = b\n", "1: a campaign file is YAML, made of lines such as \"campaign: my-campaign\""},

		// tabs, indentation, spaces
		{"campaign: a\npace:\n\twindow: 06:00-22:00\n", "3: the line begins with a tab; use spaces"},
		{"campaign: a\npace:\n  window: 06:00-22:00\n\tper_second: 5\n", "4: the line begins with a tab; use spaces"},
		{"campaign: a\npace:\n    window: 06:00-22:00\n  per_second: 5\n", "4: the line is indented differently from the lines above"},
		{"campaign: a\npace:\n  window: 06:00-22:00\n    per_second: 5\n", "3: the next line is indented deeper, but this line has a value already"},
		{"campaign: a\nsuppress:\n  - file: a\n   reason: b\n", "4: the line is indented differently from the lines above"},
		{"campaign: a\nsuppress:\n  file: a\n  - file: c\n", "4: a list item cannot follow a key of the same section; look at the indentation"},
		{"campaign: a\nsuppress: - file: a\n", "2: a list begins on the next line, or is written in brackets: [a, b]"},
		{"campaign: a\npace:5\nprofile: test\n", "2: there must be a space behind the colon"},
		{"campaign: a\nprofile test\n", "2: the line has no colon; write key: value"},

		// quotes and brackets
		{"campaign: \"a\npace: 5\n", "1: the quote that opens here is not closed"},
		{"campaign: a\non_halt: [a, b\npace: 5\n", "3: a square bracket above or here has no partner: write [a, b]"},
		{"campaign: a\npace: {window: x\nsink: y\n", "3: a curly bracket above or here has no partner: write {key: value}"},
		{"campaign: a\npersonalisation:\n  b: Note: come\n", "3: a text with a colon needs quotes"},
		{"campaign: a\npersonalisation:\n  b: @name\n", "3: a text that begins with @ needs quotes"},
		{"campaign: a\npersonalisation:\n  b: {{name}}\n", "3: a text that begins with { needs quotes"},
		{
			"campaign: a\npersonalisation:\n  b: *name\n",
			"3: personalisation.b holds a YAML anchor (&), alias (*) or tag (!); write the value itself, or put a text in quotes",
		},
		{"campaign: a\npersonalisation:\n  b: \"x\" y\n", "3: there is a text behind the closing quote or bracket; put the whole value in quotes"},
		{"campaign: a\npersonalisation:\n  b: \"x\\q\"\n", "3: a backslash in double quotes is special: write \\\\, or use single quotes"},
		{"campaign: a\nx: [a,,b]\n", "2: this cannot be read as YAML; look at the quotes, brackets and indentation of this line and the line above"},

		// keys
		{"campaign: a\nprofile: test\nprofile: test\n", "3: the key \"profile\" is written twice; it is on line 2 already"},
		{
			"campaign: a\npace: {per_secnod: 5}\n",
			"2: unknown key pace.per_secnod; allowed here: messages, window, timezone, per_second, spread, catch_up, last_call, until, share, weight, lane, quota",
		},
		{"campaign: a\nphases: b\n", "2: phases is not yet supported by this version of cohort; take it out"},
		{"campaign: a\nsuppress: [{file: x}]\n", "2: suppress[0].reason is missing; say why these people are left out, such as deceased_formal or opted_out"},

		// values of the wrong type
		{"campaign: a\npace: {per_second: fast}\n", "2: pace.per_second must be a number, not \"fast\""},
		{"campaign: a\npace: {per_second: \"5,000\"}\n", "2: pace.per_second must be a number, not \"5,000\""},
		{"campaign: a\nstop_if: {of: many}\n", "2: stop_if.of must be a whole number, not \"many\""},
		{"campaign: a\npace: {spread: ja}\n", "2: pace.spread must be true or false, not \"ja\""},
		{"campaign: a\non_halt: /bin/true\n", "2: on_halt must be a list, such as [\"/bin/true\"], not \"/bin/true\""},
		{"campaign: a\nsuppress: {file: a}\n", "2: suppress must be a list, not a section with keys"},
		{"campaign: a\nreach: gp\n", "2: reach must be a section with keys (practice), not \"gp\""},
		{"campaign: a\npersonalisation: Dear\n", "2: personalisation must be a section with a name and a value on each line, not \"Dear\""},
		{"campaign: [a]\n", "1: campaign must be a text, not a list"},
		{"campaign: a\nregister: {a: b}\n", "2: register must be a text or a list of texts, not a section with keys"},
		{"campaign: a\ncohort: {duplicates: {latest_by: }}\n", "2: cohort.duplicates must be first, last, or {latest_by: column}, not a section with keys"},
	} {
		want := "campaign.yaml:" + test.says
		if test.text == "" {
			want = "campaign.yaml: " + test.says
		}
		if _, err := Parse([]byte(test.text), path); err == nil || err.Error() != want {
			t.Errorf("%q:\ngot  %v\nwant %s", test.text, err, want)
		}
	}
	dir := t.TempDir()
	must(t, os.WriteFile(filepath.Join(dir, "x"), nil, 0o600))
	want := "the campaign file cannot be read: " + dir + " is a folder; name the campaign file in it, such as " + dir + "/campaign.yaml"
	if _, err := Load(dir); err == nil || err.Error() != want {
		t.Errorf("a folder: %v", err)
	}
}

func TestStopIfThatIsSwitchedOffIsWarnedAbout(t *testing.T) {
	const off = " switches stop_if off: the run goes on however many messages are refused"
	for lines, want := range map[string]string{
		"stop_if: {of: 0}":         "campaign.yaml:1: stop_if.of" + off,
		"stop_if: {refused: 100%}": "campaign.yaml:1: stop_if.refused" + off,
		"stop_if: {refused: 99%}":  "",
		"profile: test":            "",
	} {
		if got := strings.Join(parse(t, with(lines)).Warnings(), "; "); got != want {
			t.Errorf("%s: %q", lines, got)
		}
	}
}
