package intake

import (
	"bytes"
	"encoding/csv"
	"strings"

	"cohort/fixtures"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// numbers returns n NHS numbers of the range that was never issued.
func numbers(n int) (all []string) {
	var text bytes.Buffer
	must(fixtures.Cohort{People: n, Seed: 3}.WriteCSV(&text))
	for _, record := range must(csv.NewReader(&text).ReadAll())[1:] {
		all = append(all, strings.ReplaceAll(record[0], " ", ""))
	}
	return all
}
