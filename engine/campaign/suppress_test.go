package campaign

import (
	"strings"
	"testing"
)

func TestSuppressionLists(t *testing.T) {
	for sentence, test := range map[string]struct{ text, err string }{
		"one list":                          {"suppress:\n  - {file: dead.csv, reason: deceased_formal}\n", ""},
		"one that may shrink":               {"suppress:\n  - file: dead.csv\n    reason: deceased_formal\n    may_shrink: true\n    format: {type: csv, header: false}\n", ""},
		"one with rows that cannot be read": {"suppress:\n  - {file: dead.csv, reason: deceased_formal, unreadable: 4}\n", ""},
		"fewer than none of them":           {"suppress:\n  - {file: a, reason: x, unreadable: -1}\n", ":2: suppress[0].unreadable must be a number of rows"},
		"no file":                           {"suppress:\n  - {reason: deceased_formal}\n", ":1: suppress[0].file is missing"},
		"no reason":                         {"suppress:\n  - {file: a}\n", ":1: suppress[0].reason must be a reason code"},
		"a reason in words":                 {"suppress:\n  - {file: a, reason: Deceased}\n", ":2: suppress[0].reason must be a reason code"},
		"the same file twice":               {"suppress:\n  - {file: a, reason: x}\n  - {file: ./a, reason: y}\n", ":3: suppress[1].file is named twice"},
		"an unknown key in it":              {"suppress:\n  - {file: a, reason: x}\n  - {file: b, raeson: y}\n", ":3: unknown key suppress[1].raeson; allowed here: file, reason, may_shrink, unreadable, format"},
		"an unknown format":                 {"suppress:\n  - {file: a, reason: x, format: {type: xls}}\n", "suppress[0].format.type must be one of"},
		"a key of that name":                {"suppress[]: 1\n", "unknown key"},
	} {
		c, err := Parse([]byte(test.text+least), "/there/campaign.yaml")
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("%s: %v, and should say %q", sentence, err, test.err)
			}
			continue
		}
		if err != nil || len(c.Suppress) != 1 || c.Suppress[0].File != "/there/dead.csv" || c.Suppress[0].Reason != "deceased_formal" {
			t.Errorf("%s: %+v, %v", sentence, c, err)
		}
	}
}
