package campaign

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A name in the brackets of another program, or in one bracket, is no words when it is a
// column's.
func TestWordsThatShouldHaveBeenFilledIn(t *testing.T) {
	for sentence, test := range map[string]struct {
		words   string
		mistake string // nothing: it is words
	}{
		"the right form":            {"Dear ((given_name))", ""},
		"the right form, spaced":    {"Dear (( given_name ))", ""},
		"in brackets of its own":    {"( ((given_name)) )", ""},
		"two braces":                {"Dear {{given_name}}", `has "{{given_name}}", which would be sent unchanged; write ((given_name))`},
		"two braces, spaced":        {"Dear {{ given_name }}", "write ((given_name))"},
		"a brace":                   {"Dear {given_name}", "write ((given_name))"},
		"a dollar and a brace":      {"Dear ${given_name}", "write ((given_name))"},
		"one bracket":               {"Dear (given_name)", "write ((given_name))"},
		"square brackets":           {"Dear [[given_name]]", "write ((given_name))"},
		"angles":                    {"Dear <<given_name>>", "write ((given_name))"},
		"one angle":                 {"Dear <given_name>", "write ((given_name))"},
		"a mail merge":              {"Dear «given_name»", "write ((given_name))"},
		"other letters":             {"Dear {{Given_Name}}", "write ((given_name))"},
		"a header":                  {"Dear {{First Name}}", "write ((First Name))"},
		"a column of the campaign":  {"Dear {{clinic}}", "write ((clinic))"},
		"behind a placeholder":      {"Dear ((given_name)) {{clinic}}", "write ((clinic))"},
		"around a placeholder":      {"{ ((given_name)) clinic }", ""},
		"no column":                 {"call {{us}} (now) [[here]] <b>", ""},
		"a column in square braces": {"[clinic](https://nhs.uk)", ""},
		"a control character":       {`Dear \u001b x`, "has a control character"},
		"an override":               {`Dear \u202e x`, "has a control character"},
		"two lines and a tab":       {`Dear\n\tx`, ""},
	} {
		file := with("cohort: {columns: {clinic: Clinic}}\nprofile: test\npersonalisation:\n  body: \"" + test.words + `"`)
		columns := []string{"given_name", "First Name"}
		switch err := parse(t, file).CheckWords(columns); {
		case test.mistake == "" && err != nil:
			t.Errorf("%s: %v", sentence, err)
		case test.mistake != "" && (err == nil || !strings.HasPrefix(err.Error(), "campaign.yaml:4: personalisation.body ") || !strings.Contains(err.Error(), test.mistake)):
			t.Errorf("%s: %v", sentence, err)
		}
		if err := parse(t, "content: {literal: true}\n"+file).CheckWords(columns); err != nil != strings.Contains(test.mistake, "control") {
			t.Errorf("%s, literal: %v", sentence, err)
		}
	}
}

// Every place for words is looked at.
func TestWordsAreLookedAtWhereverTheyStand(t *testing.T) {
	app := filepath.Join(t.TempDir(), "message.md")
	must(t, os.WriteFile(app, []byte("Dear {{name}}"), 0o600))
	inApp := strings.Replace(inApp, "message.md", app, 1)
	for key, file := range map[string]string{
		"sink.notify.billing_reference":   with("    billing_reference: \"{{name}}\""),
		"route[0].personalisation.body":   with("route:\n  - {name: a, personalisation: {body: \"{{name}}\"}}"),
		"sink.nhsapp.in_app.content_file": inApp,
	} {
		if err := parse(t, file).CheckWords([]string{"name"}); err == nil || !strings.Contains(err.Error(), key+" has") {
			t.Errorf("%s: %v", key, err)
		}
	}
}
