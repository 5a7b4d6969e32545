package ingest

import (
	"fmt"
	"iter"
	"slices"
	"strings"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"

	"cohort/ingest/format"
	"cohort/ingest/person"
)

// enoughKept is the number of values that tell what a column holds, before the cohort has ended.
const enoughKept = 1000

// keptValues counts the values of a kept column, and how many of them are NHS numbers.
type keptValues struct{ values, numbers int }

// lookAtKept returns an error if most values of a kept column are NHS numbers. record is nil at the end of the cohort.
func (d *Reader) lookAtKept(record arrow.Record) error {
	if d.kept == nil {
		d.kept = make([]keptValues, len(d.options.Keep))
	}
	for i, column := range d.options.Keep {
		k := &d.kept[i]
		if record != nil {
			at := person.FirstField + slices.Index(person.Texts(d.options.Fields, d.options.Keep), column)
			k.add(record.Column(at).(*array.String))
		}
		if 2*k.numbers > k.values && (record == nil || k.values >= enoughKept) {
			return &format.FileError{
				Line: 1, Problem: fmt.Sprintf("%s holds NHS numbers, and keep_columns names it: %d of its first %d values are valid NHS numbers", column, k.numbers, k.values),
				Fix: "keep columns that put people into groups, such as icb",
			}
		}
	}
	return nil
}

func (k *keptValues) add(values *array.String) {
	for row := range values.Len() {
		if text := values.Value(row); text != "" { // null is empty, too
			k.values++
			if _, err := person.ParseNHSNumber(text); err == nil {
				k.numbers++
			}
		}
	}
}

// Kept is what a cohort has of one record. Values are valid until the next record is read.
type Kept struct {
	File   int // 0-based index of the cohort's files
	Line   int64
	Values []string // of Options.Keep; nil: they cannot be told
}

// Kept yields the columns of Options.Keep for each record, in the order of rows. It takes the place of Records.
func (d *Reader) Kept() iter.Seq2[Kept, error] {
	return func(yield func(Kept, error) bool) {
		for batch, err := range d.Records() {
			if err != nil {
				yield(Kept{}, err)
				return
			}
			files, lines := batch.Column(person.ColumnFile).(*array.Uint16), batch.Column(person.ColumnLine).(*array.Int64)
			for row := range int(batch.NumRows()) {
				k := Kept{File: int(files.Value(row)), Line: lines.Value(row)}
				if batch.Column(person.ColumnNumber).IsValid(row) {
					k.Values = make([]string, len(d.options.Keep))
				}
				for i := range k.Values {
					text := batch.Column(person.FirstField + len(d.options.Fields) + i).(*array.String).Value(row)
					k.Values[i] = strings.TrimFunc(text, person.Invisible)
				}
				if !yield(k, nil) {
					return
				}
			}
		}
	}
}
