package ingest

import (
	"strings"
	"testing"

	"cohort/ingest/person"
)

func TestProfileGuardsTheNumberRange(t *testing.T) {
	const file = "nhs_number\n9990000018\n4505577104\n"
	for _, c := range []struct {
		name                    string
		only                    Range
		sendable, test, invalid int64
	}{
		{"without a profile both may be sent to", AnyNumber, 2, 1, 0},
		{"profile test takes test patients only", TestNumbers, 1, 1, 1},
		{"profile production takes no test patients", RealNumbers, 1, 0, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, err := NewReader(strings.NewReader(file), "f.csv", Options{Only: c.only})
			if err != nil {
				t.Fatal(err)
			}
			for _, err := range r.Records() {
				if err != nil {
					t.Fatal(err)
				}
			}
			s := r.Summary()
			if s.Sendable != c.sendable || s.Test != c.test || s.Invalid != c.invalid {
				t.Errorf("sendable %d, test %d, invalid %d", s.Sendable, s.Test, s.Invalid)
			}
			if c.invalid > 0 && s.Reasons[0].Code != person.CodeTestNumber {
				t.Errorf("reason %s", s.Reasons[0].Code)
			}
		})
	}
}
