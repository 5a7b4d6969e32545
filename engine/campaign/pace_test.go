package campaign

import (
	"errors"
	"math"
	"strings"
	"testing"
	"time"
)

func TestPace(t *testing.T) {
	for sentence, test := range map[string]struct {
		lines string
		want  Pace // Location apart
		even  float64
		wrong string
	}{
		"absent: the national window":         {"", Pace{Messages: 3_400_000, Window: &Hours{360, 1320}, LastCall: time.Minute}, 59.0278, ""},
		"empty: the national window":          {"pace:", Pace{Messages: 3_400_000, Window: &Hours{360, 1320}, LastCall: time.Minute}, 59.0278, ""},
		"given without a window: any time":    {"pace: {per_second: 5}", Pace{Messages: 3_400_000, PerSecond: 5, LastCall: time.Minute}, 5, ""},
		"no window and no rate: no limit":     {"pace: {per_second: 0}", Pace{Messages: 3_400_000, LastCall: time.Minute}, 0, ""},
		"a window alone":                      {"pace: {window: \"08:00-09:00\"}", Pace{Messages: 3_400_000, Window: &Hours{480, 540}, LastCall: time.Minute}, 944.4444, ""},
		"a window and its messages":           {"pace: {window: \"08:00-09:00\", messages: 3600}", Pace{Messages: 3600, Window: &Hours{480, 540}, LastCall: time.Minute}, 1, ""},
		"a ceiling below the even rate":       {"pace: {window: \"08:00-09:00\", messages: 3600, per_second: 0.5}", Pace{Messages: 3600, PerSecond: 0.5, Window: &Hours{480, 540}, LastCall: time.Minute}, 0.5, ""},
		"a ceiling above the even rate":       {"pace: {window: \"08:00-09:00\", messages: 3600, per_second: 5}", Pace{Messages: 3600, PerSecond: 5, Window: &Hours{480, 540}, LastCall: time.Minute}, 1, ""},
		"over midnight":                       {"pace: {window: \"22:00-06:00\", messages: 28800}", Pace{Messages: 28800, Window: &Hours{1320, 360}, LastCall: time.Minute}, 1, ""},
		"to midnight":                         {"pace: {window: \"00:00-24:00\", messages: 86400}", Pace{Messages: 86400, Window: &Hours{0, 1440}, LastCall: time.Minute}, 1, ""},
		"no last call":                        {"pace: {last_call: 0s}", Pace{Messages: 3_400_000}, 0, ""},
		"messages without a window":           {"pace: {messages: 5}", Pace{}, 0, "pace.messages is the capacity of a window"},
		"no messages":                         {"pace: {window: \"08:00-09:00\", messages: 0}", Pace{}, 0, "pace.messages must be at least 1; it is 0"},
		"a window of nothing":                 {"pace: {window: \"08:00-08:00\"}", Pace{}, 0, "pace.window must be two different times"},
		"a window from midnight's other name": {"pace: {window: \"24:00-06:00\"}", Pace{}, 0, "pace.window must be two different times"},
		"a window beyond the day":             {"pace: {window: \"08:00-24:01\"}", Pace{}, 0, "pace.window must be two different times"},
		"an hour of sixty minutes":            {"pace: {window: \"08:60-09:00\"}", Pace{}, 0, "pace.window must be two different times"},
		"a window without its noughts":        {"pace: {window: \"8:00-9:00\"}", Pace{}, 0, "pace.window must be two times of day"},
		"a window of one time":                {"pace: {window: \"08:00\"}", Pace{}, 0, "pace.window must be two times of day"},
		"a zone that there is not":            {"pace: {timezone: Europe/Leeds}", Pace{}, 0, "pace.timezone must be the name"},
		"this machine's own zone":             {"pace: {timezone: Local}", Pace{}, 0, "pace.timezone must be the name"},
		"a zone of no name":                   {"pace: {timezone: \"\"}", Pace{}, 0, "pace.timezone must be the name"},
		"a rate below none":                   {"pace: {per_second: -1}", Pace{}, 0, "pace.per_second must be"},
		"a rate that is no number":            {"pace: {per_second: .nan}", Pace{}, 0, "pace.per_second must be"},
		"a rate without end":                  {"pace: {per_second: .inf}", Pace{}, 0, "pace.per_second must be"},
		"a last call below none":              {"pace: {last_call: -1s}", Pace{}, 0, "pace.last_call must be a duration"},
		"a last call as long as the window":   {"pace: {window: \"08:00-09:00\", last_call: 1h}", Pace{}, 0, "pace.last_call is as long as the window"},
		"to spread without a window":          {"pace: {spread: true}", Pace{}, 0, "pace.spread spreads the cohort over a window"},
		"to make up less than nothing":        {"pace: {catch_up: 0.5}", Pace{}, 0, "pace.catch_up must be between 1 and 100; 1 makes up no lost time; it is 0.5"},
		"an until that is no date":            {"pace: {until: tomorrow}", Pace{}, 0, "pace.until must be a date"},
		"an until of a day that there is not": {"pace: {until: 2026-02-30}", Pace{}, 0, "pace.until must be a date"},
	} {
		c, err := Parse([]byte(with(test.lines)), path)
		if test.wrong != "" {
			mistake := (*FileError)(nil)
			if !errors.As(err, &mistake) || mistake.Line != 1 || !strings.Contains(mistake.Problem, test.wrong) {
				t.Errorf("%s: %v", sentence, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", sentence, err)
			continue
		}
		p := c.Pace
		same := (p.Window == nil) == (test.want.Window == nil) && (p.Window == nil || *p.Window == *test.want.Window)
		if !same || p.Messages != test.want.Messages || p.PerSecond != test.want.PerSecond || p.LastCall != test.want.LastCall || p.Location.String() != "Europe/London" {
			t.Errorf("%s: got %+v, window %v", sentence, p, p.Window)
		}
		if math.Abs(p.EvenRate()-test.even) > 1e-4 {
			t.Errorf("%s: the even rate is %v", sentence, p.EvenRate())
		}
	}
}

// The day that until names still counts, by the clock of the campaign's zone.
func TestUntil(t *testing.T) {
	for sentence, test := range map[string]struct{ lines, want string }{
		"in winter":                {"pace: {until: 2026-12-01}", "2026-12-02T00:00:00Z"},
		"in summer":                {"pace: {until: 2026-06-30}", "2026-06-30T23:00:00Z"},
		"on the day of the change": {"pace: {until: 2026-10-25}", "2026-10-26T00:00:00Z"},
		"on the day before it":     {"pace: {until: 2026-10-24}", "2026-10-24T23:00:00Z"},
		"in another zone":          {"pace: {until: 2026-12-01, timezone: Asia/Tokyo}", "2026-12-01T15:00:00Z"},
		"quoted":                   {"pace: {until: \"2026-12-31\"}", "2027-01-01T00:00:00Z"},
	} {
		if got := parse(t, with(test.lines)).Pace.Until.UTC().Format(time.RFC3339); got != test.want {
			t.Errorf("%s: nothing is sent from %s on, want %s", sentence, got, test.want)
		}
	}
}

func TestSharesThatCannotBe(t *testing.T) {
	for text, says := range map[string]string{
		"share: App Key":              "pace.share may have only a-z, 0-9 and hyphens",
		"share: \"\"":                 "pace.share may have only a-z, 0-9 and hyphens",
		"share: a, weight: 0":         "pace.weight must be between 1 and 1000",
		"share: a, lane: express":     "pace.lane must be bulk or urgent",
		"share: a, quota: 0":          "pace.quota must be between 1 and 600000 requests a minute",
		"weight: 2":                   "pace.weight is about the runs that share a key, and needs pace.share",
		"per_second: 1, lane: urgent": "pace.lane is about the runs that share a key, and needs pace.share",
	} {
		_, err := Parse([]byte(with("pace: {"+text+"}")), "/somewhere/campaign.yaml")
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", text, err)
		}
	}
	c, err := Parse([]byte(with("pace: {share: a}")), "/somewhere/campaign.yaml")
	if err != nil || c.Pace.Share != (Share{Name: "a", Weight: 1}) || c.Quota() != 1200 {
		t.Errorf("%+v, %v", c, err)
	}
}
