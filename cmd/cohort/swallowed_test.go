package main

import (
	"strings"
	"testing"

	"cohort/engine/refusal"
)

// A flag without its value never takes the next flag as the value.
func TestAFlagIsNeverAValue(t *testing.T) {
	for line, flag := range map[string]string{
		"send -c campaign.yaml cohort.csv --send-again --simulate":      "--send-again has no value: --simulate ",
		"send -c campaign.yaml cohort.csv --run --simulate":             "--run has no value: --simulate ",
		"send cohort.csv --simulate --runs -c":                          "--runs has no value: -c ",
		"reconcile run --resend-in-doubt --dry-run":                     "--resend-in-doubt has no value: --dry-run ",
		"decide run refused again --code --dry-run":                     "--code has no value: --dry-run ",
		"pause run --reason --help":                                     "--reason has no value: --help ",
		"check -c --json=true cohort.csv":                               "--campaign has no value: --json=true ",
		"decide run held replay --reason --allow-network-folder":        "--reason has no value: --allow-network-folder ",
		"generate -n 5 -o --bad":                                        "--output has no value: --bad ",
		"reconcile nowhere --resend-in-doubt \"-- nobody answered --\"": "",
		"check -c campaign.yaml - --rejects -":                          "",
	} {
		var words []string
		for i, part := range strings.Split(line, "\"") {
			if i%2 == 1 {
				words = append(words, part)
			} else {
				words = append(words, strings.Fields(part)...)
			}
		}
		root := rootCommand()
		root.SetArgs(words)
		root.SetOut(new(strings.Builder))
		root.SetErr(new(strings.Builder))
		err := root.ExecuteContext(t.Context())
		if refusal.Code(err) == "" || (refusal.Code(err) == "flag_without_value") != (flag != "") || !strings.Contains(err.Error(), flag) {
			t.Errorf("%s: %v", line, err)
		}
	}
}
