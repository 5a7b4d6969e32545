package main

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"cohort/engine/campaign"
	"cohort/sinks"
)

// stores are the commands as the stores' own manuals have them, with the secret that each prints.
var stores = map[string]map[string]string{
	"aws": {
		"secretsmanager get-secret-value --secret-id cohort/int/api-key --query SecretString --output text":     "api-key",
		"secretsmanager get-secret-value --secret-id cohort/int/private-key --query SecretString --output text": "key.pem",
	},
	"az": {
		"keyvault secret show --vault-name cohort-int --name api-key --query value --output tsv":     "api-key",
		"keyvault secret show --vault-name cohort-int --name private-key --query value --output tsv": "key.pem",
	},
	"vault": {
		"kv get -mount=secret -field=api-key cohort/int":     "api-key",
		"kv get -mount=secret -field=private-key cohort/int": "key.pem",
	},
}

// Every recipe of the page gets both keys from a store that takes exactly the commands of its manual.
func TestTheRecipesForSecrets(t *testing.T) {
	w := &world{t: t, dir: t.TempDir()}
	w.write("api-key", "an-application\n")
	w.key("key.pem")
	for tool, commands := range stores {
		script := "#!/bin/sh\ncase \"$*\" in\n"
		for words, secret := range commands {
			script += "\"" + words + "\") exec /bin/cat " + w.path(secret) + " ;;\n"
		}
		w.write(tool, script+"esac\necho \"usage: "+tool+"\" >&2\nexit 252\n")
		if err := os.Chmod(w.path(tool), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("PATH", w.dir)
	t.Setenv("CREDENTIALS_DIRECTORY", w.dir)
	w.write("private-key", string(Must(os.ReadFile(w.path("key.pem")))))

	recipes := regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatch(pageText(t, "docs/secrets.md"), -1)
	if len(recipes) != 1+len(stores) {
		t.Fatalf("the page has %d recipes", len(recipes))
	}
	seen := map[string]bool{}
	for _, recipe := range recipes {
		file := "campaign: a\nsink:\n  notify:\n    base_url: https://a.nhs.uk\n    token_url: https://a.nhs.uk\n    key_id: int-1\n" +
			"    routing_plan_id: b838b13c-f98c-4def-93f0-515d4e4f4ee1\n" + recipe[1]
		c, err := campaign.Parse([]byte(file), filepath.Join(w.dir, "campaign.yaml"))
		if err != nil {
			t.Errorf("%v in\n%s", err, recipe[1])
			continue
		}
		if command := c.Access().APIKeyCommand; command != nil {
			seen[command[0]] = true
		}
		who := sinks.CredentialsOf(c)
		if key, err := who.APIKey(); key != "an-application" {
			t.Errorf("%v in\n%s", err, recipe[1])
		}
		if _, err := who.PublicKey(); err != nil {
			t.Errorf("%v in\n%s", err, recipe[1])
		}
	}
	if len(seen) != len(stores) {
		t.Errorf("the page has recipes for %v", seen)
	}
}
