package campaign

import "testing"

func TestFilesOfSystemdCredentials(t *testing.T) {
	const text = "campaign: a\ncallbacks: {application_id: a, previous_api_key_file: $CREDENTIALS_DIRECTORY/old}\n" +
		"sink: {nhsapp: {base_url: https://a.nhs.uk, token_url: https://a.nhs.uk, api_key_file: $CREDENTIALS_DIRECTORY/api-key, key_id: b, private_key_file: CREDENTIALS_DIRECTORY/key, requester_ods_code: X26, push: {display: d, reference: e}}}\n"
	t.Setenv("CREDENTIALS_DIRECTORY", "/run/credentials/cohort@a.service")
	c := parse(t, text)
	if c.NHSApp.APIKeyFile != "/run/credentials/cohort@a.service/api-key" || c.Callbacks.PreviousAPIKeyFile != "/run/credentials/cohort@a.service/old" {
		t.Error(c.NHSApp.APIKeyFile, c.Callbacks.PreviousAPIKeyFile)
	}
	if c.NHSApp.PrivateKeyFile != "/somewhere/CREDENTIALS_DIRECTORY/key" {
		t.Errorf("a name without the sign of a variable is a folder beside the campaign, not %s", c.NHSApp.PrivateKeyFile)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	if c = parse(t, text); c.NHSApp.APIKeyFile != "$CREDENTIALS_DIRECTORY/api-key" {
		t.Errorf("a status of the run is refused, or reads %s", c.NHSApp.APIKeyFile)
	}
}
