package ingest

import (
	"iter"

	"github.com/apache/arrow/go/v15/arrow/array"

	"cohort/ingest/person"
)

// Values yields only the first of Options.Fields, for each sendable record. It takes the place
// of Records. A value is valid until the next.
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
