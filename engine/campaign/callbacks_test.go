package campaign

import (
	"reflect"
	"strings"
	"testing"
)

func TestCallbacks(t *testing.T) {
	const sinkEnv = "campaign: a\nsink: {nhsapp: {base_url: https://a.nhs.uk, token_url: https://a.nhs.uk, api_key_env: KEY, key_id: b, private_key_file: c, requester_ods_code: X26, push: {display: d, reference: e}}}\n"
	const sinkFile = "campaign: a\nsink: {file: {mesh: {routing_plan_id: b838b13c-f98c-4def-93f0-515d4e4f4ee1}}}\n"
	for lines, want := range map[string]*Callbacks{
		least: nil,
		least + "callbacks: {application_id: app-1}": {
			ApplicationID: "app-1", APIKeyFile: "/somewhere/secrets/api-key", APIKeyHeader: "x-api-key",
		},
		least + "callbacks: {application_id: app-1, api_key_file: new, previous_api_key_file: old, api_key_header: X-Our-Key}": {
			ApplicationID: "app-1", APIKeyFile: "/somewhere/new", PreviousAPIKeyFile: "/somewhere/old", APIKeyHeader: "X-Our-Key",
		},
		sinkEnv + "callbacks: {application_id: app-1, client_ca_file: ca.pem, client_names: [a.nhs.uk, b]}": {
			ApplicationID: "app-1", APIKeyEnv: "KEY", APIKeyHeader: "x-api-key", ClientCAFile: "/somewhere/ca.pem", ClientNames: []string{"a.nhs.uk", "b"},
		},
		sinkFile + "callbacks: {client_ca_file: /ca.pem, client_names: [a]}": {
			APIKeyHeader: "x-api-key", ClientCAFile: "/ca.pem", ClientNames: []string{"a"},
		},
		sinkFile + "callbacks: {application_id: a, api_key_command: [./print, -n]}": {ApplicationID: "a", APIKeyCommand: []string{"/somewhere/print", "-n"}, APIKeyHeader: "x-api-key"},
		strings.Replace(sinkEnv, "api_key_env: KEY", "api_key_command: [vault, read]", 1) + "callbacks: {application_id: a}": {
			ApplicationID: "a", APIKeyCommand: []string{"vault", "read"}, APIKeyHeader: "x-api-key",
		},
		sinkFile + "callbacks: {application_id: a, api_key_file: /k}": {ApplicationID: "a", APIKeyFile: "/k", APIKeyHeader: "x-api-key"},
	} {
		c, err := Parse([]byte(lines), path)
		must(t, err)
		if !reflect.DeepEqual(c.Callbacks, want) {
			t.Errorf("%s\ngot  %+v\nwant %+v", lines, c.Callbacks, want)
		}
		for _, s := range c.Frozen() {
			if strings.HasPrefix(s.Key, "callbacks") {
				t.Errorf("%s is frozen", s.Key)
			}
		}
	}
	for lines, want := range map[string]string{
		"callbacks:":                                                            "1: callbacks needs application_id to check signatures, client_ca_file to check client certificates, or both",
		"callbacks: {api_key_file: a}":                                          "1: callbacks needs application_id to check signatures",
		"callbacks: {application_id: a, apikeyenv: b}":                          "1: unknown key callbacks.apikeyenv",
		"callbacks: {application: a}":                                           "1: unknown key callbacks.application; allowed here: application_id, api_key_file,",
		"callbacks: {application_id: \"a \"}":                                   "1: callbacks.application_id has white space",
		"callbacks: {client_ca_file: a, client_names: [b], api_key_file: c}":    "1: callbacks.api_key_file needs application_id beside it",
		"callbacks: {client_ca_file: a, client_names: [b], api_key_header: c}":  "1: callbacks.api_key_header needs application_id",
		"callbacks: {application_id: a, api_key_file: b, api_key_command: [c]}": "1: callbacks.api_key_command and api_key_file name two places of one secret",
		"callbacks: {client_ca_file: a}":                                        "1: callbacks needs client_ca_file and client_names together",
		"callbacks: {application_id: a, client_names: [b]}":                     "1: callbacks needs client_ca_file and client_names together",
		"callbacks: {client_ca_file: a, client_names: ['']}":                    "1: callbacks.client_names has an empty name",
		"callbacks: {client_ca_file: a, client_names: b}":                       "1: callbacks.client_names must be a list",
		"callbacks: {application_id: a, api_key_header: 'x api key'}":           "1: callbacks.api_key_header must be the name of an HTTP header, such as x-api-key, not \"x api key\"",
	} {
		if _, err := Parse([]byte(lines+"\n"+least), path); err == nil || !strings.Contains(err.Error(), ":"+want) {
			t.Errorf("%s: %v", lines, err)
		}
	}
	if _, err := Parse([]byte(sinkFile+"callbacks: {application_id: a}"), path); err == nil || !strings.Contains(err.Error(), ":3: callbacks needs api_key_file or api_key_command: the campaign's sink has no API key") {
		t.Error(err)
	}
}
