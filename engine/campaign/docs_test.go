package campaign

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"cohort/engine/yamlfile"
)

// docs/campaign.md has a row for each key: | `key` | default | frozen or may change | meaning |
func documentedKeys(t *testing.T) (page string, frozen map[string]bool) {
	t.Helper()
	text, err := os.ReadFile("../../docs/campaign.md")
	if err != nil {
		t.Fatal(err)
	}
	frozen = map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z0-9_.*\\[\\]]+)` \\|[^|]*\\| (frozen|may change) \\|").FindAllStringSubmatch(string(text), -1) {
		frozen[row[1]] = row[2] == "frozen"
	}
	return string(text), frozen
}

// allKeys lists the paths of every key of a campaign file that is read into a value of type t.
func allKeys(t reflect.Type, path string) (all []string) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if choice, ok := reflect.Zero(t).Interface().(yamlfile.Either); ok {
		if choice.Section() == nil {
			return nil
		}
		t = reflect.TypeOf(choice.Section())
	}
	switch t.Kind() {
	case reflect.Slice:
		return allKeys(t.Elem(), path+"[]")
	case reflect.Map:
		return append(all, append([]string{path + ".*"}, allKeys(t.Elem(), path+".*")...)...)
	case reflect.Struct:
		names, types := yamlfile.KeysOf(t)
		for i, name := range names {
			key := strings.TrimPrefix(path+"."+name, ".")
			all = append(append(all, key), allKeys(types[i], key)...)
		}
	}
	return all
}

func TestEveryKeyIsInTheCampaignPage(t *testing.T) {
	_, rows := documentedKeys(t)
	knownKeys := allKeys(reflect.TypeFor[document](), "")
	if len(knownKeys) < 80 {
		t.Fatalf("only %d keys were found", len(knownKeys))
	}
	for _, key := range knownKeys {
		isSection := slices.ContainsFunc(knownKeys, func(k string) bool {
			return strings.HasPrefix(k, key+".") || strings.HasPrefix(k, key+"[")
		})
		if _, found := rows[key]; !found && !isSection {
			t.Errorf("docs/campaign.md has no row for %s", key)
		}
	}
	for key := range rows {
		if !slices.Contains(knownKeys, key) {
			t.Errorf("docs/campaign.md has %s, which is no key", key)
		}
	}
}

// Every whole example is a campaign file, and what it freezes is frozen by the campaign page.
func TestTheExamplesOfThePages(t *testing.T) {
	page, rows := documentedKeys(t)
	tutorial, err := os.ReadFile("../../docs/first-send.md")
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?s)```yaml\n(campaign: .*?)```").FindAllStringSubmatch(page+string(tutorial), -1)
	if len(examples) < 8 {
		t.Fatalf("the pages have %d examples", len(examples))
	}
	for _, example := range examples {
		c, err := Parse([]byte(example[1]), "/campaigns/docs.yaml")
		if err != nil {
			t.Errorf("%v in\n%s", err, example[1])
			continue
		}
		for _, setting := range c.Frozen() {
			key := setting.Key
			if isFrozen, found := rows[key]; found && !isFrozen && key != reservedNamesKey {
				t.Errorf("%s is frozen, and docs/campaign.md says that it may change", key)
			}
		}
	}
}
