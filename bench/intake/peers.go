package intake

import (
	"context"
	"encoding/csv"
	"io"
	"os"

	"github.com/apache/arrow/go/v15/arrow"
	"github.com/apache/arrow/go/v15/arrow/array"
	arrowcsv "github.com/apache/arrow/go/v15/arrow/csv"

	"cohort/ingest/person"
)

// encodingCSV is what everybody's loader does. It carries nothing and checks the number
// alone, which stands first.
func encodingCSV(ctx context.Context, t Task) (Counts, error) {
	return everybody(ctx, t.File, nil)
}

// encodingCSVMap counts the people besides.
func encodingCSVMap(ctx context.Context, t Task) (Counts, error) {
	people := map[person.NHSNumber]struct{}{}
	counts, err := everybody(ctx, t.File, people)
	if err == nil {
		counts[countPeople] = int64(len(people))
	}
	return counts, err
}

// everybody reads a file with encoding/csv and puts the people into a set unless it is
// nil.
func everybody(ctx context.Context, path string, people map[person.NHSNumber]struct{}) (Counts, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	r := csv.NewReader(f)
	r.ReuseRecord = true
	if _, err := r.Read(); err != nil { // the header
		return nil, err
	}
	records, valid := int64(0), int64(0)
	for {
		record, err := r.Read()
		if err == io.EOF {
			return Counts{countRecords: records, countValid: valid}, nil
		}
		if err == nil && records%4096 == 0 {
			err = ctx.Err()
		}
		if err != nil {
			return nil, err
		}
		records++
		n, err := person.ParseNHSNumber(record[0])
		if err != nil {
			continue
		}
		valid++
		if people != nil {
			people[n] = struct{}{}
		}
	}
}

// arrowCSV has Arrow's reader build the column of the numbers and no other.
func arrowCSV(ctx context.Context, t Task) (Counts, error) {
	f, err := os.Open(t.File)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	r := arrowcsv.NewInferringReader(f, arrowcsv.WithHeader(true), arrowcsv.WithChunk(8192),
		arrowcsv.WithIncludeColumns([]string{numberColumn}), arrowcsv.WithColumnTypes(map[string]arrow.DataType{numberColumn: arrow.BinaryTypes.String}))
	defer r.Release()
	counts := Counts{countRecords: 0, countValid: 0}
	for r.Next() {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		counts[countRecords] += r.Record().NumRows()
		numbers := r.Record().Column(0).(*array.String)
		for i := range numbers.Len() {
			if _, err := person.ParseNHSNumber(numbers.Value(i)); err == nil {
				counts[countValid]++
			}
		}
	}
	return counts, r.Err()
}

const numberColumn = "nhs_number"
