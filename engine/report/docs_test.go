package report

import (
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"cohort/ingest/person"
)

func TestTheReportPageHasEveryColumnAndOutcome(t *testing.T) {
	page, err := os.ReadFile("../../docs/report.md")
	if err != nil {
		t.Fatal(err)
	}
	words := []string{}
	for _, columns := range []reflect.Type{reflect.TypeFor[row](), reflect.TypeFor[channelRow]()} {
		for i := range columns.NumField() {
			name, _, _ := strings.Cut(columns.Field(i).Tag.Get("parquet"), ",")
			words = append(words, name)
		}
	}
	if !strings.Contains(string(page), "`"+UnreachedHeader+"`") {
		t.Errorf("docs/report.md does not have the columns %s", UnreachedHeader)
	}
	for _, fate := range person.Fates {
		words = append(words, string(fate))
	}
	for _, word := range words {
		if !regexp.MustCompile("(?m)^\\| [^|]*`" + word + "`").Match(page) {
			t.Errorf("docs/report.md has no row of a table for %s", word)
		}
	}
}
