package campaign

import (
	"strings"
	"testing"
)

func TestReservedNames(t *testing.T) {
	for _, test := range []struct {
		field, says string // nothing: it may be used
		checked     bool   // reserved_names: checked lets it pass
	}{
		{"firstName", "call it patient_first_name here and in the service's template", false},
		{"fullName", "call it patient_full_name", false},
		{"lastName", "call it patient_last_name", false},
		{"middleNames", "call it patient_middle_names", false},
		{"namePrefix", "call it patient_name_prefix", false},
		{"nameSuffix", "call it patient_name_suffix", false},
		{"nhsNumber", "call it patient_nhs_number", false},
		{"date", "call it appointment_date", false},
		{"emailAddress", "call it patient_email_address", false},
		{"phoneNumber", "call it patient_phone_number", false},
		{"clientRef", "call it patient_client_ref", false},
		{"recipientContactValue", "call it patient_recipient_contact_value", false},
		{"template", "call it patient_template", false},
		{"addressLine1", "call it patient_address_line_1", false},
		{"addressLine7", "call it patient_address_line_7", false},
		{"address_line_1", "call it patient_address_line_1", false},
		{"first_name", "resembles firstName, a name that NHS Notify reserves", true},
		{"First Name", "resembles firstName", true},
		{"FIRST-NAME", "set reserved_names: checked", true},
		{"Date", "call it appointment_date", true},
		{"e.mail address", "resembles emailAddress", true},
		{"Address_Line_3", "resembles addressLine3", true},
		{"patient_first_name", "", true},
		{"given_name", "", true},
		{"appointment_date", "", true},
		{"addressLine8", "", true},
		{"body", "", true},
	} {
		for what, file := range map[string]string{
			"a batch": with("profile: test\npersonalisation:\n  \"" + test.field + "\": x"),
			"MESH":    strings.Replace(upload, "{first: ", "\n  \""+test.field+"\": x\n  second: ", 1),
			"a route": with("route:\n  - name: a\n    personalisation: {\"" + test.field + "\": x}"),
		} {
			file = strings.ReplaceAll(file, "second: \"((given_name))\"}", "second: x")
			err := parse(t, file).CheckNames()
			if test.says == "" && err != nil || test.says != "" && (err == nil || !strings.Contains(err.Error(), "personalisation."+test.field+" ") || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), ":0:")) {
				t.Errorf("%s of %s: %v", test.field, what, err)
			}
			if err := parse(t, "reserved_names: checked\n"+file).CheckNames(); err == nil != test.checked {
				t.Errorf("%s of %s, checked: %v", test.field, what, err)
			}
		}
		brought := parse(t, least)
		brought.Personalisation = []Personalisation{{test.field, "((x))"}}
		if err := brought.CheckNames(); test.says != "" && (err == nil || !strings.Contains(err.Error(), "a column of the upload file")) {
			t.Errorf("%s, brought: %v", test.field, err)
		}
	}
}

// The service's own free-text plans have names of their own, however the plan is named, and
// letters go by no plan.
func TestNamesOfPlansThatEverybodyHasAreNotReserved(t *testing.T) {
	const field = "\npersonalisation: {firstName: x}\n"
	global := strings.Replace(least, "b838b13c-f98c-4def-93f0-515d4e4f4ee1", "00000000-0000-0000-0000-000000000003", 1)
	for what, file := range map[string]string{
		"a plan by its id": global + field,
		"an upload":        strings.Replace(strings.Replace(upload, "B838b13c-f98c-4def-93f0-515d4e4f4ee1", "00000000-0000-0000-0000-000000000001", 1), "first:", "firstName:", 1),
		"letters":          strings.Replace(letters, "greeting:", "firstName:", 1),
	} {
		file = strings.Replace(file, " greeting,", " firstName,", 1)
		if err := parse(t, file).CheckNames(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}
