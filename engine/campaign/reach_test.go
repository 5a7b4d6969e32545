package campaign

import (
	"strings"
	"testing"
)

func TestReach(t *testing.T) {
	for sentence, test := range map[string]struct{ text, err string }{
		"a column":                   {"reach: {practice: gp_ods_code}\n", ""},
		"nothing":                    {"reach:\n", ":1: reach needs the column of the cohort that holds the GP practice's ODS code"},
		"an empty column":            {"reach: {practice: ''}\n", ":1: reach needs the column"},
		"the NHS number":             {"reach: {practice: nhs_number}\n", "reach needs the column"},
		"the answer itself":          {"reach: {practice: nhs_app}\n", "reach needs the column"},
		"another key":                {"reach: {column: gp}\n", ":1: unknown key reach.column; allowed here: practice"},
		"a column of that name":      {"reach: {practice: gp_ods_code}\ncohort: {columns: {nhs_app: x}}\n", ":2: cohort.columns.nhs_app cannot be about nhs_app"},
		"a type of it":               {"reach: {practice: gp_ods_code}\ncohort: {types: {nhs_app: date}}\n", ":2: cohort.types.nhs_app cannot be"},
		"a default of it":            {"reach: {practice: gp_ods_code}\ncohort: {defaults: {nhs_app: x}}\n", ":2: cohort.defaults.nhs_app cannot be"},
		"a duty to have it":          {"reach: {practice: gp_ods_code}\ncohort: {required: [a, nhs_app]}\n", ":2: cohort.required cannot be about nhs_app"},
		"the latest by it":           {"reach: {practice: gp_ods_code}\ncohort: {duplicates: {latest_by: nhs_app}}\n", ":2: cohort.duplicates cannot be about nhs_app"},
		"superseded by it":           {"reach: {practice: gp_ods_code}\ncohort: {superseded_by: nhs_app}\n", ":2: cohort.superseded_by cannot be about nhs_app"},
		"the column without reach":   {"cohort: {required: [nhs_app], columns: {nhs_app: x}}\n", "none"},
		"the practice under aliases": {"reach: {practice: gp_ods_code}\ncohort: {columns: {gp_ods_code: [GP, Practice]}}\n", ""},
	} {
		c, err := Parse([]byte(test.text+least), path)
		switch {
		case test.err == "" && (err != nil || c.Reach == nil || c.Reach.Practice != "gp_ods_code"),
			test.err == "none" && (err != nil || c.Reach != nil),
			len(test.err) > 4 && (err == nil || !strings.Contains(err.Error(), test.err)):
			t.Errorf("%s: %v, and should say %q", sentence, err, test.err)
		}
	}
	_, err := Parse([]byte("campaign: a\nreach: {practice: gp}\nsink: {file: {mesh: {routing_plan_id: b838b13c-f98c-4def-93f0-515d4e4f4ee1}}}\n"), path)
	if err == nil || !strings.Contains(err.Error(), ":2: reach asks a service, and sink.file has none") {
		t.Errorf("files: %v", err)
	}
}
