package ingest

import (
	"iter"

	"github.com/apache/arrow/go/v15/arrow/array"

	"cohort/ingest/person"
)

// Values is Records for who wants to know only what stands in the first of Options.Fields:
// its value in each record that could be sent. A value lasts until the next.
func (d *Reader) Values() iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		for batch, err := range d.Records() {
			if err != nil {
				yield("", err)
				return
			}
			values := batch.Column(person.FirstField).(*array.String)
			for i := range values.Len() {
				if values.IsValid(i) && !yield(values.Value(i), nil) {
					return
				}
			}
		}
	}
}
