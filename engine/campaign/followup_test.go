package campaign

import (
	"reflect"
	"strings"
	"testing"
	"time"
)

func TestFollowUps(t *testing.T) {
	c := parse(t, with(`followup:
  - {name: sms, after: 24h, unless: [read, delivered], known: 40%, not_after: day, by: more/sms.yaml}
  - {name: letter, by: /letters/letter.yaml}
`))
	rule := c.FollowUps[0]
	want := FollowUp{"sms", 24 * time.Hour, []string{"read", "delivered"}, 0.4, "day", "/campaigns/more/sms.yaml"}
	if !strings.HasSuffix(rule.By, "/more/sms.yaml") {
		t.Fatalf("%+v", rule)
	}
	if want.By = rule.By; !reflect.DeepEqual(rule, want) {
		t.Errorf("%+v", rule)
	}
	if rule = c.FollowUps[1]; rule.By != "/letters/letter.yaml" || rule.After != 0 || rule.Known != 0.5 {
		t.Errorf("%+v", rule)
	}
	var frozen []string
	for _, s := range c.Frozen() {
		if strings.HasPrefix(s.Key, "followup.") {
			frozen = append(frozen, s.Key+": "+s.Value)
		}
	}
	if got := strings.Join(frozen, "\n"); got != `followup.letter: after 0s, unless , known 50%, not_after "", by "../letters/letter.yaml"`+"\n"+`followup.sms: after 24h0m0s, unless read or delivered, known 40%, not_after day, by "more/sms.yaml"` {
		t.Error(got)
	}
	for rules, says := range map[string]string{
		"[{by: a.yaml}]":                                          "followup[0].name must be a name",
		"[{name: A B, by: a.yaml}]":                               "followup[0].name must be a name",
		"[{name: a, by: a.yaml}, {name: a, by: b.yaml}]":          "followup[1].name is named twice: a",
		"[{name: a}]":                                             "followup[0].by is missing",
		"[{name: a, by: campaign.yaml}]":                          "followup[0].by names this campaign file itself",
		"[{name: a, by: a.yaml, unless: [opened]}]":               "followup[0].unless may list read and delivered",
		"[{name: a, by: a.yaml, known: 20%}]":                     "followup[0].known has no meaning without unless",
		"[{name: a, by: a.yaml, after: soon}]":                    "followup[0].after must be a duration",
		"[{name: a, by: a.yaml, unless: [read], known: \"0.5\"}]": "followup[0].known must be a percentage",
	} {
		if _, err := Parse([]byte(with("followup: "+rules+"\n")), path); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", rules, err)
		}
	}
}
