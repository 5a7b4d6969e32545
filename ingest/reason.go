package ingest

import (
	"cmp"
	"errors"
	"slices"
	"strconv"

	"cohort/ingest/person"
)

// verdict is the outcome of a record: sendable, or an index into the tallies of the
// reasons for which it is not.
type verdict int

const sendable verdict = -1

// The verdicts whose place does not depend on the options. Behind them stands one
// for each required field.
const (
	fewer verdict = iota
	more
	noUTF8
	noText
	otherRange
	firstNumber // one for each of numberErrors
)

var numberErrors = []error{
	person.ErrNumberMissing,
	person.ErrNumberLength,
	person.ErrNumberDigits,
	person.ErrNumberCheck,
	person.ErrNumberRepeated,
}

var firstRequired = firstNumber + verdict(len(numberErrors))

// Reason tallies one reason for which records are invalid.
type Reason struct {
	Code  string  // one of person's codes
	Words string  // the same for every record counted here, without personal data
	Count int64   // records
	Lines []int64 // where the first of them start, at most 5, 1-based
}

// reasons lists a tally for each verdict.
func reasons(required []string, only Range) []Reason {
	all := []Reason{
		fewer:      {Code: person.CodeWrongColumns, Words: "fewer values than the header has"},
		more:       {Code: person.CodeWrongColumns, Words: "more values than the header has"},
		noUTF8:     {Code: person.CodeBadEncoding, Words: "the record holds bytes that are not UTF-8"},
		noText:     {Code: person.CodeBadEncoding, Words: "the record holds a NUL byte"},
		otherRange: {Code: person.CodeTestNumber, Words: only.words()},
	}
	for _, err := range numberErrors {
		all = append(all, Reason{Code: person.CodeBadNumber, Words: err.Error()})
	}
	for _, field := range required {
		all = append(all, Reason{Code: person.CodeEmptyRequired, Words: "the required field " + strconv.Quote(field) + " is empty"})
	}
	return all
}

// numberVerdict finds the verdict for an error of person.ParseNHSNumber.
func numberVerdict(err error) verdict {
	for i, known := range numberErrors {
		if errors.Is(err, known) {
			return firstNumber + verdict(i)
		}
	}
	panic("ingest: an NHS number refused for an unknown reason: " + err.Error())
}

func (t *Reason) add(line int64) {
	t.Count++
	if len(t.Lines) < 5 {
		t.Lines = append(t.Lines, line)
	}
}

// ranked returns the reasons that occurred, the most frequent first.
func ranked(all []Reason) []Reason {
	var seen []Reason
	for _, t := range all {
		if t.Count > 0 {
			t.Lines = slices.Clone(t.Lines)
			seen = append(seen, t)
		}
	}
	slices.SortStableFunc(seen, func(a, b Reason) int { return cmp.Compare(b.Count, a.Count) })
	return seen
}

// Summary is the account of a file: Records is Sendable plus Invalid, and Invalid
// is the sum of the reasons' counts.
type Summary struct {
	Records    int64    // records in the file, the header not counted
	Sendable   int64    // duplicates included: ingest does not know them
	Test       int64    // sendable records of test patients
	Invalid    int64    // records that cannot be sent
	BlankLines int64    // empty lines, which are no records
	Bytes      int64    // bytes read
	Reasons    []Reason // why records are invalid, the most frequent first
}

// Range says which NHS numbers may be sent to. Numbers that start with 9 are test
// patients': they were never issued to anybody.
type Range int

// The ranges.
const (
	AnyNumber   Range = iota
	TestNumbers       // only those that start with 9
	RealNumbers       // only those that do not
)

func (r Range) words() string {
	if r == TestNumbers {
		return "the NHS number is not a test patient's, and the campaign's profile is test"
	}
	return "the NHS number is a test patient's, and the campaign's profile is production"
}

// holds reports whether a number may be sent to.
func (r Range) holds(n person.NHSNumber) bool {
	return r == AnyNumber || (r == TestNumbers) == n.IsTest()
}
