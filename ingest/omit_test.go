package ingest_test

import (
	"strings"
	"testing"

	"github.com/apache/arrow/go/v15/arrow/array"

	"cohort/ingest"
	"cohort/ingest/person"
)

// Fields that are left empty are judged all the same.
func TestOmittedFieldsAreJudged(t *testing.T) {
	text := "nhs_number,name\n" + a + ",Ann\n" + b + ",Bob\n" + c + ",Z\x07oe\n" + c + ",too long a name\n" + c + ",\n"
	short := person.Limit{Code: "too_long", Words: "the name is long", Keeps: func(fields []string) bool { return len(fields[0]) < 10 }}
	r := must(ingest.NewReader(strings.NewReader(text), "c.csv", ingest.Options{
		Fields: []string{"name"}, Required: []string{"name"}, Limits: []person.Limit{short}, BatchRows: 1,
	}))
	var found []string
	for batch, err := range r.Records() {
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, batch.Column(person.ColumnCode).(*array.String).Value(0)+"|"+batch.Column(person.FirstField).(*array.String).Value(0))
		r.OmitFields()
	}
	if got := strings.Join(found, " "); got != "|Ann | message_has_control| too_long| empty_required|" || r.Summary().Sendable != 2 {
		t.Errorf("%q", got)
	}
}
