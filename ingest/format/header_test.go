package format

import "testing"

func TestHeadingsOfEveryEditionAreOne(t *testing.T) {
	for _, pair := range [][2]string{{"Epsiode Type", "Episode Type"}, {"Screen or Asses", "Screen or Assess"}, {"Screen or Asses", "SCREEN OR ASSESS"}, {"BatchID", "Batch ID"}, {"NHS Num", "nhs_num"}} {
		if CanonicalName(pair[0]) != CanonicalName(pair[1]) {
			t.Errorf("%q is not %q", pair[0], pair[1])
		}
	}
	if CanonicalName("Episode Type") == CanonicalName("Episode Start") {
		t.Error("two headings are one")
	}
}
