package intake

import (
	"bufio"
	"context"
	"fmt"
	"iter"
	"maps"
	"os"

	"github.com/apache/arrow/go/v15/arrow/array"

	"cohort/ingest"
	"cohort/ingest/person"
	"cohort/shard"
)

// parse reads a cohort as little as the product can: nothing is carried, required or
// typed. NHS numbers are checked, since there is no reading without.
func parse(ctx context.Context, t Task) (Counts, error) {
	return read(ctx, t.File, ingest.Options{}, nil)
}

// validate reads a cohort with all that the campaign asks of a record.
func validate(ctx context.Context, t Task) (Counts, error) {
	return read(ctx, t.File, checks(t), nil)
}

// fiveTypes is validate with every column typed that has a type to have.
func fiveTypes(ctx context.Context, t Task) (Counts, error) {
	o := checks(t)
	o.Types = maps.Clone(o.Types)
	maps.Copy(o.Types, map[string]ingest.Type{"date_of_birth": "date", "postcode": "postcode", "mobile": "uk_mobile"})
	return read(ctx, t.File, o, nil)
}

// checks are the campaign's options without the fields that are carried.
func checks(t Task) ingest.Options {
	o := t.Product.Options
	o.Fields = nil
	return o
}

// distinct is validate, and counts the people.
func distinct(ctx context.Context, t Task) (Counts, error) {
	var all census
	counts, err := read(ctx, t.File, checks(t), all.add)
	if err == nil {
		counts[countPeople] = all.people()
	}
	return counts, err
}

// read reads a cohort. each, which may be nil, takes the numbers of every batch.
func read(ctx context.Context, path string, o ingest.Options, each func(*array.Uint64)) (Counts, error) {
	r, err := ingest.Open(ctx, []string{path}, o)
	if err != nil {
		return nil, err
	}
	for batch, err := range r.Records() {
		if err != nil {
			return nil, err
		}
		if each != nil {
			each(batch.Column(person.ColumnNumber).(*array.Uint64))
		}
	}
	s := r.Summary()
	return Counts{countRecords: s.Records, countValid: s.Sendable}, nil
}

// wholePrepare does what a send does before it plans.
func wholePrepare(ctx context.Context, t Task) (Counts, error) {
	m, err := t.Product.Prepare(ctx, t.File, t.Folder, listed(t.List))
	if err != nil {
		return nil, err
	}
	return Counts{
		countRecords: m.Records, countValid: m.Records - m.Invalid, countPeople: m.Sendable + m.Suppressed, countSuppressed: m.Suppressed,
	}, nil
}

// listed yields the people of a list, which has one number a line.
func listed(path string) iter.Seq2[shard.Exclusion, error] {
	return func(yield func(shard.Exclusion, error) bool) {
		f, err := os.Open(path)
		if err != nil {
			yield(shard.Exclusion{}, err)
			return
		}
		defer func() { _ = f.Close() }()
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			n, err := person.ParseNHSNumber(lines.Bytes())
			if err != nil {
				err = fmt.Errorf("the list of people to leave out: %w", err)
			}
			if !yield(shard.Exclusion{Number: n, Reason: "opted_out"}, err) || err != nil {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield(shard.Exclusion{}, err)
		}
	}
}
