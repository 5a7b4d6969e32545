package campaign

import (
	"strings"
	"testing"
)

func TestMistakesInHeadingsAndKeptColumns(t *testing.T) {
	for lines, want := range map[string]string{
		"series: Bowel Screening":              "1: series may have only a-z, 0-9 and hyphens, at most 64 of them; it is \"Bowel Screening\"",
		"series:":                              "1: series may have only a-z",
		"title: ' '":                           "1: title must be one line of at most 200 characters",
		"title: \"a\\nb\"":                     "1: title must be one line",
		"title: " + strings.Repeat("é", 201):   "1: title must be one line",
		"purpose: {owner: a}":                  "1: purpose needs a text that says why the messages are sent",
		"purpose:":                             "1: purpose needs a text",
		"purpose: screening":                   "1: purpose must be",
		"purpose: {txt: a}":                    "1: unknown key purpose.txt; allowed here: text, owner, basis",
		"keep_columns: icb":                    "1: keep_columns must be a list",
		"keep_columns:":                        "1: keep_columns must list columns of the cohort, such as [icb, clinic]",
		"keep_columns: ['']":                   "1: keep_columns must list columns of the cohort",
		"keep_columns: ['icb ']":               "1: keep_columns must list columns of the cohort, such as [icb, clinic]; \"icb \" is no name",
		"keep_columns: [icb, clinic, ICB]":     "1: keep_columns names ICB twice",
		"keep_columns: [nhs_number]":           "1: keep_columns names nhs_number, a column of NHS numbers; name columns that put people into groups",
		"keep_columns: [\"Mother's NHS No.\"]": "1: keep_columns names Mother's NHS No., a column of NHS numbers",
		"cohort: {superseded_by: newer}\nkeep_columns: [newer]":                          "2: keep_columns names newer, a column of NHS numbers",
		"cohort: {columns: {nhs_number: [Id, Person]}}\nkeep_columns: [icb, Person]":     "2: keep_columns names Person, a column of NHS numbers",
		"cohort: {columns: {nhs_number: Id, who: [a, Id]}}\nkeep_columns: [who]":         "2: keep_columns names who, a column of NHS numbers",
		"cohort: {superseded_by: n, columns: {n: Next, who: Next}}\nkeep_columns: [who]": "2: keep_columns names who, a column of NHS numbers",
	} {
		if _, err := Parse([]byte(with(lines)), path); err == nil || !strings.Contains(err.Error(), ":"+want) {
			t.Errorf("%s: %v", lines, err)
		}
	}
}

// The copy of a campaign file in a run's folder may be of a newer version, or name files that are gone.
func TestAHeadingIsReadFromAnyCampaignFile(t *testing.T) {
	want := Heading{Series: "s-1", Title: "A title", Purpose: Purpose{Text: "why"}}
	for _, text := range []string{
		"series: s-1\ntitle: A title\npurpose: {text: why}\n",
		"campaign: a\nnewer: {x: [1]}\nseries: s-1\npurpose: {text: why, since: 2031}\ntitle: A title\n",
	} {
		if got := HeadingOf([]byte(text)); got != want {
			t.Errorf("%+v of\n%s", got, text)
		}
	}
	if got := HeadingOf([]byte("title: \"a\\e[31m\\nb\"")).Title; got != "a [31m b" {
		t.Errorf("a title of control characters is %q", got)
	}
	for _, text := range []string{"", "series: [", "- a", "series: {a: b}"} {
		if got := HeadingOf([]byte(text)); got != (Heading{}) {
			t.Errorf("%+v of\n%s", got, text)
		}
	}
}

// Kept columns are in the spool that a run is sent from, so they are part of its plan.
func TestOnlyKeptColumnsAreFrozen(t *testing.T) {
	one, more := parse(t, with("keep_columns: [icb]\nseries: a\ntitle: b\npurpose: {text: c}")), parse(t, with("keep_columns: [icb, clinic]"))
	older := parse(t, least)
	if err := Compare(one.Frozen(), more.Frozen()); err == nil || !strings.Contains(err.Error(), `keep_columns is "icb, clinic" now and "icb" in the plan`) {
		t.Error(err)
	}
	if err := Compare(older.Frozen(), one.Frozen()); err == nil {
		t.Error("a plan without keep_columns got one")
	}
	if err := Compare(older.Frozen(), parse(t, with("series: a\ntitle: b\npurpose: {text: c}")).Frozen()); err != nil {
		t.Error(err)
	}
}
